"""
What it costs to pass a healthy stream on.

Method
------
The provider, each proxy and the client are processes of their own. In each
round every system is measured once, one after the other, so that a machine
that gets slower slows all of them; every second round goes backwards, so that
none of a pair is always the later one. 40 clients arrive one by one, each gets 50
tokens a second. Between the moment when all streams flow and shortly before
the first one ends, the server's processor time is divided by the tokens that
the clients got. A second figure is each client's time to the first content,
less the same against the provider itself. Memory is read before the first
request, with 40 streams and with 200. In a full run the other two wires are
measured beside chat, on the same server.

Ratios are taken within a round. Where a ratio differs by more than a fifth
from round to round, the machine was too noisy, and the result says so.
"""

from __future__ import annotations

import enum
import statistics
from collections.abc import Mapping, Sequence
from typing import Final

import trio
from attrs import define, evolve, field, frozen

from trooper.bench import nginx
from trooper.bench.crowd import CHAT, MESSAGES, RESPONSES, Crowd, Spoken
from trooper.bench.other import Place, place_of, tried
from trooper.bench.processes import cost_of, cost_of_group
from trooper.bench.progress import Progress
from trooper.bench.result import Asked, Mode
from trooper.bench.rig import Rig, Running, Serving, toml

STREAMS: Final = 40
MANY: Final = 200
TOKEN_S: Final = 0.02
#: 200 streams at this pace are 1,000 tokens a second: memory is measured, not speed.
_SLOW_TOKEN_S: Final = 0.2
#: A stream that broke never begins.
_BEGUN_S: Final = 60.0
_NOISE: Final = 0.2
_MIB: Final = 2**20


class Mark(enum.Enum):
    """A system that is measured."""

    DIRECT = "direct"
    NGINX = "nginx"
    TRIO = "trooper, -k trio"
    TRIO_OPEN = "trooper, -k trio, gate off"
    GUEST = "trooper, asyncio guest"
    MESSAGES = "trooper, -k trio, Messages"
    RESPONSES = "trooper, -k trio, Responses"
    OTHER = "the other proxy"


#: What the clients of a system speak, where it is not chat.
SPOKEN: Final[Mapping[Mark, Spoken]] = {Mark.MESSAGES: MESSAGES, Mark.RESPONSES: RESPONSES}
#: The wires of providers, by the names of configurations.
_WIRES: Final = ("openai-responses", "anthropic-messages")


@frozen
class Plan:
    """How long and how often."""

    rounds: int
    tokens: int
    arrival_s: float


FULL: Final = Plan(rounds=7, tokens=250, arrival_s=0.025)
QUICK: Final = Plan(rounds=1, tokens=110, arrival_s=0.015)


@frozen
class System:
    """What is measured: where clients reach it, what they say there, and whose processor time it is."""

    port: int
    running: Running | None = None
    spoken: Spoken = CHAT
    host: str = "127.0.0.1"
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)


@frozen
class Sample:
    """One system in one round: µs of processor time per token, and seconds to the first content."""

    cpu_us: float | None
    first_s: tuple[float, ...]
    tokens: int
    broken: int


@frozen
class Memory:
    """Resident MiB of the process that serves, and of it with its supervisor."""

    idle: float
    at_40: float
    at_200: float
    idle_with_supervisor: float


@define
class Measured:
    """Everything that was measured."""

    plan: Plan
    samples: dict[Mark, list[Sample]] = field(factory=dict)
    memory: dict[Mark, Memory] = field(factory=dict)

    def cpu_us(self, mark: Mark) -> float | None:
        """The median over the rounds."""
        values = [s.cpu_us for s in self.samples.get(mark, ()) if s.cpu_us is not None]
        return statistics.median(values) if values else None

    def ratios(self, mark: Mark, base: Mark = Mark.NGINX) -> list[float]:
        """Processor time against that of `base`, round by round."""
        pairs = zip(self.samples.get(mark, ()), self.samples.get(base, ()), strict=False)
        return [a.cpu_us / b.cpu_us for a, b in pairs if a.cpu_us and b.cpu_us]

    def vs_chat(self, mark: Mark) -> float | None:
        """Processor time of another wire against chat's, the median of the rounds."""
        ratios = self.ratios(mark, Mark.TRIO)
        return statistics.median(ratios) if ratios else None

    def added_ms(self, mark: Mark) -> tuple[float, float] | None:
        """Added time to the first content, p50 and p99 over all rounds."""
        if mark in SPOKEN:
            # Another wire says more before its first content; directly only chat is measured.
            return None
        here, direct = self._first(mark), self._first(Mark.DIRECT)
        if len(here) < 2 or len(direct) < 2:
            return None
        base = statistics.median(direct)
        p99 = statistics.quantiles(here, n=100, method="inclusive")[98]
        return 1000 * (statistics.median(here) - base), 1000 * (p99 - base)

    def _first(self, mark: Mark) -> list[float]:
        return [at for sample in self.samples.get(mark, ()) for at in sample.first_s]

    @property
    def broken(self) -> int:
        """Streams that did not come to their end, on any system."""
        return sum(sample.broken for samples in self.samples.values() for sample in samples)

    @property
    def noisy(self) -> bool:
        """Whether a ratio differed too much from round to round."""
        return any(_spread(self.ratios(mark)) > _NOISE for mark in self.samples)


def _spread(values: Sequence[float]) -> float:
    """How far the middle half of the values lies apart, as a share of the median."""
    if len(values) < 3:
        return 0.0
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return (high - low) / middle


async def measure_costs(rig: Rig, asked: Asked, progress: Progress) -> Measured:
    """
    Measure all systems that are there.

    Raises:
        NotStarted: a program does not start.
    """
    plan = QUICK if asked.mode is Mode.QUICK else FULL
    result = Measured(plan)
    provider_port, ollama_port = (
        (asked.compare.provider_port, asked.compare.ollama_port) if asked.compare else (0, 0)
    )
    provider = await rig.provider(token_s=TOKEN_S, answer="word " * plan.tokens, port=provider_port)
    slow = await rig.provider(token_s=_SLOW_TOKEN_S, answer="word " * 60)
    local = await rig.ollama(port=ollama_port)
    systems = {Mark.DIRECT: System(provider.port)}
    if (program := nginx.find()) is not None:
        server = await nginx.start(rig, program, provider.port)
        systems[Mark.NGINX] = System(server.port, server)
    for mark, serving, gate in (
        (Mark.TRIO, Serving.TRIO, True),
        (Mark.TRIO_OPEN, Serving.TRIO, False),
        (Mark.GUEST, Serving.GUEST, True),
    ):
        config = toml(provider.url, local.url, server={"gate": gate}, wires=_WIRES)
        trooper = await rig.trooper(serving, config)
        systems[mark] = System(trooper.port, trooper)
    if plan is FULL:
        # The same server: what differs is the wire alone.
        systems |= {mark: evolve(systems[Mark.TRIO], spoken=spoken) for mark, spoken in SPOKEN.items()}
    if asked.compare is not None:
        place = place_of(asked.compare)
        await tried(place)
        systems[Mark.OTHER] = system_of(place)
    with progress.counting("pass-through", plan.rounds * len(systems) + 2) as step:
        for number in range(plan.rounds):
            for mark, system in list(systems.items())[:: -1 if number % 2 else 1]:
                result.samples.setdefault(mark, []).append(await sample(plan, system))
                step()
        for mark, serving in ((Mark.TRIO, Serving.TRIO), (Mark.GUEST, Serving.GUEST)):
            trooper = await rig.trooper(serving, toml(slow.url, local.url))
            if (memory := await _memory(trooper)) is not None:
                result.memory[mark] = memory
            await rig.stop(trooper)
            step()
    return result


def system_of(place: Place) -> System:
    """The other proxy, asked as it wants to be asked."""
    spoken = evolve(CHAT, path=place.path, more={"model": place.model})
    return System(place.port, None, spoken, place.host, place.headers)


async def sample(plan: Plan, system: System, streams: int = STREAMS) -> Sample:
    """Let `streams` clients come and hear their streams to the end."""
    crowd = Crowd(system.port, streams, plan.arrival_s, system.spoken, system.host, system.headers)
    cpu_us = None
    steady_s = plan.tokens * TOKEN_S - streams * plan.arrival_s - 4 * TOKEN_S
    async with trio.open_nursery() as nursery:
        nursery.start_soon(crowd.run)
        # A stream that breaks never begins: then the crowd's end ends the wait.
        with trio.move_on_after(plan.tokens * TOKEN_S):
            await crowd.all_begun.wait()
        before, tokens = _cpu_s(system.running), crowd.tokens
        await trio.sleep(steady_s)
        after, tokens = _cpu_s(system.running), crowd.tokens - tokens
        if before is not None and after is not None and tokens:
            cpu_us = 1e6 * (after - before) / tokens
    return Sample(cpu_us, tuple(crowd.first_s), tokens, crowd.broken)


def _cpu_s(running: Running | None) -> float | None:
    cost = None if running is None else cost_of_group(running.pid)
    return None if cost is None else cost.cpu_s


async def _memory(trooper: Running) -> Memory | None:
    idle, with_supervisor = cost_of(trooper.serving_pid), cost_of_group(trooper.pid)
    at: list[float] = []
    for streams in (STREAMS, MANY):
        crowd = Crowd(trooper.port, streams, 0.005)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(crowd.run)
            with trio.move_on_after(_BEGUN_S):
                await crowd.all_begun.wait()
            cost = cost_of(trooper.serving_pid)
            at.append(0.0 if cost is None else cost.rss_bytes / _MIB)
            nursery.cancel_scope.cancel(reason="the memory was read")
    if idle is None or with_supervisor is None:
        return None
    return Memory(idle.rss_bytes / _MIB, at[0], at[1], with_supervisor.rss_bytes / _MIB)

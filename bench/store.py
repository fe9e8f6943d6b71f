"""
What the store costs: `python bench/store.py [--pairs 30] [--starts 3] [--before PLACE]`.

One Trooper has two stores, one in a folder and one in memory, and a signal says
which of them counts. Each pair asks it for the same answers, once with this and
once with that, and what is shown is the processor time of the one divided by
that of the other, within a pair: so a machine that gets slower or busier slows
both. PLACE is another version, by its Python or by the folder of its checkout;
it runs beside, and each pair asks it as well. Two processes are never quite
alike, so all are started anew a few times.

Four figures: a short answer on its own with a rest behind it, which is a batch of its
own in the file and finds nothing warm; one of twenty that follow each other; one of twenty
at once; and a token of a long one.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import trio
from attrs import define, frozen

from trooper import services
from trooper.bench.processes import cost_of_group
from trooper.bench.rig import Rig, open_rig, run
from trooper.bench.running import Running
from trooper.commands.cli import main as trooper
from trooper.config import Config
from trooper.services import store_of
from trooper.store import MemoryStore
from trooper.store.opening import Opened
from trooper.testing.client import Heard, ask

TOKENS: Final = 1_000
#: A batch is written within this time of an answer's end.
BEHIND_S: Final = 0.3
#: The first answers read code for the first time.
WARM: Final = 3
CONFIG: Final = """
[[targets]]
name = "{name}"
wire = "openai-chat"
base_url = "{cloud}/v1"
key = "client"
[[targets]]
name = "long"
wire = "openai-chat"
base_url = "{long}/v1"
key = {{ env = "BENCH_KEY" }}
[[targets]]
name = "local"
wire = "ollama-chat"
base_url = "{local}"
[chains]
"long" = ["long", "local"]
"*" = ["{name}", "local"]
"""


@define
class Either:
    """The store that is asked at the moment."""

    chosen: Any

    def __getattr__(self, name: str) -> Any:
        return getattr(self.chosen, name)


def serve() -> None:
    """Trooper with two stores: SIGUSR1 has it take the one in the folder, SIGUSR2 the one in memory."""

    @asynccontextmanager
    async def both(config: Config, nursery: trio.Nursery) -> AsyncIterator[Opened]:
        async with store_of(config, nursery) as opened:
            stores = {signal.SIGUSR1: opened.store, signal.SIGUSR2: MemoryStore()}
            either: Any = Either(opened.store)
            for number, store in stores.items():
                signal.signal(number, lambda *_, store=store: setattr(either, "chosen", store))
            yield Opened(either, opened.key)

    vars(services)["store_of"] = both
    trooper()


@frozen
class Way:
    """A Trooper, and the signal before it is asked, if any."""

    name: str
    running: Running
    number: signal.Signals | None = None


@frozen
class Load:
    """What one measurement asks for: so many answers at once, so often. `share` of the cost is what is shown."""

    name: str
    model: str
    at_once: int
    share: int
    in_a_row: int = 1


LOADS: Final = (
    Load("a request alone, ms", "gpt-4o", 1, 1),
    Load("a request of 20 in a row, ms", "gpt-4o", 1, 20, 20),
    Load("a request of 20 at once, ms", "gpt-4o", 20, 20),
    Load("a token, µs", "long", 1, TOKENS),
)


def version(place: str) -> tuple[tuple[str, ...], dict[str, str]]:
    """How another version is started: its Python, or the folder of its checkout."""
    is_folder = Path(place).is_dir()
    python = sys.executable if is_folder else place
    return (python, "-m", "trooper"), {"PYTHONPATH": place if is_folder else ""}


async def started(rig: Rig, command: Sequence[str], env: dict[str, str], text: str) -> Running:
    """Trooper, once its standby is ready."""
    return await rig.trooper((*command, "serve", "--port", "0"), text, env={"BENCH_KEY": "sk-bench", **env})


async def cost_s(way: Way, load: Load, number: int) -> float:
    """Processor seconds of one measurement."""
    if way.number is not None:
        os.kill(way.running.pid, way.number)
    heard: list[Heard] = []
    before = cost_of_group(way.running.pid)
    for turn in range(load.in_a_row):
        async with trio.open_nursery() as nursery:
            for one in range(load.at_once):
                words = [{"role": "user", "content": f"Go on, {number}, {turn}, {one}."}]
                asked: dict[str, object] = {"model": load.model, "stream": True, "messages": words}
                headers = [("authorization", f"Bearer sk-{one}")]
                nursery.start_soon(partial(ask, way.running.port, asked, heard.append, headers=headers))
    await trio.sleep(BEHIND_S)
    after = cost_of_group(way.running.pid)
    if (
        before is None
        or after is None
        or sum(one.data == "[DONE]" for one in heard) != load.at_once * load.in_a_row
    ):
        sys.exit("not all answers came, or this system tells no costs")
    return (after.cpu_s - before.cpu_s) / load.share


async def measured(before: str | None, pairs: int, costs: dict[str, list[dict[str, float]]]) -> None:
    """One start of everything, and so many pairs of each load."""
    async with open_rig() as rig:
        cloud = await rig.provider(answer="word " * 20)
        long = await rig.provider(answer="word " * TOKENS, token_s=0.001)
        local = await rig.ollama()
        text = CONFIG.format(name="openai", cloud=cloud.url, long=long.url, local=local.url)
        now = await started(rig, (sys.executable, __file__), {}, text)
        ways = [Way("folder", now, signal.SIGUSR1), Way("memory", now, signal.SIGUSR2)]
        if before is not None:
            ways.append(Way("before", await started(rig, *version(before), text)))
        for number in range(-WARM, pairs):
            # Each is the first one as often as the others.
            turned = [*ways[number % len(ways) :], *ways[: number % len(ways)]]
            for load in LOADS:
                found = {way.name: await cost_s(way, load, number) for way in turned}
                if number >= 0:
                    costs.setdefault(load.name, []).append(found)


def tell(costs: dict[str, list[dict[str, float]]]) -> None:
    """Say what is known so far."""
    for name, found in costs.items():
        scale = 1e6 if name.endswith("µs") else 1e3
        for other in [way for way in found[0] if way != "folder"]:
            ratios = [one["folder"] / one[other] for one in found]
            low, median, high = statistics.quantiles(ratios, n=4)
            ours, theirs = (statistics.median(one[way] for one in found) * scale for way in ("folder", other))
            print(
                f"{name}: folder {ours:.3f}, {other} {theirs:.3f}; ratio {median:.3f}, "
                f"the middle half {low:.3f} to {high:.3f}, {len(ratios)} pairs",
                flush=True,
            )


async def main(pairs: int, starts: int, before: str | None) -> int:
    costs: dict[str, list[dict[str, float]]] = {}
    for _ in range(starts):
        await measured(before, pairs, costs)
        tell(costs)
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve()
        sys.exit()
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--starts", type=int, default=3)
    parser.add_argument("--before", help="another version: its Python, or the folder of its checkout")
    chosen = parser.parse_args()
    sys.exit(run(partial(main, chosen.pairs, chosen.starts, chosen.before)))

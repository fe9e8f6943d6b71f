"""
Whatever happens, no model is loaded anew that the rules of the window forbid.

Programs of what requests, other applications and the machine do at the same
time, made by hypothesis and played on virtual time; then each load that the
fake has seen is held against the rules, which are written down here once more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import trio
import trio.testing
from attrs import define, field, frozen
from hypothesis import given
from hypothesis import strategies as st

from raw_http import Client
from scenes import Exchange, Stage, configured, stage, with_target
from trooper.targets.standby.growing import GrowingStandby
from trooper.testing import DEFAULT_ANSWER, FAULTS, FakeOllama, FaultAt, Model, OllamaFault, ScriptedProvider
from trooper.testing.ollama.runner import Load

GIB = 1 << 30
MODEL = Model(context_length=32_768, size=2 * GIB)
#: What our requests ask for and no other application here does.
OURS_S = 1800.0
#: So long a load takes.
LOAD_S = 2.0
#: Turns of 25 tokens or more, by any count.
TURN = "What does the keeper of the lamp write down, hour after hour, when nobody is there to read it? "


@frozen
class Ask:
    """A request of so many turns, whose cloud dies or does not, quickly or slowly."""

    turns: int
    fault: str | None
    pace_s: float


@frozen
class Other:
    """Another application's use of the model."""

    takes_s: float


@frozen
class Pass:
    """Time passes, for all that goes on."""

    seconds: float


@frozen
class Memory:
    """The machine has so much left."""

    free_bytes: int | None


@frozen
class Loads:
    """From now on loads fail, or do not."""

    fail: bool


Step: TypeAlias = Ask | Other | Pass | Memory | Loads
STEPS = st.lists(
    st.builds(
        Ask,
        st.sampled_from((1, 100, 300, 700)),
        st.sampled_from((None, "reset", "status-429", "silence")),
        st.sampled_from((0.0, 1.0)),
    )
    | st.builds(Other, st.sampled_from((0.5, 40.0)))
    | st.builds(Pass, st.sampled_from((0.1, 5.0, 45.0, 61.0, 400.0)))
    | st.builds(Memory, st.sampled_from((None, GIB, 3 * GIB // 2, 64 * GIB)))
    | st.builds(Loads, st.booleans()),
    max_size=12,
)
SETTINGS = st.sampled_from(
    ({}, {}, {}, {"slots": 2}, {"num_ctx": 8192}, {"window_max_tokens": 16_384}, {"keep_alive": "-1s"})
)


@define
class Played:
    """What has happened: the spans in which others used the model, and in which requests were there."""

    others: list[tuple[float, float]] = field(factory=list)
    asked: list[tuple[float, float, int]] = field(factory=list)
    #: When requests were with our own server.
    ours: list[tuple[float, float]] = field(factory=list)
    exchanges: list[Exchange] = field(factory=list)
    history: Sequence[Load] = ()
    #: The steps that were begun, and those that were undone.
    grown: list[tuple[int, int]] = field(factory=list)
    undone: list[tuple[int, int]] = field(factory=list)


async def play(steps: Sequence[Step], changes: dict[str, Any], vram_bytes: int) -> Played:
    played = Played()
    config = with_target(configured(), "ollama", **changes)
    ollama = FakeOllama(
        models=(MODEL,), load_s=LOAD_S, vram_bytes=vram_bytes, parallel=changes.get("slots", 1)
    )
    async with stage(ScriptedProvider(), ollama, config) as s:
        standby = s.services.standbys["ollama"]
        assert isinstance(standby, GrowingStandby)
        standby.windows.free_bytes = lambda: 64 * GIB
        async with trio.open_nursery() as nursery:
            for step in steps:
                match step:
                    case Ask():
                        nursery.start_soon(_ask, s, step, played)
                    case Other(takes_s):
                        nursery.start_soon(_other, s, takes_s, played)
                    case Pass(seconds):
                        await trio.sleep(seconds)
                    case Memory(free_bytes):
                        standby.windows.free_bytes = lambda free_bytes=free_bytes: free_bytes  # type: ignore[misc]
                    case Loads(fail):
                        ollama.load_fault = OllamaFault("status", status=500) if fail else None
                await trio.sleep(0.01)
        ollama.load_fault = None
        await trio.sleep(100)
        played.history = list(ollama.loader.history)
        for line in s.log:
            if line["event"] not in ("standby_window_grows", "standby_window_goes_back"):
                continue
            step_of = (line["before_tokens"], line["window_tokens"])
            if line.get("reason") == "another_application":
                # Nobody knows whether that could have been carried: it was not begun.
                played.grown.remove(step_of)
            else:
                (played.grown if line["event"].endswith("grows") else played.undone).append(step_of)
    return played


async def _ask(s: Stage, step: Ask, played: Played) -> None:
    s.cloud.pace_s = step.pace_s
    if step.fault is not None:
        position = "start" if step.fault.startswith("status") else "middle"
        s.cloud.play_next(FaultAt(FAULTS[step.fault], position))
    began, exchange = trio.current_time(), Exchange()
    turns = [{"role": "user", "content": f"{n}: {TURN}"} for n in range(step.turns)]
    await s.play(exchange, messages=turns)
    played.asked.append((began, trio.current_time(), step.turns))
    played.exchanges.append(exchange)
    if len(exchange.report["legs"]) > 1:
        played.ours.append((began, trio.current_time()))


async def _other(s: Stage, takes_s: float, played: Played) -> None:
    """It has no keep-alive of its own, and the window that the server gives everybody."""
    began = trio.current_time()
    asked = {"model": MODEL.name, "messages": [{"role": "user", "content": "Hello?"}], "options": {"seed": 7}}
    s.ollama.token_s, before = takes_s / 60, s.ollama.token_s
    await Client(s.network, base="http://127.0.0.1:11434", read_timeout_s=math.inf).post("/api/chat", asked)
    s.ollama.token_s = before
    played.others.append((began, trio.current_time()))


def hold(played: Played, changes: dict[str, Any]) -> None:
    """Hold each load of ours against the rules."""
    ours = [load for load in played.history if load.keep_alive_s != 300.0 and _is_ours(load)]
    bound = min(MODEL.context_length, changes.get("window_max_tokens", 65_536))
    before: Load | None = None
    for load in ours:
        if "num_ctx" in changes:
            # The user's number, or what another application has made of it.
            assert load.num_ctx in (changes["num_ctx"], 4096), "a number of the user's was changed"
            continue
        if load.replaced is None or load.replaced == load.num_ctx:
            before = load
            continue
        if load.num_ctx < load.replaced:
            assert before is not None, "it shrank"
            assert (before.replaced, before.num_ctx) == (load.num_ctx, load.replaced), "it shrank"
        else:
            assert load.num_ctx <= bound, "beyond the bound"
            assert not _others_near(played, load.at), "somebody else was there"
            assert any(b <= load.at <= e and turns > 1 for b, e, turns in played.asked), "for nobody"
        before = load
    assert len(set(played.undone)) == len(played.undone), "what could not be carried was tried again"
    refused = min((to for _, to in played.undone), default=math.inf)
    if played.undone:
        behind = played.grown[played.grown.index(played.undone[0]) + 1 :]
        assert all(to < refused for _, to in behind if (_, to) not in played.undone), "more than was refused"
    for before_tokens, to in played.grown:
        assert to == bound or to & (to - 1) == 0 or 2 * to >= 3 * before_tokens, "a step that is none"


def _is_ours(load: Load) -> bool:
    return load.keep_alive_s is not None


def _others_near(played: Played, at: float) -> bool:
    """
    Somebody else used it within the last minute, or still does; a moment is left for the way to the server.

    A use that ends while one of ours is in the server leaves no trace, and one
    that ends within a second behind one is taken for ours. Loads are uses, too.
    """
    loads = [(load.at, load.at + LOAD_S) for load in played.history if load.keep_alive_s == OURS_S]
    ours = [*played.ours, *loads]
    seen = [(b, e) for b, e in played.others if not any(b2 <= e <= e2 + 1.05 for b2, e2 in ours)]
    return any(began < at - 0.05 and ended > at - 59.0 for began, ended in seen)


@given(STEPS, SETTINGS, st.sampled_from((0, 2 * GIB + GIB // 4, 8 * GIB)))
def test_no_load_that_the_rules_forbid(steps: list[Step], changes: dict[str, Any], vram_bytes: int) -> None:
    clock = trio.testing.MockClock(autojump_threshold=0)
    played = trio.run(play, steps, changes, vram_bytes, clock=clock)
    hold(played, changes)
    for exchange in played.exchanges:
        if exchange.status == 200:
            said = exchange.chat()
            assert DEFAULT_ANSWER.startswith(said.text)
            assert said.error is not None or said.text == DEFAULT_ANSWER

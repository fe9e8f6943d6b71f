"""
Cancellation: a request is cancelled at its k-th step, for every k, and each
time nothing of it is left: no task, no connection in use, no slot taken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing
from attrs import define, field

from scenes import Exchange, Stage, stage
from trooper.testing import FAULTS, ChatAnswer, FakeOllama, FaultAt, ScriptedProvider, tokens

ANSWER = "Keep the light on. All night."


@pytest.fixture(autouse=True)
def _same_order_every_time(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Trio runs ready tasks in a random order on purpose; here each k must mean the same step."""
    monkeypatch.setattr(trio._core._run, "_ALLOW_DETERMINISTIC_SCHEDULING", True)
    state = trio._core._run._r.getstate()
    yield
    trio._core._run._r.setstate(state)


@define(eq=False)
class AtStep(trio.abc.Instrument):
    """Acts before the k-th step that any task takes."""

    k: int
    act: Callable[[], object]
    steps: int = field(default=0, init=False)

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.steps += 1
        if self.steps == self.k:
            self.act()


async def cancelled_at(s: Stage, k: int, *, leaves: bool) -> tuple[bool, int]:
    """Play one request, cancelled or left at step k; whether it got that far, and the tasks left."""
    trio._core._run._r.seed(k)
    scope = trio.CancelScope()
    x = Exchange()
    instrument = AtStep(k, x.leave if leaves else scope.cancel)
    trio.lowlevel.add_instrument(instrument)
    try:
        with scope:
            await s.play(x)
    finally:
        trio.lowlevel.remove_instrument(instrument)
    # Long enough for every goodbye, and shorter than the standby's next look.
    await trio.sleep(3)
    return instrument.steps >= k, trio.lowlevel.current_statistics().tasks_living


@pytest.mark.parametrize("leaves", [False, True], ids=["cancelled", "left"])
@pytest.mark.parametrize(
    ("fault", "position"),
    [(None, 0), ("reset", 3), ("status-503", 0), ("clean-eof", 2), ("silence", 3)],
    ids=["healthy", "continued", "restarted", "early end", "stalled"],
)
async def test_nothing_is_left(autojump_clock: Any, fault: str | None, position: int, leaves: bool) -> None:
    script = None if fault is None else FaultAt(FAULTS[fault], position)
    cloud = ScriptedProvider(ChatAnswer(tokens=tuple(tokens(ANSWER))), script=script)
    async with stage(cloud, FakeOllama(answer=ANSWER)) as s:
        await s.ask()
        await trio.sleep(3)
        tasks = trio.lowlevel.current_statistics().tasks_living
        standby = s.services.standbys["ollama"]
        k, more = 0, True
        while more:
            k += 1
            more, left = await cancelled_at(s, k, leaves=leaves)
            assert left <= tasks, k
            assert standby.slots.borrowed_tokens == 0, k
            assert s.cloud.open_connections <= 1, k
            assert s.ollama.open_connections <= 1, k
            # Nor does an end of ours outlive the other one.
            assert s.network.open_connections <= s.cloud.open_connections + s.ollama.open_connections, k
        # It got to the end of the request, and the request has many steps.
        assert k > 40
        assert (await s.ask()).chat().text == ANSWER


@pytest.mark.parametrize("at_s", [1.0, 4.0, 7.0])
async def test_who_leaves_in_any_of_several_choices_is_noticed(at_s: float, autojump_clock: Any) -> None:
    """A local model is asked for one choice after the other; behind the first one nobody noticed any more."""
    words = tokens(ANSWER)
    cloud = ScriptedProvider(script=FaultAt(FAULTS["status-503"]))
    async with stage(cloud, FakeOllama(answer=ANSWER, token_s=3.0 / len(words))) as s:
        x = Exchange()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(s.play, x, n=3))
            await trio.sleep(at_s)
            assert x.body
            x.leave()
        assert x.report["outcome"] == "client_cancelled"
        assert x.report["duration_s"] == pytest.approx(at_s, abs=0.1)

"""One leg while it runs: its task ends, its budgets, its line."""

from __future__ import annotations

from typing import Any

import trio
from attrs import evolve
from structlog.testing import capture_logs

from relay_parts import given
from scenes import configured
from trooper.config import Server, Target
from trooper.core.events import Finish, FinishReason, Other, Received, Text
from trooper.core.outcome import Answer, Completed, Failed, FailureKind, Phase
from trooper.core.prompt_reading import PromptRead, ToRead
from trooper.core.tally import LegTally
from trooper.core.unfit import Unfit
from trooper.relay.running_leg import RunningLeg, patience_with
from trooper.relay.splice import Splice
from trooper.targets.chain import Link
from trooper.targets.inbox import Bell, Ended, Granted, Inbox
from trooper.targets.leg import NoLeg
from trooper.telemetry.report import Ending, How


def target_of(name: str, **changes: Any) -> Target:
    return evolve(configured().target(name), **changes)


def running(target: Target) -> RunningLeg:
    splice = Splice(
        LegTally(target.name, "m"),
        given(),
        Server(),
        goes_on=False,
        is_first=True,
        streams=True,
        conversation=lambda: None,
        could_go_on=lambda: True,
        could_start_over=lambda: True,
    )
    return RunningLeg(
        Link(target, "m"), How.RESTART, splice, patience_with(target, streams=True), Inbox(Bell(), 1000)
    )


async def test_its_last_item_is_its_outcome(autojump_clock: Any) -> None:
    leg = running(target_of("openai"))
    await leg.run(NoLeg(Unfit.NO_MODEL))
    assert leg.inbox.take() == Ended(Failed(FailureKind.UNFIT, unfit_reason=Unfit.NO_MODEL))
    assert leg.closed.is_set()


async def test_it_closes_when_it_is_cancelled_too(autojump_clock: Any) -> None:
    """The conductor has lost patience; whoever waits for its connection must hear of it."""
    leg = running(target_of("ollama"))
    leg.scope.cancel()
    await leg.run(NoLeg(Unfit.NO_MODEL))
    assert leg.closed.is_set()


async def test_a_cloud_has_no_load_to_wait_for(autojump_clock: Any) -> None:
    cloud = patience_with(target_of("openai", ttft_timeout_s=7.0), streams=True)
    local = patience_with(target_of("ollama", load_timeout_s=9.0), streams=True)
    now = trio.current_time()
    assert (cloud.due - now, local.due - now) == (7.0, 9.0)
    assert cloud.lost(now + 7.0) is FailureKind.TIMEOUT_TTFT
    assert local.lost(now + 9.0) is FailureKind.TIMEOUT_LOAD


async def test_how_it_gets_on_with_its_prompt(autojump_clock: Any) -> None:
    leg = running(target_of("ollama"))
    assert (leg.is_granted, leg.progress(0.0)) == (False, "")
    leg.granted(Granted("m", to_read=ToRead(2_000)), 0.0)
    assert leg.patience.due == 120.0 + 80.0
    assert (leg.is_granted, leg.progress(30.0)) == (True, "reading the prompt, about 2000 tokens, for 30 s")
    leg.hear_progress(Received(b"", (Other(read=PromptRead(1_900, 500)),)), 40.0)
    assert leg.progress(40.0) == "reading the prompt, 500 of 1900 tokens"
    assert leg.patience.due == 40.0 + 120.0 + 56.0
    with capture_logs() as log:
        for now in (59.0, 61.0, 62.0):
            leg.log_progress("r1", now)
    (line,) = log
    figures = (line["read_tokens"], line["prompt_tokens"], line["estimated"], line["for_s"])
    assert (line["event"], line["target"], figures) == ("reading_prompt", "ollama", (500, 1900, False, 61.0))
    leg.patience.hear(Received(b"", (Text("x"),)), 70.0)
    assert leg.progress(70.0) == ""


async def test_of_a_leg_that_is_over_nothing_is_told(autojump_clock: Any) -> None:
    leg = running(target_of("ollama"))
    leg.granted(Granted("m", to_read=ToRead(2_000)), 0.0)
    leg.scope.cancel()
    assert leg.progress(1.0) == ""


async def test_how_it_ends_when_patience_does(autojump_clock: Any) -> None:
    leg = running(target_of("openai", stall_timeout_s=5.0, terminator_timeout_s=2.0))
    leg.patience.hear(Received(b"", (Text("x"),)), 0.0)
    assert leg.tired(4.9) is None
    assert leg.tired(5.0) == Failed(FailureKind.STALL)
    leg.patience.hear(Received(b"", (Finish(FinishReason.STOP),)), 4.0)
    assert leg.tired(5.9) is None
    assert leg.tired(6.0) == Completed()


async def test_an_answer_in_one_piece_has_a_budget_of_its_own(autojump_clock: Any) -> None:
    patience = patience_with(target_of("openai", whole_timeout_s=9.0), streams=False)
    assert patience.lost(trio.current_time() + 9.0) is FailureKind.TIMEOUT_WHOLE


async def test_its_line_in_the_report(autojump_clock: Any) -> None:
    await trio.sleep(1)
    began = trio.current_time()
    await trio.sleep(2)
    leg = running(target_of("openai"))
    await trio.sleep(0.5)
    leg.patience.hear(Received(b"", (Text("x"),)), trio.current_time())
    leg.splice.hear(Received(b"raw", (Text("Keep it.\n"),)))
    await trio.sleep(0.5)
    failed = Failed(FailureKind.STALL, Answer(200), unfit_reason=Unfit.CONTENT)
    line = leg.report(began, Phase.TEXT, failed)
    assert (line.started_s, line.first_content_s, line.ended_s) == (2.0, 2.5, 3.0)
    assert (line.target, line.model, line.tokens, line.estimated) == ("openai", "m", 3, True)
    assert (line.status, line.unfit_reason) == (200, Unfit.CONTENT)
    done = running(target_of("openai")).report(began, Phase.FINISHED, Completed())
    assert (done.outcome, line.outcome, done.status) == (Ending.COMPLETED, FailureKind.STALL, None)
    open_line = running(target_of("openai")).report(began, Phase.PREAMBLE, Ending.CLIENT_CANCELLED)
    assert (open_line.first_content_s, open_line.status, open_line.unfit_reason) == (None, None, None)

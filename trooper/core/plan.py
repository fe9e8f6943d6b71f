"""
What comes next when a leg has ended.

One function decides. It is given the outcome, what the client has, and the
targets that are left with their fitness; it returns a step. It waits for
nothing and asks nobody.

The rules, in the order in which they are tried:

1. Completed: the answer is whole.
2. The client has a finish reason: only the terminator is missing (P5).
3. The target refused what another one has said in an earlier turn: it is
   asked once more without that.
4. The first target failed in a way that another must not paper over: pass
   its own words on.
5. The client has whole tool calls and none open: finish the turn with those.
   The agent runs them and its next turn goes on. Or it has as much text as it
   asked for: that is a finish, too.
6. Nothing has been given that a restart would repeat: the next fit target
   starts from the beginning. Reasoning alone may be followed by an answer.
7. Text has been given: the next target that is fit to continue does. A part of
   a tool call has been given: the next target that a grammar can bind to the
   rest of it.
8. Nobody is left: give up, and say so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias, assert_never

from attrs import frozen

from trooper.core.events import FinishReason
from trooper.core.outcome import PASSING, Completed, Failed, FailureKind, Outcome
from trooper.core.transcript import Transcript
from trooper.core.unfit import Unfit


@frozen
class Candidate:
    """
    A target that has not been tried yet, and whether it can take the request.

    `cannot_restart`, `cannot_go_on` and `cannot_finish_call` say why it cannot
    start from the beginning, continue from here, or write the rest of a tool
    call; `None` means that it can.
    """

    name: str
    cannot_restart: Unfit | None = None
    cannot_go_on: Unfit | None = None
    cannot_finish_call: Unfit | None = Unfit.NO_GRAMMAR


@frozen
class Restart:
    """Ask `target` for the whole answer; the client has nothing of it yet."""

    target: str


@frozen
class Continue:
    """Ask `target` for the rest of the answer."""

    target: str


@frozen
class FinishCall:
    """Ask `target` for the rest of the tool call that the client has a part of."""

    target: str


@frozen
class Terminate:
    """The answer is whole; add what is missing of its end."""


@frozen
class FinishTurn:
    """End the turn here, with what the client has; nobody needs to be asked."""

    reason: FinishReason


@frozen
class PassOn:
    """Give the client the provider's own failure."""

    failed: Failed


@frozen
class GiveUp:
    """Nobody can go on. `failed` is the first failure: the one that is told."""

    failed: Failed


@frozen
class Retry:
    """Ask `target` once more; for a continuation by another way."""

    target: str


Step: TypeAlias = Restart | Continue | FinishCall | Terminate | FinishTurn | PassOn | GiveUp | Retry


def next_step(
    outcome: Outcome,
    transcript: Transcript,
    candidates: Sequence[Candidate],
    *,
    tried: str,
    first: Failed | None,
    may_retry: bool,
    failover: bool,
    tokens_left: int | None = None,
    can_heal: bool = False,
) -> Step:
    """
    Decide what happens after a leg.

    Args:
        outcome: how the leg ended.
        transcript: what the client has been given.
        candidates: the targets that are left, in the chain's order.
        tried: the target whose leg has ended.
        first: how the request's first leg failed, when an earlier one did.
        may_retry: whether this request still has its one retry.
        failover: whether the client wants another target to take over.
        tokens_left: what remains of the client's limit after what it has.
        can_heal: the target refused what came from another one, and would
            get the request without it.
    """
    if isinstance(outcome, Completed) or transcript.finish is not None:
        return Terminate()
    told = first or outcome
    if can_heal and may_retry:
        return Retry(tried)
    if not failover or (first is None and outcome.kind in PASSING):
        return PassOn(outcome)
    if transcript.tool_calls() and transcript.calls_are_whole and transcript.continuable:
        return FinishTurn(FinishReason.TOOL_CALLS)
    did_not_go_on = outcome.unfit_reason is Unfit.STARTS_ANEW or (
        transcript.has_text and outcome.kind is FailureKind.INVALID_REQUEST
    )
    retry = may_retry and (outcome.kind is FailureKind.EMPTY_200 or did_not_go_on)
    if not transcript.has_content:
        if retry:
            return Retry(tried)
        return next((Restart(c.name) for c in candidates if c.cannot_restart is None), GiveUp(told))
    if transcript.has_a_net and transcript.open_call() is not None:
        return next((FinishCall(c.name) for c in candidates if c.cannot_finish_call is None), GiveUp(told))
    if not _can_go_on(transcript):
        return GiveUp(told)
    if tokens_left is not None and tokens_left <= 0:
        return FinishTurn(FinishReason.LENGTH)
    if retry:
        return Retry(tried)
    return next((Continue(c.name) for c in candidates if c.cannot_go_on is None), GiveUp(told))


def passed_by(step: Step, candidates: Sequence[Candidate], transcript: Transcript) -> Mapping[str, Unfit]:
    """Which of `candidates` were left out on the way to `step`, and why each."""
    left_out: dict[str, Unfit | None] = {}
    for candidate in candidates:
        match step:
            case Restart(target) | Continue(target) | FinishCall(target) if target == candidate.name:
                break
            case Restart():
                left_out[candidate.name] = candidate.cannot_restart
            case FinishCall():
                left_out[candidate.name] = candidate.cannot_finish_call
            case Continue():
                left_out[candidate.name] = candidate.cannot_go_on
            case GiveUp() if transcript.has_content:
                left_out[candidate.name] = candidate.cannot_go_on
            case GiveUp():
                left_out[candidate.name] = candidate.cannot_restart
            case Terminate() | FinishTurn() | PassOn() | Retry():
                break
            case _ as never:
                assert_never(never)
    return {name: reason for name, reason in left_out.items() if reason is not None}


def _can_go_on(transcript: Transcript) -> bool:
    return transcript.has_text and transcript.calls_are_whole and transcript.has_a_net


def could_go_on(candidates: Sequence[Candidate]) -> bool:
    """Whether holding anything back can pay: somebody is left who could continue."""
    return any(c.cannot_go_on is None for c in candidates)

"""
What comes next when a leg has ended.

One function decides. It is given the outcome, what the client has, and the
links of the chain that are left with their fitness; it returns a step, which
says everything that is needed to carry it out. It waits for nothing and asks
nobody.

The rules, in the order in which they are tried:

1. Completed: the answer is whole.
2. The client has a finish reason: only the terminator is missing (P5).
3. The target refused what another one has said in an earlier turn: it is
   asked once more without that.
4. The first target failed in a way that another must not paper over: pass
   its own words on.
5. What several targets have written is not what the client asked for, and the
   client has a part of it: give up, since nobody can make it right.
6. The client has whole tool calls and none open: finish the turn with those.
   The agent runs them and its next turn goes on. Or it has as much text as it
   asked for: that is a finish, too.
7. Nothing has been given that a restart would repeat: the next fit target
   starts from the beginning. Reasoning alone may be followed by an answer.
8. Text has been given: the next target that is fit to continue does. A part of
   a tool call has been given: the next target that a grammar can bind to the
   rest of it.
9. Nobody is left, and the last one is a local model whose server broke off:
   it is asked once more, since a runner is started again within a second.
10. Give up, and say so.

Rule 7 and rule 8 ask the same target once more, before anybody else, where its
answer was empty, or was none to the half answer that it had: then by another
way. That, rule 3 and rule 9 are the one retry that a request has.

A target that asked to be left alone is not asked before its time is over, by
no step. Where a request begins and nobody else is fit, the client is told when
it is over (`cooled`).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Generic, TypeAlias, TypeVar, assert_never

from attrs import frozen

from trooper.core.events import FinishReason
from trooper.core.outcome import PASSING, Completed, Failed, FailureKind, Outcome
from trooper.core.transcript import Transcript
from trooper.core.unfit import Unfit

#: One link of a request's chain: a target, and the model it is asked for. The plan only passes it on.
L = TypeVar("L")


@frozen
class Candidate(Generic[L]):
    """
    A link of the chain that has not been tried yet, and whether it can take the request.

    Attributes:
        name: its target's name, for the log.
        cannot_restart: why it cannot answer from the beginning; `None` if it can.
        cannot_go_on: why it cannot continue from what the client has.
        cannot_finish_call: why it cannot write the rest of a tool call.
        cooling_s: for so many seconds more it asked to be left alone; 0: it did not.
        is_absent: nobody was there when it was last looked at.
    """

    link: L
    name: str
    cannot_restart: Unfit | None = None
    cannot_go_on: Unfit | None = None
    cannot_finish_call: Unfit | None = Unfit.NO_GRAMMAR
    cooling_s: float = 0.0
    is_absent: bool = False

    @property
    def is_cooling(self) -> bool:
        """Whether it asked to be left alone, and may not be asked yet."""
        return self.cooling_s > 0


@frozen
class Restart(Generic[L]):
    """
    Ask `link` for the whole answer; the client has nothing of it yet.

    `again`: it was asked before, and this is the request's one retry.
    """

    link: L
    again: bool = False


@frozen
class Continue(Generic[L]):
    """
    Ask `link` for the rest of the answer.

    `other_way`: its first way to go on did not do, and this is the request's one retry.
    `again`: it was asked before, and this is that retry; it knows its way.
    """

    link: L
    other_way: bool = False
    again: bool = False


@frozen
class FinishCall(Generic[L]):
    """
    Ask `link` for the rest of the tool call that the client has a part of.

    `again`: it was asked before, and this is the request's one retry.
    """

    link: L
    again: bool = False


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


#: The client has a part of what nobody can make right.
_BEYOND_MENDING: Final = (Unfit.SCHEMA, Unfit.THINKS_ALOUD)

#: How a leg ends whose server died or was started again under it. No word of ours about the request.
BROKE_OFF: Final = frozenset(
    {
        FailureKind.CONNECT,
        FailureKind.CONN_RESET,
        FailureKind.CONN_TRUNCATED,
        FailureKind.EOF_EARLY,
        FailureKind.IN_BAND_ERROR,
        FailureKind.SERVER_ERROR,
    }
)

#: Somebody is asked.
Ask: TypeAlias = Restart[L] | Continue[L] | FinishCall[L]
Step: TypeAlias = Ask[L] | Terminate | FinishTurn | PassOn | GiveUp


def next_step(
    outcome: Outcome,
    transcript: Transcript,
    candidates: Sequence[Candidate[L]],
    *,
    tried: L,
    first: Failed | None,
    may_retry: bool,
    failover: bool,
    tokens_left: int | None = None,
    can_heal: bool = False,
    once_more: Candidate[L] | None = None,
) -> Step[L]:
    """
    Decide what happens after a leg.

    Args:
        outcome: how the leg ended.
        transcript: what the client has been given.
        candidates: the links that are left, in the chain's order.
        tried: the link whose leg has ended.
        first: how the first leg failed, when an earlier one did; or that the one
            it was meant for is to be left alone.
        may_retry: whether this request still has its one retry.
        failover: whether the client wants another target to take over.
        tokens_left: what remains of the client's limit after what it has.
        can_heal: it refused what came from another one, and would be asked without that.
        once_more: `tried` again, where its server may be back in a moment.
    """
    if isinstance(outcome, Completed) or transcript.finish is not None:
        return Terminate()
    told = first or outcome
    if can_heal and may_retry:
        return Restart(tried, again=True)
    if not failover or (first is None and outcome.kind in PASSING):
        return PassOn(outcome)
    if outcome.unfit_reason in _BEYOND_MENDING:
        return GiveUp(told)
    understood = transcript.continuable and not transcript.has_unread
    if transcript.tool_calls() and transcript.calls_are_whole and understood:
        return FinishTurn(FinishReason.TOOL_CALLS)
    retry = may_retry and _is_worth_another_try(outcome, transcript)
    back = once_more if may_retry and outcome.kind in BROKE_OFF else None
    if not transcript.has_content:
        if retry:
            return Restart(tried, again=True)
        fit = _next_fit(candidates, back, _cannot_restart)
        return GiveUp(told) if fit is None else Restart(fit, again=fit == tried)
    if transcript.has_a_net and transcript.open_call() is not None:
        fit = _next_fit(candidates, back, _cannot_finish_call)
        return GiveUp(told) if fit is None else FinishCall(fit, again=fit == tried)
    if not _can_go_on(transcript):
        return GiveUp(told)
    if tokens_left is not None and tokens_left <= 0:
        return FinishTurn(FinishReason.LENGTH)
    if retry:
        # Who knows that its way is refused takes the other one by itself.
        return Continue(tried, other_way=not outcome.not_this_way, again=outcome.not_this_way)
    fit = _next_fit(candidates, back, _cannot_go_on)
    return GiveUp(told) if fit is None else Continue(fit, again=fit == tried)


def _is_worth_another_try(failed: Failed, transcript: Transcript) -> bool:
    """Whether nothing came, or it was the way to go on that did not do, and not the target."""
    refused = transcript.has_text and failed.kind is FailureKind.INVALID_REQUEST
    did_not_go_on = refused or failed.not_this_way or failed.unfit_reason is Unfit.STARTS_ANEW
    return did_not_go_on or failed.kind is FailureKind.EMPTY_200


def first_step(candidates: Sequence[Candidate[L]], otherwise: L) -> Restart[L] | GiveUp:
    """
    Where a request goes first; to `otherwise` where nobody is fit: its own words say why.

    To nobody where all who are fit asked to be left alone. Who is not there is
    asked before that: it may just have been started, and finding out is cheap.
    """
    fit = _first_fit(candidates, _cannot_restart)
    if fit is not None:
        return Restart(fit)
    soonest = first_to_cool(candidates)
    return Restart(otherwise) if soonest is None else GiveUp(cooled(soonest))


def first_to_cool(candidates: Sequence[Candidate[L]]) -> Candidate[L] | None:
    """Of those who could give the whole answer and asked to be left alone, the one whose time is over first."""
    waiting = [c for c in candidates if c.is_cooling and c.cannot_restart is None]
    return min(waiting, key=lambda candidate: candidate.cooling_s, default=None)


def cooled(candidate: Candidate[L]) -> Failed:
    """What the client is told of one that is to be left alone."""
    return Failed(FailureKind.RATE_LIMIT, retry_after_s=candidate.cooling_s, unfit_reason=Unfit.COOLING_DOWN)


def _first_fit(
    candidates: Sequence[Candidate[L]], why_not: Callable[[Candidate[L]], Unfit | None]
) -> L | None:
    fit = (c.link for c in candidates if why_not(c) is None and not c.is_cooling)
    return next(fit, None)


def _next_fit(
    candidates: Sequence[Candidate[L]],
    back: Candidate[L] | None,
    why_not: Callable[[Candidate[L]], Unfit | None],
) -> L | None:
    """Who is asked next: who is left and fit, and where nobody is, the one who may be `back` in a moment."""
    fit = _first_fit(candidates, why_not)
    return fit if fit is not None or back is None else _first_fit((back,), why_not)


def passed_by(
    step: Step[L], candidates: Sequence[Candidate[L]], transcript: Transcript
) -> Mapping[str, Unfit]:
    """Which of `candidates` were left out on the way to `step`, by name, and why each."""
    match step:
        case Restart(link, again=False):
            return _left_out(candidates, link, _cannot_restart)
        case Continue(link, other_way=False, again=False):
            return _left_out(candidates, link, _cannot_go_on)
        case FinishCall(link, again=False):
            return _left_out(candidates, link, _cannot_finish_call)
        case GiveUp() if transcript.open_call() is not None:
            return _left_out(candidates, None, _cannot_finish_call)
        case GiveUp():
            why_not = _cannot_go_on if transcript.has_content else _cannot_restart
            return _left_out(candidates, None, why_not)
        case Restart() | Continue() | FinishCall() | Terminate() | FinishTurn() | PassOn():
            return {}
        case _ as never:
            assert_never(never)


def _left_out(
    candidates: Sequence[Candidate[L]], asked: L | None, why_not: Callable[[Candidate[L]], Unfit | None]
) -> Mapping[str, Unfit]:
    before = itertools.takewhile(lambda candidate: candidate.link != asked, candidates)
    reasons = {c.name: why_not(c) or (Unfit.COOLING_DOWN if c.is_cooling else None) for c in before}
    return {name: reason for name, reason in reasons.items() if reason is not None}


def _cannot_restart(candidate: Candidate[L]) -> Unfit | None:
    return candidate.cannot_restart


def _cannot_go_on(candidate: Candidate[L]) -> Unfit | None:
    return candidate.cannot_go_on


def _cannot_finish_call(candidate: Candidate[L]) -> Unfit | None:
    return candidate.cannot_finish_call


def _can_go_on(transcript: Transcript) -> bool:
    return transcript.has_text and transcript.calls_are_whole and transcript.has_a_net


def is_retry(step: Ask[L]) -> bool:
    """Whether the step is the one retry that a request has."""
    match step:
        case Restart(again=retry) | FinishCall(again=retry):
            return retry
        case Continue(other_way=other_way, again=again):
            return other_way or again
        case _ as never:
            assert_never(never)


def could_go_on(candidates: Sequence[Candidate[L]]) -> bool:
    """Whether holding anything back can pay: somebody is left who could continue."""
    return any(not candidate.cannot_go_on for candidate in candidates)


def could_start_over(candidates: Sequence[Candidate[L]]) -> bool:
    """Whether somebody is left who could give the whole answer."""
    return any(not candidate.cannot_restart for candidate in candidates)

"""
How a request ends when nobody could finish it: what the client is told.

Pure functions. Words are ours or the provider's own whole answer, never a
mixture: an upstream's text in our mouth would carry whatever it carries.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from trooper.config import Target
from trooper.core.cooldown import MAX_COOLDOWN_S
from trooper.core.headers import Headers, find, to_client
from trooper.core.outcome import Answer, Failed, FailureKind, Phase
from trooper.core.tally import Tally
from trooper.core.unfit import SHOWN, Unfit
from trooper.telemetry.report import Ending, LegReport
from trooper.wire.client_side import Trouble

K = FailureKind
_TYPE: Final = b"content-type"

#: SDKs wait as long as a `Retry-After` says up to this, and some seconds of their own where it says more.
_SDKS_WAIT_S: Final = 60

_STATUS: Final[Mapping[FailureKind, int]] = {
    K.TIMEOUT_CONNECT: 504,
    K.TIMEOUT_TTFT: 504,
    K.TIMEOUT_WHOLE: 504,
    K.TIMEOUT_TOTAL: 504,
    K.TIMEOUT_LOAD: 504,
    K.STALL: 504,
    K.NOT_FOUND: 404,
    K.CONTEXT_LENGTH: 400,
    K.INVALID_REQUEST: 400,
    K.UNFIT: 400,
    K.AUTH: 401,
    K.RATE_LIMIT: 429,
    K.QUOTA: 429,
    K.OVERLOADED: 503,
}

_MEANING: Final[Mapping[FailureKind, str]] = {
    K.RATE_LIMIT: "is rate limiting",
    K.QUOTA: "refused for lack of quota",
    K.OVERLOADED: "is overloaded",
    K.SERVER_ERROR: "had a server error",
    K.CONNECT: "could not be reached",
    K.TIMEOUT_CONNECT: "did not accept a connection in time",
    K.TIMEOUT_TTFT: "did not begin to answer in time",
    K.TIMEOUT_WHOLE: "did not give its whole answer in time",
    K.TIMEOUT_TOTAL: "took too long",
    K.TIMEOUT_LOAD: "did not load its model, or had no slot free for it, in time",
    K.STALL: "fell silent",
    K.CONN_RESET: "reset the connection",
    K.CONN_TRUNCATED: "closed the connection in the middle of its answer",
    K.EOF_EARLY: "ended its answer without finishing it",
    K.IN_BAND_ERROR: "reported an error inside its answer",
    K.BAD_FRAME: "sent something that is not an answer",
    K.EMPTY_200: "sent an empty answer",
    K.NOT_FOUND: "does not have the model",
    K.CONTEXT_LENGTH: "says that the conversation does not fit its window",
    K.AUTH: "refuses the key",
    K.INVALID_REQUEST: "refuses the request as it is",
    K.CONTENT_FILTER: "stopped the answer by a filter",
    K.UNFIT: "cannot take this request",
}
#: Of so many others it is told why they could not.
_MOST_OTHERS: Final = 8


def trouble(failed: Failed, target: str, *, midway: bool, others: Sequence[str] = ()) -> Trouble:
    """
    The failure in our own words.

    Args:
        failed: the one that is told first, and decides what kind it is.
        target: whose it is.
        midway: the client has a part of the answer.
        others: why each of the others could not: `why_failed`, `why_unfit`.
    """
    rest = "and no other target could go on from here" if midway else "and no other target could answer"
    told = [f"{target} {_meaning(failed)}, {rest}", *others[:_MOST_OTHERS]]
    if len(others) > _MOST_OTHERS:
        told.append(f"So it was with {len(others) - _MOST_OTHERS} more")
    return Trouble(_told_as(failed), f"{'. '.join(told)}.")


def why_failed(failed: Failed, target: Target) -> str:
    """Why the answer was not `target`'s in the end, who was asked for it: words of ours and numbers."""
    name = target.name
    if failed.kind is K.UNFIT and failed.unfit_reason is not None and failed.retry_after_s is None:
        return why_unfit(name, failed.unfit_reason)
    if failed.kind is K.CONTEXT_LENGTH and failed.window_tokens:
        count = f"{failed.prompt_tokens:,} tokens do" if failed.prompt_tokens else "the conversation does"
        return f"{name}: {count} not fit its window of {failed.window_tokens:,}{_to_grow(target)}"
    return f"{name} {_meaning(failed)} ({failed.kind.value})"


def to_mend(failed: Failed, target: Target) -> tuple[str, ...]:
    """What would have helped `target`, whose failure is told first."""
    grow = _to_grow(target) if failed.kind is K.CONTEXT_LENGTH else ""
    return (f"For {target.name}{grow.replace(';', ':')}",) if grow else ()


def why_unfit(name: str, reason: Unfit) -> str:
    """Why the target called `name` was not asked."""
    meaning = reason.meaning.rstrip(".")
    return f"{name}: {meaning[0].lower()}{meaning[1:]} ({reason.value})"


def _to_grow(target: Target) -> str:
    """How the window of a local model becomes larger, where it is in somebody's hands here."""
    if not target.is_local:
        return ""
    is_others = "gguf" in target.wire.settings and target.gguf is None
    return "; start it with a larger window" if is_others else "; set num_ctx"


def _meaning(failed: Failed) -> str:
    meaning = _MEANING.get(_told_as(failed), "failed")
    if failed.unfit_reason is Unfit.COOLING_DOWN and failed.retry_after_s is not None:
        meaning = f"is not to be asked for another {_wait_s(failed.retry_after_s)} s"
    if failed.unreached is not None:
        meaning += f": {failed.unreached.meaning}"
    if failed.unfit_reason is not None:
        meaning += f" ({failed.unfit_reason.value})"
    if failed.window_tokens is not None:
        meaning += f" ({failed.prompt_tokens or 'too many'} tokens for {failed.window_tokens})"
    return meaning


def _told_as(failed: Failed) -> FailureKind:
    """What a client hears that it was: what a target has said is that target's fault, and not the request's."""
    return K.BAD_FRAME if failed.unfit_reason in SHOWN else failed.kind


def http_answer(failed: Failed, our_body: bytes, *, own: bool, others: Sequence[str] = ()) -> Answer:
    """
    The HTTP answer before anything was sent: the provider's, unchanged, or
    one of ours around `our_body` where it gave none.

    An error inside a 200 is handed on as it is only where the provider's
    `own` words are wanted: an SDK would take it for a success. A redirect is
    never followed and never handed on. What a provider's own body does not say,
    why none of the `others` could, a header does.
    """
    given = failed.answer
    if given is not None and given.is_foreign and given.status >= 400:
        kind: Headers = ((b"content-type", b"application/json"),)
        return Answer(given.status, (*kind, *to_client(given.headers)), our_body)
    if given is None or given.is_foreign or 300 <= given.status < 400 or (given.status < 300 and not own):
        headers: Headers = ((b"content-type", b"application/json"), *_retry_headers(failed))
        return Answer(_STATUS.get(_told_as(failed), 502), headers, our_body)
    kind_given = find(to_client(given.headers, more=(_TYPE,)), _TYPE)
    headers = (
        *to_client(given.headers),
        (_TYPE, kind_given or b"application/octet-stream"),
        (b"x-content-type-options", b"nosniff"),
        *_why_not_others(others),
    )
    return Answer(given.status, headers, given.body)


def _why_not_others(others: Sequence[str]) -> Headers:
    return ((b"x-trooper-others", ". ".join(others[:_MOST_OTHERS]).encode("ascii")),) if others else ()


def _retry_headers(failed: Failed) -> Headers:
    """When to come back; an SDK that would come back long before is told not to."""
    if failed.retry_after_s is None:
        return ()
    wait_s = _wait_s(failed.retry_after_s)
    too_early = failed.unfit_reason is Unfit.COOLING_DOWN and wait_s > _SDKS_WAIT_S
    return ((b"retry-after", b"%d" % wait_s), *(((b"x-should-retry", b"false"),) if too_early else ()))


def _wait_s(seconds: float) -> int:
    """Whole seconds, rounded up: who comes back a moment too early is refused once more."""
    # The clock's own fractions are no second.
    return math.ceil(round(min(seconds, MAX_COOLDOWN_S), 3)) or int(seconds > 0)


def seam_words(seam_from: str, seam_to: str, reason: Ending | FailureKind, phase: Phase) -> str:
    """The seam comment: enumerated values and configured names, nothing else."""
    return f"trooper seam from={seam_from} to={seam_to} reason={reason.value} phase={phase.value}"


def seam_after(legs: Sequence[LegReport], tally: Tally, seam_to: str) -> str:
    """
    The seam comment behind `legs`; empty before the first one.

    From whom is who spoke last: a target that was asked in between and said
    nothing is no part of the answer. Where nobody has spoken it is who was to.
    """
    if not legs:
        return ""
    spoke = [leg for leg, said in zip(legs, tally.legs, strict=False) if said.spoke and not said.dropped]
    last = spoke[-1] if spoke else legs[0]
    return seam_words(last.target, seam_to, last.outcome, legs[-1].phase)

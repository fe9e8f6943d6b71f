"""
Which answers are failures, and of what kind.

Providers wrap errors in each other's shapes, so the body is read before the
status is believed, and one detector serves all of them. Status, `type` and
`code` decide; message text is looked at only where nothing else exists.
The table with its sources is `docs/failures.md`.
"""

from __future__ import annotations

import email.utils
import math
import re
from collections.abc import Iterable, Mapping
from typing import Final

from trooper.core.outcome import Answer, Failed, FailureKind
from trooper.wire.bare_errors import bare_error, error_in_choices, innermost, problem_in, text_in
from trooper.wire.decoding import decoded
from trooper.wire.tolerant import is_nothing
from trooper.wire.weight import is_intricate

K = FailureKind

_BY_WORD: Final[Mapping[str, FailureKind]] = {
    # OpenAI, Azure, Groq, vLLM
    "insufficient_quota": K.QUOTA,
    "credit_balance_exhausted": K.QUOTA,
    "organization_spend_limit_exceeded": K.QUOTA,
    "project_spend_limit_exceeded": K.QUOTA,
    "organization_usage_limit_exceeded": K.QUOTA,
    "usage_not_included": K.QUOTA,
    "rate_limit_exceeded": K.RATE_LIMIT,
    "rate_limit_error": K.RATE_LIMIT,
    "rate_limited": K.RATE_LIMIT,
    "slow_down": K.RATE_LIMIT,
    "server_is_overloaded": K.OVERLOADED,
    "service_unavailable_error": K.OVERLOADED,
    "capacity_exceeded": K.OVERLOADED,
    "server_error": K.SERVER_ERROR,
    "internal_server_error": K.SERVER_ERROR,
    "internalservererror": K.SERVER_ERROR,
    "invalid_api_key": K.AUTH,
    "context_length_exceeded": K.CONTEXT_LENGTH,
    "content_filter": K.CONTENT_FILTER,
    "invalid_request_error": K.INVALID_REQUEST,
    "badrequesterror": K.INVALID_REQUEST,
    "model_not_found": K.NOT_FOUND,
    "tool_use_failed": K.INVALID_REQUEST,
    # Anthropic
    "enforced_spend_limit_reached": K.QUOTA,
    "contract_spend_limit_reached": K.QUOTA,
    "billing_error": K.QUOTA,
    "overloaded_error": K.OVERLOADED,
    "api_error": K.SERVER_ERROR,
    "timeout_error": K.SERVER_ERROR,
    "conflict_error": K.SERVER_ERROR,
    "authentication_error": K.AUTH,
    "permission_error": K.AUTH,
    "not_found_error": K.NOT_FOUND,
    "request_too_large": K.CONTEXT_LENGTH,
    # OpenRouter's canonical error_type
    "max_tokens_exceeded": K.CONTEXT_LENGTH,
    "token_limit_exceeded": K.CONTEXT_LENGTH,
    "string_too_long": K.CONTEXT_LENGTH,
    "authentication": K.AUTH,
    "permission_denied": K.AUTH,
    "payment_required": K.QUOTA,
    "provider_overloaded": K.OVERLOADED,
    "provider_unavailable": K.OVERLOADED,
    "invalid_request": K.INVALID_REQUEST,
    "invalid_prompt": K.INVALID_REQUEST,
    "not_found": K.NOT_FOUND,
    "precondition_failed": K.INVALID_REQUEST,
    "payload_too_large": K.CONTEXT_LENGTH,
    "unprocessable": K.INVALID_REQUEST,
    "content_policy_violation": K.CONTENT_FILTER,
    "refusal": K.CONTENT_FILTER,
    "server": K.SERVER_ERROR,
    "timeout": K.SERVER_ERROR,
    # Google
    "resource_exhausted": K.RATE_LIMIT,
    "unavailable": K.OVERLOADED,
    "internal": K.SERVER_ERROR,
    "deadline_exceeded": K.SERVER_ERROR,
    "invalid_argument": K.INVALID_REQUEST,
    "failed_precondition": K.INVALID_REQUEST,
    # Bedrock
    "throttlingexception": K.RATE_LIMIT,
    "serviceunavailableexception": K.OVERLOADED,
    "modelstreamerrorexception": K.SERVER_ERROR,
    "modeltimeoutexception": K.SERVER_ERROR,
    "internalserverexception": K.SERVER_ERROR,
    "validationexception": K.INVALID_REQUEST,
    "accessdeniedexception": K.AUTH,
    # DashScope, Moonshot, Azure
    "data_inspection_failed": K.CONTENT_FILTER,
    "datainspectionfailed": K.CONTENT_FILTER,
    "responsibleaipolicyviolation": K.CONTENT_FILTER,
    "engine_overloaded_error": K.OVERLOADED,
    "exceeded_current_quota_error": K.QUOTA,
    "rate_limit_reached_error": K.RATE_LIMIT,
    # llama.cpp, Ollama
    "exceed_context_size_error": K.CONTEXT_LENGTH,
    "unavailable_error": K.OVERLOADED,
}

#: Members that Bedrock puts into a stream instead of an error object.
_BEDROCK_MEMBERS: Final = (
    "throttlingException",
    "modelStreamErrorException",
    "modelTimeoutException",
    "internalServerException",
    "serviceUnavailableException",
    "validationException",
)

#: Text that is the only sign of what happened, or that overrules a code that
#: lies. Money first: some providers bill under `invalid_request_error`.
_BY_TEXT: Final = (
    (
        re.compile(
            r"credit balance|insufficient balance|usage limits|spend(ing)? limit|insufficient_quota",
            re.IGNORECASE,
        ),
        K.QUOTA,
    ),
    (re.compile(r"tier capacity exceeded", re.IGNORECASE), K.OVERLOADED),
)
#: A reason is given in the first words, if at all.
_MOST_TEXT_CHARS: Final = 16_384
_CONTEXT_TEXT: Final = re.compile(
    r"maximum context length|prompt is too long|context (length|window|size)|exceeds? the (available )?context",
    re.IGNORECASE,
)

_BY_STATUS: Final[Mapping[int, FailureKind]] = {
    400: K.INVALID_REQUEST,
    401: K.AUTH,
    402: K.QUOTA,
    403: K.AUTH,
    404: K.NOT_FOUND,
    408: K.SERVER_ERROR,
    409: K.SERVER_ERROR,
    413: K.CONTEXT_LENGTH,
    422: K.INVALID_REQUEST,
    424: K.SERVER_ERROR,
    429: K.RATE_LIMIT,
    498: K.OVERLOADED,
    503: K.OVERLOADED,
    529: K.OVERLOADED,
}

#: Events that tell of a failure, by their type or, in gateways before Bedrock, by their name alone.
_FAILURE_EVENTS: Final = frozenset(
    {
        *("error", "exception", "response.error", "response.failed", "response.cancelled"),
        *(member.lower() for member in _BEDROCK_MEMBERS),
    }
)
#: What a response says of itself that is none, whatever its last event is called.
_FAILED_STATUSES: Final = ("failed", "cancelled")


def find_error(value: object, event_name: str = "") -> Failed | None:
    """
    Return the failure that a decoded JSON body or event tells of, if it does.

    Covers every shape in use: `error` as an object or a string, the flat
    `object: error` and `type: error`, `event: error`, a list whose first item
    is an error, `x_groq.error`, the error of a choice, Bedrock's exception members, and bare objects
    with a member that only errors have (`error_code`, `errors`, a bad `base_resp`).
    """
    if isinstance(value, list):
        value = value[0] if value else None
    kind = _failure_event(value, event_name)
    if not isinstance(value, dict):
        return Failed(K.IN_BAND_ERROR) if kind else None
    groq = value.get("x_groq")
    error = value.get("error")
    if _is_none(error):
        error = groq.get("error") if isinstance(groq, dict) else None
        error = error or error_in_choices(value.get("choices"))
    if is_nothing(error):
        member = next((m for m in _BEDROCK_MEMBERS if m in value), None)
        if member is not None:
            return Failed(_BY_WORD[member.lower()])
        response = value.get("response")
        if isinstance(response, dict) and (kind or response.get("status") in _FAILED_STATUSES):
            error = response.get("error") or value
        elif kind or value.get("object") == "error":
            error = {"type": kind, **value} if kind in _BY_WORD else innermost(value)
        else:
            error = bare_error(value)
    return None if error is None else _classify(error)


def find_problem(value: object) -> Failed | None:
    """
    Return the failure that a JSON event seems to tell of that is no piece of an answer.

    What follows tells whether it was one.
    """
    told = problem_in(value)
    return None if told is None else _classify(told)


def _failure_event(value: object, event_name: str) -> str:
    """What an event that tells of a failure is called; nothing where it tells of none."""
    told = value.get("type") if isinstance(value, dict) else None
    names = (name.lower() for name in (told, event_name) if isinstance(name, str))
    return next((name for name in names if name in _FAILURE_EVENTS), "")


def _is_none(error: object) -> bool:
    """Whether an error is none: nothing, or the word for success that some have in every answer."""
    if isinstance(error, dict) and error.get("code") in (0, "0", 200, "200"):
        return all(is_nothing(item) or key in ("code", "message", "status") for key, item in error.items())
    return is_nothing(error)


def _classify(error: object) -> Failed:
    if not isinstance(error, dict):
        nested = decoded(error) if isinstance(error, str) else None
        if isinstance(nested, dict):
            return find_error(nested) or _classify(nested)
        text = error if isinstance(error, str) else ""
        too_long = K.CONTEXT_LENGTH if _CONTEXT_TEXT.search(text, 0, _MOST_TEXT_CHARS) else None
        return Failed(_kind_of_text(text) or too_long or K.IN_BAND_ERROR)
    text = text_in(error)
    nested = decoded(text) if text.startswith(("{", "[")) else None
    if nested is not None and (inner := find_error(nested)) is not None:
        return inner
    kind = _kind_of_text(text)
    if kind is None:
        kind = next((k for k in map(_kind_of_word, _words(error)) if k is not None), None)
    if kind is None or kind is K.INVALID_REQUEST:
        # "invalid request" is what a window that is too small hides behind.
        kind = K.CONTEXT_LENGTH if _CONTEXT_TEXT.search(text, 0, _MOST_TEXT_CHARS) else kind
    window = error.get("n_ctx")
    prompt = error.get("n_prompt_tokens")
    return Failed(
        kind or K.IN_BAND_ERROR,
        retry_after_s=_retry_info_s(error),
        prompt_tokens=prompt if isinstance(prompt, int) else None,
        window_tokens=window if isinstance(window, int) else None,
    )


def _words(error: Mapping[str, object]) -> Iterable[object]:
    """The places where providers put a machine-readable reason, most telling first."""
    metadata, details, code = error.get("metadata"), error.get("details"), error.get("code")
    yield metadata.get("error_type") if isinstance(metadata, dict) else None
    # Only "bad request" is said less clearly by its number than by any word.
    yield None if code in (400, 422) else code
    yield details.get("error_code") if isinstance(details, dict) else None
    yield error.get("error_code")
    yield error.get("error_type")
    yield error.get("type")
    yield error.get("status")
    yield error.get("raw_status_code")
    yield error.get("status_code")
    yield error.get("statusCode")
    yield code


def _kind_of_word(word: object) -> FailureKind | None:
    if isinstance(word, bool):
        return None
    if isinstance(word, int):
        # Beyond these it is a service's own number.
        return kind_of_status(word) if 400 <= word < 600 else None
    if isinstance(word, str):
        # Not `isdigit`: that is true of "²", and `int` raises on it.
        if word.isdecimal() and len(word) == 3:
            return kind_of_status(int(word))
        return _BY_WORD.get(word.lower())
    return None


def _kind_of_text(text: str) -> FailureKind | None:
    return next((kind for pattern, kind in _BY_TEXT if pattern.search(text, 0, _MOST_TEXT_CHARS)), None)


def kind_of_status(status: int) -> FailureKind:
    """The class of a status alone."""
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return K.INVALID_REQUEST if 400 <= status < 500 else K.SERVER_ERROR


def read_answer(answer: Answer, now_unix_s: float) -> Failed:
    """
    Classify an HTTP answer that is not a success: body first, then status.

    `now_unix_s` is needed for a `Retry-After` given as a date.
    """
    # Of a body with thousands of values its status says enough.
    told = None if is_intricate(answer.body, slowly=True) else find_error(decoded(answer.body))
    by_status = kind_of_status(answer.status)
    kind = by_status
    if told is not None and told.kind is not K.IN_BAND_ERROR:
        kind = told.kind
        if by_status in (K.RATE_LIMIT, K.OVERLOADED) and kind in (K.INVALID_REQUEST, K.CONTEXT_LENGTH):
            # A rate limit vetoes: gateways call it an invalid request, and
            # "tokens" in its text looks like a window.
            kind = by_status
        elif by_status in (K.AUTH, K.NOT_FOUND) and kind in (K.INVALID_REQUEST, K.SERVER_ERROR):
            kind = by_status
    if answer.status < 400:
        kind = K.BAD_FRAME if told is None else told.kind
    retry_after = retry_after_s(answer.headers, now_unix_s)
    return Failed(
        kind,
        answer=answer,
        retry_after_s=retry_after if retry_after is not None else (told.retry_after_s if told else None),
        prompt_tokens=told.prompt_tokens if told else None,
        window_tokens=told.window_tokens if told else None,
    )


def retry_after_s(headers: Iterable[tuple[bytes, bytes]], now_unix_s: float) -> float | None:
    """
    Read `retry-after-ms` or `Retry-After` as seconds.

    `None` for what is absent, negative, not finite or unreadable: a wait is
    never made up.
    """
    found = {name.lower(): value.decode("latin-1").strip() for name, value in headers}
    for name, scale in ((b"retry-after-ms", 0.001), (b"retry-after", 1.0)):
        value = found.get(name)
        if value is None:
            continue
        try:
            seconds = float(value) * scale
        except ValueError:
            seconds = _seconds_until(value, now_unix_s)
        if math.isfinite(seconds) and seconds >= 0:
            return seconds
    return None


def _seconds_until(date: str, now_unix_s: float) -> float:
    parsed = email.utils.parsedate_tz(date)
    try:
        return math.nan if parsed is None else email.utils.mktime_tz(parsed) - now_unix_s
    except (ValueError, OverflowError):  # A year that no calendar has.
        return math.nan


def _retry_info_s(error: Mapping[str, object]) -> float | None:
    """Google puts the wait into the body: `details[].retryDelay: "43s"`."""
    details = error.get("details")
    if not isinstance(details, list):
        return None
    for detail in details:
        delay = detail.get("retryDelay") if isinstance(detail, dict) else None
        # Bounded in length: more digits than that are infinite.
        if isinstance(delay, str) and re.fullmatch(r"\d{1,9}(\.\d+)?s", delay, re.ASCII):
            return float(delay[:-1])
    return None

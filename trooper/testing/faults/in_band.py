"""
Errors that are told inside a stream that began with status 200.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from trooper.testing.chat import DONE, dumps, sse
from trooper.testing.faults.shape import Action, Events, Fault, Position, sends
from trooper.testing.script import End, Head, Script, Status


def _error(message: str, kind: str, code: object = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def _told(
    name: str,
    title: str,
    kind: str,
    said: Callable[[Events], Sequence[bytes]],
    error: Any,
    *,
    passes: bool = False,
) -> Fault:
    def stream(events: Events, position: Position) -> Script:
        return Script((Head(), *sends(events.whole_lead(position)), *sends(said(events)), End()))

    def whole(_: bytes) -> Script:
        return Script((Status(200, dumps(error)),))

    before: Action = "pass" if passes else "restart"
    after: Action = "pass" if passes else "continue"
    return Fault(name, title, kind, "both", before, after, stream, None if error is None else whole)


def _data(
    name: str, title: str, kind: str, value: Any, *, event: str = "", done: bool = False, passes: bool = False
) -> Fault:
    """The error is one event, `value` its data."""
    said = [sse(value, event=event)] + ([DONE] if done else [])
    return _told(name, title, kind, lambda _: said, value, passes=passes)


def _finish_reason(name: str, reason: str, *, done: bool = True) -> Fault:
    return _told(
        name,
        f'The finish reason is "{reason}", and there is no error object.',
        "in_band_error",
        lambda events: [events.chunk({}, reason), *([DONE] if done else [])],
        None,
    )


def _open_router(code: object) -> Callable[[Events], Sequence[bytes]]:
    def said(events: Events) -> Sequence[bytes]:
        error = {"code": code, "message": "Provider disconnected unexpectedly"}
        return [events.chunk({"content": ""}, "error", provider="openai", error=error), DONE]

    return said


def _groq(events: Events) -> Sequence[bytes]:
    return [events.chunk({}, None, x_groq={"id": "req_01", "error": "over capacity"}), DONE]


_SERVER = _error("The server had an error while processing your request.", "server_error")
_VLLM = {
    "object": "error",
    "message": "EngineCore died",
    "type": "InternalServerError",
    "param": None,
    "code": 500,
}
_RATE = _error("Rate limit reached for requests", "requests", "rate_limit_exceeded")
_QUOTA = _error("You exceeded your current quota.", "insufficient_quota", "insufficient_quota")
_OVERLOADED = {
    "type": "error",
    "error": {"type": "overloaded_error", "message": "Overloaded", "details": None},
}
_GEMINI = [{"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}]
_NESTED = {
    "error": {
        "message": '{"error":{"code":429,"message":"Exhausted","status":"RESOURCE_EXHAUSTED"}}',
        "code": None,
        "type": None,
    }
}
_FAILED = {
    "type": "response.failed",
    "response": {"status": "failed", "error": {"code": "server_is_overloaded", "message": "Busy"}},
}
_CONTEXT = _error(
    "This model's maximum context length is 8192 tokens.", "invalid_request_error", "context_length_exceeded"
)
_FILTERED = _error("The response was filtered.", "invalid_request_error", "content_filter")
_METADATA = {
    "error": {
        "code": 502,
        "message": "Provider returned error",
        "metadata": {"error_type": "provider_overloaded", "provider_code": "busy"},
    }
}

IN_BAND: tuple[Fault, ...] = (
    _data("error-object", "An error object, then the end.", "server_error", _SERVER),
    _data("error-object-done", "An error object, then [DONE].", "server_error", _SERVER, done=True),
    _data("error-string", "The error is a bare string.", "in_band_error", {"error": "upstream went away"}),
    _data("error-flat", "A flat error with object: error, then [DONE].", "server_error", _VLLM, done=True),
    _data("error-event", "An SSE event named error.", "server_error", _SERVER, event="error"),
    _data(
        "error-event-only-name",
        "An SSE event named error whose data has no error key.",
        "in_band_error",
        {"message": "Model unloaded."},
        event="error",
    ),
    _data(
        "error-event-flat-type",
        "A flat error with type: error in an event named error.",
        "server_error",
        {"type": "error", "code": "server_error", "message": "Boom", "param": None, "sequence_number": 9},
        event="error",
    ),
    _data(
        "error-event-lmstudio",
        "An event named error with a string and a message.",
        "in_band_error",
        {"error": "Model crashed", "message": "The model has crashed without additional information."},
        event="error",
    ),
    _data("error-type-overloaded", "A typed overloaded error.", "overloaded", _OVERLOADED, event="error"),
    _data("error-rate-limit", "A rate limit told inside the stream.", "rate_limit", _RATE),
    _data("error-quota", "A used-up quota told inside the stream.", "quota", _QUOTA),
    _told(
        "error-openrouter",
        "A chunk with an error object and finish reason error, then [DONE].",
        "server_error",
        _open_router("server_error"),
        {"error": {"code": 502, "message": "Provider disconnected unexpectedly"}},
    ),
    _told(
        "error-openrouter-number",
        "The same with a number as code.",
        "server_error",
        _open_router(502),
        {"error": {"code": 502, "message": "Provider disconnected unexpectedly"}},
    ),
    _data("error-metadata", "The class of the error is in its metadata.", "overloaded", _METADATA),
    _told(
        "error-x-groq",
        "The error is a string under x_groq.",
        "in_band_error",
        _groq,
        None,
    ),
    _data("error-list", "The error is wrapped in a list.", "overloaded", _GEMINI),
    _data("error-nested-json", "The error is JSON inside the message of an error.", "rate_limit", _NESTED),
    _data("error-response-failed", "An event of type response.failed.", "overloaded", _FAILED),
    _data(
        "error-response-nested",
        "A Responses error event with the error nested in it.",
        "rate_limit",
        {
            "type": "error",
            "sequence_number": 9,
            "error": {
                "type": "requests",
                "code": "rate_limit_exceeded",
                "message": "Slow down",
                "param": None,
            },
        },
        event="error",
    ),
    _data(
        "error-bedrock-throttling",
        "An exception member: throttlingException.",
        "rate_limit",
        {"throttlingException": {"message": "Too many requests"}},
    ),
    _data(
        "error-bedrock-stream",
        "An exception member: modelStreamErrorException.",
        "server_error",
        {"modelStreamErrorException": {"message": "The model stream failed", "originalStatusCode": 500}},
    ),
    _data(
        "error-with-secret",
        "An error text that carries a key and the prompt.",
        "server_error",
        _error("Bad gateway for key sk-secret-0123456789 and prompt 'PRIVATE-PROMPT'", "server_error"),
    ),
    _finish_reason("finish-error", "error"),
    _finish_reason("finish-insufficient-resource", "insufficient_system_resource"),
    _finish_reason("finish-abort", "abort", done=False),
    _data(
        "error-context-length",
        "A context that is too long, told inside the stream.",
        "context_length",
        _CONTEXT,
        passes=True,
    ),
    _data(
        "error-content-filter",
        "A content filter, told inside the stream as an error.",
        "content_filter",
        _FILTERED,
        passes=True,
    ),
)

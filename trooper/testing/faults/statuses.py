"""
Answers whose status says that there will be no stream.
"""

from __future__ import annotations

from typing import Any

from trooper.testing.chat import dumps
from trooper.testing.faults.shape import Action, Fault
from trooper.testing.script import Pairs, Script, Status

_CLOUDFLARE = (
    b"<!DOCTYPE html><html><head><title>api.example.com | error</title></head>"
    b"<body>cloudflare Ray ID: 8f00</body></html>"
)


def _status(
    name: str, title: str, kind: str, code: int, body: Any, headers: Pairs = (), *, action: Action = "restart"
) -> Fault:
    raw = body if isinstance(body, bytes) else dumps(body)
    content_type = "text/html; charset=utf-8" if isinstance(body, bytes) else "application/json"
    answer = Script((Status(code, raw, headers, content_type),))
    return Fault(name, title, kind, "before", action, "", lambda *_: answer, lambda _: answer)


def _error(message: str, kind: str | None = None, code: object = None, **more: object) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code} | more}


def _anthropic(kind: str, message: str, **details: object) -> dict[str, Any]:
    error = {"type": kind, "message": message, "details": details or None}
    return {"type": "error", "error": error, "request_id": "req_011"}


def _plain(code: int, kind: str, title: str) -> Fault:
    return _status(f"status-{code}", title, kind, code, _error(title, "server_error"))


def _edge(code: int, title: str) -> Fault:
    return _status(f"status-{code}", title, "server_error", code, _CLOUDFLARE)


_RATE = _error("Rate limit reached for gpt-4o", "requests", "rate_limit_exceeded")
_PREFILL = (
    "This model does not support assistant message prefill. The conversation must end with a user message."
)


def _rate_limited(name: str, title: str, *headers: tuple[str, str]) -> Fault:
    return _status(name, title, "rate_limit", 429, _RATE, headers)


_TRANSIENT = (
    _plain(408, "server_error", "408: the request timed out."),
    _plain(409, "server_error", "409: a lock is held."),
    _plain(424, "server_error", "424: a dependency failed."),
    _status(
        "status-498",
        "498: flex capacity exceeded.",
        "overloaded",
        498,
        _error("Flex tier capacity exceeded", "invalid_request_error", "capacity_exceeded"),
    ),
    _plain(500, "server_error", "500: the server failed."),
    _plain(502, "server_error", "502: bad gateway."),
    _status(
        "status-503",
        "503: the server is overloaded.",
        "overloaded",
        503,
        _error("The server is overloaded", "service_unavailable_error", "server_is_overloaded"),
    ),
    _status(
        "status-503-loading",
        "503: the model is still loading.",
        "overloaded",
        503,
        {"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}},
    ),
    _plain(504, "server_error", "504: gateway timeout."),
    _edge(520, "520: an HTML error page of an edge network."),
    _edge(522, "522: the edge could not connect."),
    _edge(524, "524: the edge got no answer in time."),
    _status(
        "status-529", "529: overloaded.", "overloaded", 529, _anthropic("overloaded_error", "Overloaded")
    ),
    _status(
        "status-429-capacity",
        "429: service tier capacity exceeded, with a type that lies.",
        "overloaded",
        429,
        {
            "object": "error",
            "message": "Service tier capacity exceeded for this model.",
            "type": "invalid_request_error",
            "param": None,
            "code": None,
        },
    ),
)

_RATE_LIMITS = (
    _rate_limited("status-429", "429: rate limit, no Retry-After."),
    _rate_limited("status-429-retry-after", "429 with Retry-After in seconds.", ("retry-after", "7")),
    _rate_limited(
        "status-429-retry-after-ms", "429 with Retry-After in milliseconds.", ("retry-after-ms", "1500")
    ),
    _rate_limited(
        "status-429-retry-after-date",
        "429 with Retry-After as a date.",
        ("retry-after", "Fri, 31 Dec 2100 23:59:59 GMT"),
    ),
    _rate_limited("status-429-retry-after-0", "429 with Retry-After: 0.", ("retry-after", "0")),
    _rate_limited("status-429-retry-after-negative", "429 with Retry-After: -5.", ("retry-after", "-5")),
    _rate_limited("status-429-retry-after-day", "429 with Retry-After of a day.", ("retry-after", "86400")),
    _rate_limited("status-429-retry-after-inf", "429 with Retry-After: inf.", ("retry-after", "inf")),
    _status(
        "status-429-flat",
        "429: a flat rate limit body.",
        "rate_limit",
        429,
        {
            "object": "error",
            "message": "Rate limit exceeded",
            "type": "rate_limited",
            "param": None,
            "code": "1300",
            "raw_status_code": 429,
        },
    ),
    _status(
        "status-429-bare",
        "429: only a message.",
        "rate_limit",
        429,
        {"message": "Requests rate limit exceeded"},
    ),
    _status(
        "status-429-list",
        "429: the error is wrapped in a list.",
        "rate_limit",
        429,
        [
            {
                "error": {
                    "code": 429,
                    "message": "Resource has been exhausted (e.g. check quota).",
                    "status": "RESOURCE_EXHAUSTED",
                    "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "43s"}],
                }
            }
        ],
    ),
    _status(
        "status-500-wraps-429",
        "500 of a gateway that wraps a rate limit.",
        "rate_limit",
        500,
        _error(
            '{"error":{"message":"slow down","type":"requests","code":"rate_limit_exceeded"}}', "api_error"
        ),
    ),
    _status(
        "status-429-huge",
        "429 with a body of two megabytes.",
        "rate_limit",
        429,
        _error("x" * 2_000_000, "requests", "rate_limit_exceeded"),
    ),
)

_QUOTAS = (
    _status(
        "quota-402", "402: payment required.", "quota", 402, _error("Insufficient Balance", "unknown_error")
    ),
    _status(
        "quota-429",
        "429 whose body says that the quota is used up.",
        "quota",
        429,
        _error("You exceeded your current quota.", "insufficient_quota", "insufficient_quota"),
    ),
    _status(
        "quota-429-spend-limit",
        "429 whose body names a spend limit.",
        "quota",
        429,
        _error("Project spend limit", "insufficient_quota", "project_spend_limit_exceeded"),
    ),
    _status(
        "quota-429-enforced",
        "429 rate_limit_error whose details name a spend limit.",
        "quota",
        429,
        _anthropic("rate_limit_error", "Spend limit reached.", error_code="enforced_spend_limit_reached"),
    ),
    _status(
        "quota-400-credit",
        "400 whose text says that the credit is too low.",
        "quota",
        400,
        _anthropic("invalid_request_error", "Your credit balance is too low to access the Anthropic API."),
    ),
    _status(
        "quota-400-usage-limit",
        "400 whose text says when access returns.",
        "quota",
        400,
        _anthropic(
            "invalid_request_error",
            "You have reached your specified API usage limits. "
            "You will regain access on 2100-08-01 at 00:00 UTC.",
        ),
    ),
    _status(
        "quota-402-list",
        "402 RESOURCE_EXHAUSTED in a list: prepaid credits are gone.",
        "quota",
        402,
        [{"error": {"code": 402, "message": "Credits exhausted", "status": "RESOURCE_EXHAUSTED"}}],
    ),
    _status(
        "quota-402-billing",
        "402 billing_error.",
        "quota",
        402,
        _anthropic("billing_error", "Billing problem."),
    ),
)

_PASSED = (
    _status(
        "context-length-400",
        "400: the context is too long.",
        "context_length",
        400,
        _error(
            "This model's maximum context length is 8192 tokens.",
            "invalid_request_error",
            "context_length_exceeded",
        ),
        action="pass",
    ),
    _status(
        "context-length-text",
        "400: only the text says that the context is too long.",
        "context_length",
        400,
        {
            "object": "error",
            "message": "This model's maximum context length is 4096 tokens.",
            "type": "BadRequestError",
            "param": None,
            "code": 400,
        },
        action="pass",
    ),
    _status(
        "context-length-413",
        "413: the request is too large.",
        "context_length",
        413,
        _anthropic("request_too_large", "Request exceeds the maximum size"),
        action="pass",
    ),
    _status(
        "auth-401",
        "401: a wrong key.",
        "auth",
        401,
        _error("Incorrect API key provided.", "invalid_request_error", "invalid_api_key"),
        action="pass",
    ),
    _status(
        "auth-403",
        "403: not allowed.",
        "auth",
        403,
        _error(
            "Country, region, or territory not supported",
            "request_forbidden",
            "unsupported_country_region_territory",
        ),
        action="pass",
    ),
    _status(
        "not-found-404",
        "404: no such model or path.",
        "not_found",
        404,
        _error("The model does not exist", "invalid_request_error", "model_not_found"),
        action="pass",
    ),
    _status(
        "invalid-400",
        "400: the request is wrong.",
        "invalid_request",
        400,
        _error("Invalid value for 'temperature'.", "invalid_request_error", "invalid_value"),
        action="pass",
    ),
    _status(
        "invalid-400-prefill",
        "400: the model takes no trailing assistant message.",
        "invalid_request",
        400,
        _error(_PREFILL, "invalid_request_error"),
        action="pass",
    ),
    _status(
        "invalid-422",
        "422: the request is wrong.",
        "invalid_request",
        422,
        {"detail": [{"loc": ["body", "messages"], "msg": "Field required", "type": "missing"}]},
        action="pass",
    ),
    _status(
        "content-filter-400",
        "400: the prompt was filtered.",
        "content_filter",
        400,
        _error("The prompt was filtered.", None, "content_filter", status=400),
        action="pass",
    ),
)

STATUSES: tuple[Fault, ...] = (*_TRANSIENT, *_RATE_LIMITS, *_QUOTAS, *_PASSED)

"""
The error object of the Messages wire.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from trooper.core.outcome import FailureKind
from trooper.wire.client_side import Trouble

_ERROR_TYPES: Final[Mapping[FailureKind, str]] = {
    FailureKind.RATE_LIMIT: "rate_limit_error",
    FailureKind.QUOTA: "rate_limit_error",
    FailureKind.OVERLOADED: "overloaded_error",
    FailureKind.AUTH: "authentication_error",
    FailureKind.NOT_FOUND: "not_found_error",
    FailureKind.CONTEXT_LENGTH: "invalid_request_error",
    FailureKind.INVALID_REQUEST: "invalid_request_error",
    FailureKind.UNFIT: "invalid_request_error",
}

#: Status → type, where Anthropic documents one of its own.
_REFUSAL_TYPES: Final[Mapping[int, str]] = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
}


def error_body(trouble: Trouble) -> dict[str, object]:
    """A failure as this API answers it; `details.error_code` is what programs should look at."""
    return _body(_ERROR_TYPES.get(trouble.kind, "api_error"), trouble.kind.value, trouble.message)


def refusal_body(status: int, code: str, message: str) -> dict[str, object]:
    """A refusal of ours as this API answers it."""
    is_the_clients = status < 500 or status == 508
    other = "invalid_request_error" if is_the_clients else "api_error"
    return _body(_REFUSAL_TYPES.get(status, other), code, message)


def _body(kind: str, code: str, message: str) -> dict[str, object]:
    return {"type": "error", "error": {"type": kind, "message": message, "details": {"error_code": code}}}

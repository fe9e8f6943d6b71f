"""
Errors without an `error` around them: which objects are such, and where they say what happened.

Services, gateways and frameworks put the bodies of their own errors into streams, each in a shape of its own. What
kind of failure it is, `wire.faults` says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from trooper.wire.tolerant import is_nothing

#: Members that only a failure has, in objects that have no `error`: Databricks', Baidu's, Cloudflare's, watsonx'.
_ERROR_MEMBERS: Final = (
    "error_code",
    "error_msg",
    "error_message",
    "errorCode",
    "errorMessage",
    "errors",
    "fault",
)
#: Where a failure says in words what it is, and where in a code.
_TEXTS: Final = (
    "message",
    "msg",
    "error_msg",
    "error_message",
    "errorMessage",
    "status_msg",
    "detail",
    "title",
)
_CODES: Final = ("code", "status_code", "statusCode", "status")
#: Members that a piece of an answer has, in one wire or another.
_ANSWER_MEMBERS: Final = ("choices", "delta", "content", "response", "output")
#: What codes say where nothing is wrong, and what a status says where something is.
_GOOD: Final = frozenset({"", "ok", "success", "succeeded", "none", "null"})
_GOOD_CODES: Final = (0, 200, "0", "200", "ok", "success")
#: The first status, or number of a service's own, that is one of a failure.
_FIRST_BAD: Final = 400
_BAD: Final = frozenset({"error", "failed", "failure"})


def bare_error(value: Mapping[str, object]) -> Mapping[str, object] | None:
    """The error that an object is by itself, because it has a member that only errors have."""
    if not is_nothing(value.get("choices")):
        return None
    result = value.get("base_resp")
    if isinstance(result, dict) and _is_bad("code", result.get("status_code")):
        return result
    said = any(not is_nothing(value.get(name)) and value[name] not in _GOOD_CODES for name in _ERROR_MEMBERS)
    return innermost(value) if said else None


def error_in_choices(choices: object) -> object:
    """The error that stands in a choice, if one does: OpenRouter's and its neighbours'."""
    listed = choices if isinstance(choices, list) else []
    errors = (choice.get("error") for choice in listed if isinstance(choice, dict))
    return next((error for error in errors if not is_nothing(error)), None)


def innermost(value: Mapping[str, object]) -> Mapping[str, object]:
    """An error with what the first of its `errors` says."""
    errors = value.get("errors")
    first = errors[0] if isinstance(errors, list) and errors else errors
    return {**value, **first} if isinstance(first, dict) else value


def problem_in(value: object) -> Mapping[str, object] | None:
    """The error that an object seems to be which is no piece of an answer: words, and a code that is no good one."""
    if not isinstance(value, dict) or any(not is_nothing(value.get(name)) for name in _ANSWER_MEMBERS):
        return None
    kind = value.get("type")
    named = isinstance(kind, str) and kind.lower().endswith(("error", "exception"))
    if isinstance(kind, str) and ":" not in kind and not named:
        # An event of some wire, whatever it tells.
        return None
    failed = named or value.get("success") is False or any(_is_bad(name, value.get(name)) for name in _CODES)
    # As frameworks say it that leave the code to the status.
    alone = all(is_nothing(item) for name, item in value.items() if name != "detail")
    if (failed and text_in(value)) or (alone and not is_nothing(value.get("detail"))):
        return innermost(value)
    return None


def _is_bad(name: str, code: object) -> bool:
    """Whether a code is one of a failure, in any numbering: a status, or a number or word of a service's own."""
    if isinstance(code, str):
        if code.isdecimal():
            return _is_bad(name, int(code[:9]))
        return code.lower() in _BAD if name == "status" else code.lower() not in _GOOD
    return isinstance(code, int) and not isinstance(code, bool) and code >= _FIRST_BAD


def text_in(error: Mapping[str, object]) -> str:
    """What an error says in words."""
    return next((text for name in _TEXTS if isinstance(text := error.get(name), str) and text), "")

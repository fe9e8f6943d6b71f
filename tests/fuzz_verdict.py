"""
Whether what a client got is an answer of its wire: strictly, where all before
it was one, and by its end alone, where a provider has said odd things.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from attrs import frozen

import messages_validator
import responses_validator
import wire_validator
from messages_validator import validate_messages, validate_whole_message
from responses_validator import validate_responses, validate_whole_response
from wire_validator import ChatResult, SseEvent, WireViolation, parse_sse, validate_chat, validate_whole

CHAT, MESSAGES, RESPONSES = "/v1/chat/completions", "/v1/messages", "/v1/responses"
_WHOLE: Mapping[str, Callable[[bytes], ChatResult]] = {
    CHAT: validate_whole,
    MESSAGES: validate_whole_message,
    RESPONSES: validate_whole_response,
}
_LINE = re.compile(rb"\r\n|\r|\n")


def strictly(path: str, body: bytes, *, streamed: bool) -> ChatResult:
    """
    The answer, read by the letter.

    Raises:
        WireViolation: a rule is broken.
    """
    try:
        if not streamed:
            return _WHOLE[path](body)
        match path:
            case "/v1/messages":
                return validate_messages(body)
            case "/v1/responses":
                return validate_responses(body)
            case _:
                return _chat(body)
    except (LookupError, TypeError, ValueError, RecursionError) as error:
        raise WireViolation(f"something is missing or of another type: {error!r}") from error


def _chat(body: bytes) -> ChatResult:
    """Whether usage was asked for may have been said in odd ways."""
    try:
        return validate_chat(body)
    except WireViolation:
        return validate_chat(body, include_usage=True)


@frozen
class Ends:
    """How often a stream ends, in which ways, and what follows."""

    terminators: int = 0
    errors: int = 0
    behind: int = 0

    @property
    def ends(self) -> int:
        """Of any kind."""
        return self.terminators + self.errors


def ends(path: str, body: bytes, *, by_name: bool = False) -> Ends:
    """
    Count them, in events as a lenient client reads them.

    `by_name`: one that knows an event by its name where its data do not say it; there are both.
    """
    terminators = errors = behind = 0
    for name, data in _events(body):
        over = bool(terminators or errors)
        value = _value(data)
        kind = value.get("type")
        if by_name and not (kind and isinstance(kind, str)) and (value or data.strip() == b"{}"):
            kind = name
        if path == CHAT:
            is_end, is_error = data.strip() == b"[DONE]", bool(value.get("error"))
        elif path == MESSAGES:
            is_end, is_error = kind == "message_stop", "error" in (kind, name)
        else:
            is_end = kind in ("response.completed", "response.incomplete")
            # It comes with an error event behind it, which is the one that SDKs raise.
            is_error = kind == "error" or name == "error"
        terminators, errors = terminators + is_end, errors + is_error
        behind += over
    return Ends(terminators, errors, behind)


def _events(body: bytes) -> list[tuple[str, bytes]]:
    events: list[tuple[str, bytes]] = []
    name, data = "", list[bytes]()
    for one in [*_LINE.split(body), b""]:
        # A byte order mark in the middle belongs to no one's name; some take it out.
        line = one.removeprefix(b"\xef\xbb\xbf")
        if not line:
            joined = b"\n".join(data)
            # Where the empty line between two events is missing, their data stand in lines of one.
            events += [(name, joined)] if len(data) == 1 or _value(joined) else [(name, one) for one in data]
            name, data = "", []
        elif line.startswith(b"data:"):
            data.append(line[5:].removeprefix(b" "))
        elif line.startswith(b"event:"):
            name = line[6:].strip().decode(errors="replace")
    return events


def _value(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


_READERS: Mapping[str, Callable[[], Any]] = {
    CHAT: lambda: wire_validator._Reader(include_usage=True),
    MESSAGES: messages_validator._Reader,
    RESPONSES: responses_validator._Reader,
}


def own_fault(path: str, body: bytes, said: bytes) -> str:
    """
    The first rule that a stream breaks behind where it is no longer the provider's; empty if there is none.

    What a provider has said may break rules before that. Then nothing behind it is looked at.
    """
    heard, theirs = _strict_events(body), _strict_events(said.decode(errors="replace").encode())
    same = next(
        (at for at, (one, other) in enumerate(zip(heard, theirs, strict=False)) if one != other), len(theirs)
    )
    broken, why = _broken_at(path, heard)
    # A word of theirs may come in two pieces, so that it is not the same; what it breaks is theirs all the same.
    of_theirs = max(same - 1, _broken_at(path, theirs[: same + 1])[0])
    if broken < 0 or broken <= of_theirs:
        return ""
    return f"event {broken}, {same} are the provider's: {why} {heard[broken]}"


def _broken_at(path: str, events: list[SseEvent]) -> tuple[int, str]:
    """The first of the events that breaks a rule, and which; -1 if none does."""
    reader = _READERS[path]()
    for at, event in enumerate(events):
        try:
            reader.take(event)
        except (WireViolation, LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
            return at, repr(error)
    return -1, ""


def _strict_events(body: bytes) -> list[SseEvent]:
    """The events without comments, as far as they can be read."""
    events: list[SseEvent] = []
    with suppress(WireViolation):
        for event in parse_sse(body):
            if event.event != ":":
                events.append(event)  # noqa: PERF401  # those before what cannot be read count
    return events

"""
Tool calls in shapes that no document has and that some provider sends: none of them is a failure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trooper.testing.chat import sse
from trooper.testing.faults.shape import Events, Fault, Position, sends
from trooper.testing.script import End, Head, Script

_CITY = '{"city": "Bern"}'
_ZONE = '{"zone": "CET"}'


def _piece(name: str | None, arguments: object, **more: object) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "arguments": arguments}, **more}


def _called(
    name: str, title: str, *deltas: Sequence[dict[str, Any]], finish: str = "tool_calls", **last: Any
) -> Fault:
    """A whole answer with calls behind its words; `last` stands beside the finish."""

    def stream(events: Events, _: Position) -> Script:
        calls = [events.chunk({"tool_calls": list(pieces)}) for pieces in deltas]
        end = events.chunk_value({}, finish)
        end["choices"][0] |= last
        tail = (sse(end), *events.rest)
        return Script((Head(), *sends([*events.preamble, *events.content, *calls, *tail]), End()))

    return Fault(name, title, "", "after", "", "pass", stream)


_WHOLE = _piece("get_weather", _CITY, index=0, id="call_1")
CALLS: tuple[Fault, ...] = (
    _called(
        "calls-one-index",
        "Two tool calls under one index, told apart by their ids.",
        [_WHOLE],
        [_piece("get_time", _ZONE, index=0, id="call_2")],
    ),
    _called(
        "calls-no-index",
        "Two tool calls without an index.",
        [_piece("get_weather", _CITY, id="call_1"), _piece("get_time", _ZONE, id="call_2")],
    ),
    _called(
        "calls-no-id",
        "Two tool calls under one index and with empty ids.",
        [_piece("get_weather", _CITY, index=0, id="")],
        [_piece("get_time", _ZONE, index=0, id="")],
    ),
    _called(
        "call-null-id",
        'The later pieces of a tool call have the word "null" for an id.',
        [_piece("get_weather", _CITY[:7], index=0, id="call_1")],
        [_piece("", _CITY[7:], index=0, id="null")],
    ),
    _called(
        "call-named-again",
        "Every piece of a tool call has its name.",
        [_piece("get_weather", _CITY[:7], index=0, id="call_1")],
        [_piece("get_weather", _CITY[7:], index=0)],
    ),
    _called(
        "call-object",
        "The arguments of a tool call are an object.",
        [_piece("get_weather", {"city": "Bern"}, index=0, id="call_1")],
    ),
    _called(
        "call-encoded-twice",
        "The arguments of a tool call are a text of a text.",
        [_piece("get_weather", '"{\\"city\\": \\"Bern\\"}"', index=0, id="call_1")],
    ),
    _called(
        "call-braces-first",
        "A tool call has empty arguments first, and then all of them.",
        [_piece("get_weather", "{}", index=0, id="call_1")],
        [_piece(None, _CITY, index=0)],
    ),
    _called("call-then-stop", 'A tool call, and the finish reason is "stop".', [_WHOLE], finish="stop"),
    _called(
        "call-said-again",
        "The whole message stands once more beside the finish reason.",
        [_WHOLE],
        message={"role": "assistant", "content": None, "tool_calls": [_WHOLE]},
    ),
    _called("calls-and-none", 'The finish reason is "tool_calls", and there is none.'),
)

"""
Tool calls in the making: which are open, which are whole.

A call is whole when its arguments are a closed JSON object that parses. That
is decided by a scan that looks at each character once, and by one parse when
the object closes: parsing at every delta would be quadratic.

What the client has of a call is kept in its transcript (`ToolCalls`); a reader
keeps what its target has said, to compare it with what that says at the end.
Whoever only has to know whether a call is open (`OpenCalls`) forgets its text
when it is whole.

Arguments are never repaired. A prefix of a shell command, closed by force, is
a different command.
"""

from __future__ import annotations

from typing import Final

import msgspec
from attrs import define, field

from trooper.core.conversation import ToolCall
from trooper.core.events import ToolCallDelta
from trooper.core.json_text import NOT_JSON

_BLANKS: Final = " \t\r\n"


@define
class _Call:
    """One call as far as it has come."""

    id: str = ""
    name: str = ""
    pieces: list[str] = field(factory=list)
    depth: int = 0
    in_string: bool = False
    escaped: bool = False
    closed: bool = False
    whole: bool = False

    @property
    def arguments(self) -> str:
        return "".join(self.pieces)

    @property
    def is_done(self) -> bool:
        """Whether it can be run: nobody runs a call that has no name."""
        return self.whole and bool(self.name)

    @property
    def is_blank(self) -> bool:
        return not self.arguments.strip(_BLANKS)

    def say_anew(self) -> None:
        self.pieces.clear()
        self.depth = 0
        self.in_string = self.escaped = self.closed = self.whole = False

    def add(self, piece: str) -> None:
        self.pieces.append(piece)
        was_closed = self.closed
        for char in piece:
            self.closed = self._step(char) or self.closed
        if self.closed and not was_closed:
            self.whole = is_object(self.arguments)
        elif piece.strip(_BLANKS):
            # Anything behind the closing brace but blanks: not what we took it for.
            self.whole = False

    def _step(self, char: str) -> bool:
        if self.in_string:
            if self.escaped:
                self.escaped = False
            elif char == "\\":
                self.escaped = True
            elif char == '"':
                self.in_string = False
            return False
        if char == '"':
            self.in_string = True
        elif char in "{[":
            self.depth += 1
        elif char in "}]":
            self.depth -= 1
            return self.depth == 0
        return False


def is_object(arguments: str) -> bool:
    """Whether `arguments` is a whole JSON object."""
    try:
        return isinstance(msgspec.json.decode(arguments), dict)
    except NOT_JSON:
        return False


def as_object(arguments: str) -> str | None:
    """
    `arguments` as the one JSON object that every wire takes; `None` where they are none.

    Nothing is made up: null, nothing, and the empty list that PHP makes of an
    empty object are no arguments; a text with the object in it was encoded twice.
    """
    if is_object(arguments):
        return arguments
    if not arguments.strip(_BLANKS):
        return "{}"
    try:
        match msgspec.json.decode(arguments):
            case None | []:
                return "{}"
            case str(inner):
                return as_object(inner)
            case _:
                return None
    except NOT_JSON:
        return None


def is_same(one: str, other: str) -> bool:
    """Whether two texts are the same arguments: blanks and the order of keys say nothing."""
    if one == other:
        return True
    try:
        return bool(msgspec.json.decode(one) == msgspec.json.decode(other))
    except NOT_JSON:
        return False


@define
class OpenCalls:
    """
    Which calls of one answer are open. The text of one that is whole is forgotten.

    Past `max_bytes` of what they say, or of what waits for them to become whole
    (`held_bytes`), nothing more is collected, and they count as open for good:
    what we do not have we cannot call whole.
    """

    max_bytes: int = 4_194_304
    overflowed: bool = field(default=False, init=False)
    _calls: dict[int, _Call] = field(factory=dict, init=False)
    # The indexes of those that are not done: few, of however many.
    _open: set[int] = field(factory=set, init=False)
    _bytes: int = field(default=0, init=False)

    def add(self, delta: ToolCallDelta, held_bytes: int = 0) -> None:
        """
        Take in one piece. A piece for a new index ends the calls before it.

        `held_bytes` is what is kept of the event that it came in, if that is more.
        """
        self.hold(max(held_bytes, len(delta.arguments) + len(delta.name) + len(delta.id) + 1))
        if self.overflowed:
            return
        call = self._calls.get(delta.index)
        if call is None:
            # Ollama, Gemini and others send calls without arguments as "";
            # the start of the next call is then the only sign of their end.
            for index in self._open:
                earlier = self._calls[index]
                earlier.whole = earlier.whole or (not earlier.closed and earlier.is_blank)
            self._open = {index for index in self._open if not self._calls[index].is_done}
            call = self._calls[delta.index] = _Call()
        call.id = call.id or delta.id
        call.name = call.name or delta.name
        if delta.replaces:
            call.name = delta.name or call.name
            call.say_anew()
        if delta.arguments:
            call.add(delta.arguments)
            if call.whole:
                self._became_whole(call)
        if call.is_done:
            self._open.discard(delta.index)
        else:
            self._open.add(delta.index)

    def is_whole(self, index: int) -> bool:
        """Whether the call of that index has begun and is whole."""
        call = self._calls.get(index)
        return call is not None and call.is_done

    def hold(self, held_bytes: int) -> None:
        """So much more waits for a call to become whole."""
        self._bytes += held_bytes
        if self._bytes > self.max_bytes:
            self.overflowed = True
            self._calls.clear()
            self._open.clear()

    def released(self) -> None:
        """What waited has gone out: the next call may be as long."""
        self._bytes = 0

    def _became_whole(self, call: _Call) -> None:
        call.pieces.clear()

    def __len__(self) -> int:
        return len(self._calls)

    @property
    def all_whole(self) -> bool:
        """Whether no call is open; true when there are none."""
        return not self._open and (bool(self._calls) or not self.overflowed)


@define
class ToolCalls(OpenCalls):
    """The calls of one answer, in the order they began, and what they say."""

    def _became_whole(self, call: _Call) -> None:
        """It is kept."""

    def open_call(self) -> tuple[int, ToolCall] | None:
        """The index and the half of the one call that is open, if it is the last one."""
        if self.overflowed or not self._calls:
            return None
        *earlier, (index, call) = self._calls.items()
        if call.whole or call.closed or not call.name or not all(c.whole for _, c in earlier):
            return None
        return index, ToolCall(call.id, call.name, call.arguments)

    def arguments_of(self, index: int) -> str:
        """What the call of that index has said so far."""
        call = self._calls.get(index)
        return "" if call is None else call.arguments

    def whole(self) -> tuple[ToolCall, ...]:
        """The calls that somebody finished."""
        return tuple(ToolCall(c.id, c.name, c.arguments) for c in self._calls.values() if c.is_done)

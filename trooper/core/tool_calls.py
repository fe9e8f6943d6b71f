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

import re
from itertools import accumulate
from typing import Final

import msgspec
from attrs import define, field

from trooper.core.conversation import ToolCall
from trooper.core.events import ToolCallDelta
from trooper.core.json_text import NOT_JSON, OpenString
from trooper.core.pieces import Pieces

_BLANKS: Final = " \t\r\n"
#: All up to a string that is not closed, and a string that is.
_BEFORE_OPEN_STRING: Final = re.compile(r'(?:[^"]++|"(?:[^"\\]++|\\.)*+")*+', re.DOTALL)
_STRING: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_BRACKETS: Final = re.compile(r"[{}\[\]]")
#: So many brackets are looked at one by one: it begins faster.
_FEW: Final = 64
#: Each bracket as the step that it is, down or up; all else is left out. A call may hold a hundred thousand.
_STEPS: Final = bytes.maketrans(b"{[}]", b"\x01\x01\xff\xff")
_CLOSES: Final = 0xFF
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"{[}]"))
#: More calls in one answer are nobody's, if nothing else was configured.
MOST_CALLS: Final = 256
#: A longer name is nobody's; it comes in pieces, and each of them would be said with all before it.
MOST_NAME_CHARS: Final = 1024

_check: Final = msgspec.json.Decoder(msgspec.Raw).decode


@define
class _Call:
    """One call as far as it has come."""

    id: str = ""
    name: str = ""
    pieces: Pieces = field(factory=Pieces)
    chars: int = 0
    is_blank: bool = True
    depth: int = 0
    string: OpenString = field(factory=OpenString)
    closed: bool = False
    whole: bool = False

    @property
    def arguments(self) -> str:
        return self.pieces.text

    @property
    def is_done(self) -> bool:
        """Whether it can be run: nobody runs a call that has no name."""
        return self.whole and bool(self.name)

    def say_anew(self) -> None:
        self.pieces.clear()
        self.chars, self.depth, self.is_blank = 0, 0, True
        self.string = OpenString()
        self.closed = self.whole = False

    def add(self, piece: str) -> None:
        self.pieces.add(piece)
        self.chars += len(piece)
        says_something = bool(piece.strip(_BLANKS))
        self.is_blank = self.is_blank and not says_something
        was_closed = self.closed
        self._count(self._outside_strings(piece))
        if self.closed and not was_closed:
            self.whole = is_object(self.arguments)
        elif says_something:
            # Anything behind the closing brace but blanks: not what we took it for.
            self.whole = False

    def _outside_strings(self, piece: str) -> str:
        """What of `piece` stands in no string; strings are skipped, each in one step."""
        piece = piece[self.string.end_in(piece) :]
        if '"' not in piece:
            return piece
        open_at = _BEFORE_OPEN_STRING.match(piece).end()  # type: ignore[union-attr]
        if open_at < len(piece):
            self.string.begins(piece)
        return _STRING.sub("", piece[:open_at])

    def _count(self, outside: str) -> None:
        closes = outside.count("}") + outside.count("]")
        if closes < self.depth or not closes:
            # In whatever order they come, they do not close the outermost.
            self.depth += outside.count("{") + outside.count("[") - closes
            return
        if closes <= _FEW:
            for bracket in _BRACKETS.findall(outside):
                self.depth += 1 if bracket in "{[" else -1
                self.closed = self.closed or (self.depth == 0 and bracket in "}]")
            return
        steps = outside.encode("utf-8", "surrogatepass").translate(_STEPS, _NO_BRACKETS)
        depths = list(accumulate(memoryview(steps).cast("b"), initial=self.depth))
        self.depth = depths[-1]
        self.closed = self.closed or _closes(steps, depths)


def _closes(steps: bytes, depths: list[int]) -> bool:
    """Whether one of the closing brackets is that of the outermost; one too many may stand in front."""
    at = 0
    for _ in range(depths.count(0) - (depths[0] == 0)):
        at = depths.index(0, at + 1)
        if steps[at - 1] == _CLOSES:
            return True
    return False


def is_object(arguments: str) -> bool:
    """Whether `arguments` is a whole JSON object."""
    try:
        _check(arguments)
    except NOT_JSON:
        return False
    return arguments.lstrip(_BLANKS).startswith("{")


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
    if max(len(one), len(other)) > 8 * min(len(one), len(other)) + 64:
        # No two ways to write the same differ by so much, and it may be asked many times.
        return False
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
    _bytes: int = field(default=0, init=False)
    # How many are not done; those among them that have said nothing, and whose end the next one may be.
    _undone: int = field(default=0, init=False)
    _silent: list[_Call] = field(factory=list, init=False)

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
            for earlier in self._silent:
                if earlier.is_blank and not earlier.closed and not earlier.whole:
                    earlier.whole = True
                    self._undone -= earlier.is_done
            self._silent.clear()
            call = self._calls[delta.index] = _Call()
            self._silent.append(call)
            self._undone += 1
        self._undone += call.is_done
        self._add_to(call, delta)
        self._undone -= call.is_done

    def _add_to(self, call: _Call, delta: ToolCallDelta) -> None:
        call.id = call.id or delta.id
        call.name = call.name or delta.name
        if delta.replaces:
            call.name = delta.name or call.name
            call.say_anew()
            self._silent.append(call)
        if delta.arguments:
            call.add(delta.arguments)
            if call.whole:
                self._became_whole(call)

    def is_whole(self, index: int) -> bool:
        """Whether the call of that index has begun and is whole."""
        call = self._calls.get(index)
        return call is not None and call.is_done

    def hold(self, held_bytes: int) -> None:
        """So much more waits for a call to become whole."""
        self._bytes += held_bytes
        if self._bytes > self.max_bytes:
            self.overflow()

    def overflow(self) -> None:
        """Collect nothing more: there are more of them than anybody makes."""
        self.overflowed = True
        self._calls.clear()
        self._silent.clear()

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
        if not self._calls:
            return not self.overflowed
        return self._undone == 0


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

    def says(self, index: int, arguments: str) -> bool:
        """Whether the call of that index has said just that so far."""
        call = self._calls.get(index)
        return len(arguments) == (0 if call is None else call.chars) and arguments == self.arguments_of(index)

    def size_of(self, index: int) -> int:
        """How many characters the call of that index has said so far."""
        call = self._calls.get(index)
        return 0 if call is None else call.chars

    def arguments_of(self, index: int) -> str:
        """What the call of that index has said so far."""
        call = self._calls.get(index)
        return "" if call is None else call.arguments

    def whole(self) -> tuple[ToolCall, ...]:
        """The calls that somebody finished."""
        return tuple(ToolCall(c.id, c.name, c.arguments) for c in self._calls.values() if c.is_done)

"""
What decides about an event that is too long to be kept: its type, and a finish.

Theory of operation
-------------------
The event passes in pieces, and each is looked through once. Strings are
skipped whole, so an image of sixty megabytes is one token; what is counted is
how deep the brackets are. A string behind `"type":` in the outermost object is
the event's type, one behind `"finish_reason":` in a choice, or behind
`"stop_reason":` in a delta, the finish.
"""

from __future__ import annotations

import re
from typing import Final

from attrs import define, field

# Nothing is tried twice: a string of backslashes would be remembered one by one.
_TOKEN: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[{}\[\]:]|"', re.DOTALL)
_STRING_END: Final = re.compile(rb'(?:[^"\\]++|\\.)*+"', re.DOTALL)
_NAME: Final = re.compile(rb"(?:^|[\r\n])event: ?([^\r\n]*)")
#: A string that breaks off at the end of a piece waits for its rest, if it can be one that matters.
_MAX_WORD_BYTES: Final = 256
#: So much is looked through. What is long is a picture or a page, and that is one token; its type stands in front.
_MOST_TOKENS: Final = 16_384
#: `{"choices": [{"finish_reason": …` and `{"delta": {"stop_reason": …`.
_FINISHES: Final = ((b"finish_reason", 3), (b"stop_reason", 2))


@define
class LargeEvent:
    """
    One event in pieces.

    Attributes:
        finish: the last finish reason in it; empty where there is none.
    """

    finish: str = field(default="", init=False)
    _type: str = field(default="", init=False)
    _tokens: int = field(default=0, init=False)
    _depth: int = field(default=0, init=False)
    _was_open: bool = field(default=False, init=False)
    # The last string, and the key that it stands behind: its value, unless a colon follows.
    _string: bytes = field(default=b"", init=False)
    _key: bytes = field(default=b"", init=False)
    _value_of: bytes = field(default=b"", init=False)
    _in_string: bool = field(default=False, init=False)
    # What a piece broke off in: the beginning of a word, or half of an escape.
    _carried: bytes = field(default=b"", init=False)
    _head: bytes = field(default=b"", init=False)

    @property
    def is_closed(self) -> bool:
        """Whether the brackets that were opened have been closed, as far as anybody has looked."""
        is_known = self._was_open and self._tokens <= _MOST_TOKENS
        return is_known and self._depth == 0 and not self._in_string and not self._carried

    @property
    def type(self) -> str:
        """The event's name, or its type; empty where it has neither."""
        name = _NAME.search(self._head)
        return name[1].decode("utf-8", "replace").strip() if name else self._type

    def feed(self, piece: bytes) -> None:
        """Look through the next piece."""
        if self._tokens > _MOST_TOKENS:
            return
        self._head += piece[: _MAX_WORD_BYTES - len(self._head)]
        piece, self._carried = self._carried + piece, b""
        at = self._skip_string(piece) if self._in_string else 0
        for token in _TOKEN.finditer(piece, at):
            self._tokens += 1
            if self._tokens > _MOST_TOKENS:
                self._carried = b""
                break
            self._take(token[0], piece, token.start())
            if self._in_string or self._carried:
                break

    def _skip_string(self, piece: bytes) -> int:
        end = _STRING_END.match(piece)
        if end is None:
            self._carried = b"\\" if (len(piece) - len(piece.rstrip(b"\\"))) % 2 else b""
            return len(piece)
        self._in_string = False
        return end.end()

    def _take(self, token: bytes, piece: bytes, at: int) -> None:
        if self._value_of and token != b":":
            self._note(self._value_of, self._string)
        match token:
            case b"{" | b"[":
                self._depth, self._key, self._value_of = self._depth + 1, b"", b""
                self._was_open = True
            case b"}" | b"]":
                self._depth, self._key, self._value_of = self._depth - 1, b"", b""
            case b":":
                self._key, self._value_of = self._string, b""
            case b'"' if len(piece) - at < _MAX_WORD_BYTES:
                self._carried = piece[at:]
            case b'"':
                self._in_string = True
                self._skip_string(piece[at + 1 :])
            case _:
                self._string, self._value_of, self._key = token[1:-1], self._key, b""

    def _note(self, key: bytes, value: bytes) -> None:
        if key == b"type" and self._depth == 1:
            self._type = value.decode("utf-8", "replace")
        elif (key, self._depth) in _FINISHES:
            self.finish = value.decode("utf-8", "replace")

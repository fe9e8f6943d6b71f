"""
Bytes into whole events, whatever the chunking.

Theory of operation
-------------------
A framer owns one buffer. `feed` appends a chunk and returns every event that
is now whole; the rest waits. So what a caller forwards ends between two
events: without that no seam is clean.

Each byte is searched once. After a search the framer remembers where it may
go on, so a stream that dribbles byte by byte stays O(n).

The buffer is bounded. An event that outgrows `max_bytes` (an image, a fetched
page) is returned in `Part`s, as it comes, and nobody has it whole. Lines are
not: past the bound a line framer is `overflowed` and stays so, since nobody
who speaks lines writes such a long one.

This file may not know JSON, any provider, or what an event means.
"""

from __future__ import annotations

import re
from typing import ClassVar, Final

from attrs import define, field, frozen

# An event ends at an empty line. Line ends are LF, CRLF or CR (WHATWG HTML
# §9.2.5). The groups are atomic: without that "\r\n" would backtrack into two
# line ends and cut every CRLF stream at each line. More empty lines that are
# there belong to it: they say nothing, and a million of them are as quickly read.
_EVENT_END: Final = re.compile(rb"(?>(?>\r\n|\n|\r){2,})")
# Only these three end a line. `splitlines` also breaks at U+2028, U+0085 and
# form feeds, all of which may stand inside JSON strings.
_LINE_END: Final = re.compile(rb"\r\n|\n|\r")
# How far an unfinished event end can reach back: "\r\n" and one more "\r".
_LOOKBACK_BYTES: Final = 3
BOM: Final = b"\xef\xbb\xbf"


@frozen
class SSEEvent:
    """
    The fields of one server-sent event.

    `data` is `None` when the event has no data line at all: comments, blank
    lines, a lone `event:` field. `stray` are the lines that are no field of
    an event, and no comment: every client ignores them, whatever they say.
    """

    name: str
    data: bytes | None
    stray: tuple[bytes, ...] = ()


@frozen
class Part:
    """A piece of an event that is too long to be kept; `ends`: its last one, with its end."""

    raw: bytes
    is_first: bool
    ends: bool


@define
class _Framer:
    """Cuts bytes behind each match of `_end`; subclasses say what ends a piece."""

    max_bytes: int
    _buffer: bytearray = field(factory=bytearray, init=False)
    _searched: int = field(default=0, init=False)

    _end: ClassVar[re.Pattern[bytes]]
    _lookback_bytes: ClassVar[int]

    def _cut(self, chunk: bytes) -> list[bytes]:
        """The pieces that `chunk` completes, each with its end."""
        self._buffer += chunk
        whole: list[bytes] = []
        start = 0
        for end in self._end.finditer(self._buffer, self._searched):
            whole.append(bytes(self._buffer[start : end.end()]))
            start = end.end()
        if start:
            del self._buffer[:start]
        self._searched = max(0, len(self._buffer) - self._lookback_bytes)
        return whole

    @property
    def _is_too_long(self) -> bool:
        return len(self._buffer) > self.max_bytes

    def rest(self) -> bytes:
        """What is left when the stream ends: an unfinished piece, or nothing."""
        return bytes(self._buffer)


@define
class SSEFramer(_Framer):
    """
    Cuts a server-sent event stream into whole events, bytes untouched.

    Where a CR at the end of a chunk already ends an event, the LF that may
    belong to it comes at the front of the next one. The bytes stay in order,
    and a lone LF is an empty line.
    """

    #: An event has been handed out in part, and its end has not come.
    in_part: bool = field(default=False, init=False)
    #: Lines have come whose event has not ended: see `take_lines`.
    has_lines: bool = field(default=False, init=False)
    # How much of the event that has not ended are lines without data, as `pass_lines` was told.
    _passed: int = field(default=0, init=False)
    # It has a line that is no event by itself.
    _is_odd: bool = field(default=False, init=False)
    # Lines were taken of an event, so its end may stand alone.
    _taken: bool = field(default=False, init=False)

    _end = _EVENT_END
    _lookback_bytes = _LOOKBACK_BYTES

    def feed(self, chunk: bytes) -> list[bytes | Part]:
        """Return the events that `chunk` completes, and what there is of one that is too long."""
        pieces: list[bytes | Part] = []
        if self._taken and chunk:
            self._taken = False
            if alone := _LINE_END.match(chunk):
                pieces.append(alone[0])
                chunk = chunk[alone.end() :]
        pieces += self._cut(chunk)
        if pieces:
            self._passed, self._is_odd = 0, False
        if self.in_part and pieces:
            end = pieces[0]
            if isinstance(end, bytes):
                pieces[0] = Part(end, is_first=False, ends=True)
            self.in_part = False
        if self.in_part or self._is_too_long:
            # All but what may be the beginning of its end.
            raw = bytes(self._buffer[: -self._lookback_bytes])
            if raw:
                pieces.append(Part(raw, is_first=not self.in_part, ends=False))
                del self._buffer[: -self._lookback_bytes]
                self.in_part, self._searched = True, 0
        # Nearly always the buffer is empty here: events come whole.
        self.has_lines = bool(self._buffer) and not self.in_part and b"\n" in chunk and not self._is_odd
        return pieces

    @property
    def lines(self) -> bytes:
        """The lines of the event that has not ended, behind those that were passed."""
        return bytes(self._buffer[self._passed : self._buffer.rfind(b"\n") + 1])

    def pass_lines(self, lines: bytes, *, is_odd: bool) -> None:
        """
        Leave `lines` where they are, and do not show them again: they have no data.

        `is_odd`: one of them has, and is no event by itself. Then nobody need look
        before the event has ended.
        """
        self._passed += len(lines)
        self._is_odd = is_odd

    def take_lines(self) -> bytes:
        """
        Hand the lines out although their event has not ended.

        Some write a line for each event and no empty one between them, and
        some the empty one a moment later. Nobody needs to wait for it.
        """
        lines = bytes(self._buffer[: self._buffer.rfind(b"\n") + 1])
        del self._buffer[: len(lines)]
        self._passed, self._searched, self.has_lines, self._taken = 0, 0, False, not self._buffer
        return lines


@define
class LineFramer(_Framer):
    """Cuts newline-delimited JSON into whole lines, the line end included."""

    overflowed: bool = field(default=False, init=False)

    _end = re.compile(rb"\n")
    _lookback_bytes = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the lines that `chunk` completes."""
        if self.overflowed:
            return []
        lines = self._cut(chunk)
        if self._is_too_long:
            self.overflowed = True
            self._buffer.clear()
            self._searched = 0
        return lines


def parse_sse(raw: bytes) -> SSEEvent:
    """
    Read one whole event's fields, by the standard's rules.

    Several data lines are joined with LF; one blank after the colon is
    dropped; comments and unknown fields are ignored; a BOM is skipped.
    """
    # Nearly every event of every provider is exactly one data line.
    if raw.startswith(b"data: ") and raw.endswith(b"\n\n") and raw.find(b"\n") == len(raw) - 2:
        if b"\r" not in raw:
            return SSEEvent("", raw[6:-2])
    # Empty lines around it are as many as somebody likes, and say nothing.
    raw = raw.removeprefix(BOM).strip(b"\r\n")
    name = ""
    data: list[bytes] = []
    stray: list[bytes] = []
    for line in _LINE_END.split(raw):
        key, _, value = line.partition(b":")
        value = value[1:] if value.startswith(b" ") else value
        match key:
            case b"data":
                data.append(value)
            case b"event":
                name = value.decode("utf-8", "replace")
            case b"" | b"id" | b"retry":
                pass
            case _:
                stray.append(line)
    return SSEEvent(name, b"\n".join(data) if data else None, tuple(stray))

"""
Compressed answers, which we did not ask for: undone piece by piece, and bounded.

Lenient, unlike what is undone of requests: whoever reads the answer sees where
it ends too soon.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final, Protocol

from attrs import define, field

from trooper.core.outcome import Failed, FailureKind

#: What every member of a compressed body begins with.
_MEMBER: Final = b"\x1f\x8b"
#: Up to here a body may have been compressed by any ratio: it costs less than most plain ones.
_FREE_BYTES: Final = 4_194_304
#: A body of empty members is nothing but work. Of others there may be as many as there are events.
_MOST_EMPTY_MEMBERS: Final = 1_024
#: How much decompressed text is handed on at once, however small it came in.
_INFLATE_BYTES: Final = 65_536


class Inflate(Protocol):
    """Undoes one body's compression; raises `zlib.error` where that is none, or too much."""

    def __call__(self, chunk: bytes) -> Iterator[bytes]:
        """What `chunk` holds, in pieces that are each little work."""


def inflater_of(encoding: str, max_ratio: int) -> Inflate | Failed:
    """
    Undo a compression we did not ask for.

    In bounded pieces, so that a small body that swells is counted by its
    decoded size wherever sizes are capped. Past `max_ratio`, and what is free of
    it, it is no answer any more.
    """
    match encoding.strip().lower():
        case "" | "identity":
            return lambda chunk: iter((chunk,))
        case "gzip" | "x-gzip" | "deflate":
            return _Inflater(max_ratio)
        case _:
            return Failed(FailureKind.BAD_FRAME)


@define
class _Inflater:
    """A compressed body: several members may stand behind each other, and each needs a state of its own."""

    max_ratio: int
    _member: zlib._Decompress = field(factory=lambda: zlib.decompressobj(wbits=47), init=False)
    _empty_members: int = field(default=0, init=False)
    # How much there was when the last one began.
    _size_before: int = field(default=0, init=False)
    _came: int = field(default=0, init=False)
    _size: int = field(default=0, init=False)

    def __call__(self, chunk: bytes) -> Iterator[bytes]:
        self._came += len(chunk)
        while chunk:
            piece = self._member.decompress(chunk, _INFLATE_BYTES)
            chunk = self._member.unconsumed_tail
            self._size += len(piece)
            if self._member.eof:
                chunk = self._member.unused_data
                if not _MEMBER.startswith(chunk[:2]):
                    # Padding, or what every other client ignores as well.
                    chunk = b""
                elif chunk:
                    self._next_member()
            if piece:
                if self._size > max(_FREE_BYTES, self.max_ratio * self._came):
                    raise zlib.error(f"It swells by more than {self.max_ratio} times.")
                yield piece

    def _next_member(self) -> None:
        self._empty_members += self._size == self._size_before
        if self._empty_members >= _MOST_EMPTY_MEMBERS:
            raise zlib.error(f"It has {_MOST_EMPTY_MEMBERS} empty members.")
        self._size_before = self._size
        self._member = zlib.decompressobj(wbits=47)

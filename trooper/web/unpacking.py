"""
Compressed requests: undone piece by piece, and bounded.

Strict, unlike what is read of providers: a request that is not whole must not
be asked by half. Sans-IO; who calls it may wait between two pieces. The codes
are Anthropic's, whose SDK has a class for each.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Final, Protocol

from attrs import define, field

from trooper.config import Server
from trooper.errors import RequestRejected

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

#: What is given to a decoder, and taken from it, at once: less than a millisecond's work.
_PIECE_BYTES: Final = 65_536
#: Gzip's members and zstd's frames in one body. Parallel compressors make one for each
#: 64 KiB or more; a body of empty ones is nothing but work.
_MOST_PARTS: Final = 4096
#: Up to here a body may have been compressed by any ratio: it costs less than most plain ones.
FREE_BYTES: Final = 4 * 1024 * 1024
#: The largest window is 2 to this power, 8 MiB: what RFC 8878 (3.1.1.1.2) asks of
#: every decoder. It is memory that a request of a few bytes could claim.
_WINDOW_LOG: Final = 23


class _Part(Protocol):
    """One member or frame of a body."""

    @property
    def eof(self) -> bool:
        """Whether it has ended."""

    @property
    def unused_data(self) -> bytes:
        """What was given and stands behind its end."""

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """What `data` holds, in pieces of at most `_PIECE_BYTES`."""


class _Member:
    """A member of a gzip body."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def pieces(self, data: bytes) -> Iterator[bytes]:
        # What is still to come at the end of `data` comes with the trailer, which every member has.
        while data and not self.eof:
            yield self._inner.decompress(data, _PIECE_BYTES)
            data = self._inner.unconsumed_tail


class _Frame:
    """A frame of a zstd body; one that is to be skipped says nothing."""

    def __init__(self) -> None:
        options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: _WINDOW_LOG}
        self._inner = zstd.ZstdDecompressor(options=options)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def pieces(self, data: bytes) -> Iterator[bytes]:
        yield self._inner.decompress(data, _PIECE_BYTES)
        while not self.eof and not self._inner.needs_input:
            yield self._inner.decompress(b"", _PIECE_BYTES)


_PARTS: Final[Mapping[str, Callable[[], _Part]]] = {"gzip": _Member, "x-gzip": _Member, "zstd": _Frame}

#: What a request may be compressed by, as `Accept-Encoding` says it.
TAKEN: Final = "gzip, zstd"


def coding_of(value: bytes | None) -> str | None:
    """
    How a body is compressed, from its `Content-Encoding`; `None`: not at all.

    Raises:
        RequestRejected: in a way that is not taken, or more than once.
    """
    words = (value or b"").decode("latin-1").lower().split(",")
    codings = [word for text in words if (word := text.strip()) not in ("", "identity")]
    if not codings:
        return None
    if len(codings) > 1 or codings[0] not in _PARTS:
        raise RequestRejected(
            415,
            "request_body_encoding_unsupported",
            f"The request's Content-Encoding is not one of {TAKEN}, which are taken, each alone.",
            headers=((b"accept-encoding", TAKEN.encode()),),
        )
    return codings[0]


@define
class Unpacker:
    """
    Undoes the compression of one body.

    Args:
        coding: a word of `coding_of`.
        limits: how large a body may be, and by how much it may have been compressed.
    """

    coding: str
    limits: Server
    _part: _Part | None = field(default=None, init=False)
    _parts: int = field(default=0, init=False)
    _came: int = field(default=0, init=False)
    _size: int = field(default=0, init=False)

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        """What `chunk` holds, in pieces that are each little work; some are empty."""
        for at in range(0, len(chunk), _PIECE_BYTES):
            data = chunk[at : at + _PIECE_BYTES]
            self._came += len(data)
            try:
                yield from self._unpacked(data)
            except (zlib.error, zstd.ZstdError):
                window = ", or wants a window of more than 8 MiB" if self.coding == "zstd" else ""
                raise self._broken(f"cannot be read as one{window}") from None

    def end(self) -> None:
        """Say that nothing follows; what has begun must have ended."""
        if self._part is not None:
            raise self._broken("ends in the middle")

    def _unpacked(self, data: bytes) -> Iterator[bytes]:
        while data:
            part = self._part or self._new_part()
            for piece in part.pieces(data):
                self._count(len(piece))
                yield piece
            data = part.unused_data if part.eof else b""
            if part.eof:
                self._part = None

    def _new_part(self) -> _Part:
        self._parts += 1
        if self._parts > _MOST_PARTS:
            raise self._broken(f"has more than {_MOST_PARTS} parts")
        self._part = _PARTS[self.coding]()
        return self._part

    def _count(self, size: int) -> None:
        self._size += size
        size, ratio = self.limits.max_request_bytes, self.limits.max_request_ratio
        if self._size > size:
            raise _swells(f"to more than {size} bytes. [server] max_request_bytes")
        if self._size > max(FREE_BYTES, ratio * self._came):
            raise _swells(f"by more than {ratio} times. [server] max_request_ratio")

    def _broken(self, what: str) -> RequestRejected:
        return RequestRejected(
            400,
            "request_body_encoding_invalid",
            f"The request's body says that it is {self.coding}, but {what}.",
        )


def _swells(how: str) -> RequestRejected:
    message = f"The request's body swells {how} sets the limit."
    return RequestRejected(413, "request_body_too_large_after_decoding", message)


def too_large(limits: Server) -> RequestRejected:
    """The answer to a body past the bound: announced, or found out."""
    return RequestRejected(
        413,
        "request_too_large",
        f"The request's body is larger than {limits.max_request_bytes} bytes."
        " [server] max_request_bytes sets the limit.",
    )

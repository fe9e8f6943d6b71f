"""
A connected pair of byte streams in memory that behave like two TCP sockets.

Trio's own memory streams buffer without end, so a writer never waits, and they
cannot be reset. Both matter here: back-pressure and a reset connection are
things a proxy must get right.
"""

from __future__ import annotations

import operator
from typing import final

import trio
from attrs import Factory, define
from trio.lowlevel import ParkingLot, checkpoint

#: About what a loopback socket takes before the writer has to wait.
DEFAULT_BUFFER_BYTES = 64 * 1024


@define(eq=False)
class _Pipe:
    """One direction."""

    limit_bytes: int
    buffer: bytearray = Factory(bytearray)
    ended: bool = False
    reset: bool = False
    reader_closed: bool = False
    readable: ParkingLot = Factory(ParkingLot)
    writable: ParkingLot = Factory(ParkingLot)

    def wake(self) -> None:
        self.readable.unpark_all()
        self.writable.unpark_all()


@final
class MemoryStream(trio.abc.HalfCloseableStream):
    """
    One end of a pair; see `memory_pair`.

    `segment_bytes` bounds what one read returns, to imitate a network that
    cuts where it likes.
    """

    def __init__(self, incoming: _Pipe, outgoing: _Pipe, segment_bytes: int | None) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._segment_bytes = segment_bytes
        self._closed = False
        self._sending = False
        self._receiving = False

    @property
    def closed(self) -> bool:
        """Whether this end was closed or reset by its owner."""
        return self._closed

    @property
    def is_readable(self) -> bool:
        """Whether a read would return at once: data, the end, or a reset."""
        pipe = self._incoming
        return bool(pipe.buffer) or pipe.ended or pipe.reset

    @property
    def unread_bytes(self) -> int:
        """How much the other end has sent that nobody has read here."""
        return len(self._incoming.buffer)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Write everything; wait while the other end does not read."""
        if self._sending:
            raise trio.BusyResourceError("another task is sending on this stream")
        self._sending = True
        try:
            await checkpoint()
            view = memoryview(data)
            self._check_writable()
            while view:
                room = self._outgoing.limit_bytes - len(self._outgoing.buffer)
                if room <= 0:
                    await self._outgoing.writable.park()
                else:
                    self._outgoing.buffer += view[:room]
                    view = view[room:]
                    self._outgoing.readable.unpark_all()
                self._check_writable()
        finally:
            self._sending = False

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until there is room in the buffer."""
        if self._sending:
            raise trio.BusyResourceError("another task is sending on this stream")
        self._sending = True
        try:
            await checkpoint()
            self._check_writable()
            while len(self._outgoing.buffer) >= self._outgoing.limit_bytes:
                await self._outgoing.writable.park()
                self._check_writable()
        finally:
            self._sending = False

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Read what is there. Data sent before a reset is still read, as on Linux."""
        if max_bytes is not None and operator.index(max_bytes) < 1:
            raise ValueError("max_bytes must be at least 1")
        if self._receiving:
            raise trio.BusyResourceError("another task is receiving from this stream")
        self._receiving = True
        try:
            await checkpoint()
            pipe = self._incoming
            while True:
                if self._closed:
                    raise trio.ClosedResourceError("this end is closed")
                if pipe.buffer:
                    return self._take(max_bytes)
                if pipe.reset:
                    raise trio.BrokenResourceError("[memory] connection reset by peer")
                if pipe.ended:
                    return b""
                await pipe.readable.park()
        finally:
            self._receiving = False

    def _take(self, max_bytes: int | None) -> bytes:
        pipe = self._incoming
        size = min(len(pipe.buffer), max_bytes or len(pipe.buffer), self._segment_bytes or len(pipe.buffer))
        data = bytes(pipe.buffer[:size])
        del pipe.buffer[:size]
        pipe.writable.unpark_all()
        return data

    def _check_writable(self) -> None:
        if self._closed or self._outgoing.ended:
            raise trio.ClosedResourceError("this end is closed for writing")
        if self._outgoing.reader_closed or self._outgoing.reset or self._incoming.reset:
            raise trio.BrokenResourceError("[memory] the peer is gone")

    async def send_eof(self) -> None:
        """Say that no more data comes; the other direction stays open."""
        if self._sending:
            raise trio.BusyResourceError("another task is sending on this stream")
        await checkpoint()
        if self._closed:
            raise trio.ClosedResourceError("this end is closed")
        self._outgoing.ended = True
        self._outgoing.wake()

    async def aclose(self) -> None:
        """Close both directions; what was sent can still be read."""
        self._shut(reset=False)
        await checkpoint()

    async def reset(self) -> None:
        """What closing a socket with `SO_LINGER` 0 does: the peer's next read fails."""
        self._shut(reset=True)
        await checkpoint()

    def _shut(self, *, reset: bool) -> None:
        if self._closed:
            return
        self._closed = True
        self._outgoing.ended = True
        self._outgoing.reset = self._outgoing.reset or reset
        self._incoming.reader_closed = True
        self._incoming.buffer.clear()
        self._outgoing.wake()
        self._incoming.wake()


def memory_pair(
    buffer_bytes: int = DEFAULT_BUFFER_BYTES, segment_bytes: int | None = None
) -> tuple[MemoryStream, MemoryStream]:
    """Two connected ends, `buffer_bytes` in each direction."""
    here, there = _Pipe(buffer_bytes), _Pipe(buffer_bytes)
    return MemoryStream(here, there, segment_bytes), MemoryStream(there, here, segment_bytes)

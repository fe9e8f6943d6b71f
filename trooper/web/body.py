"""Read a request's body, bounded in bytes, in silence and in time."""

from __future__ import annotations

import io
from typing import Final

import trio
from attrs import define, field, frozen

from trooper.config import Config
from trooper.errors import RequestRejected
from trooper.web.budget import Share
from trooper.web.front_door import not_json
from trooper.web.protocol import Message, Receive
from trooper.web.unpacking import Unpacker, too_large

#: A body has `drain_timeout_s` of silence, and so many bytes give a second back. Who sends a byte every 29 s
#: would hold his share of all bodies' room until `body_timeout_s`, which is for bodies that do come.
_SLOWEST_BYTES_PER_S: Final = 4_096


@frozen
class Body:
    """
    A request's body.

    Attributes:
        came: the bytes as they came.
        read: what they hold; the same, where they were not compressed.
    """

    came: bytes = field(repr=False)
    read: bytes = field(repr=False)


@define
class Upload:
    """
    The server's `receive`, which notes whether the body has ended.

    Who waits for more of a body that is over waits for the client to leave.
    """

    _receive: Receive
    #: Nothing more of it comes.
    ended: trio.Event = field(factory=trio.Event, init=False)

    async def __call__(self) -> Message:
        """The next message."""
        message = await self._receive()
        if message["type"] != "http.request" or not message.get("more_body", False):
            self.ended.set()
        return message


async def read_body(
    config: Config,
    receive: Receive,
    held: Share,
    *,
    keep: bool = True,
    coding: str | None = None,
    typed: bool = True,
) -> Body | None:
    """
    The whole body, or `None` if the client left before its end.

    Bytes are counted as they come: a chunked body announces no length, and an
    announced one may be a lie.

    Args:
        config: says how large it may be, how long it may take, and how long a pause.
        receive: ASGI's.
        held: what is kept counts there.
        keep: whether anybody needs it; else it is read and forgotten.
        coding: how it is compressed, if it is and somebody needs it.
        typed: whether the request says what its body is; else there must be none.
    """
    # No lists of pieces: who sends two bytes at a time would have them cost forty. Nor a `bytearray`: these
    # give away what they hold, and a copy of 64 MiB takes as long as all others may wait.
    came, read = io.BytesIO(), io.BytesIO()
    unpacker = Unpacker(coding, config.server) if coding is not None else None
    size, patience_s = 0, config.server.drain_timeout_s
    latest = trio.current_time() + config.server.body_timeout_s
    while True:
        since = trio.current_time()
        message = await _next(receive, min(since + patience_s, latest))
        if message["type"] == "http.disconnect":
            return None
        piece: bytes = message.get("body", b"")
        size += len(piece)
        left_s = max(0.0, patience_s - (trio.current_time() - since))
        patience_s = min(left_s + len(piece) / _SLOWEST_BYTES_PER_S, config.server.drain_timeout_s)
        if size > config.server.max_request_bytes:
            raise too_large(config.server)
        if piece and not typed:
            raise not_json()
        if keep and piece:
            held.add(len(piece))
            came.write(piece)
            if unpacker is not None:
                for unpacked in unpacker.pieces(piece):
                    held.add(len(unpacked))
                    read.write(unpacked)
                    # A small body may be a large one's work: others have their turn in between.
                    await trio.lowlevel.checkpoint()
        if not message.get("more_body", False):
            break
    whole = came.getvalue()
    if unpacker is None:
        return Body(whole, whole)
    unpacker.end()
    return Body(whole, read.getvalue())


async def _next(receive: Receive, until: float) -> Message:
    # A laptop that is closed in the middle of an upload says nothing more,
    # and no server timeout applies to it: hypercorn's `read_timeout` would
    # end every stream of a client that only listens.
    with trio.move_on_at(until):
        return await receive()
    raise RequestRejected(
        408,
        "body_timeout",
        "The request's body did not arrive in time. [server] body_timeout_s and drain_timeout_s are its bounds.",
    )

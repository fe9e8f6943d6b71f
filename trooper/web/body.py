"""Read a request's body, bounded in bytes and in silence."""

from __future__ import annotations

import trio

from trooper.config import Config
from trooper.errors import RequestRejected
from trooper.web.front_door import too_large
from trooper.web.protocol import Receive


async def read_body(config: Config, receive: Receive, *, keep: bool = True) -> bytes | None:
    """
    The whole body, or `None` if the client left before its end.

    With `keep` false the body is read and forgotten. Bytes are counted as they
    come: a chunked body announces no length, and an announced one may be a lie.
    """
    pieces: list[bytes] = []
    size = 0
    while True:
        # A laptop that is closed in the middle of an upload says nothing more,
        # and no server timeout applies to it: hypercorn's `read_timeout` would
        # end every stream of a client that only listens.
        with trio.move_on_after(config.server.drain_timeout_s) as silence:
            message = await receive()
        if silence.cancelled_caught:
            raise RequestRejected(408, "body_timeout", "The request's body did not arrive.")
        if message["type"] == "http.disconnect":
            return None
        piece: bytes = message.get("body", b"")
        size += len(piece)
        if size > config.server.max_request_bytes:
            raise too_large(config)
        if keep and piece:
            pieces.append(piece)
        if not message.get("more_body", False):
            return b"".join(pieces)

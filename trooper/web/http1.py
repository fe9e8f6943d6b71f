"""
Hypercorn's side of HTTP/1, which takes no websocket for one.

Its own (0.18) gives an offer to a parser of frames before anybody has been
asked. That parser refuses an offer that lacks a header with an empty 400, and
fails on a client that sends a frame before it has been answered. Here an offer
stays a request, and the application answers it.
"""

from __future__ import annotations

from typing import Any

import hypercorn.protocol
from hypercorn.protocol.h11 import H11Protocol

from trooper.web.websockets import is_offer


class _H11(H11Protocol):
    async def _create_stream(self, request: Any) -> None:
        headers = tuple((name.lower(), value) for name, value in request.headers)
        if is_offer(request.method.decode("ascii").upper(), headers):
            # By this header it knows an offer; what it says of this hop h11 has read.
            kept = [(name, value) for name, value in headers if name != b"connection"]
            request = type(request)(
                method=request.method,
                target=request.target,
                headers=kept,
                http_version=request.http_version,
            )
        await super()._create_stream(request)


def keep_to_http() -> None:
    """Have hypercorn, on either of its workers, use this in place of its own; there is no way to hand it over."""
    vars(hypercorn.protocol)["H11Protocol"] = _H11

"""
Websocket offers, of which none is taken: each is answered with 426, which
sends a client that knows HTTP as well (Codex) there at once. A close in place
of a status would have it try again and again first.

An offer reaches us as a websocket where the server has understood it, and as
plain HTTP where it has not.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from trooper.core.headers import Headers
from trooper.errors import RequestRejected
from trooper.web.answers import ErrorShape, body_message, start_message
from trooper.web.front_door import RequestHead
from trooper.web.protocol import Message, Receive, Scope, Send

STATUS: Final = 426
CODE: Final = "websockets_not_served"
MESSAGE: Final = "Trooper serves no websockets. Ask the same path by HTTP."

#: What the server calls the two messages of an answer to an offer.
_PREFIX: Final = "websocket."


def is_offer(method: str, headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a request offers a websocket, names in lower case; one that is no GET offers none."""
    # `Connection` is not asked: it belongs to one hop, and some proxies leave the other header standing.
    offered = b",".join(value for name, value in headers if name == b"upgrade").lower().split(b",")
    return method == "GET" and any(word.partition(b"/")[0].strip() == b"websocket" for word in offered)


def can_be_answered(scope: Scope) -> bool:
    """Whether the server has a way to answer an offer: as plain HTTP, or by an extension of ASGI's websockets."""
    return scope["type"] == "http" or "websocket.http.response" in scope.get("extensions", {})


def check_no_offer(http_version: str, head: RequestHead) -> None:
    """
    Refuse an offer as any other request.

    Raises:
        RequestRejected: it is one.
    """
    if is_offer(head.method, head.headers):
        raise RequestRejected(STATUS, CODE, MESSAGE, _asking_for_http(http_version))


def _asking_for_http(http_version: str) -> Headers:
    """Which protocol it is that we ask for (RFC 9110, 15.5.22)."""
    if not http_version.startswith("1"):
        return ()
    return ((b"upgrade", b"HTTP/1.1"), (b"connection", b"upgrade"))


async def answer_offer(scope: Scope, shape: ErrorShape, receive: Receive, send: Send) -> None:
    """Answer an offer with the status, as a websocket's or while nothing is served; on any loop."""
    body = shape.body(STATUS, CODE, MESSAGE)
    # The connection stays: what ends it may make a server close over its own writing, where a frame came first.
    headers = (*shape.headers(), (b"x-should-retry", b"false"), *_asking_for_http(scope["http_version"]))
    messages: list[Message] = [start_message(STATUS, body, headers), body_message(body)]
    if scope["type"] == "websocket":
        await receive()
        messages = [{**message, "type": _PREFIX + message["type"]} for message in messages]
    for message in messages:
        await send(message)


async def close_offer(receive: Receive, send: Send) -> None:
    """Say no to an offer that cannot be answered; servers make a 403 of it."""
    await receive()
    await send({"type": "websocket.close", "code": 1008})

"""
Answers that Trooper gives itself, in the shape that the SDKs of the client's wire read.

Only trio's part of the wait is here: how an answer goes out while the client
is still sending. Nothing in this file is on the token path.
"""

from __future__ import annotations

import secrets

import msgspec
import trio
from attrs import frozen

from trooper.errors import RequestRejected
from trooper.web.body import Upload
from trooper.web.protocol import Headers, Message, Send
from trooper.wire.client_side import ClientSide

#: How long an unread body is swallowed after a refusal. A socket closed over
#: unread bytes is reset, and the reset overtakes the answer: the client would
#: see a broken connection in place of the reason. nginx's `lingering_timeout`
#: is 5 s as well.
LINGER_S = 5.0

_JSON = (b"content-type", b"application/json")


@frozen
class ErrorShape:
    """
    How one client is told of errors of ours.

    Args:
        side: how the clients of its wire are spoken with.
    """

    side: ClientSide

    def body(self, status: int, code: str, message: str) -> bytes:
        """The JSON of an error, from its status, its code and a sentence."""
        return msgspec.json.encode(self.side.refusal_body(status, code, message))

    def headers(self) -> Headers:
        """What stands beside it: an id, where the client's SDK looks for one."""
        return ((self.side.id_header, f"req_{secrets.token_hex(12)}".encode()),)


def start_message(status: int, body: bytes, headers: Headers = ()) -> Message:
    """The head of a JSON answer whose whole body is known."""
    length = (b"content-length", str(len(body)).encode())
    return {"type": "http.response.start", "status": status, "headers": [_JSON, length, *headers]}


def body_message(body: bytes = b"", *, more: bool = False) -> Message:
    """A piece of a body."""
    return {"type": "http.response.body", "body": body, "more_body": more}


async def answer_error(send: Send, shape: ErrorShape, status: int, code: str, message: str) -> None:
    """A whole error answer. It waits on `send` only, so it runs on any loop."""
    body = shape.body(status, code, message)
    await send(start_message(status, body, shape.headers()))
    await send(body_message(body))


async def answer_preflight(send: Send, asked_headers: bytes | None) -> None:
    """Let a browser send what it asked about; the origin was allowed already."""
    headers: Headers = ((b"access-control-allow-methods", b"GET, POST"), (b"access-control-max-age", b"600"))
    if asked_headers is not None:
        headers += ((b"access-control-allow-headers", asked_headers),)
    await send({"type": "http.response.start", "status": 204, "headers": list(headers)})
    await send(body_message())


async def answer_rejection(
    rejected: RequestRejected, shape: ErrorShape, upload: Upload, send: Send, *, close: bool
) -> None:
    """
    Refuse a request whose body may still be on its way.

    The answer goes out whole at once; only its last, empty message waits until
    the client has stopped sending, for `LINGER_S` at most. The body is
    swallowed all the while: hypercorn hands it over through a queue of ten
    messages, and when that is full its own `send` waits for us to read.
    """
    body = shape.body(rejected.status, rejected.code, rejected.message)
    # The SDKs retry 408, 409, 429 and 5xx. A late body may be on time next
    # time, and a large one have room; no other refusal gets better by asking again.
    headers: Headers = (*rejected.headers, *shape.headers())
    if rejected.status not in (408, 503):
        headers += ((b"x-should-retry", b"false"),)
    if rejected.status == 401:
        headers += ((b"www-authenticate", b"Bearer"),)
    if close:
        headers += ((b"connection", b"close"),)
    await send(start_message(rejected.status, body, headers))
    await send(body_message(body, more=True))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_swallow, upload)
        with trio.move_on_after(LINGER_S):
            await upload.ended.wait()
        # Shielded because hypercorn says `http.disconnect` from inside this
        # call, which ends `_swallow`, and closes the connection after that.
        with trio.CancelScope(shield=True):
            await send(body_message())
        nursery.cancel_scope.cancel()


async def _swallow(upload: Upload) -> None:
    while (await upload())["type"] != "http.disconnect":
        pass

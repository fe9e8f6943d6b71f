"""
The client's side of one request: what was sent to it, and whether it is there.

Two watchers stand beside the conductor. One waits for the client to leave,
the other for a write that does not end: the server shields its socket writes,
so a client that stops reading cannot be cancelled away, only hung up on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import trio
from attrs import define, field

from trooper.core.headers import Headers
from trooper.core.outcome import Answer

Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


@define
class Client:
    """
    One ASGI response.

    Args:
        hang_up: shuts the client's socket down, from outside the server.
        drain_timeout_s: how long one write may wait for the client to read.
    """

    _send: Send
    _hang_up: Callable[[], object]
    drain_timeout_s: float
    status: int | None = field(default=None, init=False)
    sent_bytes: int = field(default=0, init=False)
    gone: bool = field(default=False, init=False)
    done: bool = field(default=False, init=False)
    #: It has been sent the terminator: many leave then, and that cancels nothing.
    has_all: bool = field(default=False, init=False)
    _sending_since: float | None = field(default=None, init=False)

    @property
    def started(self) -> bool:
        """Whether the status has gone out: from then on failures are told in-band."""
        return self.status is not None

    async def start(self, status: int, headers: Headers) -> None:
        """Send the status and the headers."""
        self.status = status
        await self._timed({"type": "http.response.start", "status": status, "headers": list(headers)})

    async def write(self, body: bytes) -> None:
        """Send a piece of the body; waits while the client does not read."""
        await self._timed({"type": "http.response.body", "body": body, "more_body": True})
        self.sent_bytes += len(body)

    async def finish(self, body: bytes = b"") -> None:
        """Send the last piece. The web layer shields it: see its `ClientSend`."""
        self.done = True
        await self._timed({"type": "http.response.body", "body": body, "more_body": False})
        self.sent_bytes += len(body)

    async def answer(self, answer: Answer, own: Headers = ()) -> None:
        """Send a whole answer; `own` are headers of ours behind its own."""
        length = (b"content-length", str(len(answer.body)).encode())
        await self.start(answer.status, (*answer.headers, length, *own))
        await self.finish(answer.body)

    async def _timed(self, message: Message) -> None:
        self._sending_since = trio.current_time()
        try:
            await self._send(message)
        finally:
            self._sending_since = None

    async def watch_presence(self, receive: Receive, request: trio.CancelScope) -> None:
        """Wait for the client to leave; then nobody needs an answer any more."""
        while (await receive())["type"] != "http.disconnect":
            pass
        if not self.done and not self.has_all:
            self.gone = True
            request.cancel(reason="the client went away")

    async def watch_draining(self, request: trio.CancelScope) -> None:
        """Wait for a write that takes too long, and end it by force: it is shielded."""
        while True:
            since, now = self._sending_since, trio.current_time()
            if since is not None and now - since >= self.drain_timeout_s:
                self.gone = True
                self._hang_up()
                request.cancel(reason="the client does not read")
                return
            await trio.sleep((now if since is None else since) + self.drain_timeout_s - now)

"""An ASGI server's side of one response: what it was sent, and whether its client reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import trio
from attrs import define, field

from trooper.relay.client import Client


@define
class Server:
    """An ASGI server's `receive` and `send` for one request."""

    sent: list[Mapping[str, Any]] = field(factory=list)
    reads: trio.Event = field(factory=trio.Event)
    says: list[str] = field(factory=list)
    hung_up: list[float] = field(factory=list)

    async def send(self, message: Mapping[str, Any]) -> None:
        with trio.CancelScope(shield=True):
            await self.reads.wait()
        self.sent.append(message)

    async def receive(self) -> Mapping[str, Any]:
        await trio.sleep(1)
        if not self.says:
            await trio.sleep_forever()
        return {"type": self.says.pop(0)}

    def hang_up(self) -> None:
        self.hung_up.append(trio.current_time())
        self.reads.set()

    def client(self, *, reads: bool = True) -> Client:
        if reads:
            self.reads.set()
        return Client(self.send, self.hang_up, drain_timeout_s=30.0)

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])

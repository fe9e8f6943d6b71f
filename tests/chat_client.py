"""
A chat client on a bare socket, for what an SDK cannot do: leave at any moment,
in any way, or stop reading.
"""

from __future__ import annotations

import json
import socket
import struct
from types import TracebackType
from typing import Any, Self

import h11
import trio
from attrs import Factory, define

_READ_BYTES = 65_536


@define
class ChatClient:
    """One connection and one request; leaving the `with` block closes it in good manners."""

    stream: trio.SocketStream
    number: int = 0
    parser: h11.Connection = Factory(lambda: h11.Connection(h11.CLIENT))
    status: int | None = None

    @classmethod
    async def connect(cls, port: int, number: int = 0, *, receive_bytes: int | None = None) -> Self:
        """
        Connect to Trooper.

        Args:
            port: where it listens.
            number: told in the query and in the question, so that fakes know whom they serve.
            receive_bytes: the kernel's buffer for what is not read.
        """
        connection = trio.socket.socket()
        try:
            if receive_bytes is not None:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
            await connection.connect(("127.0.0.1", port))
        except BaseException:
            connection.close()
            raise
        return cls(trio.SocketStream(connection), number)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()
        with trio.move_on_after(1, shield=True):
            await trio.lowlevel.checkpoint()

    async def ask(self, model: str, **fields: Any) -> None:
        """Send a whole request."""
        await self.stream.send_all(self.request(model, **fields))

    def request(self, model: str, **fields: Any) -> bytes:
        """The request's bytes."""
        question = f"Tell me about lighthouses. ({self.number})"
        asked = {
            "model": model,
            "stream": True,
            "messages": [{"role": "user", "content": question}],
            **fields,
        }
        body = json.dumps(asked).encode()
        head = h11.Request(
            method="POST",
            target=f"/v1/chat/completions?number={self.number}",
            headers=[
                ("host", "localhost"),
                ("content-type", "application/json"),
                ("authorization", "Bearer sk-of-the-client"),
                ("content-length", str(len(body))),
            ],
        )
        parts = [
            self.parser.send(head),
            self.parser.send(h11.Data(data=body)),
            self.parser.send(h11.EndOfMessage()),
        ]
        return b"".join(part for part in parts if part)

    async def piece(self) -> bytes | None:
        """Wait for the next piece of the body; `None` is its honest end, an early one raises."""
        while True:
            event = self.parser.next_event()
            match event:
                case h11.NEED_DATA:
                    self.parser.receive_data(await self.stream.receive_some(_READ_BYTES))
                case h11.Response():
                    self.status = event.status_code
                    return b""
                case h11.Data():
                    return bytes(event.data)
                case h11.EndOfMessage():
                    return None
                case _:
                    raise AssertionError(f"not part of an answer: {event}")

    async def rest(self) -> bytes:
        """Everything to the end of the body."""
        body = bytearray()
        while (piece := await self.piece()) is not None:
            body += piece
        return bytes(body)

    def leave(self, *, reset: bool = False) -> None:
        """Close the socket at once; with `reset` the peer gets an RST."""
        if reset:
            self.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.stream.socket.close()

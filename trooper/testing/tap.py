"""
A place between a proxy and a real server: everything passes, and the moments are noted.

The bench puts it in front of somebody's own Ollama, so that it knows what it
knows of the stand-in: when a request was there, and when the answer's first
byte went out. It opens a connection per request, so it adds a little to
the server's own time, which it is meant to tell, and nothing to the proxy's.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

import h11
import trio
from attrs import define, field

from trooper.testing.http import Framing, Request, Response, Server
from trooper.testing.served import Served

_READ_BYTES: Final = 65_536
_HOP_BY_HOP: Final = {"connection", "keep-alive", "transfer-encoding", "content-length"}


@define(eq=False)
class Tap(Served):
    """Passes every request on to the server at `url` (plain HTTP): give `tap.serve` to a listener."""

    url: str
    server: Server = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.server = Server(self._answer)

    async def _answer(self, request: Request, response: Response) -> None:
        place = urlsplit(self.url)
        host, port = place.hostname or "", place.port or 80
        try:
            stream = await trio.open_tcp_stream(host, port)
        except OSError:
            return  # The connection closes without a word, which is what there is to say.
        async with stream:
            await self._pass(_Server(stream, f"{host}:{port}", place.path.rstrip("/")), request, response)

    async def _pass(self, server: _Server, request: Request, response: Response) -> None:
        try:
            head = await server.ask(request)
            length = dict(head.headers).get(b"content-length")
            framing = Framing.CHUNKED if length is None else int(length)
            await response.head(head.status_code, _end_to_end(head), framing=framing)
            while (data := await server.more()) is not None:
                if response.mark is not None:
                    response.mark.content()
                await response.send(data)
        except (h11.RemoteProtocolError, trio.BrokenResourceError):
            return  # A half answer stays half.
        await response.end()


@define(eq=False)
class _Server:
    stream: trio.SocketStream
    host: str
    prefix: str
    http: h11.Connection = field(factory=lambda: h11.Connection(h11.CLIENT))

    async def ask(self, request: Request) -> h11.Response:
        kept = [(name, value) for name, value in request.headers if name not in {"host", *_HOP_BY_HOP}]
        target = self.prefix + request.path + (f"?{request.query}" if request.query else "")
        fields = [("host", self.host), *kept]
        if request.body:
            fields.append(("content-length", str(len(request.body))))
        head = h11.Request(method=request.method, target=target, headers=fields)
        for event in (head, *([h11.Data(data=request.body)] if request.body else []), h11.EndOfMessage()):
            await self.stream.send_all(self.http.send(event) or b"")
        while not isinstance(answer := await self._next(), h11.Response):
            pass
        return answer

    async def more(self) -> bytes | None:
        """The next piece of the body; nothing at its end."""
        event = await self._next()
        return bytes(event.data) if isinstance(event, h11.Data) else None

    async def _next(self) -> h11.Event:
        while (event := self.http.next_event()) is h11.NEED_DATA:
            self.http.receive_data(bytes(await self.stream.receive_some(_READ_BYTES)))
        if not isinstance(event, h11.Event):
            raise h11.RemoteProtocolError("the answer is over")
        return event


def _end_to_end(head: h11.Response) -> list[tuple[str, str]]:
    fields = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers)
    return [(name, value) for name, value in fields if name not in _HOP_BY_HOP]

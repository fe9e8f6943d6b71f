"""
A local model that says whatever an attack wants: Ollama's stand-in as it is for
whoever looks after it, and any bytes to whoever wants an answer.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

import trio
from attrs import define, field

from deployed import LONG_S
from trooper.testing import FakeOllama, Request, Response, serve_tcp

#: Says an answer; it may leave the connection as it likes.
LocalSays: TypeAlias = Callable[[Response], Awaitable[None]]


@define
class OddLocal:
    """
    Attributes:
        url: where it is.
        says: how it answers; nothing while it answers like an Ollama.
    """

    url: str = ""
    says: LocalSays | None = None
    _fake: FakeOllama = field(factory=FakeOllama)

    def __attrs_post_init__(self) -> None:
        answers = self._fake.server.handler

        async def answer(request: Request, response: Response) -> None:
            # The same path loads the model, and shows what is made of a prompt.
            is_asked = request.path == "/api/chat" and b'"messages"' in request.body
            if self.says is None or not is_asked or b"_debug_render_only" in request.body:
                await answers(request, response)
            else:
                await self.says(response)

        self._fake.server.handler = answer

    async def serve(self, started: Callable[[trio.lowlevel.TrioToken, trio.CancelScope], None]) -> None:
        async with trio.open_nursery() as nursery:
            self.url = f"http://127.0.0.1:{await serve_tcp(self._fake, nursery)}"
            started(trio.lowlevel.current_trio_token(), nursery.cancel_scope)


@contextmanager
def odd_local() -> Iterator[OddLocal]:
    """Such a one, in a thread of this process."""
    local, is_up = OddLocal(), threading.Event()
    stops: list[Callable[[], None]] = []

    def started(token: trio.lowlevel.TrioToken, scope: trio.CancelScope) -> None:
        stops.append(lambda: token.run_sync_soon(scope.cancel))
        is_up.set()

    serving = threading.Thread(target=trio.run, args=(local.serve, started))
    serving.start()
    try:
        assert is_up.wait(LONG_S)
        yield local
    finally:
        for stop in stops:
            stop()
        serving.join(LONG_S)

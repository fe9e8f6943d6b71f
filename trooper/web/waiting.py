"""
Clients that wait to be accepted.

Hypercorn lets 100 wait, and who comes after them tries again after a second,
then after two, then four: of a burst of 2,000 the last one was accepted after
56 s. Here as many may wait as the system allows at most. On asyncio that would
be the number that is accepted in one go, too, each with some 0.2 ms of work,
while all streams stand still; so there it is another number.

Hypercorn has opened the sockets before the application is loaded, so they are
told when it is about to serve.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any, Final

import hypercorn.asyncio.run
import hypercorn.trio.run
from hypercorn.config import Config as HypercornConfig
from hypercorn.config import Sockets

from trooper.web.room import ROOM

#: Linux has this as its own bound (`net.core.somaxconn`), and takes less where that is lower.
MOST_WAITING: Final = 4_096
#: On asyncio, before others have their turn. From there to where the room counts them it takes some turns, and
#: so many more come with each: in a small room they are fewer.
_AT_ONCE: Final = 16
_OF_THE_ROOM: Final = 32


class Waiting(socket.socket):
    """In place of `listener`: on this one so many wait, whatever its server says."""

    def __init__(self, listener: socket.socket, most: int) -> None:
        super().__init__(fileno=listener.detach())
        self._most = most

    def listen(self, _: int = 0, /) -> None:
        """Let them wait."""
        super().listen(self._most)


def let_many_wait() -> None:
    """Have both workers of hypercorn do so."""
    for run, prepare in ((hypercorn.trio.run, _on_trio), (hypercorn.asyncio.run, _on_asyncio)):
        vars(run)["worker_serve"] = _prepared(vars(run)["worker_serve"], prepare)


def _prepared(
    serve: Callable[..., Awaitable[None]], prepare: Callable[[HypercornConfig, Sockets], None]
) -> Callable[..., Awaitable[None]]:
    async def worker_serve(
        app: Any, config: HypercornConfig, *, sockets: Sockets | None = None, **more: Any
    ) -> None:
        config.backlog = most_waiting(config)
        sockets = sockets or config.create_sockets()
        prepare(config, sockets)
        await serve(app, config, sockets=sockets, **more)

    return worker_serve


def _on_trio(config: HypercornConfig, sockets: Sockets) -> None:
    for listener in (*sockets.secure_sockets, *sockets.insecure_sockets):
        # They listen already, if hypercorn's main process has opened them: this changes how many may wait.
        listener.listen(config.backlog)


def _on_asyncio(config: HypercornConfig, sockets: Sockets) -> None:
    if not isinstance(asyncio.get_running_loop(), asyncio.SelectorEventLoop):
        return  # Others accept in their own way.
    for listeners in (sockets.secure_sockets, sockets.insecure_sockets):
        listeners[:] = [Waiting(listener, config.backlog) for listener in listeners]
    config.backlog = max(1, min(_AT_ONCE, ROOM.most // _OF_THE_ROOM))


def most_waiting(config: HypercornConfig) -> int:
    """How many may wait: what the operator has set, or many."""
    return config.backlog if "backlog" in vars(config) else MOST_WAITING

"""
The server behind `trooper serve`: hypercorn's Trio server with settings that
do not cut streams, on sockets of our own.

What hypercorn does by default and this does not: it cuts streams 3 s after a
signal, ignores a second signal, closes idle connections just when the common
HTTP clients use them again (5 s), and lets a client that does not read hold
its connection for as long as it likes.
"""

from __future__ import annotations

import errno
import signal
import socket
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any, cast

import hypercorn.trio
import trio
from attrs import define, field
from hypercorn.config import Config as HypercornConfig
from hypercorn.typing import Framework
from hypercorn.utils import LifespanFailureError

from trooper.config import Config
from trooper.web.patches import patch_hypercorn
from trooper.web.protocol import Receive, Scope, Send, Serve
from trooper.web.waiting import MOST_WAITING

#: Longer than any common client keeps an idle connection, so that the client
#: is the one who closes it and never sends into a closed one (nginx: 75 s).
KEEP_ALIVE_S = 75.0

#: Request headers; nginx takes 32 KiB, Node 16. Tokens and cookies are long.
HEADER_BYTES = 64 * 1024

_NO_SUCH_ADDRESS = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}


def open_listeners(host: str, port: int, unread_s: float) -> list[socket.socket]:
    """
    Listening sockets on every address of `host`.

    Args:
        host: a name or an address.
        port: 0 takes a free one, the same for every address.
        unread_s: the kernel drops a client that acknowledges nothing, or does
            not read, for so long.

    Raises:
        OSError: the host has no usable address, or the port is in use.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    listeners: list[socket.socket] = []
    try:
        for family, address in dict.fromkeys((entry[0], entry[4]) for entry in found):
            taken = listeners[0].getsockname()[1] if listeners else port
            try:
                listeners.append(_open_listener(family, (address[0], taken, *address[2:]), unread_s))
            except OSError as error:
                # `localhost` has an IPv6 address on machines without IPv6 too.
                last = address == found[-1][4]
                if error.errno not in _NO_SUCH_ADDRESS or (last and not listeners):
                    raise
    except OSError:
        for listener in listeners:
            listener.close()
        raise
    return listeners


def _open_listener(family: socket.AddressFamily, address: tuple[Any, ...], unread_s: float) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        # Otherwise a restart finds its port in use for a minute.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Tokens are small; none may wait for the acknowledgement of the last.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(unread_s * 1000))
        listener.bind(address)
        # Two sockets may bind one port with SO_REUSEADDR; only one may listen.
        listener.listen(MOST_WAITING)
    except OSError:
        listener.close()
        raise
    return listener


@define(eq=False)
class Server:
    """
    One run of the server.

    Attributes:
        app: the ASGI application.
        config: the configuration.
        say: prints a line for the operator.
    """

    app: Serve
    config: Config
    say: Callable[[str], None]
    _stop: trio.Event = field(factory=trio.Event, init=False)
    _status: int = field(default=0, init=False)

    async def run(self, listeners: list[socket.socket]) -> int:
        """
        Serve on `listeners`, which are ours from here on, until a signal.

        The first one stops accepting and lets running streams end, for
        `grace_s` at most; the second stops at once.

        Returns:
            The exit status.
        """
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._obey, signals, nursery.cancel_scope)
                await self.serve(listeners)
                nursery.cancel_scope.cancel()
        return self._status

    async def serve(
        self,
        listeners: list[socket.socket],
        *,
        task_status: trio.TaskStatus[bool] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """
        Serve on `listeners`, which are ours from here on, until `stop`, whatever signals come.

        Started, it tells whether it listens; where it does not, `say` has been told why.
        """
        patch_hypercorn()
        settings = _settings(self.config, [f"fd://{listener.detach()}" for listener in listeners])
        serve = partial(
            hypercorn.trio.serve,
            cast("Framework", self._supervise),
            settings,
            shutdown_trigger=self._stop.wait,
            mode="asgi",
        )
        try:
            async with trio.open_nursery() as serving:
                addresses: list[str] = await serving.start(serve)
                # After a failed start hypercorn still gets this far before it notices.
                is_up = not self._stop.is_set()
                if is_up:
                    for address in addresses:
                        self.say(f"listening on {address}")
                task_status.started(is_up)
        except* LifespanFailureError:
            # Said already, in `_supervise`.
            pass

    def stop(self) -> None:
        """Do what the first signal does: accept nothing more, and let running streams end."""
        self._stop.set()

    async def _supervise(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stop when the services end by themselves: hypercorn would serve on without them."""
        if scope["type"] != "lifespan":
            await self.app(scope, receive, send)
            return
        try:
            await self.app(scope, receive, send)
        except Exception as error:
            if isinstance(error, LifespanFailureError):
                self.say(str(error))
            self._status = 1
            self.stop()
            raise

    async def _obey(self, signals: AsyncIterator[int], everything: trio.CancelScope) -> None:
        await anext(signals)
        self.stop()
        grace = self.config.server.grace_s
        self.say(f"stopping; running streams may end within {grace:g} s, a second signal stops at once")
        # 128 + n: what a shell reports for a program that a signal ended.
        self._status = 128 + await anext(signals)
        everything.cancel()


def _settings(config: Config, binds: list[str]) -> HypercornConfig:
    settings = HypercornConfig()
    settings.bind = binds
    settings.backlog = MOST_WAITING
    settings.graceful_timeout = config.server.grace_s
    settings.keep_alive_timeout = KEEP_ALIVE_S
    settings.h11_max_incomplete_size = HEADER_BYTES
    # Never a read timeout: it counts the client's silence, and a client that
    # listens to a stream is silent.
    settings.read_timeout = None
    settings.include_server_header = False
    settings.accesslog = None
    settings.loglevel = "WARNING"
    return settings

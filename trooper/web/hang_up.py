"""
Hang up on a client, whatever the server thinks of it.

Hypercorn shields its socket write: while a client does not read, the task
that serves it cannot be cancelled, and the process outlives its own shutdown
(seen: 23 s, until the client left). ASGI has no message for "drop this
connection", so the client's socket is looked up among our own descriptors and
shut down, which fails the write and frees the task.
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from typing import TypeAlias

Address: TypeAlias = tuple[str, int | None]


def hang_up_on(server: Address | None, client: Address | None) -> bool:
    """
    Shut down the connection between two addresses, if it is ours.

    Best effort: it never raises, and returns whether a socket was found. A
    unix socket has no address to find it by. What is still in the kernel's
    buffer is sent before the end, so a client sees a cut stream, not a reset.
    """
    if server is None or client is None:
        return False
    for descriptor in _own_descriptors():
        try:
            if _shut_down(descriptor, tuple(server[:2]), tuple(client[:2])):
                return True
        except OSError:
            # Closed since it was listed, not connected, or not a socket that
            # has names.
            continue
    return False


def _own_descriptors() -> Iterator[int]:
    # The second is how macOS spells it. Elsewhere there is no such folder and
    # nothing is found: TCP_USER_TIMEOUT or the client must end it.
    for folder in ("/proc/self/fd", "/dev/fd"):
        try:
            names = os.listdir(folder)  # noqa: PTH208  # numbers, not paths
        except OSError:
            continue
        yield from (int(name) for name in names if name.isdigit())
        return


def _shut_down(descriptor: int, server: tuple[object, ...], client: tuple[object, ...]) -> bool:
    if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
        return False
    # The duplicate pins the connection: were the number closed and given to
    # another connection meanwhile, the names below would be those of the
    # socket that is shut down.
    with _adopted(os.dup(descriptor)) as connection:
        if connection.getpeername()[:2] != client or connection.getsockname()[:2] != server:
            return False
        connection.shutdown(socket.SHUT_RDWR)
        return True


def _adopted(descriptor: int) -> socket.socket:
    try:
        return socket.socket(fileno=descriptor)
    except OSError:
        os.close(descriptor)
        raise

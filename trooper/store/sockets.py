"""
The folder that processes of one data directory listen in: where it is, who is in it, and that nobody else gets in.

A socket is there only when somebody listens on it; so who finds one that nobody listens on removes it.
"""

from __future__ import annotations

import os
import re
import socket
import stat
import struct
import sys
import tempfile
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Final

import trio

from trooper.store.folder import is_on_network

#: A path of a socket ends there on every system that has them.
_PATH_BYTES: Final = 103
_SOCKET: Final = re.compile(r"([0-9a-f]{16})\.sock")
_CREDENTIALS: Final = struct.Struct("3i")
_BACKLOG: Final = 1_024


def place_for(data_dir: Path) -> Path | None:
    """
    The folder for the sockets of a data directory, the same in each of its processes; `None` where there can be none.

    Below it, or, where that is on a network or a socket's path would be too long for the system, below the folder for things of a session.
    """
    if not hasattr(socket, "AF_UNIX") or sys.platform == "win32":
        return None
    digest = blake2b(os.fsencode(data_dir.absolute()), digest_size=8).hexdigest()
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    # On a network's file system there would be those of other machines, which nobody here listens on.
    beside = [] if is_on_network(data_dir) else [data_dir.absolute() / "near"]
    places = [
        *beside,
        *([Path(runtime, f"trooper-{digest}")] if runtime.startswith("/") else []),
        Path(tempfile.gettempdir(), f"trooper-{os.geteuid()}-{digest}"),
    ]
    longest = f"/{'0' * 16}.sock"
    return next((place for place in places if len(os.fsencode(f"{place}{longest}")) <= _PATH_BYTES), None)


def is_own_users(sock: trio.socket.SocketType) -> bool:
    """Whether the process at the other end is run by our user; where the system does not say, the folder keeps others out."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None or sys.platform == "win32":
        return True
    credentials = sock.getsockopt(socket.SOL_SOCKET, option, _CREDENTIALS.size)
    _, uid, _ = _CREDENTIALS.unpack(credentials)
    return bool(uid == os.geteuid())


def names_in(folder: Path) -> list[str]:
    """
    Whose sockets are there.

    Raises:
        OSError: it cannot be looked into.
    """
    names = sorted(path.name for path in folder.iterdir())
    return [match[1] for name in names if (match := _SOCKET.fullmatch(name))]


def path_of(folder: Path, name: str) -> Path:
    """Where somebody listens."""
    return folder / f"{name}.sock"


def listen(folder: Path, name: str) -> socket.socket:
    """
    Listen in `folder`, which is made where it is missing.

    Raises:
        OSError: it cannot be made, or is somebody else's.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not _is_private(folder):
        raise PermissionError("it is somebody else's")
    path = path_of(folder, name)
    early = path.with_name(f".{path.stem}")
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(os.fspath(early))
        early.chmod(0o600)
        sock.listen(_BACKLOG)
        early.rename(path)
    except BaseException:
        sock.close()
        with suppress(OSError):
            early.unlink(missing_ok=True)
        raise
    return sock


def _is_private(folder: Path) -> bool:
    """Whether it is a folder, ours, and nobody else's to enter: in a folder for all anybody may have made it."""
    known = folder.lstat()
    if not stat.S_ISDIR(known.st_mode) or known.st_uid != os.geteuid():
        return False
    if stat.S_IMODE(known.st_mode) & 0o077:
        folder.chmod(0o700)
    return True

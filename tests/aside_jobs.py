"""Jobs that a client could bring about, and worse ones: what a process that works aside has to survive."""

from __future__ import annotations

import faulthandler
import os
import re
import stat
import time
from pathlib import Path


def length(body: bytes, *more: object) -> int:
    """The number of bytes."""
    return len(body) + len(more)


def match_for_ever(body: bytes) -> bool:
    """What a pattern can do, under the interpreter's lock."""
    return re.match(r"^(a+)+$", bytes(body).decode()) is not None


def wait_for_ever(body: bytes) -> None:
    """What takes no time of a processor."""
    time.sleep(3600)


def take_all_memory(body: bytes) -> int:
    """More than any limit of ours."""
    return len(bytes(1 << 40))


def crash(body: bytes) -> None:
    """What a decoder in C could do."""
    faulthandler._sigsegv()  # type: ignore[attr-defined]


def leave(body: bytes) -> None:
    """An end without a word."""
    os._exit(3)


def fail(body: bytes) -> None:
    """A bug of ours."""
    raise LookupError(body)


def speak(body: bytes) -> str:
    """A library that prints."""
    os.write(1, b"noise" * 100)
    return "said"


def environment(body: bytes) -> dict[str, str]:
    """All that the process knows from its surroundings."""
    return dict(os.environ)


def sockets(body: bytes) -> int:
    """How many sockets the process has."""
    found = 0
    for number in range(256):
        try:
            found += stat.S_ISSOCK(os.fstat(number).st_mode)
        except OSError:
            continue
    return found


def pid(body: bytes) -> int:
    """Which process it is."""
    return os.getpid()


def write_a_file(body: bytes) -> str:
    """What nobody aside has to do."""
    try:
        Path(bytes(body).decode()).write_bytes(b"x" * 100_000)
    except OSError as error:
        return type(error).__name__
    return "written"

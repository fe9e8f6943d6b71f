"""
The process that works aside; `trooper/aside/process.py` starts it.

It reads jobs from standard input, one after the other, and writes what came of
each to standard output. A job is the name of one of our own functions and what
it is given. It ends when standard input closes, and the kernel ends it past a
job's limits: a matcher of patterns, or a decoder, gives nobody else a turn, so
no thread and no signal handler of ours could.

    job    head's length (4 bytes), first argument's length (8), head (JSON), first argument
    reply  what came of it (1 byte), its length (8), it (JSON)

It is started often, so it imports no Trio, and what else a job needs when it comes.
"""

from __future__ import annotations

import enum
import gc
import importlib
import io
import os
import signal
import struct
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from trooper.core.structured import follows

# Windows has none; there only the parent's own limit holds.
if sys.platform != "win32":
    import resource

JOB: Final = struct.Struct(">IQ")
REPLY: Final = struct.Struct(">BQ")
#: Address space: enough for the largest body of an ordinary conversation, and less than a machine has.
_MEMORY_BYTES: Final = 1 << 30
#: Who has grown beyond it is not kept: memory is not given back otherwise.
_KEPT_BYTES: Final = 256 << 20


class Came(enum.IntEnum):
    """What came of a job."""

    #: The process is there.
    READY = 0
    VALUE = 1
    #: It needed more memory than there is.
    MEMORY = 2
    #: A bug of ours; the name of the exception follows.
    BUG = 3
    #: A value, and the last one of this process.
    LAST_VALUE = 4


class Head(msgspec.Struct):
    """
    One job.

    Attributes:
        module: where its function is.
        function: its name there.
        more: what follows the first argument.
        cpu_s: how much of a processor it may use.
        wall_s: how long it may take.
    """

    module: str
    function: str
    more: list[object]
    cpu_s: int
    wall_s: float


def done(head: bytes | bytearray, body: bytes | bytearray) -> tuple[Came, bytes]:
    """Do one job; `body` is the first argument of its function."""
    try:
        job = msgspec.json.decode(head, type=Head)
        function = getattr(importlib.import_module(job.module), job.function)
        return Came.VALUE, msgspec.json.encode(function(body, *job.more))
    except MemoryError:
        return Came.MEMORY, b""
    except Exception as error:  # noqa: BLE001  # the parent logs it, and goes on
        return Came.BUG, type(error).__name__.encode()


def main() -> None:
    """Work until standard input closes."""
    # Ctrl-C reaches the whole process group; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    jobs = io.FileIO(0, closefd=False)
    replies = io.FileIO(os.dup(1), "w")
    # A library that prints must not be taken for a reply.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    _bound_for_good()
    # The libraries that most jobs need load in a tenth of a second and more: that is nobody's time.
    follows(b"{}", {"type": "object"})
    # A third of the time for a million parts, and nothing that is read has circles.
    gc.disable()
    _say(replies, Came.READY, b"")
    while sizes := _taken(jobs, JOB.size):
        head_bytes, body_bytes = JOB.unpack(sizes)
        head, body = _taken(jobs, head_bytes), _taken(jobs, body_bytes)
        _bound(msgspec.json.decode(head, type=Head))
        came, value = done(head, body)
        del head, body
        _unbound()
        if came is Came.VALUE and _has_grown():
            came = Came.LAST_VALUE
        _say(replies, came, value)


def _taken(jobs: io.FileIO, size: int) -> bytearray:
    """As many bytes; nothing where the parent has gone."""
    taken = bytearray(size)
    rest = memoryview(taken)
    while rest:
        count = jobs.readinto(rest)
        if not count:
            os._exit(0)
        rest = rest[count:]
    return taken


def _say(replies: io.FileIO, came: Came, value: bytes) -> None:
    rest = memoryview(REPLY.pack(came, len(value)) + value)
    while rest:
        rest = rest[replies.write(rest) or 0 :]


def _bound_for_good() -> None:
    with suppress(AttributeError, OSError):
        # Whoever streams comes first; much less, and a busy local model would starve honest work.
        os.nice(2)
    with suppress(OSError):
        # Where memory runs out, this is what can be spared.
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    if sys.platform != "win32":
        for what, limit in (
            (resource.RLIMIT_AS, _MEMORY_BYTES),
            (resource.RLIMIT_CORE, 0),
            (resource.RLIMIT_FSIZE, 0),
        ):
            # Somebody may have set a lower one, and systems may not know one of them.
            with suppress(OSError, ValueError):
                resource.setrlimit(what, (limit, limit))


def _bound(job: Head) -> None:
    """From here on the kernel ends the process when the job takes too long."""
    if sys.platform != "win32":
        used_s = int(time.process_time()) + 1
        _, most = resource.getrlimit(resource.RLIMIT_CPU)
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_CPU, (used_s + job.cpu_s, most))
        signal.setitimer(signal.ITIMER_REAL, job.wall_s)


def _unbound() -> None:
    if sys.platform != "win32":
        signal.setitimer(signal.ITIMER_REAL, 0)


def _has_grown() -> bool:
    if sys.platform == "win32":
        return False
    if sys.platform == "darwin":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > _KEPT_BYTES
    # Not by `getrusage`, which counts what its parent had when it started us.
    with suppress(OSError, LookupError, ValueError):
        told = Path("/proc/self/status").read_bytes()
        return int(told.partition(b"VmHWM:")[2].split()[0]) * 1024 > _KEPT_BYTES
    return False


if __name__ == "__main__":
    main()

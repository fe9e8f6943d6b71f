"""
Whether a file is the one that was pinned: by its hash, once for each change of it.

98 MB take some 0.1 s to hash, at each start. So that it was right is noted in a small
file beside it, together with what the file system says of it: which file, how long, when
changed. `ctime` is among that, which nobody but the kernel sets.

The note is worth what its place is worth. Who may write there could write it himself, and a
model of his own too. So it counts, and is made, only where the folder, the file and the note
are ours or root's, and nobody else may write to them; elsewhere each process hashes for
itself. Against who may write there nothing here helps: he can change the file behind the check.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import stat
import tempfile
import time
from pathlib import Path
from typing import Final

NOT_THERE: Final = "is not there"
#: One is 150 bytes.
_MOST_BYTES: Final = 1024
#: Kernels count the times of files in ticks of at most 10 ms. What changes again within one looks as it did, so what
#: was found so soon is not kept.
_TICK_NS: Final = 20_000_000
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
#: A link or a pipe in the place of a file is not followed, nor waited for.
_PLAIN: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)


def problem_with(path: Path, sha256: str, size_bytes: int) -> str | None:
    """Why `path` is not the file that was pinned, in plain words; `None`: it is."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode) or found.st_size != size_bytes:
            return "is another file: its size is not the pinned one"
        seen = _seen(found)
        note, line = path.with_name(f".{path.name}.checked"), f"{sha256} {seen}\n".encode()
        is_safe = not path.is_symlink() and all(map(_is_ours_alone, (found, path.parent.stat())))
        if is_safe and _read(note) == line:
            return None
        is_settled = time.time_ns() - found.st_ctime_ns > _TICK_NS
        if (_digest if is_settled else _digest.__wrapped__)(path, seen) != sha256:
            return "is another file: its hash is not the pinned one"
        if is_safe and is_settled and _seen(path.stat()) == seen:
            _write(note, line)
    except FileNotFoundError:
        return NOT_THERE
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return None


def _seen(found: os.stat_result) -> str:
    """What tells one state of a file from the next."""
    return " ".join(
        map(str, (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns))
    )


@functools.lru_cache(maxsize=4)
def _digest(path: Path, _seen: str) -> str:
    """Its hash; a process asks once for each state of a file, also where nothing can be noted."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_ours_alone(found: os.stat_result) -> bool:
    # Where users have no numbers, modes say nothing of who may write either.
    whoami = getattr(os, "geteuid", None)
    return whoami is not None and found.st_uid in (0, whoami()) and not found.st_mode & _OTHERS_WRITE


def _read(note: Path) -> bytes | None:
    with contextlib.suppress(OSError), os.fdopen(os.open(note, os.O_RDONLY | _PLAIN), "rb") as file:
        found = os.fstat(file.fileno())
        if stat.S_ISREG(found.st_mode) and _is_ours_alone(found):
            return file.read(_MOST_BYTES)
    return None


def _write(note: Path, line: bytes) -> None:
    """Whole or not at all; where it cannot be, the next start hashes again."""
    with contextlib.suppress(OSError):
        descriptor, room = tempfile.mkstemp(prefix=f"{note.name}-", dir=note.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(line)
            Path(room).replace(note)
        except OSError:
            Path(room).unlink(missing_ok=True)
            raise

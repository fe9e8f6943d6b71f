"""
How much memory this machine has left for a larger window.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import psutil

#: Where a container finds its own bound, by both kinds of control groups: the folder, the bound, what is used of it.
_GROUPS: Final = (
    ("/sys/fs/cgroup", "memory.max", "memory.current"),
    ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
)


def free_bytes() -> int | None:
    """
    The memory that could be taken without pushing anything out, in bytes; `None` if nobody says.

    What the whole machine has, or less where this process lives in a container with a bound:
    a server that is reached on this machine lives there, too.
    """
    try:
        free = int(psutil.virtual_memory().available)
    except (OSError, RuntimeError, NotImplementedError):
        return None
    return min([free, *(left for group in _GROUPS if (left := left_of(*group)) is not None)])


def left_of(folder: str, bound_file: str, used_file: str) -> int | None:
    """What is left of a control group's bound, in bytes; `None` where there is none."""
    try:
        bound, used = (
            int(Path(folder, file).read_text(encoding="ascii")) for file in (bound_file, used_file)
        )
        facts = dict(
            line.split(" ", 1) for line in Path(folder, "memory.stat").read_text("ascii").splitlines()
        )
        # Files that were read count as used, and give way.
        return max(0, bound - used + int(facts.get("inactive_file", 0)))
    except (OSError, ValueError):
        return None

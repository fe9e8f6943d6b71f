"""
What a program of the bench costs: processor time and memory, read from /proc.

Only Linux has it. Elsewhere there is no figure, which is not the figure 0.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from attrs import evolve, frozen

_PROC: Final = Path("/proc")


@frozen
class Cost:
    """Processor seconds since the start, and resident bytes, of one process or several."""

    cpu_s: float
    rss_bytes: int


def read_stat(text: str, ticks_per_s: int, page_bytes: int) -> Cost:
    """
    The cost in a line of `/proc/PID/stat`.

    The command stands in brackets and may hold blanks and brackets itself, so
    the fields are counted from the last one.
    """
    fields = text.rpartition(")")[2].split()
    user, system, pages = int(fields[11]), int(fields[12]), int(fields[21])
    return Cost((user + system) / ticks_per_s, pages * page_bytes)


def cost_of(pid: int) -> Cost | None:
    """What one process costs, with the scheduler's own nanoseconds where it tells them."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
        cost = read_stat(text, os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE"))
    except OSError:
        return None
    threads = [_first_number(file) for file in (_PROC / str(pid) / "task").glob("*/schedstat")]
    # Ticks are 10 ms, a twentieth of what a cheap proxy uses in a whole round.
    return evolve(cost, cpu_s=sum(threads) / 1e9) if any(threads) else cost


def _first_number(file: Path) -> int:
    try:
        return int(file.read_text(encoding="ascii").split()[0])
    except (OSError, IndexError):
        return 0  # That thread has ended.


def cost_of_group(group: int) -> Cost | None:
    """What all processes of a process group cost together: a server, its workers, their helpers."""
    costs = []
    for entry in _PROC.glob("[0-9]*"):
        try:
            member = os.getpgid(int(entry.name)) == group
        except OSError:
            continue
        if member and (cost := cost_of(int(entry.name))) is not None:
            costs.append(cost)
    if not costs:
        return None
    return Cost(sum(cost.cpu_s for cost in costs), sum(cost.rss_bytes for cost in costs))

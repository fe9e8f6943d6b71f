"""
Figures of the load suite: what a process holds, and what is printed.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Sequence
from pathlib import Path

from attrs import define, field


@define
class Figures:
    """What was measured, for the summary at the end."""

    lines: list[str] = field(factory=list)

    def add(self, title: str, *facts: str) -> None:
        self.lines += [title, *(f"    {fact}" for fact in facts)]


def open_sockets(pid: int) -> int:
    """How many sockets a process has open."""
    return sum(_is_socket(link) for link in Path(f"/proc/{pid}/fd").iterdir())


def _is_socket(link: Path) -> bool:
    try:
        return str(link.readlink()).startswith("socket:")
    except FileNotFoundError:
        return False


def resident_bytes(pid: int) -> int:
    """A process's memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of `values` does not exceed."""
    return statistics.quantiles(values, n=100, method="inclusive")[round(share * 100) - 1]

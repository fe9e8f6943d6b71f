"""
Sees to it that nothing outlives the bench, also when the bench is killed.

A process of its own, started by path, with nothing but the standard library.
It is told on standard input which process groups there are (`+ID`) and which
are gone (`-ID`). When its input ends while groups are left, whoever started
them died without cleaning up, and it kills them.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress


def left_over(lines: Iterable[str]) -> set[int]:
    """The process groups that are still there when `lines` end."""
    groups: set[int] = set()
    for line in lines:
        group = int(line[1:])
        if line.startswith("+"):
            groups.add(group)
        else:
            groups.discard(group)
    return groups


def main() -> None:
    """Wait for the end, and clean up."""
    for group in left_over(sys.stdin):
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main()

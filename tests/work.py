"""
Work as a number of calls, where a clock would say how busy the machine is.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import trio
from attrs import define


@define
class Work:
    """Calls of Python's and of C's functions, generators' steps included."""

    calls: int = 0

    def count(self, _frame: FrameType, event: str, _argument: Any) -> None:
        self.calls += event in ("call", "c_call")


@contextmanager
def counted() -> Iterator[Work]:
    """How many calls the block makes."""
    work, before = Work(), sys.getprofile()
    sys.setprofile(work.count)
    try:
        yield work
    finally:
        sys.setprofile(before)


def work_of(do: Callable[[], object]) -> int:
    with counted() as work:
        do()
    return work.calls


@define(eq=False)
class Steps(trio.abc.Instrument):
    """The most work that one task does between two of its checkpoints; fakes may do what they like."""

    work: Work
    most: int = 0
    _before: int = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._before = self.work.calls

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if not task.name.startswith("memory server") and self._before:
            self.most = max(self.most, self.work.calls - self._before)


@contextmanager
def counted_steps() -> Iterator[Steps]:
    """The most work between two checkpoints while the block runs."""
    with counted() as work:
        steps = Steps(work)
        trio.lowlevel.add_instrument(steps)
        try:
            yield steps
        finally:
            trio.lowlevel.remove_instrument(steps)

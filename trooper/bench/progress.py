"""
How far a bench is: a bar on a terminal, a line now and then elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from attrs import define
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

_LINES: Final = 4


@define
class Progress:
    """Shows how far a bench is. Draws only when it is told of a step: a thread of its own would disturb."""

    console: Console

    def say(self, line: str = "") -> None:
        """A line that stays."""
        self.console.out(line, highlight=False)

    @contextmanager
    def counting(self, title: str, total: int) -> Iterator[Callable[[], None]]:
        """Count to `total`; what is given is to be called after each step."""
        if self.console.is_terminal and self.console.color_system is not None:
            with self._bar() as bar:
                task = bar.add_task(title, total=total)

                def step() -> None:
                    bar.advance(task)
                    bar.refresh()

                bar.refresh()
                yield step
        else:
            yield self._lines(title, total)

    def _bar(self) -> Bar:
        return Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self.console,
            auto_refresh=False,
            transient=True,
        )

    def _lines(self, title: str, total: int) -> Callable[[], None]:
        every = max(1, total // _LINES)
        done = 0
        self.say(f"{title}: {total} to do")

        def step() -> None:
            nonlocal done
            done += 1
            if done % every == 0 and done < total:
                self.say(f"{title}: {done} of {total}")

        return step

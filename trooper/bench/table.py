"""
Tables of figures for a terminal of 80 columns, with and without colours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from attrs import frozen
from rich.cells import cell_len

COLUMNS: Final = 80


@frozen
class Table:
    """
    Names on the left, figures to the right of them.

    Attributes:
        title: a line above it.
        head: the columns' names.
        rows: as many words each.
        names: how many columns from the left are names.
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    names: int = 1

    def lines(self) -> list[str]:
        """Every line, each at most 80 columns wide as long as the words allow it."""
        widths = [max(map(cell_len, column)) for column in zip(self.head, *self.rows, strict=True)]
        # Two blanks between columns where there is room for them.
        gap = "  " if sum(widths) + 2 * (len(widths) - 1) <= COLUMNS else " "
        return [
            *([self.title] if self.title else []),
            *(
                gap.join(map(self._set, row, widths, range(len(row)))).rstrip()
                for row in (self.head, *self.rows)
            ),
        ]

    def _set(self, words: str, width: int, column: int) -> str:
        blanks = " " * (width - cell_len(words))
        return words + blanks if column < self.names else blanks + words


def figure(value: float | None, digits: int = 1) -> str:
    """A number for a table; a dash for what was not measured."""
    return "–" if value is None else f"{value:.{digits}f}"


def joined(tables: Sequence[Table]) -> list[str]:
    """Several tables below each other."""
    lines: list[str] = []
    for table in tables:
        lines += [*([""] if lines else []), *table.lines()]
    return lines

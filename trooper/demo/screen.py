"""
What the demo shows: who says what, with a seam that can be seen; then the
times; then the proof.

The speaker stands in front of each line, so that it can be followed without
colours. Plain text, 80 columns, unless the terminal is narrower.

On a terminal the story is what remains: where it and all of the end do not fit,
the end is short, and where the story alone does not fit, its seam is shown again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from attrs import define, field, frozen
from rich.cells import cell_len, chop_cells
from rich.console import Console
from rich.text import Text

_COLUMNS: Final = 80
#: The time, the speaker, and the sign before what is said.
_MARGIN: Final = 15
_LEAST_COLUMNS: Final = 8
#: The prompt comes below what is shown.
_PROMPT_ROWS: Final = 1
#: Rows of each speaker that are shown beside a seam.
_BESIDE: Final = 2
_SEAM: Final = "┄┄┄"
_STYLES: Final[Mapping[str, str]] = {"cloud": "cyan", "local": "green", _SEAM: "yellow"}
_BLANKS = re.compile(r"(\n|[ \t]+)")
#: A model's text must not steer the terminal.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@frozen
class Line:
    """A line that belongs to nobody."""

    text: str = ""
    style: str | None = None


@define
class _Row:
    """A row of the story; only the last one may be open."""

    at_s: float
    speaker: str
    text: str = ""


@define
class Screen:
    """Where the answer is being written, and by whom."""

    console: Console
    _speaker: str = field(default="", init=False)
    _row_open: bool = field(default=False, init=False)
    _blanks: str = field(default="", init=False)
    _at_s: float = field(default=0.0, init=False)
    #: Where the next row begins, when something stands between it and the last one.
    _resume: int = field(default=0, init=False)
    _story: list[_Row] = field(factory=list, init=False)
    #: Rows of the terminal since the story began, and since shortly before its first seam.
    _rows: int = field(default=0, init=False)
    _rows_before_seam: int | None = field(default=None, init=False)

    @property
    def _width(self) -> int:
        return min(self.console.width, _COLUMNS)

    @property
    def _columns(self) -> int:
        return max(self._width - _MARGIN, _LEAST_COLUMNS)

    @property
    def _column(self) -> int:
        return cell_len(self._story[-1].text) if self._row_open else self._resume

    def line(self, text: str = "", style: str | None = None) -> None:
        """A line that belongs to nobody; as many as it needs."""
        self._end_row()
        for line in self._wrapped(Line(text, style)):
            self._count(line.text)
            self.console.out(line.text, style=style, highlight=False)

    def aside(self, text: str) -> None:
        """Somebody else writes `text` to the same terminal: on a line of its own."""
        self._end_row(resume=True)
        self._count(text)

    def question(self, words: str) -> None:
        """What the client asks; the story begins."""
        self._rows = 0
        self._tell(0.0, "you", words)

    def seam(self, at_s: float, words: str) -> None:
        """Say between the speakers what has happened; `at_s` counts from the question."""
        self._end_row(resume=True)
        if self._rows_before_seam is None:
            self._rows_before_seam = max(self._rows - _BESIDE, 0)
        self._tell(at_s, _SEAM, words)

    def say(self, speaker: str, text: str, at_s: float) -> None:
        """
        Write on, as `speaker`. Another one than before goes on below, where the last one stopped.

        A row begins with the time, in seconds since the question, at which its first word came.
        """
        self._at_s = at_s
        if speaker != self._speaker:
            self._end_row(resume=True)
            self._speaker = speaker
        for part in _BLANKS.split(_CONTROLS.sub("", text)):
            if part == "\n":
                self._end_row(always=True)
            elif part.isspace():
                self._blanks += part
            elif part:
                self._write(part)

    def end(self, whole: Iterable[Line], short: Iterable[Line]) -> None:
        """
        What is said below the story: `short` where not all of `whole` fits with it.

        Whoever writes to a file gets all of it.
        """
        self._end_row()
        told, brief = list(whole), list(short)
        room = self.console.height - _PROMPT_ROWS
        if self.console.is_terminal and self._rows + self._needed(told) > room:
            told = brief
            seam = self._rows_before_seam
            if seam is not None and self._rows - seam + self._needed(told) > room:
                self._show_seam_again()
        for line in told:
            self.line(line.text, line.style)

    def _show_seam_again(self) -> None:
        at = next(number for number, row in enumerate(self._story) if row.speaker == _SEAM)
        behind = next((n for n in range(at, len(self._story)) if self._story[n].speaker != _SEAM), at)
        self.line()
        self.line("The seam:")
        for row in self._story[max(at - _BESIDE, 0) : behind + _BESIDE]:
            self._open(row)
            self.console.out(f" {row.text}".rstrip(), style=_STYLES.get(row.speaker), highlight=False)

    def _tell(self, at_s: float, speaker: str, words: str) -> None:
        """Rows of the story that are whole."""
        for piece in Text(words).wrap(self.console, self._columns):
            row = _Row(at_s, speaker, piece.plain.rstrip())
            self._story.append(row)
            self._open(row)
            self.console.out(f" {row.text}", style=_STYLES.get(speaker), highlight=False)
            self._count(" " * (_MARGIN - 1) + row.text)

    def _write(self, word: str) -> None:
        for piece in chop_cells(word, self._columns):
            if self._column + cell_len(self._blanks + piece) > self._columns and self._column:
                self._end_row()
            if not self._row_open:
                self._open_row()
            self._out(self._blanks + piece)
            self._blanks = ""

    def _open_row(self) -> None:
        row = _Row(self._at_s, self._speaker)
        self._story.append(row)
        self._open(row)
        indent, self._resume, self._row_open = self._resume, 0, True
        if indent:
            self._out(" " * indent)

    def _open(self, row: _Row) -> None:
        self.console.out(f"{row.at_s:6.2f} ", style="dim", highlight=False, end="")
        self.console.out(f"{row.speaker:>5} │", style=_STYLES.get(row.speaker), highlight=False, end="")

    def _out(self, text: str) -> None:
        row = self._story[-1]
        # The blank behind the sign only where something follows it.
        margin = "" if row.text else " "
        row.text += text
        self.console.out(margin + text, style=_STYLES.get(row.speaker), highlight=False, end="")

    def _end_row(self, *, always: bool = False, resume: bool = False) -> None:
        if always and not self._row_open:
            self._resume = 0
            self._open_row()
        self._resume = self._column if resume else 0
        if self._row_open:
            self.console.out("", highlight=False)
            self._count(" " * (_MARGIN - 1) + self._story[-1].text)
        self._row_open = False
        self._blanks = self._blanks if resume else ""

    def _wrapped(self, line: Line) -> list[Line]:
        """Lines that fit; what goes on is set two further in."""
        words = line.text.lstrip(" ")
        indent = len(line.text) - len(words)
        if cell_len(line.text) <= self.console.width:
            return [line]
        pieces = Text(words).wrap(self.console, max(self.console.width - indent - 2, _LEAST_COLUMNS))
        return [
            Line(" " * (indent + (2 if number else 0)) + piece.plain.rstrip(), line.style)
            for number, piece in enumerate(pieces)
        ]

    def _needed(self, lines: Iterable[Line]) -> int:
        return sum(len(self._wrapped(line)) for line in lines)

    def _count(self, text: str) -> None:
        """What the terminal makes of a line: it breaks what is longer than itself."""
        self._rows += max(1, -(-cell_len(text) // self.console.width))

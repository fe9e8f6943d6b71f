"""
What the demo shows: who says what, with a seam that can be seen; then the
times; then the proof.

The speaker stands in front of each line, so that it can be followed without
colours. Plain text, 80 columns, unless the terminal is narrower.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from attrs import define, field
from rich.cells import cell_len
from rich.console import Console

from trooper.demo.proof import Claim
from trooper.demo.times import Moment, Span

_COLUMNS: Final = 80
#: The time, the speaker, and the sign before what is said.
_MARGIN: Final = 15
_STYLES: Final[Mapping[str, str]] = {"cloud": "cyan", "local": "green"}
_BLANKS = re.compile(r"(\n|[ \t]+)")
#: A model's text must not steer the terminal.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@define
class Screen:
    """Where the answer is being written, and by whom."""

    console: Console
    _speaker: str = field(default="", init=False)
    _column: int = field(default=0, init=False)
    _row_open: bool = field(default=False, init=False)
    _blanks: str = field(default="", init=False)
    _at_s: float = field(default=0.0, init=False)
    # Where the next speaker goes on, when a seam stands between them.
    _indent: int = field(default=0, init=False)

    @property
    def _columns(self) -> int:
        return max(min(self.console.width, _COLUMNS) - _MARGIN, 20)

    def line(self, text: str = "", style: str | None = None) -> None:
        """A line that belongs to nobody."""
        self._end_row()
        self.console.out(text, style=style, highlight=False)

    def seam(self, at_s: float, words: str) -> None:
        """Say between the speakers what has happened; `at_s` counts from the question."""
        self._indent = self._column if self._row_open else 0
        self._end_row(keep_blanks=True)
        self.console.out(f"{at_s:6.2f}   ┄┄┄ │ {words}", style="yellow", highlight=False)

    def say(self, speaker: str, text: str, at_s: float) -> None:
        """
        Write on, as `speaker`. Another one than before goes on below, where the last one stopped.

        A row begins with the time, in seconds since the question, at which its first word came.
        """
        self._at_s = at_s
        if speaker != self._speaker:
            self._change(speaker)
        for part in _BLANKS.split(_CONTROLS.sub("", text)):
            if part == "\n":
                self._end_row(always=True)
            elif part.isspace():
                self._blanks += part
            elif part:
                self._write(part)

    def _change(self, speaker: str) -> None:
        indent = self._column if self._row_open else self._indent
        self._indent = 0
        self._end_row(keep_blanks=True)
        self._speaker = speaker
        if indent:
            self._open_row()
            self._out(" " * indent)

    def _write(self, word: str) -> None:
        if self._column + cell_len(self._blanks + word) > self._columns and self._column:
            self._end_row()
        self._open_row()
        self._out(self._blanks + word)
        self._blanks = ""

    def _open_row(self) -> None:
        if not self._row_open:
            self._row_open = True
            self.console.out(f"{self._at_s:6.2f} ", style="dim", highlight=False, end="")
            self.console.out(f"{self._speaker:>5} │", style=self._style(), highlight=False, end="")

    def _out(self, text: str) -> None:
        # The blank behind the sign only where something follows it.
        margin = " " if self._column == 0 else ""
        self._column += cell_len(text)
        self.console.out(margin + text, style=self._style(), highlight=False, end="")

    def _style(self) -> str | None:
        return _STYLES.get(self._speaker)

    def _end_row(self, *, always: bool = False, keep_blanks: bool = False) -> None:
        if always:
            self._open_row()
        if self._row_open:
            self.console.out("", highlight=False)
        self._row_open = False
        self._column = 0
        self._blanks = self._blanks if keep_blanks else ""

    def show_times(self, moments: Sequence[Moment], gap: Sequence[Span]) -> None:
        """The timeline."""
        self.line()
        self.line("Times")
        for moment in moments:
            self.line(f"  {moment.at_s:8.3f} s   {moment.what}")
        for part in gap:
            self.line(f"  {1000 * part.lasted_s:8.1f} ms  {part.what}")

    def show_proof(self, claims: Sequence[Claim], size_bytes: int) -> None:
        """The proof, claim by claim."""
        self.line()
        self.line(f"Proof, from the {size_bytes} bytes that the client got")
        for claim in claims:
            sign, style = ("✓", "green") if claim.holds else ("✗", "red")
            self.line(f"  {sign} {claim.name}: {claim.found}", style)

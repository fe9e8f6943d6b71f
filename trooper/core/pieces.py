"""
A text that comes in pieces.

A short string costs sixty bytes, and a target may say its text in pieces of one
letter. So they are joined now and then, and a text costs what its letters cost.
"""

from __future__ import annotations

from typing import Final

from attrs import define, field

#: Each is joined once more when the text is asked for: of a megabyte, a few thousand.
_JOINED_AT_ONCE: Final = 512


@define
class Pieces:
    """A text, as far as it has come."""

    _joined: list[str] = field(factory=list, init=False)
    _loose: list[str] = field(factory=list, init=False)

    def add(self, piece: str) -> None:
        """So much more of it."""
        self._loose.append(piece)
        if len(self._loose) == _JOINED_AT_ONCE:
            self._joined.append("".join(self._loose))
            self._loose.clear()

    @property
    def text(self) -> str:
        """All of it."""
        if self._loose or len(self._joined) > 1:
            self._joined = ["".join((*self._joined, *self._loose))]
            self._loose.clear()
        return self._joined[0] if self._joined else ""

    def tell(self, whole: str) -> None:
        """This is all of it."""
        self.clear()
        self.add(whole)

    def clear(self) -> None:
        """Begin anew."""
        self._joined.clear()
        self._loose.clear()

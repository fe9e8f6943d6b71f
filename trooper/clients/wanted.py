"""
What a client's configuration has to say, as values; and how a format is edited.

A user's file is his own: his comments, his order, his spacing. So no format is
parsed and written again. Each edit is the smallest splice of text that there
is, and `editing.py` reads the result and refuses it unless it says what it
said before, and what is wanted beside it.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias

from attrs import frozen

from trooper.errors import TrooperError

#: The names that lead to a value, from the top of the file.
Path: TypeAlias = tuple[str, ...]
Value: TypeAlias = str | bool | int


class NotEdited(TrooperError):
    """A configuration cannot be read, or not be edited safely. The message says why and what to do; nothing was changed."""


@frozen
class Wanted:
    """
    One thing that a client's configuration has to say.

    Attributes:
        path: where it stands; of an item, the name of its list.
        value: the value. An item of YAML is its text, line by line.
        is_item: it is one item of a list, and the other items stay.
    """

    path: Path
    value: Value
    is_item: bool = False

    @property
    def name(self) -> str:
        """Where it stands, as a person says it."""
        return ".".join(self.path)


class Format(Protocol):
    """
    How text of one format is edited. All functions are pure, and all raise `NotEdited`.

    `put` and `drop` may do something else than was meant, where a file is odd
    enough: whoever calls them reads the result and compares.
    """

    def read(self, text: str) -> dict[str, Any]:
        """What it says, as plain data that can be compared; `NotEdited` if that cannot be told."""
        ...

    def raw(self, value: Value) -> str:
        """How a value is written."""
        ...

    def found(self, text: str, path: Path) -> str | None:
        """How the value at `path` is written; `None` if it does not stand there."""
        ...

    def put(self, text: str, wanted: Wanted, raw: str) -> str:
        """With `raw` as the value: in the place of an old one, or beside its neighbours."""
        ...

    def drop(self, text: str, wanted: Wanted) -> str:
        """Without it."""
        ...

    def prune(self, text: str, path: Path) -> str:
        """Without the table at `path`, which is empty."""
        ...


def newline_of(text: str) -> str:
    """How its lines end."""
    return "\r\n" if "\r\n" in text else "\n"


def line_start(text: str, at: int) -> int:
    """Where the line begins that `at` stands in."""
    return text.rfind("\n", 0, at) + 1


def line_end(text: str, at: int) -> int:
    """Where the next line begins."""
    found = text.find("\n", at)
    return len(text) if found < 0 else found + 1

"""A client, as `trooper connect` knows it: one row of the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from trooper.clients.editing import at, connected, readable
from trooper.clients.wanted import Format, Wanted
from trooper.clients.wanted import Path as Names


@frozen
class Client:
    """
    A program that is put in front of Trooper.

    Attributes:
        name: what `trooper connect` calls it.
        title: what people call it.
        asked: what its configuration has to say, of Trooper's address.
        form: the format of its file.
        file: which file it reads, by its variables and the home folder.
        fresh: what a file has to begin with that is not there yet.
        note: a sentence that belongs to it.
        asked_by_login: the same as `asked` where the program proves itself by its
            own login; `None`: that makes no difference.
        login_note: the sentence then.
        barred: why a file is not written, if that is so.
        asks_at: where what a file says has it ask, if no value that is wanted takes the place of that one.
    """

    name: str
    title: str
    asked: Callable[[str], Sequence[Wanted]]
    form: Format
    file: Callable[[Mapping[str, str], Path], Path]
    fresh: str = ""
    note: str = ""
    asked_by_login: Callable[[str], Sequence[Wanted]] | None = None
    login_note: str = ""
    barred: Callable[[Path], str] = lambda _: ""
    asks_at: Callable[[Mapping[str, Any]], str] = lambda _: ""

    def wanted(self, url: str, *, login: bool = False) -> Sequence[Wanted]:
        """What its configuration has to say, with a login of its own or without."""
        return self.asked_by_login(url) if login and self.asked_by_login is not None else self.asked(url)

    def block(self, url: str, *, login: bool = False) -> str:
        """The whole file of somebody who has none yet."""
        return connected(self.form, self.fresh, self.wanted(url, login=login)).text

    def says(self, names: Names, text: str) -> str:
        """The word that its file's `text` has at `names`; of a text that cannot be read, none."""
        said = at(readable(self.form, text), names)
        return said.strip() if isinstance(said, str) else ""


@frozen
class ByHand:
    """
    A client without a file that is anybody's to write.

    Attributes:
        name: what `trooper connect` calls it.
        title: what people call it.
        block: what to set, of Trooper's address.
        where: where that is set.
        no_file: why nothing is written.
    """

    name: str
    title: str
    block: Callable[[str], str]
    where: str
    no_file: str


def folder_by(environ: Mapping[str, str], variable: str, home: Path, usual: str) -> Path:
    """The folder that a variable names, or the usual one below the home folder."""
    said = environ.get(variable, "")
    return Path(said) if said else home / usual

"""
Follows a continuation that says again what the client has: the whole half
answer, or its open code block.

Theory of operation
-------------------
Somebody who was to go on may begin anew although he was shown the half answer
as his own. As long as what he says is what the client has, there is nothing to
give, and so nothing waits. Where all of it has come, he is spoken from there.
Where something else comes, that is known with the first other character.

Two texts are the same here if they differ in nothing but their white space:
where one has some, the other has some. A `Follower` compares from one place of
the half answer on, and looks at each character once. A `Following` has a
follower for every place where he may begin, and keeps what was said until it
is known for what it was.

What a text that begins alike and differs then means is judged by `core.anew`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from attrs import define, field, frozen

from trooper.core.overlap import with_lone_blanks

_BLANKS: Final = re.compile(r"\s*")
_SIGNS: Final = re.compile(r"\S*")
#: Nobody begins anew behind more white space.
_MOST_BLANKS: Final = 80


@define
class Follower:
    """
    Compares what comes with `half`, white space apart.

    Attributes:
        differs: something else has come.
        is_whole: all of `half` has come, and what comes now is beyond its last sign.
        is_over: as much of the white space at its end has come as there is, or something else.
    """

    half: str
    differs: bool = field(default=False, init=False)
    is_whole: bool = field(default=False, init=False)
    is_over: bool = field(default=False, init=False)
    _plain: str = field(init=False)
    _at: int = field(default=0, init=False)
    _ends: str = field(init=False)
    _blanks_before: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self._plain = with_lone_blanks(self.half)
        self._ends = self.half[len(self.half.rstrip()) :]
        self.differs = not self._plain

    @property
    def same(self) -> str:
        """What has come of the half, with lone blanks."""
        return self._plain[: self._at]

    def feed(self, text: str) -> int | None:
        """Compare; returns behind how many characters of `text` it is over, `None` while it is not."""
        used = 0
        while used < len(text) and not self.differs and not self.is_over:
            if self.is_whole:
                used += self._end(text[used])
                continue
            blanks = _run(_BLANKS, text, used)
            used += self._blanks(blanks) if blanks else self._signs(_run(_SIGNS, text, used))
        return used if self.is_over else None

    def _blanks(self, run: str) -> int:
        if self._at and self._plain[self._at - 1] != " ":
            if self._plain[self._at] != " ":
                self.differs = True
                return 0
            self._at += 1
        self._blanks_before += 0 if self._at else len(run)
        self.differs = self._blanks_before > _MOST_BLANKS
        return len(run)

    def _signs(self, run: str) -> int:
        rest = len(self._plain) - self._at
        if len(run) <= rest and self._plain.startswith(run, self._at):
            same = len(run)
        else:
            pairs = zip(run, self._plain[self._at : self._at + len(run)], strict=False)
            same = next((i for i, (said, had) in enumerate(pairs) if said != had), min(len(run), rest))
            self.differs = same < rest
        self._at += same
        self.is_whole = self._at == len(self._plain)
        self.is_over = self.is_whole and not self._ends
        return same

    def _end(self, sign: str) -> int:
        """The white space at the half's end: what the client has of it is not said again."""
        if sign == self._ends[0] or (sign == "\n" and self._ends[0] != "\n" and "\n" in self._ends):
            # A newline stands for the blanks before one as well.
            self._ends = self._ends.partition(sign)[2]
            self.is_over = not self._ends
            return 1
        if sign.isspace() and sign != "\n" and "\n" in self._ends:
            return 1
        self.is_over = True
        return 0


def _run(pattern: re.Pattern[str], text: str, at: int) -> str:
    found = pattern.match(text, at)
    return found[0] if found else ""


@frozen
class Whole:
    """All of it has come again: `said`; `rest` is what follows."""

    said: str
    rest: str
    place: int


@frozen
class Differs:
    """Something else has come, or the end. `same` has come of the text from place number `place` on."""

    said: str
    same: str
    place: int
    rest: str = field(default="", init=False)


@define
class Following:
    """
    Follows what comes from several places on; `halves` are what the client has from each on.

    Each character is compared once for each place, and kept until the end is known.
    """

    halves: Sequence[str]
    _followers: list[Follower] = field(init=False)
    _said: list[str] = field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        self._followers = [Follower(half) for half in self.halves]

    def feed(self, text: str) -> Whole | Differs | None:
        """Compare; `None` while all that came is what the client has."""
        self._said.append(text)
        over: list[tuple[int, int]] = []
        for place, follower in enumerate(self._followers):
            used = None if follower.differs else follower.feed(text)
            if used is not None:
                over.append((used, place))
        if over:
            at, place = min(over)
            said = "".join(self._said)
            at += len(said) - len(text)
            return Whole(said[:at], said[at:], place)
        return None if any(not f.differs for f in self._followers) else self._differing()

    def finish(self) -> Whole | Differs:
        """Nothing follows."""
        whole = next((place for place, f in enumerate(self._followers) if f.is_whole), None)
        return self._differing() if whole is None else Whole("".join(self._said), "", whole)

    def _differing(self) -> Differs:
        place = max(range(len(self._followers)), key=lambda n: len(self._followers[n].same), default=0)
        same = self._followers[place].same if self._followers else ""
        return Differs("".join(self._said), same, place)

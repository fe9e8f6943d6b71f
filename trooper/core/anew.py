"""
Whether a continuation begins anew: what it is compared with, and what it means
that all of that came again, or a part of it.

Three things may come again from their beginning: the whole half answer; the
open code block with its fence; the code in it. The first is an echo where
nobody was shown the half answer as his own (`core.seam`); everywhere else it
must be told from an honest answer that says its beginning twice (`core.honest`).

This file knows characters, not events, wires or models.
"""

from __future__ import annotations

import enum
from typing import Final

from attrs import frozen

from trooper.core.code_block import Block
from trooper.core.following import Differs, Following, Whole
from trooper.core.honest import may_be_said_twice, may_begin_alike
from trooper.core.overlap import UNPROBED_ECHO_CHARS, count_words, is_periodic, with_lone_blanks

#: So many words alike, and then others, are another beginning where nobody was shown the half answer as his own.
_ANEW_WORDS: Final = 2
#: So much of a block behind its fence, which cannot honestly stand in it, is the block written anew.
_ANEW_CODE_CHARS: Final = 8
_CODE_CHARS: Final = 80
_CODE_LINES: Final = 3


class Verdict(enum.Enum):
    """What a continuation is that began like what the client has."""

    AGAIN = "again"
    ANOTHER = "another"
    HONEST = "honest"


class _From(enum.Enum):
    """Where in the half answer it began."""

    START = "start"
    FENCE = "fence"
    CODE = "code"


@frozen
class Beginnings:
    """
    From where on the half answer may be said again.

    Attributes:
        half: what the model was shown.
        given: what the client has.
        hidden: what of the half answer stands in front of `half`, and the model was not shown.
        is_own: the model was shown it as its own words, so that only what cannot be honest counts.
        was_asked: it was merely asked to go on.
        repairs: whether a new beginning of a model that was shown it is put right.
        block: the code block that is open at the end of `given`.
    """

    half: str
    given: str
    is_own: bool
    was_asked: bool = False
    repairs: bool = True
    block: Block | None = None
    hidden: str = ""

    def following(self) -> Following | None:
        """What follows a continuation from each of them; `None` where there is none."""
        places = self._places()
        return Following([half for _, half in places]) if places else None

    def _places(self) -> list[tuple[_From, str]]:
        half, block, places = self.half, self.block, []
        whole = self.hidden + half
        is_long = self.was_asked or len(half) >= UNPROBED_ECHO_CHARS
        is_in_block = self.repairs and block is not None and block.code_at <= len(whole)
        if is_in_block and block is not None and not block.has_blocks:
            places.append((_From.FENCE, whole[block.at :]))
        if half.strip() and is_long and (self.repairs if self.is_own else not is_periodic(half)):
            places.append((_From.START, half))
            if self.hidden and self.repairs:
                places.append((_From.START, whole))
        if is_in_block and block is not None:
            code = whole[block.code_at :]
            if len(code) >= _CODE_CHARS and code.count("\n") >= _CODE_LINES:
                places.append((_From.CODE, code))
        return places

    def judged(self, found: Whole | Differs) -> Verdict:
        """What has come, now that it is known."""
        places = self._places()
        begun = found.said.lstrip()
        blanks = found.said[: len(found.said) - len(begun)]
        new_line = self.given.endswith("\n") or "\n" in blanks
        if isinstance(found, Whole):
            start = places[found.place][0]
            honest = start is _From.START and self.is_own and may_be_said_twice(self.given, blanks)
            return Verdict.HONEST if honest else Verdict.AGAIN
        start = places[found.place][0]
        if start is _From.CODE or not found.same:
            return Verdict.HONEST
        if start is _From.FENCE and self.block is not None:
            fence = with_lone_blanks(self.given[self.block.at : self.block.code_at])
            is_anew = len(found.same) - len(fence) > _ANEW_CODE_CHARS
        elif self.is_own:
            is_glued = not blanks and self.given[-1:].isalnum()
            then = with_lone_blanks(found.said)[len(found.same) :]
            is_anew = not may_begin_alike(self.half, found.same, then, new_line=new_line, is_glued=is_glued)
        else:
            is_anew = self._is_another(found.same, after_blanks=bool(blanks) and not self.half[0].isspace())
        return Verdict.ANOTHER if is_anew else Verdict.HONEST

    def _is_another(self, same: str, *, after_blanks: bool) -> bool:
        """The same of a model that nobody has shown it as its own."""
        if is_periodic(same):
            return False
        if self.was_asked and not after_blanks and count_words(same.rpartition(" ")[0]) >= _ANEW_WORDS:
            return True
        return len(same) >= UNPROBED_ECHO_CHARS

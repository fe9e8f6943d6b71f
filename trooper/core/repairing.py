"""
Puts right what a model does that was to go on, and began anew, announced
itself, opened its code block once more, or said its last words twice.

Theory of operation
-------------------
The steps are taken in one order, each once, but for the first, which is taken
again behind an announcement:

    anew ─▶ announcement ─▶ fence ─▶ words ─▶ over
      ▲          │
      └──────────┘

A step is left as soon as what has come decides it; then the next one sees what
is left. Who begins anew is waited for as long as what came is what the client has, and so do
whole sentences that come again. Nothing else waits for more than
`MOST_WAITING_CHARS`. Each step decides by the shortest beginning that does, so
the pieces do not matter.

Whoever has announced himself, or opened the block again, does not go on like
one who is shown his own words: what he says again then needs no other proof.

This file knows characters, not events, wires or models.
"""

from __future__ import annotations

import enum
from collections.abc import Set as AbstractSet
from typing import Final, assert_never

from attrs import define, evolve, field

from trooper.core.anew import Beginnings, Verdict
from trooper.core.announcing import ENOUGH_CHARS, Place, announcement, behind, place_behind
from trooper.core.code_block import Block, open_block, opened_again, with_line
from trooper.core.following import Following
from trooper.core.honest import repeats_code, repeats_itself
from trooper.core.overlap import MOST_TAIL_CHARS, MOST_WAITING_CHARS, UNPROBED_ECHO_CHARS, Counts, said_again
from trooper.core.repair import ALL_REPAIRS, Repair
from trooper.core.unfit import Unfit


class _Step(enum.Enum):
    ANEW = "anew"
    ANNOUNCEMENT = "announcement"
    BEHIND_ANNOUNCEMENT = "behind an announcement"
    FENCE = "fence"
    BEHIND_FENCE = "behind a fence"
    WORDS = "words"
    OVER = "over"


#: How far back one looks whether something was said before.
_LOOKED_AT_CHARS: Final = 20_000
_DOCUMENTS: Final = ("{", "[")


@define
class Repairing:
    """
    Takes a continuation in, without thoughts and known echoes, and returns what is new.

    Args:
        half: what the model was shown.
        given: what the client has.
        hidden: what stands in front of `half`, and the model was not shown.
        is_own: the model was shown it as its own words, and that this works is proven.
        was_asked: it was merely asked to go on.
        lost_call: a tool call was lost behind the half answer: what announces it comes again.
        repairs: what is put right.

    Attributes:
        unfit: why nothing of it may be used.
        is_again: all of the half answer came again; what follows is to be taken
            with `behind_echo`, and fed once more.
        cut: what the model has said and the client is not given; whoever counts it takes it.
    """

    half: str
    given: str
    is_own: bool
    hidden: str = ""
    was_asked: bool = False
    lost_call: bool = False
    repairs: AbstractSet[Repair] = ALL_REPAIRS
    unfit: Unfit | None = field(default=None, init=False)
    is_again: bool = field(default=False, init=False)
    cut: str = field(default="", init=False)
    _step: _Step = field(init=False)
    _block: Block | None = field(init=False)
    _beginnings: Beginnings = field(init=False)
    _following: Following | None = field(init=False)
    _is_document: bool = field(init=False)
    _announced: bool = field(default=False, init=False)
    _opened: bool = field(default=False, init=False)
    _pending: str = field(default="", init=False)

    def __attrs_post_init__(self) -> None:
        self._block = open_block(self.given)
        self._is_document = self.given.lstrip()[:1] in _DOCUMENTS
        follows = Repair.ANEW in self.repairs
        self._beginnings = Beginnings(
            self.half, self.given, self.is_own, self.was_asked, follows, self._block, self.hidden
        )
        self._following = self._beginnings.following()
        self._step = _Step.ANEW if self.half else _Step.OVER

    @property
    def has_begun(self) -> bool:
        """Whether something waits, or everything is decided."""
        return bool(self._pending) or self._step is not _Step.ANEW

    def feed(self, text: str) -> str:
        """Return what of `text`, and of what waited, is new."""
        self._pending += text
        return self._passed_on(final=False)

    def finish(self) -> str:
        """Nothing follows: return what was still undecided."""
        return self._passed_on(final=True)

    def behind_echo(self) -> str:
        """What follows all of the half answer."""
        out, self._pending, self.is_again = self._pending, "", False
        return out

    def asked(self) -> None:
        """It has thought first, and so begins to speak, perhaps with all that was said before."""
        self.is_own, self.was_asked = False, True
        self._beginnings = evolve(self._beginnings, is_own=False, was_asked=True)
        self._following = self._beginnings.following()

    def _passed_on(self, *, final: bool) -> str:
        while self._step is not _Step.OVER:
            if not self._go_on(final=final) or self.unfit or self.is_again:
                return ""
        out, self._pending = self._pending, ""
        return out

    def _go_on(self, *, final: bool) -> bool:
        """Take one step, if what waits decides it."""
        # What is longer decides everything but whether it goes on being what the client has.
        enough = final or len(self._pending) > MOST_WAITING_CHARS
        match self._step:
            case _Step.ANEW:
                return self._follow(final=final)
            case _Step.ANNOUNCEMENT:
                return self._cut_announcement(final=enough)
            case _Step.BEHIND_ANNOUNCEMENT:
                return self._begin_behind_announcement(final=enough)
            case _Step.FENCE:
                return self._cut_fence(final=enough)
            case _Step.BEHIND_FENCE:
                return self._begin_behind_fence(final=enough)
            case _Step.WORDS:
                return self._cut_words(final=final)
            case _Step.OVER:
                return True
            case _ as never:
                assert_never(never)

    def _follow(self, *, final: bool) -> bool:
        following = self._following
        if following is None:
            self._step = _Step.ANNOUNCEMENT
            return True
        text, self._pending = self._pending, ""
        found = following.feed(text)
        if found is None and final:
            found = following.finish()
        if found is None:
            return False
        self._following = None
        match self._beginnings.judged(found):
            case Verdict.AGAIN:
                self.cut += found.said
                self._pending = found.rest
                self.is_again = True
            case Verdict.ANOTHER:
                self.unfit = Unfit.STARTS_ANEW
            case Verdict.HONEST:
                self._pending = found.said + found.rest
            case _ as never:
                assert_never(never)
        self._step = _Step.FENCE if self._announced else _Step.ANNOUNCEMENT
        return True

    def _cut_announcement(self, *, final: bool) -> bool:
        self._step = _Step.FENCE
        block = self._block
        if Repair.ANNOUNCEMENT not in self.repairs or self._is_document or (block and block.is_prose):
            return True
        place = Place.MIDST if block else place_behind(self.given, self._pending)
        chars = announcement(self._pending, place, final=final)
        if chars is None:
            self._step = _Step.ANNOUNCEMENT
            return False
        if chars:
            self._drop(chars)
            self._announced = True
            self._step = _Step.BEHIND_ANNOUNCEMENT
        return True

    def _begin_behind_announcement(self, *, final: bool) -> bool:
        if not final and len(self._pending.lstrip()) < ENOUGH_CHARS:
            return False
        self._pending = behind(self.given, self._pending, in_code=self._block is not None)
        self._beginnings = evolve(self._beginnings, is_own=True, was_asked=False)
        self._following, self._step = self._beginnings.following(), _Step.ANEW
        return True

    def _cut_fence(self, *, final: bool) -> bool:
        self._step = _Step.WORDS
        if Repair.FENCE not in self.repairs or self._block is None:
            return True
        chars = opened_again(self.given, self._block, self._pending, final=final)
        if chars is None:
            self._step = _Step.FENCE
            return False
        if chars:
            self._drop(chars)
            self._opened = True
            self._step = _Step.BEHIND_FENCE
        return True

    def _begin_behind_fence(self, *, final: bool) -> bool:
        if not final and not self._pending.strip(" ") and len(self._pending) < 2:
            return False
        self._pending = with_line(self.given, self._pending)
        self._step = _Step.WORDS
        return True

    def _cut_words(self, *, final: bool) -> bool:
        self._step = _Step.OVER
        if Repair.REPETITION not in self.repairs:
            return True
        text, said = self.half.rstrip()[-_LOOKED_AT_CHARS:], self._pending
        new_line = self.given.endswith("\n") or "\n" in said[: len(said) - len(said.lstrip())]
        is_free = self._announced or self._opened or self.was_asked
        in_code = self._block is not None and not self._opened and not self.was_asked
        if (self._is_document and not self.was_asked) or (in_code and new_line):
            return True
        counts: Counts | None = None
        if in_code and self._block is not None:
            language = self._block.language
            counts = lambda at, words: not repeats_code(text, at, words, language)  # noqa: E731
        elif not is_free and not self.lost_call:
            counts = lambda at, words: not repeats_itself(text, at, words, new_line=new_line)  # noqa: E731
        again = said_again(
            text,
            said,
            final=final,
            at_least_chars=UNPROBED_ECHO_CHARS if is_free else None,
            counts=counts,
            most_chars=MOST_WAITING_CHARS if counts else MOST_TAIL_CHARS,
        )
        if again is None:
            self._step = _Step.WORDS
            return False
        self._drop(again)
        return True

    def _drop(self, chars: int) -> None:
        self.cut += self._pending[:chars]
        self._pending = self._pending[chars:]

"""
Takes a thinking block out of the beginning of what a leg says.

Theory of operation
-------------------
Some models think in their content, between `<think>` and `</think>` or tags like
these, although they were asked not to, and some templates begin the thought in the prompt, so
that only its end comes. In the middle of an answer nobody wants either.

A block can stand where a model begins to speak, and nowhere else: templates put
it there, and models were taught it there. So only what comes first is looked
at. A tag further on is text, since an answer may speak about such tags; with
one exception. An end without a beginning says that all before it was a
thought, also where that cannot be seen while it comes (`LateEnd`).

This file knows characters, not events, wires or models.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable
from typing import Final, assert_never

from attrs import define, field

#: Qwen, DeepSeek and most; Claude's imitators; Gemma and Gemini; Seed-OSS; Magistral; Kimi.
_TAGS: Final = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
)
_OPEN: Final = tuple(opened for opened, _ in _TAGS)
_CLOSE: Final = tuple(closed for _, closed in _TAGS)
_CLOSED: Final = re.compile("|".join(map(re.escape, _CLOSE)))
#: All of them. Written out, since a text of a million `<` would be compared with each of twelve.
_TAG: Final = re.compile(r"</?(?:think(?:ing)?|thought|seed:think)>|\[/?THINK\]|◁/?think▷")
_LONGEST: Final = max(map(len, _CLOSE))
_FIRST: Final = re.compile(f"[{re.escape(''.join({tag[0] for tag in _OPEN}))}]")
_BLANKS: Final = " \t\r\n"
#: How much of a conversation is looked at for tags.
_LOOKED_AT_CHARS: Final = 4_000_000
#: A longer thought is nobody's.
_MOST_THOUGHT_CHARS: Final = 1_000_000
#: Nobody thinks behind more of them, and each piece would be looked at with all before it.
_MOST_BLANKS: Final = 8_192


def speaks_of_thinking(texts: Iterable[str]) -> bool:
    """
    Whether one of them has such a tag in it: then somebody may want to read about it.

    The latest count, up to more than any window holds. One tag after the other is looked
    for: all at once, a text of nothing but `<` took forty times as long.
    """
    left = _LOOKED_AT_CHARS
    for text in reversed(list(texts)):
        looked_at = text[:left]
        if any(tag in looked_at for tag in (*_OPEN, *_CLOSE)):
            return True
        left -= len(looked_at)
    return False


def begins_with_thought(text: str) -> bool:
    """Whether `text` begins with such a tag."""
    return text.lstrip(_BLANKS).startswith(_OPEN)


def without_thought(text: str) -> str:
    """A turn's text without the thought that it begins with."""
    if not begins_with_thought(text):
        return text
    ends = [at + len(tag) for tag in _CLOSE if (at := text.find(tag)) >= 0]
    return text[min(ends) :].lstrip() if ends else text


def half_tag(text: str) -> str:
    """What `text` has of such a tag, if it is the beginning of one and nothing else."""
    begins = text.lstrip(_BLANKS)
    return begins if any(tag.startswith(begins) and tag != begins for tag in _OPEN) else ""


def ends_in_thought(text: str) -> bool:
    """Whether the last such tag in `text` is one that begins."""
    tags = _TAG.findall(text[-_MOST_THOUGHT_CHARS:])
    return bool(tags) and tags[-1] in _OPEN


class _Place(enum.Enum):
    START = "start"
    INSIDE = "inside"
    BEHIND = "behind"
    OVER = "over"


@define
class Thoughts:
    """
    Reads what a leg says first, piece by piece, and passes on what is no thought.

    Args:
        is_subject: the conversation is about such blocks: a tag behind a blank,
            as in a sentence, is text.
        is_begun: what the client has ends inside such a block, or behind a word
            about its beginning: an end of it is text.
        half: what the client has is this beginning of a tag: its rest is text, and so is that thought.

    Attributes:
        found: a block has stood there, empty or not.
        goes_on: this leg has said the rest of `half`.
        unclosed: a thought has begun and never ended: the leg has said nothing.
        cut: the thought itself, as far as nobody has taken it from here.
    """

    is_subject: bool = False
    is_begun: bool = False
    half: str = ""
    found: bool = field(default=False, init=False)
    goes_on: bool = field(default=False, init=False)
    unclosed: bool = field(default=False, init=False)
    cut: str = field(default="", init=False)
    _place: _Place = field(default=_Place.START, init=False)
    _pending: str = field(default="", init=False)

    @property
    def is_over(self) -> bool:
        """Whether everything from here on is passed on as it comes."""
        return self._place is _Place.OVER

    def feed(self, text: str) -> str:
        """Return what of `text`, and of what waited, is no thought."""
        if self.is_over:
            return text
        self._pending += text
        while self._step():
            pass
        return self._passed_on()

    def _passed_on(self) -> str:
        out = ""
        if self.is_over:
            out, self._pending = self._pending, ""
        return out

    def finish(self) -> str:
        """Nothing follows: return what was still undecided."""
        out, self._pending = self._pending, ""
        place, self._place = self._place, _Place.OVER
        self.unclosed = place is _Place.INSIDE
        if self.unclosed:
            self.cut += out
        return out if place is _Place.START else ""

    def _step(self) -> bool:
        """Go on by one place, if what is there decides it."""
        match self._place:
            case _Place.START:
                return self._begin()
            case _Place.INSIDE:
                return self._end()
            case _Place.BEHIND:
                return self._leave()
            case _Place.OVER:
                return False
            case _ as never:
                assert_never(never)

    def _begin(self) -> bool:
        rests = [tag[len(self.half) :] for tag in _OPEN if self.half and tag.startswith(self.half)]
        if any(map(self._pending.startswith, rests)):
            self.goes_on, self._place = True, _Place.OVER
            return False
        if any(rest.startswith(self._pending) for rest in rests):
            return False
        begins = self._pending.lstrip(_BLANKS)
        if not begins and len(self._pending) > _MOST_BLANKS:
            self._place = _Place.OVER
            return False
        opened = next((tag for tag in _OPEN if begins.startswith(tag)), None)
        if self.is_subject and begins and self._pending[0] in " \t":
            self._place = _Place.OVER
            return False
        if opened is not None:
            self.found = True
            self._pending = begins[len(opened) :]
            self._place = _Place.INSIDE
            return True
        closed = _TAG.search(begins)
        if closed is not None and closed[0] in _CLOSE and self._ends_all(begins[: closed.start()]):
            # The prompt had begun it.
            self.found = True
            self._pending = begins
            self._place = _Place.INSIDE
            return True
        if begins and not any(tag.startswith(begins) for tag in (*_OPEN, *_CLOSE)):
            self._place = _Place.OVER
        return False

    def _ends_all(self, before: str) -> bool:
        """Whether an end behind `before`, and without a beginning, makes that a thought."""
        if self.is_begun:
            return False
        return not before or (not self.is_subject and before[-1] != "`")

    def _end(self) -> bool:
        closed = _CLOSED.search(self._pending)
        # What may be the beginning of the tag waits; the thought itself need not be kept.
        keep = closed.start() if closed else max(0, len(self._pending) - _LONGEST + 1)
        self.cut += self._pending[:keep]
        self._pending = self._pending[closed.end() :] if closed else self._pending[keep:]
        if closed:
            self._place = _Place.BEHIND
        return closed is not None

    def _leave(self) -> bool:
        """The lines behind a block belong to its form; blanks on the answer's own line do not."""
        begins = self._pending.lstrip(_BLANKS)
        if not begins:
            self._pending = self._pending[-_MOST_BLANKS:]
            return False
        lead = self._pending[: len(self._pending) - len(begins)]
        self._pending = lead.rpartition("\n")[2].replace("\r", "") + begins
        # Another one may follow at once.
        self._place = _Place.START
        return True


@define
class LateEnd:
    """
    Looks for the end of a thought that nobody saw begin.

    `came`: all that was said before it was a thought, and what follows is of no
    use where a client has that. The tag itself is never passed on.
    """

    came: bool = field(default=False, init=False)
    _looks: bool = field(default=True, init=False)
    _pending: str = field(default="", init=False)
    _last: str = field(default="", init=False)

    def feed(self, text: str) -> str:
        """Return what of `text`, and of what waited, can be passed on."""
        if self.came:
            return ""
        if not self._looks or not (self._pending or _FIRST.search(text)):
            self._last = text[-1:] or self._last
            return text
        text, self._pending = self._pending + text, ""
        if found := _TAG.search(text):
            before = text[found.start() - 1] if found.start() else self._last
            # In code, and behind a beginning, somebody speaks about it.
            self.came = found[0] in _CLOSE and before != "`"
            self._looks = False
            return "" if self.came else text
        begun = [match.start() for match in _FIRST.finditer(text, max(0, len(text) - _LONGEST))]
        at = begun[-1] if begun else len(text)
        if at < len(text) and any(tag.startswith(text[at:]) for tag in (*_OPEN, *_CLOSE)):
            text, self._pending = text[:at], text[at:]
        self._last = text[-1:] or self._last
        return text

    def finish(self) -> str:
        """Nothing follows: return what was still undecided."""
        out, self._pending = self._pending, ""
        return out

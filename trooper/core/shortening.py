"""
Shortens a prompt until it fits a window, by written rules: the cheapest loss first, and no more than needed.

Theory of operation
-------------------
A `Draft` is a prompt in parts: what comes first (system prompt, tools, the user's first turn), the old turns, the user's
last turn, what was done since, and the half answer. It is made shorter step by step, until it fits:

1. Old tool results: their first and last lines, and what of them is telling.
2. Old thoughts that stand in the text of a turn.
3. Tools that nobody has used yet: the first sentence of what they are for, then schemas of names and types.
4. Old turns, the oldest first: a situation report stands for them, behind the user's first turn.
5. The beginning of the half answer. What the model goes on from is its end.

Where all of that would not be enough, and the alternative is no answer at all, two more come before the fourth: the end of a
system prompt that takes more than its share, and what was done since the last user turn. Of that old results are
shortened, then old calls with their results make way for a report of their own, and the newest stay: an agent works
for an hour behind one user turn.

Never touched are the beginning of the system prompt, the user's first and last turn, tools that were used, and names that a
schema requires; and no result loses its call.

Servers keep what they have evaluated, so the next turn's prompt should begin with the same bytes. What is shortened or left
out therefore ends at marks, which the turns before them alone decide: one each eighth of the window. A conversation
that grows makes the prompt another one only where it passes the next mark, and not with each turn.

Counted is in `core.fitting`'s tokens, which are on the safe side; whoever calls knows how many of them there is room for.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, chain
from typing import Final, TypeAlias

from attrs import define, evolve, field, frozen

from trooper.core import excerpts
from trooper.core.conversation import Conversation, Message, Role, TextPart, Tool
from trooper.core.fitting import count_message, count_tools
from trooper.core.groups import Groups, Measured, total
from trooper.core.reported import Reported, reported
from trooper.core.seam import Prefill
from trooper.core.situation.dropped import Dropped
from trooper.core.situation.facts import found_in
from trooper.core.thinking import without_thought
from trooper.core.tokens import tokens_at_most

#: A report on little is no longer than half of that.
_REPORT_SHARE: Final = 0.5
#: Of what is left for report and half answer, the report gets this part at least where both want more.
_REPORT_OF_REST: Final = 1 / 3
#: A system prompt may take this part of the room where others need it, and so much in any case.
_SYSTEM_SHARE: Final = 0.25
_LEAST_SYSTEM_TOKENS: Final = 256
#: The half answer may ask so much of the room of others.
_HALF_SHARE: Final = 0.25
#: So many telling pieces stay of a result, and what saves less is not done.
_TELLING: Final = 6
_WORTH_SHARE: Final = 0.7
#: What the half answer keeps in any case: the model has to see how it went on.
_LEAST_HALF_TOKENS: Final = 64
#: Groups of calls and results behind the last user turn that stay.
_LATEST_GROUPS: Final = 2

#: Writes a report on what is dropped, of at most so many tokens.
WriteReport: TypeAlias = Callable[[Dropped, int], str]


def no_report(_dropped: Dropped, _room_tokens: int) -> str:
    """For whoever wants none."""
    return ""


@frozen
class Shortened:
    """
    What was left out of a prompt, for people.

    Attributes:
        results: tool results of which the first and last lines are left, and turns without their thoughts.
        tools: tools of which only names and types are left, and a sentence.
        turns: messages that a report stands for, or nothing.
        system_chars: of the system prompt's end.
        answer_chars: of the half answer's beginning.
    """

    results: int = 0
    tools: int = 0
    turns: int = 0
    system_chars: int = 0
    answer_chars: int = 0

    def __bool__(self) -> bool:
        return bool(self.told())

    def told(self) -> dict[str, int]:
        """What there is of it, by name."""
        names = ("results", "tools", "turns", "system_chars", "answer_chars")
        return {name: number for name in names if (number := getattr(self, name))}


#: Of a prompt that nothing was left out of.
NOTHING_SHORTENED: Final = Shortened()


@frozen
class Fit:
    """
    A prompt that fits, or the least that there can be.

    Attributes:
        prefill: what the model is shown of the half answer.
        tokens: about how many tokens the prompt is, at most.
        fits: there is room for it.
        is_least: all is left out of it that can be.
        report_tokens: how long its reports are.
        reports: what it has reports on, whoever writes them.
    """

    conversation: Conversation
    prefill: Prefill
    tokens: int
    fits: bool
    is_least: bool
    shortened: Shortened = NOTHING_SHORTENED
    report_tokens: int = 0
    reports: tuple[Reported, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Nothing is left out that could be there."""
        return not self.shortened


@frozen
class Wanted:
    """
    What a prompt may be.

    Attributes:
        room_tokens: how long, as `core.fitting` counts.
        report_tokens: how long a report in it may be: a quarter of the window.
        write: writes the report.
        note: what the model is told where there is no report; `{count}` is how many messages are missing.
    """

    room_tokens: float
    report_tokens: int = 0
    write: WriteReport = no_report
    note: str = ""


def shorten(measured: Measured, prefill: Prefill, wanted: Wanted, *, keeps_half: bool = False) -> Draft:
    """
    Shorten a conversation and the half answer behind it as far as there is no room for them.

    Args:
        prefill: how the half answer is shown.
        keeps_half: what follows is no text that could do without its beginning.
    """
    draft = Draft(measured, prefill, wanted, keeps_half or measured.conversation.is_structured)
    steps = draft.steps()
    while not draft.fits and next(steps, None) is not None:
        pass
    return draft


@define
class Draft:
    """
    A prompt that is being made shorter. Reports are written when it is done; until then they are as long as they may be.
    """

    measured: Measured
    prefill: Prefill
    wanted: Wanted
    keeps_half: bool
    _system: Sequence[Message] = field(init=False)
    _system_tokens: int = field(init=False)
    _tools: tuple[Tool, ...] = field(init=False)
    _tools_tokens: int = field(init=False)
    _half_tokens: int = field(init=False)
    _old: Groups = field(init=False)
    _since: Groups = field(init=False)
    # How many groups are left out, and how long what stands for them may be.
    _old_gone: int = field(default=0, init=False)
    _since_gone: int = field(default=0, init=False)
    _report_room: int = field(default=0, init=False)
    _since_room: int = field(default=0, init=False)
    _is_exhausted: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        measured = self.measured
        self._system, self._tools = measured.parts.system, measured.conversation.tools
        self._system_tokens, self._tools_tokens = measured.system_tokens, measured.tools_tokens
        self._half_tokens = measured.half_tokens
        self._old, self._since = measured.old(), measured.since()
        # Something may be missing from the start.
        self._report_room = self._set_aside(measured.far_tokens + measured.conversation.left_out)

    @property
    def is_least(self) -> bool:
        """Whether all is left out of it that can be."""
        if self._is_exhausted:
            return True
        has_turns = self._old.count > 0 or self._since.count > 1
        half = 0 if self.keeps_half else self._half_tokens
        longest = max(half - _LEAST_HALF_TOKENS, self._system_tokens - _LEAST_SYSTEM_TOKENS)
        return not has_turns and longest <= 0 and not self._tools_tokens

    @property
    def tokens(self) -> int:
        """How long the prompt is now."""
        turns = self._old.total + self._since.total
        return self._stays + self._half_tokens + turns + self._report_room + self._since_room

    @property
    def _stays(self) -> int:
        return self._system_tokens + self._tools_tokens + self.measured.fixed_tokens

    @property
    def fits(self) -> bool:
        """Whether there is room for it."""
        return self.tokens <= self.wanted.room_tokens

    @property
    def _excess(self) -> float:
        return self.tokens - self.wanted.room_tokens

    # -- the steps ---------------------------------------------------------------

    def steps(self) -> Iterator[bool]:
        """Each step in its turn, the cheapest loss first; ends where nothing more can be left out."""
        self._old.shorten(self._excess, Role.TOOL, _with_short_result)
        yield True
        self._old.shorten(self._excess, Role.ASSISTANT, _without_thought)
        yield True
        self._shorten_tools(excerpts.briefly_described)
        yield True
        self._shorten_tools(excerpts.bare)
        yield True
        share = int(self.wanted.room_tokens * _SYSTEM_SHARE)
        self._cut_system(self._missing, max(_LEAST_SYSTEM_TOKENS, share))
        self._since.shorten(self._missing, Role.TOOL, _with_short_result, self._since.count - 1)
        self._drop_since()
        self._drop_old()
        yield True
        self._cut_half()
        yield True
        self._cut_system(self._excess, _LEAST_SYSTEM_TOKENS)
        self._is_exhausted = True
        yield True

    def _shorten_tools(self, shorter: Callable[[Tool], Tool]) -> None:
        conversation = self.measured.conversation
        if not self._tools_tokens:
            return
        used = {call.name for message in conversation.messages for call in message.tool_calls}
        used.add(conversation.tool_choice.removeprefix("tool:"))
        told = tuple(tool if tool.name in used else shorter(tool) for tool in self._tools)
        tokens = count_tools(evolve(conversation, tools=told))
        if tokens < self._tools_tokens:
            self._tools, self._tools_tokens = told, tokens

    @property
    def _missing(self) -> float:
        """How many tokens would be missing even without the old turns, for a part of the half answer and a report."""
        half = min(self._half_tokens, int(self.wanted.room_tokens * _HALF_SHARE))
        report = self._set_aside(self._old.total + self.measured.far_tokens)
        return self._stays + self._since.total + half + report - self.wanted.room_tokens

    def _cut_system(self, missing: float, least: int) -> None:
        if missing <= 0 or self._system_tokens <= least:
            return
        text = _joined(self._system)
        short = excerpts.beginning(text, max(least, self._system_tokens - missing))
        if len(short) < len(text):
            self._system = (Message(Role.SYSTEM, (TextPart(short),)),)
            self._system_tokens = total(self._system)

    def _drop_since(self) -> None:
        count, gone, missing = 0, 0, self._missing
        # A report stands for them, and takes room.
        while count < self._since.count - _LATEST_GROUPS and missing > gone * (1 - _REPORT_SHARE):
            gone += self._since.tokens[count]
            count += 1
        if count:
            self._since.drop(count)
            self._since_gone, self._since_room = count, self._set_aside(gone, -self._missing)

    def _drop_old(self) -> None:
        free = self.wanted.room_tokens - self._stays - self._since.total - self._since_room
        left, gone = free - self._half_tokens, (0, *accumulate(self._old.tokens))
        missing = self.measured.far_tokens + self.measured.conversation.left_out
        for count in (0, *self._old.marks):
            room = self._set_aside(missing + gone[count])
            if gone[-1] - gone[count] + room <= left:
                break
        else:
            count = self._old.count
            room = self._set_aside(missing + gone[-1], max(left, free * _REPORT_OF_REST))
        self._old.drop(count)
        self._old_gone, self._report_room = count, room

    def _set_aside(self, dropped_tokens: int, most_tokens: float = math.inf) -> int:
        """How much room a report on so much may take, or the note that stands there without one."""
        if dropped_tokens <= 0:
            return 0
        most = min(self.wanted.report_tokens, dropped_tokens * _REPORT_SHARE, max(0.0, most_tokens))
        room = 0 if self.wanted.write is no_report else int(most)
        return max(room, count_message(_told(self.wanted.note)) if self.wanted.note else 0)

    def _cut_half(self) -> None:
        text = self.prefill.text
        if self.keeps_half or not text:
            return
        free = self.wanted.room_tokens - (self.tokens - self._half_tokens - self._report_room)
        room = self._report_room or self._set_aside(self._half_tokens, free * _REPORT_OF_REST)
        at = excerpts.beginning_of_end(text, max(_LEAST_HALF_TOKENS, free - room))
        if at == 0:
            return
        self._report_room = room
        self.prefill = evolve(self.prefill, hidden=text[:at], text=text[at:])
        self._half_tokens = tokens_at_most(self.prefill.text)

    # -- what comes of it --------------------------------------------------------

    def fit(self) -> Fit:
        """The prompt, with its reports."""
        measured, parts, conversation = self.measured, self.measured.parts, self.measured.conversation
        since_gone = tuple(chain.from_iterable(parts.since[: self._since_gone]))
        gone = (*measured.far, *chain.from_iterable(measured.near[: self._old_gone]))
        shortened = self._shortened(len(gone) + len(since_gone))
        if not shortened and not conversation.left_out:
            return Fit(conversation, self.prefill, self.tokens, self.fits, self.is_least)
        first = (*parts.system, *parts.first)
        missing = conversation.left_out + len(gone)
        # A turn's own words take room, too.
        around = count_message(_told(""))
        old = Reported(Dropped(reported(gone), self.prefill.hidden, first), self._report_room - around)
        since_dropped = Dropped(reported(since_gone), "", (*first, *parts.turn))
        since = Reported(since_dropped, self._since_room - around)
        report, report_since = self._report(old, missing), self._report(since, len(since_gone))
        front = (*self._system, *parts.first, *report, *self._old.messages)
        messages = (*front, *parts.turn, *report_since, *self._since.messages)
        report_tokens = total((*report, *report_since))
        tokens = self.tokens - self._report_room - self._since_room + report_tokens
        told = evolve(conversation, messages=messages, tools=self._tools)
        reports = tuple(one for one in (old, since) if one.is_wanted)
        return Fit(told, self.prefill, tokens, self.fits, self.is_least, shortened, report_tokens, reports)

    def _shortened(self, turns: int) -> Shortened:
        tools, system = self.measured.conversation.tools, self.measured.parts.system
        is_cut = self._system is not system
        return Shortened(
            results=self._old.changed + self._since.changed,
            tools=sum(new is not old for new, old in zip(self._tools, tools, strict=True)),
            turns=turns,
            system_chars=len(_joined(system)) - len(_joined(self._system)) if is_cut else 0,
            answer_chars=len(self.prefill.hidden),
        )

    def _report(self, reported: Reported, missing: int) -> tuple[Message, ...]:
        # A turn of the user's, behind his own: templates want the system's in front of all, and
        # what changes there makes the whole prompt another one.
        write = self.wanted.write
        report = write(reported.dropped, reported.room_tokens) if reported.is_wanted else ""
        text = report or (self.wanted.note.format(count=missing) if missing else "")
        return (_told(text),) if text else ()


def _told(text: str) -> Message:
    return Message(Role.USER, (TextPart(text),) if text else ())


def _joined(messages: Sequence[Message]) -> str:
    return "\n\n".join(message.text for message in messages if message.text)


def _with_short_result(message: Message) -> Message:
    text, facts = message.text, found_in(message)
    best = heapq.nlargest(_TELLING, facts, key=lambda fact: fact.worth)
    short = excerpts.first_and_last(text, [fact.text for fact in facts if fact in best])
    return message if len(short) > _WORTH_SHARE * len(text) else excerpts.with_text(message, short)


def _without_thought(message: Message) -> Message:
    text = message.text
    short = without_thought(text)
    return message if len(short) == len(text) else excerpts.with_text(message, short)

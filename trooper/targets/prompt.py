"""
Makes what a local model is shown: one function, for whoever shows it something.

A leg asks with what `shown` returns, asks again with it when the server has
counted, and a model that is primed is primed with it. The same arguments make
the same prompt, to the last byte: a server that has read it once need not read
it again. Nothing here waits, and nothing knows which server will be asked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from attrs import evolve, frozen

from trooper.core import fitting, history, local_model, window
from trooper.core.conversation import Conversation, ToolCall
from trooper.core.groups import measured
from trooper.core.local_model import LocalModel, Way
from trooper.core.outcome import Failed, FailureKind
from trooper.core.reported import Reported
from trooper.core.seam import NOTHING, Prefill, prefill
from trooper.core.shortening import (
    NOTHING_SHORTENED,
    Draft,
    Shortened,
    Wanted,
    WriteReport,
    no_report,
    shorten,
)
from trooper.core.tokens import tokens_at_most
from trooper.core.unfit import Unfit

#: A report takes this part of the window at most.
_REPORT_PART: Final = 4

#: A prompt that leaves more of its room free than this is tried once more, with a report as long as it was.
_SPARING: Final = 0.85
_REPORT_STEP: Final = 64

#: The index of a tool call in the answer, and the part of it that the client has.
HalfCall = tuple[int, ToolCall]


@frozen
class Prompt:
    """
    What a model is shown.

    Attributes:
        way: `PREFILL` where the server makes the prompt of `conversation` by
            itself, also from the beginning; `RAW` where it is rendered first
            and what the client has is put behind it.
        conversation: the history, short enough for the model's window.
        prefill: what the client has of the answer, as the model is shown it
            and what is withheld; `NOTHING` for a half call.
        echoes: whether the model repeats `prefill` first; `None` if unprobed.
        half_call: the tool call of which only the rest is wanted.
        tokens: about how many tokens it is, at most.
        room_tokens: what the window leaves for the answer; `None` if not known.
        is_least: nothing more can be left out of it.
        is_whole: nothing is left out of it that could be there.
        reserve_tokens: the room that is kept for the answer.
        shortened: what was left out of it.
        reports: what it has reports on.
    """

    way: Way
    conversation: Conversation
    prefill: Prefill
    echoes: bool | None
    half_call: HalfCall | None = None
    tokens: int = 0
    room_tokens: int | None = None
    is_least: bool = False
    is_whole: bool = True
    reserve_tokens: int = 1
    shortened: Shortened = NOTHING_SHORTENED
    reports: tuple[Reported, ...] = ()

    @property
    def choices(self) -> int:
        """How many answers are wanted."""
        return 1 if self.half_call else self.conversation.choices

    @property
    def half(self) -> str:
        """What the model goes on from."""
        return self.half_call[1].arguments if self.half_call else self.prefill.text


def shown(
    model: LocalModel,
    conversation: Conversation,
    given: str = "",
    *,
    calls: Sequence[ToolCall] = (),
    half_call: HalfCall | None = None,
    other_way: bool = False,
    ratio: float = 1.0,
    note: str = "",
    write: WriteReport = no_report,
    most_times: float = 1.0,
) -> Prompt | Failed:
    """
    Return what `model` is shown to answer `conversation`, or why it cannot be.

    That is `UNFIT` with its reason, or `CONTEXT_LENGTH` where what must not be
    left out does not fit into the window.

    Args:
        model: as its server was last seen.
        conversation: the client's request.
        given: the text that the client has of the answer; empty to begin it.
        calls: the tool calls that the client has whole; only told with `half_call`.
        half_call: the one that it has a part of: only the rest of that is wanted.
        other_way: go on from `given` by another way than the model's first.
        ratio: real tokens per counted token.
        note: what the model is told about turns that had to be left out, where no report stands for them.
        write: writes that report.
        most_times: how many times the window the least that can be shown may seem to be, where
            somebody else will count it.
    """
    way = local_model.way_on(model, conversation)
    if given and other_way:
        way = _other_way(model, conversation, way)
    reason = _unfit(model, conversation, given, half_call, way)
    if reason:
        return Failed(FailureKind.UNFIT, unfit_reason=reason)
    plain, own_prefill = history.own_beginning(conversation, given)
    said = own_prefill + given
    if half_call is None:
        # A template sees, and strips, only a prefill that its server puts behind it.
        rendered = way is not Way.RAW
        split = prefill(said, trims=model.trims and rendered, added=model.adds if rendered else "")
        asked = Way.RAW if given and way is Way.RAW else Way.PREFILL
        prompt = Prompt(asked, plain, split, model.echoes if rendered else False)
    else:
        told = history.with_call(plain.messages, said, calls, half_call[1])
        prompt = Prompt(Way.RAW, evolve(plain, messages=told), NOTHING, None, half_call)
    answered = given if half_call is None else given + half_call[1].arguments
    return _fitted(prompt, model.window_tokens, ratio, answered, (write, note), most_times)


def _fitted(
    prompt: Prompt,
    window_tokens: int,
    ratio: float,
    answered: str,
    report: tuple[WriteReport, str],
    most_times: float,
) -> Prompt | Failed:
    whole, half_tokens = prompt.conversation, tokens_at_most(prompt.half)
    answered_tokens = half_tokens if answered == prompt.half else tokens_at_most(answered)
    ours = window_tokens / ratio if window_tokens > 0 else math.inf
    parts, (write, note) = measured(whole, half_tokens, ours), report
    report_tokens = _rounded(window_tokens / _REPORT_PART / ratio)

    def draft(reserve: int, report_tokens: int = report_tokens) -> Draft:
        room = ours - reserve / ratio
        wanted = Wanted(room, report_tokens, write, note)
        return shorten(parts, prompt.prefill, wanted, keeps_half=prompt.half_call is not None)

    reserve = fitting.reserve(whole, window_tokens, answered_tokens)
    made = draft(reserve)
    if made.prefill.hidden:
        # Less of the half answer is shown anyway: then there is room for the rest of it.
        asked = whole.sampling.max_tokens
        left = None if asked is None else max(1, asked - answered_tokens)
        reserve = window.answer_reserve(window_tokens, left)
        made = draft(reserve)
    if not made.fits:
        # Nothing more can be left out: better a short answer than none.
        reserve = fitting.least_reserve(whole, window_tokens)
        made = draft(reserve)
    found = made.fit()
    if found.shortened.turns and found.tokens < _SPARING * (ours - reserve / ratio):
        # Little was worth a report: of the turns themselves there is room for more.
        closer = draft(reserve, _rounded_up(found.report_tokens)).fit()
        found = closer if closer.fits and closer.tokens > found.tokens else found
    seems = math.ceil(found.tokens * ratio)
    if not found.fits and (most_times <= 1 or seems > window_tokens * most_times):
        return Failed(FailureKind.CONTEXT_LENGTH, prompt_tokens=seems, window_tokens=window_tokens)
    return evolve(
        prompt,
        conversation=found.conversation,
        prefill=found.prefill,
        tokens=found.tokens,
        room_tokens=None if window_tokens <= 0 else max(1, window_tokens - seems),
        is_least=found.is_least,
        is_whole=found.is_whole,
        reserve_tokens=reserve,
        shortened=found.shortened,
        reports=found.reports,
    )


def _rounded_up(report_tokens: int) -> int:
    return -(-report_tokens // _REPORT_STEP) * _REPORT_STEP


def _rounded(report_tokens: float) -> int:
    """To less than a server's own count of a conversation changes from turn to turn."""
    step = 1 << max(0, int(report_tokens).bit_length() - 4)
    return int(report_tokens) // step * step


def _other_way(model: LocalModel, conversation: Conversation, way: Way) -> Way:
    other = Way.RAW if way is Way.PREFILL else Way.NONE
    tried = evolve(model, way=other, way_with_tools=None)
    return Way.NONE if local_model.unfit_to_go_on(tried, conversation) else other


def _unfit(
    model: LocalModel, conversation: Conversation, given: str, half_call: HalfCall | None, way: Way
) -> Unfit | None:
    if half_call is not None:
        return local_model.unfit_to_finish_call(model, conversation)
    if not given:
        return local_model.unfit(model, conversation)
    return local_model.unfit_to_go_on(model, conversation) or (
        Unfit.NO_OTHER_WAY if way is Way.NONE else None
    )

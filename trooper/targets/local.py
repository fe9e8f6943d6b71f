"""
A request to a local model, from the beginning or from a half answer on.

It waits for the model, for its window and for a slot, and asks; what is asked
is made in `prompt`, and made to fit in `counting`.
"""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from typing import Final, TypeAlias

import trio
from attrs import evolve, frozen

from trooper.core import window
from trooper.core.conversation import Conversation, ToolCall
from trooper.core.events import NextChoice, Received
from trooper.core.local_model import LocalModel
from trooper.core.outcome import Answer, Failed, FailureKind
from trooper.core.prompt_reading import ToRead
from trooper.core.refused_ways import is_refusal
from trooper.core.reported import Reported
from trooper.core.shortening import WriteReport, no_report
from trooper.core.tokens import tokens_at_most
from trooper.core.tool_calls import MOST_CALLS
from trooper.core.unfit import Unfit
from trooper.targets.counting import Counting, Sized, counted, first_ratio, look_through, most_times
from trooper.targets.inbox import Ended, Granted, Inbox, Queued
from trooper.targets.prompt import HalfCall, Prompt, shown
from trooper.targets.reading import Reading, without_answer
from trooper.targets.standby import Standby
from trooper.targets.upstream import Call
from trooper.wire.target_side import Post

#: What says that a model is no longer where the standby last saw it.
_GONE: Final = frozenset(
    {FailureKind.NOT_FOUND, FailureKind.CONNECT, FailureKind.TIMEOUT_CONNECT, FailureKind.CONN_RESET}
)
#: Has reports written that a prompt could have.
CatchUp: TypeAlias = Callable[[Sequence[Reported]], Awaitable[bool]]
#: A bound on what a model may write of a call: in a string nothing else would stop it.
_CALL_TOKENS: Final = 4096


@frozen
class LocalLeg:
    """
    A request to a local model, from the beginning or from `given` on.

    Attributes:
        given: what the client has of the answer; empty for a restart.
        calls: the tool calls that the client has whole.
        half_call: the index and the part of the one that it has a part of: only
            the rest of that is asked for.
        other_way: continue by another way than the model's first.
        max_tokens: what remains of the client's limit.
        note, write: what the model is told about turns that had to be left out, and who writes a report on them.
        owner: for whom it is asked.
        catch_up: has reports written that are not there yet; whether there is anything new.
        is_idle_work: nobody waits for it, so it does not keep the server from being idle.
    """

    standby: Standby
    model: str | None
    conversation: Conversation
    request_id: str
    given: str
    max_tokens: int | None
    max_line_bytes: int
    note: str
    calls: tuple[ToolCall, ...] = ()
    half_call: HalfCall | None = None
    other_way: bool = False
    max_tool_calls: int = MOST_CALLS
    owner: str = ""
    write: WriteReport = no_report
    catch_up: CatchUp | None = None
    is_idle_work: bool = False

    def call(self, post: Post) -> Call:
        """The request that `post` is."""
        return evolve(self.standby.call(post), owner=self.owner)

    def prompt(self, model: LocalModel) -> Prompt | Failed:
        """What `model` is shown, by what its server's own counts have taught so far; it may still be counted."""
        return self.shown(model, first_ratio(model, self.standby.ratio(model)), most_times(model))

    def shown(self, model: LocalModel, ratio: float, times: float) -> Prompt | Failed:
        """What `model` is shown by a ratio of real tokens to counted ones."""
        return shown(
            self._as_known(model),
            self.conversation,
            self.given,
            calls=self.calls,
            half_call=self.half_call,
            other_way=self.other_way,
            ratio=ratio,
            note=self.note,
            write=self.write,
            most_times=times,
        )

    async def sized(self, model: LocalModel, first: Prompt | None = None) -> Sized | Failed:
        """What `model` is shown, short enough for its window by its server's own count; `first` as we count."""

        async def fetch(post: Post) -> Answer | Failed:
            return await self.standby.upstream.fetch(self.call(post), self.max_line_bytes)

        make = functools.partial(self.shown, model)
        asking, ratio = self.standby.asking(model), self.standby.ratio(model)
        return await Counting(self._as_known(model), asking, make, fetch, ratio).sized(first)

    async def wanted_tokens(self, model: LocalModel) -> int:
        """
        The window that holds the whole of it; 0 where it cannot be had.

        Where it may have to be shortened it is looked through: the prompt is made at once then.
        """
        given_tokens = tokens_at_most(self.given)
        tokens = math.ceil((await counted(self.conversation) + given_tokens) * self.standby.ratio(model))
        limit = self.conversation.sampling.max_tokens
        wanted = window.holding(model.window_tokens, tokens, limit, given_tokens)
        if 0 < self.standby.window(model) < wanted:
            await look_through(self.conversation)
        return wanted if self.standby.may_outgrow(model.name, sys.maxsize) else 0

    def noted(self, model: LocalModel, prompt: Prompt, failed: Failed) -> Failed:
        """`failed`; where it refuses the way in which the leg was to go on, that is remembered, and said."""
        if not self.given or self.half_call is not None or not is_refusal(failed):
            return failed
        now, ways = trio.current_time(), self.standby.refused_ways
        return evolve(failed, not_this_way=ways.note(model, self.conversation, prompt.way, failed, now))

    def _as_known(self, model: LocalModel) -> LocalModel:
        return evolve(model, window_tokens=self.standby.window(model))


async def run_local(leg: LocalLeg, inbox: Inbox) -> None:
    """Run a leg at a local model to its end; its last item is its outcome."""
    with nullcontext() if leg.is_idle_work else leg.standby.idle.needed():
        await _run(leg, inbox)


async def _run(leg: LocalLeg, inbox: Inbox) -> None:
    model = await leg.standby.ready(leg.model)
    if isinstance(model, Failed):
        inbox.put_nowait(Ended(without_answer(model)))
        return
    wanted_tokens = await leg.wanted_tokens(model)
    prompt = leg.prompt(model)
    if isinstance(prompt, Failed) and not _may_fit(prompt, model, wanted_tokens):
        # Without a slot: it would only wait to say no.
        inbox.put_nowait(Ended(prompt))
        return
    if leg.standby.slots.available_tokens < 1:
        inbox.put_nowait(Queued())
    async with leg.standby.slot(model, wanted_tokens, must=isinstance(prompt, Failed)) as now:
        if now != model or isinstance(prompt, Failed):
            model, prompt = now, leg.prompt(now)
        if isinstance(prompt, Failed):
            inbox.put_nowait(Ended(prompt))
            return
        too_long = await _ask(leg, inbox, model, prompt, may_shorten=prompt.half_call is None)
        if too_long is None:
            return
        # The server has counted: learn from it, leave out more, ask once more.
        refused, failed = too_long
        if failed.window_tokens:
            leg.standby.learn_window(model, failed.window_tokens)
        counted = failed.prompt_tokens or 2 * refused.tokens
        leg.standby.learned.learn_ratio(model, refused.tokens, counted, is_guess=failed.prompt_tokens is None)
        await _ask(leg, inbox, model, prompt, may_shorten=False)


def _may_fit(failed: Failed, model: LocalModel, wanted_tokens: int) -> bool:
    """Whether what does not fit now may fit into the window that is wished for it."""
    return failed.kind is FailureKind.CONTEXT_LENGTH and wanted_tokens > model.window_tokens


async def _ask(
    leg: LocalLeg, inbox: Inbox, model: LocalModel, first: Prompt, *, may_shorten: bool
) -> tuple[Prompt, Failed] | None:
    """
    Ask for each of the choices in turn: the server has no `n` of its own.

    Returns a failure that is worth another try with a shorter history, and what
    was too long, if that `may_shorten` it; it has not been told then, and neither
    has anything else.
    """
    # What is asked first counts as asking.
    inbox.put_nowait(_granted(leg, model, first))
    # A prompt of thousands of turns may just have been made, and is made anew.
    await trio.lowlevel.checkpoint()
    sized = await leg.sized(model, first if may_shorten else None)
    if leg.catch_up is not None and isinstance(sized, Sized) and await leg.catch_up(sized.prompt.reports):
        sized = await leg.sized(model)
    if isinstance(sized, Failed):
        inbox.put_nowait(Ended(without_answer(leg.noted(model, first, sized))))
        return None
    prompt = sized.prompt
    if (prompt.prefill, prompt.shortened) != (first.prefill, first.shortened):
        inbox.put_nowait(_granted(leg, model, prompt))
    for index in range(prompt.choices):
        if index:
            await inbox.put(Received(b"", (NextChoice(index),)))
        post = _post(leg, model, sized, index)
        if isinstance(post, Failed):
            inbox.put_nowait(Ended(post))
            return None
        reader = leg.standby.asking(model).reader(
            post, leg.max_line_bytes, f"call_{leg.request_id}_{index}", leg.max_tool_calls
        )
        reading = Reading(
            inbox,
            reader,
            ends_leg=index == prompt.choices - 1,
            call=prompt.half_call[0] if prompt.half_call else None,
        )
        failed = await leg.standby.upstream.exchange(leg.call(post), reading)
        leg.standby.speeds.learn(model.name, reader.prompt_read)
        if failed is not None:
            if failed.kind is FailureKind.CONTEXT_LENGTH and may_shorten and index == 0:
                return prompt, failed
            if failed.kind in _GONE:
                leg.standby.forget(model.name)
            failed = leg.noted(model, prompt, failed)
        if isinstance(await reading.finish(failed and without_answer(failed)), Failed):
            return None
    return None


def _granted(leg: LocalLeg, model: LocalModel, prompt: Prompt) -> Granted:
    tokens = math.ceil(prompt.tokens * leg.standby.ratio(model))
    to_read = ToRead(tokens, leg.standby.speeds.of(model.name))
    return Granted(model.name, prompt.prefill, prompt.echoes, shortened=prompt.shortened, to_read=to_read)


def _post(leg: LocalLeg, model: LocalModel, sized: Sized, index: int) -> Post | Failed:
    """What is sent for one of the choices."""
    asking, prompt, rendered = leg.standby.asking(model), sized.prompt, sized.rendered
    conversation, limit = prompt.conversation, _least(leg.max_tokens, prompt.room_tokens)
    if rendered is None:
        return asking.chat(conversation, prefill=prompt.half, max_tokens=limit, seed_offset=index)
    if prompt.half_call is None:
        return asking.raw(rendered, conversation, prefill=prompt.half, max_tokens=limit)
    limit = _least(leg.max_tokens or _CALL_TOKENS, prompt.room_tokens)
    post = asking.finish_call(rendered, conversation, prompt.half_call[1], max_tokens=limit)
    return post or Failed(FailureKind.UNFIT, unfit_reason=Unfit.NO_GRAMMAR)


def _least(*limits: int | None) -> int | None:
    """The smallest of the limits that there are."""
    return min((limit for limit in limits if limit is not None), default=None)

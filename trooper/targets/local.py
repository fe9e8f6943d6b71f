"""
A request to a local model, from the beginning or from a half answer on.
"""

from __future__ import annotations

from typing import Final

from attrs import evolve, frozen

from trooper.core import fitting, history, local_model
from trooper.core.conversation import Conversation, ToolCall
from trooper.core.events import NextChoice, Received
from trooper.core.local_model import LocalModel, Way
from trooper.core.outcome import Failed, FailureKind
from trooper.core.seam import prefill as split_blanks
from trooper.core.unfit import Unfit
from trooper.targets.inbox import Ended, Granted, Inbox
from trooper.targets.reading import Reading, without_answer
from trooper.targets.standby import Standby
from trooper.wire.target_side import Post

#: What says that a model is no longer where the standby last saw it.
_GONE: Final = frozenset(
    {FailureKind.NOT_FOUND, FailureKind.CONNECT, FailureKind.TIMEOUT_CONNECT, FailureKind.CONN_RESET}
)


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
        note: what the model is told about turns that had to be left out.
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
    half_call: tuple[int, ToolCall] | None = None
    other_way: bool = False


async def run_local(leg: LocalLeg, inbox: Inbox) -> None:
    """Run a leg at a local model to its end; its last item is its outcome."""
    model = await leg.standby.ready(leg.model)
    if isinstance(model, Failed):
        inbox.put_nowait(Ended(model))
        return
    if leg.half_call is not None:
        await _finish_call(leg, inbox, model, *leg.half_call)
        return
    going_on = bool(leg.given)
    reason = (local_model.unfit_to_go_on if going_on else local_model.unfit)(model, leg.conversation)
    way = _way(model, leg) if not reason else Way.NONE
    if reason or (going_on and way is Way.NONE):
        inbox.put_nowait(Ended(Failed(FailureKind.UNFIT, unfit_reason=reason or Unfit.NO_OTHER_WAY)))
        return
    async with leg.standby.slots:
        await _ask_local(leg, inbox, model, way)


async def _finish_call(leg: LocalLeg, inbox: Inbox, model: LocalModel, index: int, call: ToolCall) -> None:
    if reason := local_model.unfit_to_finish_call(model, leg.conversation):
        inbox.put_nowait(Ended(Failed(FailureKind.UNFIT, unfit_reason=reason)))
        return
    conversation, own_prefill = history.split_prefill(leg.conversation)
    told = history.with_call(conversation.messages, own_prefill + leg.given, leg.calls, call)
    conversation = evolve(conversation, messages=told)
    fitted = fitting.fit(
        conversation, call.arguments, model.window_tokens, ratio=leg.standby.ratio(model), note=leg.note
    )
    if fitted is None:
        inbox.put_nowait(Ended(Failed(FailureKind.CONTEXT_LENGTH, window_tokens=model.window_tokens)))
        return
    async with leg.standby.slots:
        inbox.put_nowait(Granted(model.name))
        prompt = await _rendered(leg, model, fitted)
        asking, limit = leg.standby.asking(model), leg.max_tokens or _CALL_TOKENS
        post = None
        if not isinstance(prompt, Failed):
            post = asking.finish_call(prompt, conversation, call, max_tokens=limit)
        if post is None:
            failed = Failed(FailureKind.UNFIT, unfit_reason=Unfit.NO_GRAMMAR)
            inbox.put_nowait(Ended(prompt if isinstance(prompt, Failed) else failed))
            return
        reader = asking.reader(post, leg.max_line_bytes, f"call_{leg.request_id}")
        reading = Reading(inbox, reader, call=index)
        await reading.finish(
            without_answer(await leg.standby.upstream.exchange(leg.standby.call(post), reading))
        )


def _way(model: LocalModel, leg: LocalLeg) -> Way:
    if not leg.other_way:
        return model.way
    other = Way.RAW if model.way is Way.PREFILL else Way.NONE
    return other if not local_model.unfit_to_go_on(evolve(model, way=other), leg.conversation) else Way.NONE


async def _ask_local(leg: LocalLeg, inbox: Inbox, model: LocalModel, way: Way) -> None:
    conversation, own_prefill = history.split_prefill(leg.conversation)
    prefill = split_blanks(own_prefill + leg.given, trims=model.trims and way is Way.PREFILL)
    shown = prefill.text
    ratio = leg.standby.ratio(model)
    for attempt in range(2):
        fitted = fitting.fit(conversation, shown, model.window_tokens, ratio=ratio, note=leg.note)
        if fitted is None:
            inbox.put_nowait(Ended(Failed(FailureKind.CONTEXT_LENGTH, window_tokens=model.window_tokens)))
            return
        told = Granted(model.name, prefill, model.echoes if way is not Way.RAW else False)
        inbox.put_nowait(told)
        failed = await _run_choices(leg, inbox, model, way, fitted, shown, last=attempt == 1)
        if failed is None:
            return
        # The server has counted: learn from it, leave out more, ask once more.
        estimated = fitting.count(fitted, shown)
        leg.standby.learn(model, estimated, failed.prompt_tokens or 2 * estimated)
        ratio = leg.standby.ratio(model)


async def _run_choices(
    leg: LocalLeg,
    inbox: Inbox,
    model: LocalModel,
    way: Way,
    conversation: Conversation,
    shown: str,
    *,
    last: bool,
) -> Failed | None:
    """
    Ask for each of the choices in turn: the server has no `n` of its own.

    Returns a failure that is worth another try with a shorter history; it has
    not been told then, and neither has anything else.
    """
    for index in range(conversation.choices):
        if index:
            await inbox.put(Received(b"", (NextChoice(index),)))
        post = await _post(leg, model, way, conversation, shown, index)
        if isinstance(post, Failed):
            inbox.put_nowait(Ended(post))
            return None
        reading = Reading(
            inbox,
            leg.standby.asking(model).reader(post, leg.max_line_bytes, f"call_{leg.request_id}_{index}"),
            ends_leg=index == conversation.choices - 1,
        )
        failed = await leg.standby.upstream.exchange(leg.standby.call(post), reading)
        too_long = failed is not None and failed.kind is FailureKind.CONTEXT_LENGTH
        if too_long and not last and index == 0:
            return failed
        if failed is not None and failed.kind in _GONE:
            leg.standby.forget(model.name)
        if isinstance(await reading.finish(without_answer(failed)), Failed):
            return None
    return None


async def _post(
    leg: LocalLeg, model: LocalModel, way: Way, conversation: Conversation, shown: str, index: int
) -> Post | Failed:
    asking = leg.standby.asking(model)
    if way is not Way.RAW or not leg.given:
        return asking.chat(conversation, prefill=shown, max_tokens=leg.max_tokens, seed_offset=index)
    prompt = await _rendered(leg, model, conversation)
    if isinstance(prompt, Failed):
        return prompt
    return asking.raw(prompt, conversation, prefill=shown, max_tokens=leg.max_tokens)


async def _rendered(leg: LocalLeg, model: LocalModel, conversation: Conversation) -> str | Failed:
    asking = leg.standby.asking(model)
    rendering = leg.standby.call(asking.render(conversation))
    answer = await leg.standby.upstream.fetch(rendering, leg.max_line_bytes)
    if isinstance(answer, Failed):
        return without_answer(answer) or answer
    prompt = asking.read_render(answer.body)
    return Failed(FailureKind.UNFIT, unfit_reason=Unfit.NO_RENDER) if prompt is None else prompt

"""
One attempt at one target. A leg only reads: bytes into whole events into its
own inbox, and last how it ended. It knows no voice, no gate, no transcript
and no plan, and nobody's client.
"""

from __future__ import annotations

from typing import Final

from attrs import define, evolve, field, frozen

from trooper.core import fitting, history, local_model
from trooper.core.conversation import Conversation, ToolCall
from trooper.core.events import Event, Finish, FinishReason, NextChoice, Received, Text, ToolCallDelta
from trooper.core.local_model import LocalModel, Way
from trooper.core.outcome import Completed, Failed, FailureKind, Outcome
from trooper.core.seam import NOTHING, Prefill
from trooper.core.seam import prefill as split_blanks
from trooper.inbox import Ended, Granted, Inbox, Opened
from trooper.standby import Standby
from trooper.upstream import Call, Headers, Upstream
from trooper.wire import CloudWire, Post, Reader

#: What says that a model is no longer where the standby last saw it.
_GONE: Final = frozenset(
    {FailureKind.NOT_FOUND, FailureKind.CONNECT, FailureKind.TIMEOUT_CONNECT, FailureKind.CONN_RESET}
)


#: A bound on what a model may write of a call: in a string nothing else would stop it.
_CALL_TOKENS: Final = 4096


@frozen
class CloudLeg:
    """
    A request to a provider: as the client wrote it, or as we have to say it.

    Attributes:
        call: what to send.
        wire: how its answer is read.
        is_native: the target speaks the client's wire, so its bytes may be
            the client's.
        stream: whether an event stream was asked for.
        choices: how many answers were asked for.
        model: who is asked.
        given: what the model has of the answer; `NOTHING` for a restart.
        overlaps: the target may repeat the last words before it goes on.
    """

    upstream: Upstream
    call: Call
    wire: CloudWire
    is_native: bool
    stream: bool
    choices: int
    max_event_bytes: int
    max_answer_bytes: int
    model: str = ""
    given: Prefill = NOTHING
    overlaps: bool = False


@frozen
class NoLeg:
    """A target that turned out not to be able to do what it was chosen for."""

    unfit_reason: str


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


Leg = CloudLeg | LocalLeg | NoLeg


@define
class _Reading:
    """Feeds one answer's bytes to a reader and its events to the inbox."""

    inbox: Inbox
    reader: Reader
    #: Reads what came whole although a stream was asked for; `None` where that cannot be.
    reader_of_whole: Reader | None = None
    #: Whether the bytes are in the client's own wire.
    is_native: bool = True
    #: Whether this reading's outcome is the leg's: false between the choices of one leg.
    ends_leg: bool = True
    #: The tool call that the text is the rest of.
    call: int | None = None
    ended: bool = field(default=False, init=False)

    async def head(self, status: int, headers: Headers) -> Failed | None:
        kind = next((v for n, v in headers if n == b"content-type"), b"").lower()
        if b"html" in kind or b"xml" in kind:
            # A captive portal or an edge's own page, with a friendly status.
            return Failed(FailureKind.BAD_FRAME)
        if self.reader_of_whole is not None and kind.startswith(b"application/json"):
            self.reader = self.reader_of_whole
        await self.inbox.put(Opened(headers))
        return None

    async def chunk(self, data: bytes) -> bool:
        for item in self.reader.feed(data):
            await self._put(item)
        return not self._decided()

    async def _put(self, item: Received) -> None:
        # The bytes of another wire are of no use to the client, only what they say.
        item = item if self.is_native else Received(b"", item.events)
        await self.inbox.put(item if self.call is None else _as_call(item, self.call))

    async def finish(self, failed: Failed | None) -> Outcome:
        """The exchange is over: settle the outcome and tell it, if it was not told before."""
        if failed is None and self.reader.outcome is None:
            for item in self.reader.end():
                await self._put(item)
        outcome = self.reader.outcome
        if outcome is None and self.reader.finished:
            # The transport failed behind the finish reason: the answer is whole.
            outcome = Completed(terminated=False)
        outcome = outcome or failed or Failed(FailureKind.EOF_EARLY)
        if isinstance(outcome, Failed) and not self.is_native:
            outcome = _foreign(outcome)
        self._tell(outcome)
        return outcome

    def _decided(self) -> bool:
        if self.reader.outcome is None:
            return False
        outcome = self.reader.outcome
        if isinstance(outcome, Failed) and not self.is_native:
            outcome = _foreign(outcome)
        self._tell(outcome)
        return True

    def _tell(self, outcome: Outcome) -> None:
        if (self.ends_leg or isinstance(outcome, Failed)) and not self.ended:
            self.ended = True
            self.inbox.put_nowait(Ended(outcome))


async def run_leg(leg: Leg, inbox: Inbox) -> None:
    """Run one leg to its end; its last item is its outcome."""
    match leg:
        case CloudLeg():
            await _run_cloud(leg, inbox)
        case LocalLeg():
            await _run_local(leg, inbox)
        case NoLeg(reason):
            inbox.put_nowait(Ended(Failed(FailureKind.UNFIT, unfit_reason=reason)))


async def _run_cloud(leg: CloudLeg, inbox: Inbox) -> None:
    if leg.given != NOTHING:
        inbox.put_nowait(Granted(leg.model, leg.given, None, overlaps=leg.overlaps))
    whole = leg.wire.whole_reader(leg.max_answer_bytes, for_stream=leg.stream)
    reader = leg.wire.reader(leg.max_event_bytes, choices=leg.choices) if leg.stream else whole
    reading = _Reading(inbox, reader, whole if leg.stream else None, leg.is_native)
    await reading.finish(await leg.upstream.exchange(leg.call, reading))


def _foreign(failed: Failed) -> Failed:
    """A failure in another wire: of the target's own answer the client may see the status alone."""
    answer = None if failed.answer is None else evolve(failed.answer, is_foreign=True)
    return evolve(failed, answer=answer, raw=b"")


async def _run_local(leg: LocalLeg, inbox: Inbox) -> None:
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
        inbox.put_nowait(Ended(Failed(FailureKind.UNFIT, unfit_reason=reason or "no_other_way")))
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
            failed = Failed(FailureKind.UNFIT, unfit_reason="no_grammar")
            inbox.put_nowait(Ended(prompt if isinstance(prompt, Failed) else failed))
            return
        reader = asking.reader(post, leg.max_line_bytes, f"call_{leg.request_id}")
        reading = _Reading(inbox, reader, call=index)
        await reading.finish(
            _without_answer(await leg.standby.upstream.exchange(leg.standby.call(post), reading))
        )


def _as_call(item: Received, index: int) -> Received:
    """What a model says whose text is the rest of a tool call."""
    events: list[Event] = []
    for event in item.events:
        match event:
            case Text(text):
                events.append(ToolCallDelta(index, arguments=text))
            case Finish(FinishReason.STOP):
                events.append(Finish(FinishReason.TOOL_CALLS))
            case _:
                events.append(event)
    return Received(b"", tuple(events))


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
        reading = _Reading(
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
        if isinstance(await reading.finish(_without_answer(failed)), Failed):
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
        return _without_answer(answer) or answer
    prompt = asking.read_render(answer.body)
    return Failed(FailureKind.UNFIT, unfit_reason="no_render") if prompt is None else prompt


def _without_answer(failed: Failed | None) -> Failed | None:
    """The local server's own HTTP answer is in another wire: the client must not get it."""
    return None if failed is None else evolve(failed, answer=None, raw=b"")

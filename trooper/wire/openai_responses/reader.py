"""
Reads an OpenAI Responses stream: whole SSE events into `Received`.

Theory of operation
-------------------
An answer is a row of output items, each with parts, and every part says its
text twice: in deltas, and once more when it is done. The deltas are what is
read. Of a text that is done counts what its deltas did not have: all of it, or
the rest; where it is another text the deltas stay, since they have been read,
nobody runs them, and many servers trim what they repeat. Of a call the last
word counts (`calls.py`). The last event is finish and terminator in one.

    event or end of body                      outcome
    ----------------------------------------  -------------------------------
    an error in any of three shapes           Failed, with its bytes
    response.completed / incomplete / done    Completed, or empty_200
      with the status of a failure            Failed, with its bytes
      with a call whose arguments never ended Failed(eof_early): it was cut
    [DONE], and nothing was begun or is open  Completed, or empty_200
    end of body before                        Failed(eof_early)
      where it ends in unreadable lines       Failed(bad_frame)

The type of an event decides what it is, in its data or, where that has none,
as its name. Fields of another type, missing or null, cost what they would
have said: a last event without output ends the answer all the same.

The text of a custom call is read as the one string of its arguments
(`core.freeform`). Items of tools that the provider runs itself are forwarded,
and the text behind them can be gone on with. Items of other kinds are
forwarded, and the answer cannot be continued from then on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from attrs import Factory, define, field

from trooper.core.events import (
    Begin,
    Event,
    Finish,
    FinishReason,
    Other,
    PartEnd,
    Reasoning,
    Refusal,
    Text,
    Usage,
)
from trooper.core.freeform import as_arguments
from trooper.core.json_text import NOT_JSON
from trooper.core.names import ByName
from trooper.core.outcome import Failed, FailureKind
from trooper.core.tool_calls import MOST_CALLS
from trooper.wire.decoding import arguments_said
from trooper.wire.framed import EventReader
from trooper.wire.large import LargeEvent
from trooper.wire.openai_responses.calls import ItemCalls
from trooper.wire.openai_responses.keys import ENDS_A_CALL, FINISHING, HARMLESS_KEYS, HARMLESS_TYPES
from trooper.wire.openai_responses.shapes import (
    MOST_ITEMS,
    Item,
    Response,
    StreamEvent,
    finish_of,
    is_news,
    said_by,
    thought_part,
    with_text_arguments,
    work_told,
)
from trooper.wire.openai_responses.sums import FEW_BYTES, MOST_TOLD_BYTES, Sums, rest_of
from trooper.wire.tolerant import DONE, fitted, is_nothing, unknown_in, words_of

_decode: Final = msgspec.json.Decoder(StreamEvent).decode


def new_reader(max_event_bytes: int, *, choices: int = 1, max_calls: int = MOST_CALLS) -> ResponsesReader:
    """A reader of a stream; this wire has one answer only, so `choices` says nothing."""
    return ResponsesReader(max_event_bytes, max_calls=max_calls)


@define
class ResponsesReader(EventReader):
    """One answer's reader; `max_event_bytes` is how much of one event is kept."""

    # The response has begun as one; a text in it was begun, and nobody has ended it.
    _created: bool = field(default=False, init=False)
    _is_open: bool = field(default=False, init=False)
    # What each part has said.
    _said: Sums = field(factory=Sums, init=False)
    _calls: ItemCalls = field(default=Factory(lambda self: ItemCalls(self.max_calls), True), init=False)
    # The last item that began, for events that do not say where they belong.
    _last: int = field(default=-1, init=False)
    # Where items have begun; the same by their ids.
    _begun: set[int] = field(factory=set, init=False)
    # The place behind all of them.
    _free: int = field(default=0, init=False)
    _places: ByName[int] = field(factory=ByName, init=False)
    # Where several calls have begun: the place of the last of them. Only their ids tell them apart.
    _shared: dict[int, int] = field(factory=dict, init=False)
    # Where the items of tools have begun that the provider runs itself.
    _at_work: set[int] = field(factory=set, init=False)
    _items: int = field(default=0, init=False)
    _told_bytes: int = field(default=0, init=False)

    def _hear(self, data: bytes, name: str, raw: bytes) -> Sequence[Event] | None:
        try:
            event = _decode(data)
        except NOT_JSON:
            return self._end_unsaid() if data.strip() == DONE else None
        kind = event.type or name
        if name == "error" or kind in ("error", "response.failed"):
            return None
        heard = self._read_event(event, kind)
        if len(data) > FEW_BYTES and heard is not None:
            self._told_bytes += len(data)
            if self._told_bytes > MOST_TOLD_BYTES:
                return [Other(continuable=False), *heard]
        return heard

    def _read_event(self, event: StreamEvent, kind: str) -> Sequence[Event] | None:
        """What an event of a known type says; `None` for one of another type, or without what it needs."""
        match kind:
            case "response.output_text.delta" if event.delta is not None:
                return self._say(event, "text", Text(event.delta) if event.delta else None)
            case "response.refusal.delta" if event.delta is not None:
                return self._say(event, "text", Refusal(event.delta) if event.delta else None)
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" if (
                event.delta is not None
            ):
                return self._say(event, "thought", Reasoning(event.delta) if event.delta else None)
            case "response.function_call_arguments.delta" if event.delta is not None:
                return self._say_arguments(self._at(event), event.delta)
            case "response.custom_tool_call_input.delta" if event.delta is not None:
                return self._say_arguments(self._at(event), event.delta, is_text=True)
            case "response.output_text.done":
                missed = self._missed(event, "text", Text(event.text) if event.text else None)
                self._is_open = False
                return [*missed, PartEnd()]
            case "response.refusal.done":
                return self._missed(event, "text", Refusal(event.refusal) if event.refusal else None)
            case "response.reasoning_summary_text.done" | "response.reasoning_text.done":
                return self._missed(event, "thought", Reasoning(event.text) if event.text else None)
            case "response.function_call_arguments.done":
                return self._end_arguments(self._at(event), event.arguments or "")
            case "response.custom_tool_call_input.done":
                return self._end_arguments(self._at(event), as_arguments(event.input) if event.input else "")
            case "response.output_item.added" if event.item is not None:
                return self._begin_item(event.output_index, event.item)
            case "response.output_item.done" if event.item is not None:
                return self._end_item(self._at_end(event, event.item), event.item)
            case "response.created":
                self._created, told = True, event.response or Response()
                return [Begin(told.id, int(told.created_at), told.model, has_role=True)]
            case finishing if finishing in FINISHING:
                response = event.response or Response()
                # A failure in disguise takes the slow road.
                return None if response.has_failed else self._end(response, finishing)
            case harmless if harmless in HARMLESS_TYPES and event.item is None:
                return [Other()]
            case thought if thought_part(thought):
                return self._think(event, ends=thought.endswith(".done"))
            case _:
                work = work_told(kind)
                if work is not None:
                    self._has_content = True
                return work

    def _think(self, event: StreamEvent, *, ends: bool) -> list[Event] | None:
        """A thought under a name that no document has."""
        if ends:
            return self._missed(event, "thought", Reasoning(event.text) if event.text else None)
        if event.delta is None:
            return None
        return self._say(event, "thought", Reasoning(event.delta) if event.delta else None)

    def _hear_slowly(self, value: object, name: str, raw: bytes) -> Sequence[Event]:
        if not isinstance(value, dict):
            return [Other(continuable=is_nothing(value))]
        event = fitted(with_text_arguments(value), StreamEvent)
        kind, delta = event.type or name, value.get("delta")
        if event.delta is None and delta is not None:
            of_call = kind == "response.function_call_arguments.delta"
            event.delta = (arguments_said(delta) if of_call else words_of(delta)) or None
        heard = self._read_event(event, kind)
        if heard is not None:
            return heard
        # What is no part of the response is news about it: limits, timings.
        unknown = unknown_in(value, HARMLESS_KEYS) and not is_news(kind)
        if unknown:
            self._unknown()
        return [Other(continuable=not unknown)]

    def _hear_large(self, event: LargeEvent) -> Sequence[Event]:
        if event.type in (*FINISHING, *ENDS_A_CALL):
            # Which calls it ends nobody has read; their arguments are said one after the other.
            self._calls.end_all()
        return self._end(Response(), event.type) if event.type in FINISHING else ()

    def _say(self, event: StreamEvent, kind: str, said: Event | None) -> list[Event]:
        if said is None:
            return []
        self._content()
        self._is_open = True
        is_known = self._said.add(event.place(self._at(event), kind), said)
        return [said] if is_known else [said, Other(continuable=False)]

    def _at(self, event: StreamEvent) -> int:
        """The output index of the item that an event belongs to, also where only its id says so."""
        index = event.output_index
        if index is not None and index in self._begun and index not in self._shared:
            return index
        item_id = event.item_id or (event.item.id if event.item is not None else "")
        if index in self._shared:
            return self._places.get(item_id, self._shared[index])
        if index is None:
            return self._places.setdefault(item_id, max(0, self._last)) if item_id else max(0, self._last)
        return self._places.get(item_id, index)

    def _at_end(self, event: StreamEvent, item: Item) -> int:
        """The same for the end of an item, which may be all that is said of it."""
        if event.output_index is not None or not item.id or item.id in self._places:
            return self._at(event)
        call = self._calls.place_of(item)
        if call is not None:
            return call
        if max(0, self._last) in self._places.values():
            # Another one has begun there.
            self._last = self._places[item.id] = max(self._places.values()) + 1
        return self._at(event)

    def _missed(self, event: StreamEvent, kind: str, said: Event | None) -> list[Event]:
        """What a part says when it is done, where it said nothing before."""
        if said is None:
            return []
        place = event.place(self._at(event), kind)
        before = self._said.of_part(place)
        if before is None and self._said.are_of_item(place, said):
            return []
        rest = said if before is None else rest_of(said, before)
        return [] if rest is None else self._say(event, kind, rest)

    def _begin_item(self, given: int | None, item: Item) -> list[Event]:
        self._items += 1
        if self._items > MOST_ITEMS:
            self._has_content = True
            return [Other(continuable=False)]
        self._last = output_index = self._last + 1 if given is None else given
        self._begun.add(output_index)
        self._free = max(self._free, output_index + 1)
        if item.is_call and self._calls.has_other(output_index, item):
            # A place of its own, also where another item comes to it.
            self._shared[output_index] = self._last = output_index = self._free
            self._begun.add(output_index)
            self._free += 1
        if item.id:
            self._places[item.id] = output_index
        match item.type:
            case "message":
                return []
            case "reasoning":
                return [Other(thinks=True)]
            case _ if item.is_call:
                self._content()
                return self._calls.begin(output_index, item)
            case _:
                self._has_content = True
                if item.is_work:
                    self._at_work.add(output_index)
                return [item.other]

    def _say_arguments(self, at: int, arguments: str, *, is_text: bool = False) -> list[Event]:
        if at not in self._calls:
            return [Other(works=True) if at in self._at_work else Other(continuable=False)]
        return self._calls.say_text(at, arguments) if is_text else self._calls.say(at, arguments)

    def _end_arguments(self, at: int, arguments: str) -> list[Event]:
        if at not in self._calls:
            return [Other(works=True) if at in self._at_work else Other(continuable=not arguments)]
        return self._calls.told(at, arguments, ends=False)

    def _end_item(self, at: int, item: Item) -> list[Event]:
        self._is_open = False
        match item.type:
            case _ if item.is_call:
                new: list[Event] = []
                if at not in self._calls:
                    self._content()
                    new = self._calls.begin(at, item)
                if at not in self._calls:
                    return new
                return [*new, *self._calls.told(at, item.arguments, item.name)]
            case "message":
                return self._missed_parts(at, item)
            case "" | "reasoning":
                return []
            case _ if item.id in self._places or at in self._begun:
                return []
            case _:
                # Something of the provider's own of which this is the first word.
                return self._begin_item(at, item)

    def _missed_parts(self, output_index: int, item: Item) -> list[Event]:
        events: list[Event] = []
        for number, part in enumerate(item.content or ()):
            place, said = (output_index, "text", number), said_by(part)
            if said is None:
                continue
            before = self._said.of_part(place)
            if before is None and self._said.are_of_any(said):
                continue
            rest = said if before is None else rest_of(said, before)
            if rest is not None:
                self._said.tell(place, said)
                self._has_content = True
                events.append(rest)
        return events

    def _end(self, response: Response, kind: str) -> Sequence[Event]:
        """The last event: finish and terminator in one."""
        events: list[Event] = []
        output = response.output or []
        if len(output) > MOST_ITEMS:
            output = []
            self._has_content = True
            events.append(Other(continuable=False))
        for number, (item, known) in enumerate(zip(output, self._calls.places(output), strict=True)):
            output_index = self._places.get(item.id, number) if known is None else known
            match item.type:
                case _ if item.is_call and (item.arguments or output_index not in self._calls):
                    events += self._end_item(output_index, item)
                case "message":
                    events += self._missed_parts(output_index, item)
                case "reasoning" | "":
                    pass
                case _ if item.is_call:
                    pass
                case _:
                    self._has_content = True
                    if item.id not in self._places and number not in self._begun:
                        # Something of the provider's own that came with the end alone.
                        events.append(item.other)
        if kind == "response.incomplete":
            response.status = "incomplete"
        if response.status != "incomplete":
            events += self._calls.untold()
            if not self._calls.all_whole:
                # Its arguments began and never ended: an end that lies (pi#9897).
                self._fail(Failed(FailureKind.EOF_EARLY), b"")
                return ()
        reason, word = finish_of(response, has_calls=len(self._calls) > 0)
        if response.usage is not None:
            self._counted = self._counted or response.usage.output_tokens > 0
            events.append(Usage(response.usage.input_tokens, response.usage.output_tokens))
        self._ended = True
        self._has_content = self._has_content or reason is not FinishReason.STOP
        ended = self._terminate()
        return [*events, Finish(reason, word), *ended] if ended else ()

    def _end_unsaid(self) -> Sequence[Event]:
        """A terminator that is another wire's, and no last event: so agents of MLflow end, which begin nothing."""
        if self._created or self._is_open or not self._calls.all_whole:
            # It stands behind broken answers as well: what was begun has its own end.
            self._fail(Failed(FailureKind.EOF_EARLY), b"")
            return ()
        self._ended = True
        ended = self._terminate()
        reason = FinishReason.TOOL_CALLS if len(self._calls) else FinishReason.STOP
        return [Finish(reason, ""), *ended] if ended else ()

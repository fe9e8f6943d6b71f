"""
Speaks OpenAI Responses to the client, as a stream.

Theory of operation
-------------------
While a target speaks this very wire its bytes are passed on, and the voice
learns: the response object, the items, what each part has said, and the last
sequence number, which it reads only when it has to speak. From the first event
that it speaks itself it goes on in the open part where the kind is the same;
else it ends part and item with all their `done` events and begins the next.

The last event holds the whole response. Reason and token counts come first, so
the voice waits with it until `terminate`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, assert_never

import msgspec
from attrs import define, field

from trooper.core.conversation import Tool
from trooper.core.events import (
    CUT_SHORT,
    Begin,
    Done,
    Event,
    Finish,
    FinishReason,
    NextChoice,
    Other,
    PartEnd,
    Reasoning,
    Received,
    Refusal,
    Text,
    ToolCallDelta,
    Unread,
    Usage,
)
from trooper.core.framing import parse_sse
from trooper.wire.client_side import LegNote, Trouble
from trooper.wire.decoding import decoded_object
from trooper.wire.notes import ID, alive_line, comment_line, legs_note, progress_line, with_note
from trooper.wire.openai_error import error_value
from trooper.wire.openai_responses.items import Items
from trooper.wire.openai_responses.open_item import (
    CALL_TOLD,
    SAID_IN,
    TOLD,
    OpenItem,
    Part,
    around,
    id_prefix,
    place_of,
)
from trooper.wire.openai_responses.response import ended
from trooper.wire.openai_responses.shapes import CALLS, CUSTOM
from trooper.wire.openai_responses.sums import FEW_BYTES, MOST_TOLD_BYTES
from trooper.wire.tolerant import objects_in, text_of

_NUMBER: Final = b'"sequence_number"'
_encode: Final = msgspec.json.Encoder().encode


@define
class ResponsesVoice:
    """
    The streaming voice.

    Args:
        request_id: what ids of ours are made of.
        response: the response as it begins; what a target names replaces it.
        offered: the client's tools that it calls otherwise than models do, by their names.
    """

    request_id: str
    response: dict[str, object]
    offered: Callable[[], Mapping[str, Tool]] = dict
    content_type: bytes = b"text/event-stream; charset=utf-8"
    #: The whole answer, once it has been said to the end.
    answer: Mapping[str, object] | None = field(default=None, init=False)
    _has_ids: bool = field(default=False, init=False)
    _items: Items = field(factory=Items, init=False)
    _started: bool = field(default=False, init=False)
    _has_model: bool = field(default=False, init=False)
    _in_progress_said: bool = field(default=False, init=False)
    _sequence: int = field(default=0, init=False)
    _told_bytes: int = field(default=0, init=False)
    # The last forwarded event with a number, which is read when it is needed. An empty line that comes alone has none.
    _last_raw: bytes = field(default=b"", init=False)
    _call: int = field(default=-1, init=False)
    _reason: FinishReason | None = field(default=None, init=False)
    _legs: Sequence[LegNote] = field(default=(), init=False)
    _usage: Usage | None = field(default=None, init=False)
    _terminated: bool = field(default=False, init=False)

    def forward(self, received: Received, legs: Sequence[LegNote] = ()) -> bytes:
        """
        Pass on the bytes of an event of this wire, and learn from it.

        Only the finishing event of an answer that did not come from the first
        target is changed: it gets the note about the legs.
        """
        self._has_ids = self._has_ids or ID in received.raw
        raw, events = received.raw, received.events
        if raw.startswith(b":") and not events:
            return raw
        if _NUMBER in raw:
            self._last_raw = raw
        alone = self._items.sole if len(events) == 1 else None
        if alone is not None and _DELTA in raw[:_NAMED_BYTES]:
            part = alone.sole_part
            match events[0]:
                case Text(text) | Refusal(text) | Reasoning(text) if part is not None and isinstance(
                    events[0], SAID_IN.get(part.kind, ())
                ):
                    # Nearly every event; what it says about the items is known.
                    part.pieces.add(text)
                    return raw
                case ToolCallDelta() if not events[0].name and alone.kind == "function_call":
                    alone.pieces.add(events[0].arguments)
                    return raw
                case (
                    Text()
                    | Refusal()
                    | Reasoning()
                    | ToolCallDelta()
                    | PartEnd()
                    | Begin()
                    | Usage()
                    | Finish()
                    | Done()
                    | NextChoice()
                    | Other()
                    | Unread()
                ):
                    pass  # Only the bytes tell what it means for the items.
                case _ as never:
                    assert_never(never)
        self._call += sum(isinstance(e, ToolCallDelta) and bool(e.name) and not e.replaces for e in events)
        if not self._is_too_much(raw, events):
            for value in objects_in(raw):
                self._learn(value)
        # However much of the last event could be read: it was that.
        self._terminated = self._terminated or Done() in events
        if legs and any(isinstance(e, Finish) for e in events):
            return with_note(raw, legs)
        return raw

    def _is_too_much(self, raw: bytes, events: Sequence[Event]) -> bool:
        """Whether an event says more than is kept. Its reader has said before that nobody goes on from there."""
        if len(raw) > FEW_BYTES:
            self._told_bytes += len(raw)
        no_net = Other(continuable=False) in events and _DELTA in raw[:_NAMED_BYTES]
        return no_net or self._told_bytes > 2 * MOST_TOLD_BYTES

    @property
    def named(self) -> str:
        """The model of the response; empty while it has none."""
        return text_of(self.response.get("model")) if self._has_model or self._started else ""

    def call_it(self, model: str) -> None:
        """Name the answer after the model that makes it, if it has no name yet."""
        if not self.named:
            self.response, self._has_model = {**self.response, "model": model}, True

    def _learn(self, value: Mapping[str, object]) -> None:
        self._items.learn(value)
        response = value.get("response")
        match value.get("type"):
            case "response.created" if isinstance(response, dict):
                self._started, self.response = True, response
            case "response.in_progress":
                self._in_progress_said = True
            case "response.completed" | "response.incomplete" | "response.done" if isinstance(response, dict):
                self.answer = response
            case _:
                pass

    def speak(self, events: Sequence[Event]) -> bytes:
        """Say content, in the open part where it is of the same kind."""
        out = bytearray()
        for event in events:
            match event:
                case Text(text):
                    out += self._say("message", "output_text", text)
                case Refusal(text):
                    out += self._say("message", "refusal", text)
                case Reasoning(text):
                    # Nothing sealed: only its provider can seal it.
                    out += self._say("reasoning", "summary_text", text)
                case ToolCallDelta():
                    out += self._say_call(event)
                case Begin() | PartEnd() | Finish() | Usage() | Done() | NextChoice() | Other() | Unread():
                    pass  # Nothing to say, or said by a verb of its own.
                case _ as never:
                    assert_never(never)
        return bytes(out)

    def _say(self, kind: str, part: str, text: str) -> bytes:
        out = self._in_part(kind, part)
        item = self._items.open
        if item is None or item.part is None:
            return out
        item.part.pieces.add(text)
        more: dict[str, object] = {"logprobs": []} if part == "output_text" else {}
        return out + self._tell(
            f"{TOLD[item.part.kind]}.delta", **place_of(item, item.part), delta=text, **more
        )

    def _in_part(self, kind: str, part: str) -> bytes:
        out = self._start()
        item = self._items.open
        if item is None or item.kind != kind:
            out += self._end_items() + self._begin_item(kind)
            item = self._items.open
        if item is None:
            return out
        last = item.part
        if last is not None and not last.told and (last.kind == part or kind == "reasoning"):
            return out
        out += self._end_parts(item)
        begun = item.begin_part(part)
        return out + self._tell(f"{around(part)}.added", **place_of(item, begun), part=begun.value())

    def _begin_item(self, kind: str, call: ToolCallDelta | None = None) -> bytes:
        index = self._items.next_index()
        item = OpenItem(kind, f"{id_prefix(kind)}_trooper_{self.request_id}_{index}", index)
        if call is not None:
            tool = self.offered().get(call.name)
            item.name, item.namespace = (
                (tool.own_name or tool.name, tool.namespace) if tool else (call.name, "")
            )
            item.call_id = call.id or f"call_trooper_{self.request_id}_{index}"
        self._items.begin(item)
        return self._tell("response.output_item.added", output_index=index, item=item.value("in_progress"))

    def _say_call(self, delta: ToolCallDelta) -> bytes:
        out = self._start()
        item = self._items.open
        if delta.index != self._call or item is None or item.kind not in CALLS:
            tool = self.offered().get(delta.name)
            kind = CUSTOM if tool is not None and tool.is_freeform else "function_call"
            out += self._end_items() + self._begin_item(kind, delta)
            self._call, item = delta.index, self._items.open
        said = item.say(delta.arguments) if item is not None else ""
        if item is None or not said:
            return out
        place = {"item_id": item.id, "output_index": item.output_index}
        return out + self._tell(f"{CALL_TOLD[item.kind][0]}.delta", **place, delta=said)

    def _end_parts(self, item: OpenItem) -> bytes:
        return b"".join(self._end_part(item, part) for part in item.open_parts)

    def _end_part(self, item: OpenItem, part: Part) -> bytes:
        place, value = place_of(item, part), part.value()
        out = b""
        if not part.told and part.kind in TOLD:
            key = "refusal" if part.kind == "refusal" else "text"
            more: dict[str, object] = {"logprobs": []} if part.kind == "output_text" else {}
            out = self._tell(f"{TOLD[part.kind]}.done", **place, **{key: part.said}, **more)
        out += self._tell(f"{around(part.kind)}.done", **place, part=value)
        item.end_part(part, value)
        return out

    def _end_items(self) -> bytes:
        """End what is open, and what a target has left open before."""
        return b"".join(self._end_item(item, is_last=item is self._items.open) for item in self._items.left)

    def _end_item(self, item: OpenItem, *, is_last: bool) -> bytes:
        status = "completed"
        if item.kind not in CALLS:
            out = self._end_parts(item)
        elif item.is_half and (self._reason in CUT_SHORT or not is_last):
            # Half a call that the client has seen: it says of itself that it is none.
            out, status = b"", "incomplete"
        else:
            out = b"" if item.told else self._end_arguments(item)
        value = item.value(status)
        self._items.end(item, value)
        return out + self._tell("response.output_item.done", output_index=item.output_index, item=value)

    def _end_arguments(self, item: OpenItem) -> bytes:
        place = {"item_id": item.id, "output_index": item.output_index}
        name, key = CALL_TOLD[item.kind]
        more = {} if item.kind == CUSTOM else {"name": item.name}
        return self._tell(f"{name}.done", **place, **{key: item.said}, **more)

    def _start(self) -> bytes:
        out = b""
        if not self._started:
            self._started = True
            out = self._tell("response.created", response=self.response)
        if not self._in_progress_said:
            self._in_progress_said = True
            out += self._tell("response.in_progress", response=self.response)
        return out

    def _tell(self, kind: str, **fields: object) -> bytes:
        if self._last_raw:
            self._sequence = _number_behind(self._last_raw, self._sequence)
            self._last_raw = b""
        value = {"type": kind, "sequence_number": self._sequence, **fields}
        self._sequence += 1
        return _event(value)

    def finish(self, reason: FinishReason, legs: Sequence[LegNote]) -> bytes:
        """End the open item. Why the answer ended is said with the whole of it."""
        if self._terminated or self._reason is not None:
            return b""
        self._reason, self._legs = reason, legs
        return self._start() + self._end_items()

    @property
    def lacks_usage(self) -> bool:
        """Whether the counts have yet to be said: every answer has them."""
        return not self._terminated

    def usage(self, usage: Usage) -> bytes:
        """Note the token counts; they are a part of the response."""
        self._usage = usage
        return b""

    def terminate(self) -> bytes:
        """Say `response.completed` or `response.incomplete`, with the whole response."""
        if self._terminated:
            return b""
        self._terminated = True
        usage = self._usage or Usage(0, 0, estimated=True)
        self.answer = ended(self.response, self._items.output(), self._reason, usage)
        more = {"trooper": legs_note(self._legs)} if self._legs else {}
        return self._tell(f"response.{self.answer['status']}", response=self.answer, **more)

    def error(self, trouble: Trouble) -> bytes:
        """
        Say that the answer is lost: `response.failed` for clients that read
        the protocol, and behind it an error object, on which the SDKs raise.
        """
        self._terminated = True
        out = self._start()
        failed = self.response | {
            "status": "failed",
            "error": {"code": "server_error", "message": trouble.message},
        }
        out += self._tell("response.failed", response=failed)
        value = {
            "type": "error",
            "sequence_number": self._sequence,
            "error": error_value(trouble.kind.value, trouble.message),
        }
        return out + b"event: error\ndata: " + _encode(value) + b"\n\n"

    def own_error(self, raw: bytes, trouble: Trouble) -> bytes:
        """Pass on a provider's own in-band error, and ours behind it where SDKs would not raise."""
        if _NUMBER in raw:
            self._last_raw = raw
        self._terminated = True
        raised_on = isinstance(decoded_object(parse_sse(raw).data or b"").get("error"), dict)
        return raw if raised_on else raw + self.error(trouble)

    def hand_over(self, words: str, said: str, next_said: str) -> bytes:
        """A comment; who said what is told with the finish."""
        return comment_line(words, has_ids=self._has_ids)

    def keep_alive(self, progress: str = "") -> bytes:
        """A comment: an event would need a number, and whoever is forwarded has numbers of his own."""
        return alive_line(progress, has_ids=self._has_ids)

    def at_work(self, progress: str = "") -> bytes:
        """`response.in_progress`, which may come again and says nothing new. Codex counts events alone."""
        if self._terminated or self._reason is not None:
            return self.keep_alive(progress)
        said = self._start() or self._tell("response.in_progress", response=self.response)
        return progress_line(progress, has_ids=self._has_ids) + said


#: In a piece of an event that is too long to be kept.
_NUMBERED: Final = re.compile(rb'"sequence_number": ?(\d{1,15})')
#: What the name of an event has in it that adds to a part, and how far in front it stands.
_DELTA: Final = b".delta"
_NAMED_BYTES: Final = 160


def _event(value: Mapping[str, object]) -> bytes:
    return b"event: " + str(value["type"]).encode() + b"\ndata: " + _encode(value) + b"\n\n"


def _number_behind(raw: bytes, otherwise: int) -> int:
    """The number that follows those in `raw`."""
    told = [value.get("sequence_number") for value in objects_in(raw)] or map(int, _NUMBERED.findall(raw)[:1])
    return max((number + 1 for number in told if isinstance(number, int)), default=otherwise)

"""
What a row of the fault table is, and how it finds its place in a stream.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, TypeAlias

from attrs import frozen

from trooper.testing.chat import cut, sse
from trooper.testing.script import Script, Send, Status

#: A number of content events, `start`, `middle`, `end`, or `b<bytes>`.
Position: TypeAlias = int | str
#: Where a fault can happen. A `before` fault ignores the position.
Where: TypeAlias = Literal["before", "after", "both"]
#: What trooper does about it; empty where the fault cannot happen there.
Action: TypeAlias = Literal["", "restart", "continue", "pass", "finish"]


@frozen
class Events:
    """
    A healthy stream of any wire, sorted: what comes before the content, the
    content, and what comes after, from the finish reason on.
    """

    preamble: tuple[bytes, ...]
    content: tuple[bytes, ...]
    tail: tuple[bytes, ...]

    @classmethod
    def of(cls, events: Sequence[bytes]) -> Events:
        """Sort the events of an answer."""
        values = [_value(event) for event in events]
        places = [at for at, value in enumerate(values) if _has_content(value)]
        finishes = [at for at, value in enumerate(values) if _is_finish(value)]
        first, after = (places[0], places[-1] + 1) if places else (1, 1)
        if places and finishes:
            # The ends of its parts belong to the content.
            after = max(after, finishes[0])
        return cls(tuple(events[:first]), tuple(events[first:after]), tuple(events[after:]))

    @property
    def all(self) -> tuple[bytes, ...]:
        """Every event in order."""
        return (*self.preamble, *self.content, *self.tail)

    @property
    def finish(self) -> tuple[bytes, ...]:
        """The whole stream up to the finish reason."""
        return (*self.preamble, *self.content, *self.tail[:1])

    @property
    def rest(self) -> tuple[bytes, ...]:
        """What follows the finish reason: usage if asked for, `[DONE]`."""
        return self.tail[1:]

    def lead(self, position: Position) -> tuple[bytes, ...]:
        """What goes out before the fault; at a byte position the last piece may be half an event."""
        if isinstance(position, str) and position.startswith("b"):
            return tuple(cut(self.all, int(position[1:])))
        return (*self.preamble, *self.content[: self._count(position)])

    def whole_lead(self, position: Position) -> tuple[bytes, ...]:
        """The same, whole events only."""
        return tuple(event for event in self.lead(position) if event.endswith((b"\n\n", b"\r\n\r\n")))

    def next(self, position: Position) -> bytes:
        """The event that the fault interrupts."""
        at = len(self.whole_lead(position))
        return self.all[min(at, len(self.all) - 1)]

    def place(self, position: Position, more: int = 0) -> Literal["before", "after", "finished", "whole"]:
        """How far the answer has got at `position`, and `more` events."""
        whole = len(self.whole_lead(position)) + more
        if whole <= len(self.preamble):
            return "before"
        if whole <= len(self.preamble) + len(self.content):
            return "after"
        return "whole" if whole == len(self.all) else "finished"

    def text(self, text: str) -> bytes:
        """One more event of this very answer, which says `text`."""
        value = _value(next((e for e in self.content if _says_text(_value(e))), self.preamble[0]))
        match value.get("type"):
            case "content_block_delta":
                return sse(value | {"delta": {"type": "text_delta", "text": text}}, event=str(value["type"]))
            case "response.output_text.delta":
                return sse(value | {"delta": text}, event=str(value["type"]))
            case _:
                return self.chunk({"content": text})

    def chunk(self, delta: dict[str, Any], finish: str | None = None, **more: object) -> bytes:
        """One more event of this very answer, on the chat wire."""
        return sse(self.chunk_value(delta, finish) | more)

    def chunk_value(self, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        """The same, not yet encoded."""
        value = dict(next((value for value in map(_value, self.all) if "choices" in value), {}))
        value["choices"] = [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]
        return value

    def _count(self, position: Position) -> int:
        match position:
            case int():
                return min(position, len(self.content))
            case "start":
                return 0
            case "middle":
                return (len(self.content) + 1) // 2
            case "end":
                return len(self.content)
            case _:
                raise ValueError(f"not a position in a stream: {position!r}")


def _value(event: bytes) -> dict[str, Any]:
    """What an event holds; a comment and the terminator hold nothing."""
    data = event.partition(b"data:")[2].strip()
    value: dict[str, Any] = json.loads(data) if data.startswith(b"{") else {}
    return value


def _has_content(value: dict[str, Any]) -> bool:
    match value:
        case {"type": "content_block_delta"}:
            return True
        case {"type": "content_block_start", "content_block": {"type": "tool_use"}}:
            return True
        case {"type": "response.output_item.added", "item": {"type": "function_call" | "custom_tool_call"}}:
            return True
        case {"type": str(name)}:
            return name.endswith(".delta")
        case _:
            choices = value.get("choices") or ()
            deltas = [choice.get("delta") or {} for choice in choices]
            return any(said for delta in deltas for key, said in delta.items() if key != "role")


def _says_text(value: dict[str, Any]) -> bool:
    match value:
        case {"type": "content_block_delta", "delta": {"type": kind}}:
            return bool(kind == "text_delta")
        case _:
            return value.get("type") in (None, "response.output_text.delta")


def _is_finish(value: dict[str, Any]) -> bool:
    match value.get("type"):
        case None:
            return any(choice.get("finish_reason") for choice in value.get("choices") or ())
        case name:
            return name in ("message_delta", "response.completed", "response.incomplete")


@frozen
class Fault:
    """
    A row of the table.

    Attributes:
        title: what is seen, in a plain sentence.
        kind: the failure's name in trooper's words, empty for what is not a
            failure.
        kind_before: the same where it differs before any content.
        before, after: what trooper does before and after the first content.
        torn_is_whole: the event it cuts has all its data, so it counts.
        whole: what the fault does to an answer that is not streamed, given
            the healthy body; `None` when it does nothing to it.
    """

    name: str
    title: str
    kind: str
    where: Where
    before: Action
    after: Action
    stream: Callable[[Events, Position], Script]
    whole: Callable[[bytes], Script] | None = None
    kind_before: str = ""
    torn_is_whole: bool = False

    @property
    def passes(self) -> bool:
        """Whether the client gets the provider's own answer."""
        return "pass" in (self.before, self.after)

    @property
    def fails(self) -> bool:
        """Whether another target has to take over."""
        return bool({"restart", "continue"} & {self.before, self.after})

    def build(self, events: Sequence[bytes], position: Position) -> Script:
        """The fault after `position` in the healthy stream `events`."""
        return self.stream(Events.of(events), position)

    def build_whole(self, body: bytes) -> Script:
        """The fault in a whole answer."""
        return Script((Status(200, body),)) if self.whole is None else self.whole(body)

    def expected(self, events: Sequence[bytes], position: Position) -> tuple[str, Action]:
        """Kind and action when the fault strikes a stream at `position`."""
        match self.where, Events.of(events).place(position, self.torn_is_whole):
            case "before", _:
                return self.kind_before or self.kind, self.before
            case "after", _:
                return self.kind, self.after
            case _, "before":
                return self.kind_before or self.kind, self.before
            case _, "after":
                return self.kind, self.after
            case _, "finished":
                return "", "finish"
            case _:
                return "", "pass"


def sends(pieces: Iterable[bytes]) -> tuple[Send, ...]:
    """A `Send` for each piece."""
    return tuple(Send(piece) for piece in pieces)

"""
One output item of a response in the making, and its parts: what the client has of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import define, field

from trooper.core.events import Event, Reasoning, Refusal, Text
from trooper.core.freeform import InputText
from trooper.core.pieces import Pieces
from trooper.core.tool_calls import as_object
from trooper.wire.openai_responses.shapes import CALLS, CUSTOM

#: What the deltas of a part are called, by its kind.
TOLD: Final[Mapping[str, str]] = {
    "output_text": "response.output_text",
    "refusal": "response.refusal",
    "summary_text": "response.reasoning_summary_text",
    "reasoning_text": "response.reasoning_text",
}
#: What is said in a part, by its kind.
SAID_IN: Final[Mapping[str, type[Event]]] = {
    "output_text": Text,
    "refusal": Refusal,
    "summary_text": Reasoning,
    "reasoning_text": Reasoning,
}
#: What is told of a call, by its kind: what its events are called, and where they say all of it.
CALL_TOLD: Final[Mapping[str, tuple[str, str]]] = {
    "function_call": ("response.function_call_arguments", "arguments"),
    CUSTOM: ("response.custom_tool_call_input", "input"),
}
#: What the events around a part are called, where it is a piece of a summary and where it is content.
_SUMMARY: Final = "response.reasoning_summary_part"
_CONTENT: Final = "response.content_part"
_PREFIXES: Final[Mapping[str, str]] = {"message": "msg", "reasoning": "rs", CUSTOM: "ctc"}


def id_prefix(kind: str) -> str:
    """What the ids of items of a kind begin with."""
    return _PREFIXES.get(kind, "fc")


def is_summary(kind: str) -> bool:
    """Whether a part is a piece of a summary."""
    return kind == "summary_text"


@define
class Part:
    """
    A part of an item: `pieces` is what it has said.

    `told` is true once that was said as a whole: nothing can be added to it then.
    `ended` is what the part was when it ended.
    """

    kind: str
    index: int
    pieces: Pieces = field(factory=Pieces)
    told: bool = False
    ended: Mapping[str, object] | None = None

    @property
    def said(self) -> str:
        """What the part has said."""
        return self.pieces.text

    def tell(self, whole: str) -> None:
        """It is said as a whole; nothing is no word."""
        self.pieces.tell(whole or self.said)
        self.told = True

    def value(self) -> Mapping[str, object]:
        """The part as it ended, or as it stands."""
        if self.ended is not None:
            return self.ended
        match self.kind:
            case "output_text":
                return {"type": "output_text", "text": self.said, "annotations": [], "logprobs": []}
            case "refusal":
                return {"type": "refusal", "refusal": self.said}
            case kind:
                return {"type": kind, "text": self.said}


@define
class OpenItem:
    """
    An item that is being said.

    `part` is the one that was said last, if it has not ended; others may be open beside it.
    `pieces` and `told` are of a call's arguments what they are of a part; of a custom call
    they are its input. `begun` is what an item
    began with of which nothing more is known here.
    """

    kind: str
    id: str
    output_index: int
    name: str = ""
    call_id: str = ""
    namespace: str = ""
    begun: Mapping[str, object] = field(factory=dict)
    # Of a custom call that is spoken here.
    _text: InputText | None = field(default=None, init=False)
    number: int = field(default=-1, init=False)
    part: Part | None = field(default=None, init=False)
    parts: list[Part] = field(factory=list, init=False)
    pieces: Pieces = field(factory=Pieces, init=False)
    told: bool = field(default=False, init=False)
    # By their places; the last one, where several have the same.
    _placed: dict[tuple[bool, int], Part] = field(factory=dict, init=False)
    _open_parts: dict[int, Part] = field(factory=dict, init=False)

    def begin_part(self, kind: str, index: int | None = None) -> Part:
        """A part begins: there, or behind the others."""
        if index is None:
            index = sum(is_summary(part.kind) == is_summary(kind) for part in self.parts)
        self.part = Part(kind, index)
        self.parts.append(self.part)
        self._placed[is_summary(kind), index] = self._open_parts[id(self.part)] = self.part
        return self.part

    def end_part(self, part: Part, value: Mapping[str, object]) -> None:
        """A part ends, and is `value`."""
        part.ended = value
        self._open_parts.pop(id(part), None)
        if self.part is part:
            self.part = None

    def part_at(self, kind: str, index: int | None) -> Part:
        """The open part of this kind there; it begins, if nobody has begun it."""
        part = self.find_part(kind, index)
        if part is None or part.ended is not None:
            return self.begin_part(kind, index)
        self.part = part
        return part

    def find_part(self, kind: str, index: int | None) -> Part | None:
        """The part of this kind there, open or not; the last one, if nobody says where."""
        last = self.part or next(reversed(self.parts), None)
        part = last if index is None else self._placed.get((is_summary(kind), index))
        return part if part is not None and part.kind == kind else None

    @property
    def open_parts(self) -> list[Part]:
        """Those that have not ended."""
        return list(self._open_parts.values())

    @property
    def sole_part(self) -> Part | None:
        """The open part, if it is the only one."""
        return self.part if len(self._open_parts) == 1 else None

    @property
    def said(self) -> str:
        """The arguments so far, or the input."""
        return self.pieces.text

    def say(self, arguments: str) -> str:
        """A call's arguments go on; what of that is new in the form that its client takes."""
        if self.kind == CUSTOM:
            if self._text is None:
                self._text = InputText(has_begun=bool(self.said))
            arguments = self._text.add(arguments)
        self.pieces.add(arguments)
        return arguments

    @property
    def is_half(self) -> bool:
        """Whether it is a call whose end nobody knows."""
        if self.told or self.kind not in CALLS:
            return False
        if self.kind == CUSTOM:
            return self._text is None or not self._text.has_ended
        return as_object(self.said) is None

    def value(self, status: str) -> dict[str, object]:
        """The item as it stands."""
        match self.kind:
            case "message":
                return {
                    "id": self.id,
                    "type": "message",
                    "status": status,
                    "role": "assistant",
                    "content": [part.value() for part in self.parts],
                }
            case "reasoning":
                # What was summed up may stand beside the summary.
                thought = [part.value() for part in self.parts if part.kind == "reasoning_text"]
                summary = [part.value() for part in self.parts if part.kind != "reasoning_text"]
                more = {"content": thought} if thought else {}
                return {"id": self.id, "type": "reasoning", "summary": summary, **more}
            case kind if kind in CALLS:
                said = "" if status == "in_progress" else self.said
                if status == "completed" and self._text is not None and not self._text.has_ended:
                    # Nobody could tell it from a whole one, and it would be run.
                    raise ValueError(f"half of the text of {self.name}")
                named = {"namespace": self.namespace} if self.namespace else {}
                return {
                    "id": self.id,
                    "type": kind,
                    "status": status,
                    "call_id": self.call_id,
                    "name": self.name,
                    **named,
                    "input" if kind == CUSTOM else "arguments": said,
                }
            case _:
                # A tool of its provider's, which did not come to its end.
                return {**self.begun, "id": self.id, "type": self.kind, "status": "failed"}


def around(part: str) -> str:
    """What the events around a part of that kind are called, without their last word."""
    return _SUMMARY if is_summary(part) else _CONTENT


def place_of(item: OpenItem, part: Part) -> dict[str, object]:
    """Where a part stands, as its events say it."""
    name = "summary_index" if is_summary(part.kind) else "content_index"
    return {"item_id": item.id, "output_index": item.output_index, name: part.index}

"""
The output items of one response in the making: what the client has of each.

Fed from forwarded events and from what the voice says itself. It knows ids,
indexes and texts, so that everything that repeats them (`*.done`, the final
response) says what the deltas said.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import define, field

from trooper.wire.decoding import arguments_said
from trooper.wire.openai_responses.shapes import AROUND_PARTS
from trooper.wire.tolerant import words_of

#: What the deltas of a part are called, by its kind.
TOLD: Final[Mapping[str, str]] = {
    "output_text": "response.output_text",
    "refusal": "response.refusal",
    "summary_text": "response.reasoning_summary_text",
    "reasoning_text": "response.reasoning_text",
}
#: Of more items that were begun and not ended the oldest are forgotten: each event is looked for among them.
_MOST_LEFT: Final = 64
_PART_BEGINS: Final = frozenset(f"response.{name}.added" for name in AROUND_PARTS)
_PART_ENDS: Final = frozenset(f"response.{name}.done" for name in AROUND_PARTS)
#: The kind of a part by the name of its deltas.
PART_OF: Final[Mapping[str, str]] = {f"{name}.delta": kind for kind, name in TOLD.items()}


@define
class OpenItem:
    """
    The item that is being said.

    `part` is the kind of the open part, or nothing between parts; `pieces` is
    what that part, or a call's arguments, has said. `told` is true once that
    was said as a whole: nothing can be added to it then.
    """

    kind: str
    id: str
    output_index: int
    name: str = ""
    call_id: str = ""
    part: str = ""
    part_index: int = -1
    pieces: list[str] = field(factory=list)
    told: bool = False
    parts: list[Mapping[str, object]] = field(factory=list)

    def begin_part(self, kind: str) -> None:
        """The next part begins."""
        self.part, self.part_index, self.pieces, self.told = kind, self.part_index + 1, [], False

    @property
    def said(self) -> str:
        """What the open part has said."""
        return "".join(self.pieces)

    def part_value(self) -> dict[str, object]:
        """The open part as it stands."""
        match self.part:
            case "output_text":
                return {"type": "output_text", "text": self.said, "annotations": [], "logprobs": []}
            case "refusal":
                return {"type": "refusal", "refusal": self.said}
            case kind:
                return {"type": kind, "text": self.said}

    def value(self, status: str) -> dict[str, object]:
        """The item as it stands."""
        match self.kind:
            case "message":
                return {
                    "id": self.id,
                    "type": "message",
                    "status": status,
                    "role": "assistant",
                    "content": list(self.parts),
                }
            case "reasoning":
                # What was summed up may stand beside the summary.
                thought = [part for part in self.parts if part.get("type") == "reasoning_text"]
                summary = [part for part in self.parts if part.get("type") != "reasoning_text"]
                more = {"content": thought} if thought else {}
                return {"id": self.id, "type": "reasoning", "summary": summary, **more}
            case _:
                return {
                    "id": self.id,
                    "type": "function_call",
                    "status": status,
                    "call_id": self.call_id,
                    "name": self.name,
                    "arguments": "" if status == "in_progress" else self.said,
                }


@define
class Items:
    """
    All items of the response, in the order in which they began.

    Each is known by its id: some providers give all of them one index. Some begin an
    item before they have ended the last one; those are in `left`.
    """

    open: OpenItem | None = field(default=None, init=False)
    left: list[OpenItem] = field(factory=list, init=False)
    # Of each item what it is at its end; nothing until then.
    _values: dict[str, Mapping[str, object] | None] = field(factory=dict, init=False)
    _next: int = field(default=0, init=False)

    def next_index(self) -> int:
        """The output index of a new item."""
        index, self._next = self._next, self._next + 1
        return index

    def output(self) -> list[Mapping[str, object]]:
        """The items that are whole, in order."""
        return [value for value in self._values.values() if value is not None]

    def begin(self, item: OpenItem) -> None:
        """The next item begins."""
        self.left += [] if self.open is None else [self.open]
        del self.left[:-_MOST_LEFT]
        self.open = item
        self._values.setdefault(item.id, None)

    def end(self, item_id: str, value: Mapping[str, object]) -> None:
        """An item ends, and is `value` now."""
        self.left = [item for item in self.left if item.id != item_id]
        if self.open is not None and self.open.id == item_id:
            self.open = None
        self._values[item_id] = value

    def learn(self, value: Mapping[str, object]) -> None:
        """Take in one forwarded event that gives the answer its shape."""
        item = value.get("item")
        match value.get("type"):
            case "response.output_item.added" if isinstance(item, dict):
                index = _index(value, self._next)
                self._next = max(self._next, index + 1)
                name, call_id = (str(item.get(key) or "") for key in ("name", "call_id"))
                self.begin(OpenItem(str(item.get("type")), self._id_of(item), index, name, call_id))
            case "response.output_item.done" if isinstance(item, dict):
                index = _index(value, self._next if self.open is None else self.open.output_index)
                self._next = max(self._next, index + 1)
                ended = self._find({"item_id": item.get("id"), "output_index": index})
                self.end(self._id_of(item) if ended is None else ended.id, item)
            case str(name):
                told = self._find(value) or self.open
                if told is None and name in PART_OF:
                    told = self._begin_unsaid(PART_OF[name], value)
                if told is not None:
                    _learn_of(told, name, value)
            case _:
                pass

    def _find(self, value: Mapping[str, object]) -> OpenItem | None:
        """The open item that an event is about: by its place; by its id, where several share one, or none is there."""
        begun = [*self.left, self.open] if self.open is not None else self.left
        here = [item for item in begun if item.output_index == _index(value, -1)]
        named = [item for item in here or begun if item.id == value.get("item_id")]
        return next(reversed(named or here), None)

    def _id_of(self, item: Mapping[str, object]) -> str:
        return str(item.get("id") or f"#{len(self._values)}")

    def _begin_unsaid(self, part: str, value: Mapping[str, object]) -> OpenItem:
        """Some fill an item that they never began."""
        index = _index(value, self._next)
        self._next = max(self._next, index + 1)
        kind, prefix = ("message", "msg") if part in ("output_text", "refusal") else ("reasoning", "rs")
        item = OpenItem(kind, str(value.get("item_id") or f"{prefix}_trooper_{index}"), index)
        self.begin(item)
        return item


def _learn_of(item: OpenItem, name: str, value: Mapping[str, object]) -> None:
    """Take in one forwarded event about an item that is open."""
    part = value.get("part")
    match name:
        case _ if name in _PART_BEGINS:
            if isinstance(part, dict):
                item.begin_part(str(part.get("type")))
        case _ if name in _PART_ENDS:
            if isinstance(part, dict):
                item.parts.append(part)
                item.part = ""
        case _ if name in PART_OF:
            if not item.part:
                # Some begin no part before they fill it.
                item.begin_part(PART_OF[name])
            item.pieces.append(words_of(value.get("delta")))
        case "response.function_call_arguments.delta":
            item.pieces.append(arguments_said(value.get("delta")))
        case _ if name.endswith(".done"):
            whole = value.get("text", value.get("refusal", value.get("arguments")))
            if whole is None:
                return
            if item.kind == "function_call":
                whole = arguments_said(whole)
                # Empty braces behind real arguments are no word.
                whole = item.said if whole.strip() in ("", "{}") and item.said else whole
            if isinstance(whole, str):
                item.pieces, item.told = [whole], True
        case _:
            pass


def _index(value: Mapping[str, object], otherwise: int) -> int:
    """Where an item stands; some say that in a text, and some nowhere."""
    told = value.get("output_index")
    return int(told) if isinstance(told, int) or (isinstance(told, str) and told.isdecimal()) else otherwise

"""
The output items of one response in the making: what the client has of each.

Fed from forwarded events and from what the voice says itself. It knows ids,
indexes and texts, so that everything that repeats them (`*.done`, the final
response) says what the deltas said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from attrs import define, field

from trooper.core.names import is_short
from trooper.wire.decoding import arguments_said
from trooper.wire.openai_responses.open_item import TOLD, OpenItem, id_prefix, is_summary
from trooper.wire.openai_responses.shapes import AROUND_PARTS, CALLS, CUSTOM, MOST_ITEMS, thought_part
from trooper.wire.tolerant import text_of, words_of

_PART_BEGINS: Final = frozenset(f"response.{name}.added" for name in AROUND_PARTS)
_PART_ENDS: Final = frozenset(f"response.{name}.done" for name in AROUND_PARTS)
#: The kind of a part by the name of its deltas, and by the name of what repeats them as a whole.
_FILLED: Final[Mapping[str, str]] = {f"{name}.delta": kind for kind, name in TOLD.items()}
_WHOLE: Final[Mapping[str, str]] = {f"{name}.done": kind for kind, name in TOLD.items()}
#: Of an index that is said in a text.
_MOST_DIGITS: Final = 9
_CALL_GROWS: Final = ("response.function_call_arguments.delta", "response.custom_tool_call_input.delta")
_CALL_TOLD: Final = ("response.function_call_arguments.done", "response.custom_tool_call_input.done")


@define
class Items:
    """
    All items of the response, in the order in which they began.

    Some providers begin an item before they have ended the last one, give all of them one
    index or one id, change an id, or name neither. So an item is known by both, then by its
    place, then by its id. `open` is the one that began last, if it has not ended.
    """

    open: OpenItem | None = field(default=None, init=False)
    # By their numbers; the same by all that they are known by.
    _begun: dict[int, OpenItem] = field(factory=dict, init=False)
    _known: dict[object, dict[int, OpenItem]] = field(factory=dict, init=False)
    # Of each item what it is at its end; nothing until then.
    _values: list[Mapping[str, object] | None] = field(factory=list, init=False)
    # Which number those that have ended had.
    _ended: dict[object, int] = field(factory=dict, init=False)
    _next: int = field(default=0, init=False)

    def next_index(self) -> int:
        """The output index of a new item."""
        index, self._next = self._next, self._next + 1
        return index

    def output(self) -> list[Mapping[str, object]]:
        """The items that are whole, in order."""
        return [value for value in self._values if value is not None]

    @property
    def left(self) -> list[OpenItem]:
        """All that have not ended."""
        return list(self._begun.values())

    @property
    def sole(self) -> OpenItem | None:
        """The open item, if no other was left open before it."""
        return self.open if len(self._begun) == 1 else None

    def begin(self, item: OpenItem) -> None:
        """The next item begins."""
        item.number = len(self._values)
        self._values.append(None)
        self._begun[item.number] = self.open = item
        for key in _keys(item.output_index, item.id):
            self._known.setdefault(key, {})[item.number] = item

    def end(self, item: OpenItem, value: Mapping[str, object]) -> None:
        """An item ends, and is `value` now."""
        del self._begun[item.number]
        for key in _keys(item.output_index, item.id):
            del self._known[key][item.number]
        if self.open is item:
            self.open = None
        self._values[item.number] = value
        for name in (item.id, text_of(value.get("id"))):
            self._ended[item.output_index, name, text_of(value.get("call_id"))] = item.number

    def learn(self, value: Mapping[str, object]) -> None:
        """Take in one forwarded event that gives the answer its shape."""
        if len(self._values) > MOST_ITEMS:
            return
        item = value.get("item")
        match value.get("type"):
            case "response.output_item.added" if isinstance(item, dict):
                self._learn_begin(_index(value, self._next), item)
            case "response.output_item.done" if isinstance(item, dict):
                self._learn_end(_index(value, -1), item)
            case str(name) if _filled(name) or _whole(name) or name in _PART_BEGINS or name in _PART_ENDS:
                _learn_part(self._about(name, value), name, value)
            case str(name) if name in _CALL_GROWS or name in _CALL_TOLD:
                call = self._find(_index(value, -1), text_of(value.get("item_id"))) or self.open
                if call is not None and call.kind in CALLS:
                    _learn_arguments(call, name, value)
            case _:
                pass

    def _learn_begin(self, index: int, item: Mapping[str, object]) -> None:
        self._next = max(self._next, index + 1)
        kind, told_id, name, call_id = (text_of(item.get(key)) for key in ("type", "id", "name", "call_id"))
        known = self._last((index, told_id)) if told_id else None
        if known is not None and (known.kind, known.call_id) == (kind, call_id):
            # Said twice.
            self.open, known.name = known, known.name or name
        else:
            namespace = text_of(item.get("namespace"))
            begun = {} if kind in _KNOWN else item
            self.begin(OpenItem(kind, self._id(told_id, kind), index, name, call_id, namespace, begun))

    def _learn_end(self, told: int, item: Mapping[str, object]) -> None:
        begun = self._find(told, text_of(item.get("id")))
        if begun is None and told < 0:
            begun = self.open
        if begun is not None and begun.kind != item.get("type", begun.kind):
            # Another that has the same place, and that nobody began.
            begun = None
        index = told if told >= 0 else (self._next if begun is None else begun.output_index)
        self._next = max(self._next, index + 1)
        if begun is not None:
            silent = begun.kind == "message" and not words_of(item.get("content"))
            is_lost = silent and any(part.said for part in begun.parts)
            self.end(begun, {**item, "content": begun.value("")["content"]} if is_lost else item)
            return
        key = (index, text_of(item.get("id")), text_of(item.get("call_id")))
        number = self._ended.setdefault(key, len(self._values))
        if number == len(self._values):
            self._values.append(item)
        else:
            self._values[number] = item

    def _find(self, index: int, told_id: str) -> OpenItem | None:
        """The open item that an event is about: by its place; by its id, where several share one, or none is there."""
        found = (self._last(key) for key in ((index, told_id), index, told_id))
        return next((item for item in found if item is not None), None)

    def _last(self, key: object) -> OpenItem | None:
        known = self._known.get(key)
        return next(reversed(known.values()), None) if known else None

    def _about(self, name: str, value: Mapping[str, object]) -> OpenItem:
        """The item that a part is of. Some fill one that they never began."""
        part = value.get("part")
        told = str(part.get("type")) if isinstance(part, dict) else ""
        kind = "message" if (_filled(name) or _whole(name) or told) in _OF_MESSAGE else "reasoning"
        told_id = text_of(value.get("item_id"))
        found = self._find(_index(value, -1), told_id)
        is_placed = _index(value, -1) >= 0 or bool(told_id)
        last = self.open if found is None and not is_placed else found
        if last is not None and last.kind == kind:
            return last
        index = _index(value, self._next)
        self._next = max(self._next, index + 1)
        item = OpenItem(kind, self._id(told_id, kind), index)
        self.begin(item)
        return item

    def _id(self, told_id: str, kind: str) -> str:
        """What the item is called in all that is said of it here; an id that is longer than any is none."""
        return told_id if told_id and is_short(told_id) else self._new_id(kind)

    def _new_id(self, kind: str) -> str:
        return f"{id_prefix(kind)}_trooper_{len(self._values)}"


def _filled(name: str) -> str:
    """The kind of the part that an event of this name adds to; nothing for any other event."""
    return _FILLED.get(name) or (thought_part(name) if name.endswith(".delta") else "")


def _whole(name: str) -> str:
    """The kind of the part that an event of this name says as a whole; nothing for any other event."""
    return _WHOLE.get(name) or (thought_part(name) if name.endswith(".done") else "")


def _learn_part(item: OpenItem, name: str, value: Mapping[str, object]) -> None:
    """Take in one forwarded event about a part of an item that is open."""
    told = value.get("part")
    kind = str(told.get("type")) if isinstance(told, dict) else _filled(name) or _whole(name)
    place = value.get("summary_index" if is_summary(kind) else "content_index")
    index = place if isinstance(place, int) else None
    before = item.find_part(kind, index)
    if _filled(name):
        if words := words_of(value.get("delta")):
            part = item.part_at(kind, index)
            part.pieces.add(words)
            part.told = False
    elif _whole(name):
        # What has ended is only repeated.
        if before is None or before.ended is None:
            item.part_at(kind, index).tell(words_of(value.get("text", value.get("refusal"))))
    elif not isinstance(told, dict):
        return
    elif name in _PART_BEGINS:
        if index is None:
            item.begin_part(kind)
        else:
            item.part_at(kind, index)
    elif before is None or before.ended is None:
        part = item.part_at(kind, index)
        said = words_of(told) or words_of(told.get("refusal"))
        item.end_part(part, part.value() if part.said and not said else told)


def _learn_arguments(call: OpenItem, name: str, value: Mapping[str, object]) -> None:
    """Take in one forwarded event about the arguments of a call that is open."""
    if name in _CALL_GROWS:
        call.pieces.add(arguments_said(value.get("delta")))
    elif call.kind == CUSTOM:
        # No input behind a real one is no word.
        call.pieces.tell(text_of(value.get("input")) or call.said)
        call.told = True
    elif (whole := value.get("arguments")) is not None:
        told = arguments_said(whole)
        # Empty braces behind real arguments are no word.
        told = call.said if told.strip() in ("", "{}") and call.said else told
        call.pieces.tell(told)
        call.told = True


#: The items of which all is known here that is said of them.
_KNOWN: Final = ("message", "reasoning", *CALLS)
#: The kinds of the parts of a message.
_OF_MESSAGE: Final = ("output_text", "refusal")


def _keys(index: int, item_id: str) -> Iterator[object]:
    yield index
    if item_id:
        yield item_id
        yield (index, item_id)


def _index(value: Mapping[str, object], otherwise: int) -> int:
    """Where an item stands; some say that in a text, and some nowhere."""
    told = value.get("output_index")
    if isinstance(told, str) and told.isdecimal() and len(told) <= _MOST_DIGITS:
        return int(told)
    return told if isinstance(told, int) else otherwise

"""
The output items of one response in the making: what the client has of each.

Fed from forwarded events and from what the voice says itself. It knows ids,
indexes and texts, so that everything that repeats them (`*.done`, the final
response) says what the deltas said.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import define, field

from trooper.wire.decoding import arguments_said


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
                return {"id": self.id, "type": "reasoning", "summary": list(self.parts)}
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
    """All items of the response, in order."""

    open: OpenItem | None = field(default=None, init=False)
    done: dict[int, Mapping[str, object]] = field(factory=dict, init=False)
    #: Calls that have begun before `open`, and have not ended: some providers say several side by side.
    beside: list[OpenItem] = field(factory=list, init=False)
    _next: int = field(default=0, init=False)

    def next_index(self) -> int:
        """The output index of a new item."""
        index, self._next = self._next, self._next + 1
        return index

    def output(self) -> list[Mapping[str, object]]:
        """The items that are whole, in order."""
        return [self.done[index] for index in sorted(self.done)]

    def keep(self, index: int, item: Mapping[str, object]) -> None:
        """The item there is whole."""
        before = self.done.get(index, item)
        if item.get("type") == "function_call" and before.get("call_id") != item.get("call_id"):
            # Some give all calls one index.
            index = self.next_index()
        self.done[index] = item

    def learn(self, value: Mapping[str, object]) -> None:
        """Take in one forwarded event that gives the answer its shape."""
        item, part = value.get("item"), value.get("part")
        match value.get("type"):
            case "response.output_item.added" if isinstance(item, dict):
                index = _index(value, self._next)
                self._next = max(self._next, index + 1)
                self._leave_open(str(item.get("id")))
                self.open = OpenItem(
                    str(item.get("type")),
                    str(item.get("id")),
                    index,
                    str(item.get("name") or ""),
                    str(item.get("call_id") or ""),
                )
            case "response.output_item.done" if isinstance(item, dict):
                index = _index(value, self._next if self.open is None else self.open.output_index)
                self._next = max(self._next, index + 1)
                self._end(index, item)
            case "response.content_part.added" | "response.reasoning_summary_part.added":
                if self.open is not None and isinstance(part, dict):
                    self.open.begin_part(str(part.get("type")))
            case "response.content_part.done" | "response.reasoning_summary_part.done":
                if self.open is not None and isinstance(part, dict):
                    self.open.parts.append(part)
                    self.open.part = ""
            case "response.function_call_arguments.delta":
                call = self._call_of(value)
                if call is not None:
                    call.pieces.append(arguments_said(value.get("delta") or ""))
            case "response.function_call_arguments.done":
                self._tell(self._call_of(value), value)
            case str(name) if name.endswith(".done"):
                self._tell(self.open, value)
            case _:
                pass

    def _tell(self, item: OpenItem | None, value: Mapping[str, object]) -> None:
        """What was said of an item is said as a whole."""
        whole = value.get("text", value.get("refusal", value.get("arguments")))
        if whole is None or item is None:
            return
        if item.kind == "function_call":
            whole = arguments_said(whole)
            # Empty braces behind real arguments are no word.
            whole = item.said if whole.strip() in ("", "{}") and item.said else whole
        if isinstance(whole, str):
            item.pieces, item.told = [whole], True

    def _leave_open(self, item_id: str) -> None:
        """Another item begins than the open one."""
        item = self.open
        if item is not None and item.kind == "function_call" and item.id != item_id:
            self.beside.append(item)

    def _call_of(self, value: Mapping[str, object]) -> OpenItem | None:
        """The call that an event is about; without a word about that the open one."""
        if not self.beside:
            return self.open
        begun = [*self.beside, self.open] if self.open is not None else self.beside
        calls = [item for item in reversed(begun) if item.kind == "function_call"]
        here = [item for item in calls if item.output_index == _index(value, item.output_index)]
        named = [item for item in here or calls if item.id == value.get("item_id")]
        return next(iter(named or here), self.open)

    def _end(self, index: int, item: Mapping[str, object]) -> None:
        """An item is whole by its provider's word."""
        begun = self._call_of({"output_index": index, "item_id": item.get("id")})
        if begun in self.beside:
            self.beside.remove(begun)
        else:
            self.open = None
        self.keep(index, item)


def _index(value: Mapping[str, object], otherwise: int) -> int:
    """Where an item stands; some say that in a text, and some nowhere."""
    told = value.get("output_index")
    return int(told) if isinstance(told, int) or (isinstance(told, str) and told.isdecimal()) else otherwise

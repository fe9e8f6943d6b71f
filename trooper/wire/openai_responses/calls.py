"""
The calls of one response as its events say them: in deltas, and up to three times as a whole.

The last word counts: the end of the arguments, of the item, of the response.
Where it only has more than the deltas had, the rest is said; where it is
another, all is said anew. Nothing, null and empty braces behind real arguments
are no word: some servers leave them out of what they repeat.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import msgspec
from attrs import define, field

from trooper.core import freeform
from trooper.core.events import Event, Other, PartEnd, ToolCallDelta
from trooper.core.json_text import NOT_JSON
from trooper.core.names import ByName
from trooper.core.tool_calls import MOST_CALLS, ToolCalls, as_object, is_same
from trooper.wire.openai_responses.shapes import CUSTOM, Item


@define
class _Call:
    """One call: its number in the answer, and what its item began with."""

    number: int
    id: str
    name: str
    #: Arguments in the first event of the item; the deltas count where there are any.
    begun: str
    #: Its arguments hold a text, which is what its events say.
    is_freeform: bool = False
    ended: bool = False


@define
class ItemCalls:
    """
    The calls of one response, by the output indexes of their items.

    Args:
        most: how many there may be.
    """

    most: int = MOST_CALLS
    # What they have said.
    _said: ToolCalls = field(factory=ToolCalls, init=False)
    _at: dict[int, _Call] = field(factory=dict, init=False)
    _by_id: ByName[int] = field(factory=ByName, init=False)
    # Counted, since some give all items one index.
    _count: int = field(default=0, init=False)

    def __len__(self) -> int:
        return self._count

    def __contains__(self, at: int) -> bool:
        return at in self._at

    def has_other(self, at: int, item: Item) -> bool:
        """Whether another call than the one that an item is has begun there, by their ids."""
        known, call_id = self._at.get(at), item.call_id or item.id
        return known is not None and bool(call_id and known.id) and call_id != known.id

    def place_of(self, item: Item) -> int | None:
        """Where the call has begun that an item is, by its id."""
        return self._by_id.get(item.call_id) if item.call_id else None

    def places(self, items: Sequence[Item]) -> list[int | None]:
        """
        Where the calls that items are have begun: by their ids, and else by what they say.

        Some leave ids out of what they repeat, or items of other kinds, so that
        the order says nothing.
        """
        places = [self._by_id.get(item.call_id or item.id) for item in items]
        lost = [n for n, item in enumerate(items) if places[n] is None and item.is_call]
        if not lost:
            return places
        taken = set(places)
        free: dict[tuple[str, str], deque[int]] = {}
        for at, call in self._at.items():
            if at not in taken:
                said = self._said.arguments_of(call.number) or call.begun
                free.setdefault((call.name, _canonical(said)), deque()).append(at)
        for number in lost:
            alike = free.get((items[number].name, _canonical(items[number].arguments)))
            if alike:
                places[number] = alike.popleft()
        return places

    def begin(self, at: int, item: Item) -> list[Event]:
        """A call begins at an output index."""
        call_id, known = item.call_id or item.id, self._at.get(at)
        if known is None and self._count >= self.most:
            self._said.overflow()
            return [Other(continuable=False)]
        if known is not None and call_id and known.id == call_id and not known.ended:
            return self._named(known, item.name)
        call = self._at[at] = _Call(self._count, call_id, item.name, item.arguments, item.type == CUSTOM)
        self._count += 1
        if call_id:
            self._by_id[call_id] = at
        return [self._note(ToolCallDelta(call.number, call_id, item.name))]

    def say(self, at: int, arguments: str) -> list[Event]:
        """A piece of the arguments of the call there."""
        return [self._note(ToolCallDelta(self._at[at].number, arguments=arguments))] if arguments else []

    def say_text(self, at: int, text: str) -> list[Event]:
        """A piece of the text of the freeform call there."""
        if not text:
            return []
        opens = "" if self._said.size_of(self._at[at].number) else freeform.OPENS
        return self.say(at, f"{opens}{freeform.escaped(text)}")

    def told(self, at: int, arguments: str, name: str = "", *, ends: bool = True) -> list[Event]:
        """
        The call there is said as a whole: what of that is new.

        `ends`: without arguments, it has none.
        """
        call = self._at[at]
        events = self._named(call, name)
        said = self._said.arguments_of(call.number)
        whole = arguments if arguments.strip() or said else call.begun
        if call.is_freeform:
            whole = _whole_text(whole, said, ends=ends)
        if not whole.strip() and not said and not ends:
            # What the item says, when it is done, may be more.
            return events
        events += self._new(call, whole, said, name)
        if not call.ended or events:
            call.ended = True
            events.append(PartEnd())
        return events

    def untold(self) -> list[Event]:
        """What the first events of items said, and nobody after them."""
        at_rest = [at for at, call in self._at.items() if call.begun.strip() and not call.ended]
        return [event for at in at_rest for event in self.told(at, "")]

    def end_all(self) -> None:
        """Which of them have ended is not known any more."""
        for call in self._at.values():
            call.ended = True

    @property
    def all_whole(self) -> bool:
        """Whether none broke off in its arguments."""
        return all(
            call.ended or self._said.is_whole(call.number) or not self._said.arguments_of(call.number)
            for call in self._at.values()
        )

    def _named(self, call: _Call, name: str) -> list[Event]:
        if call.name or not name:
            return []
        call.name = name
        return [self._note(ToolCallDelta(call.number, name=name))]

    def _new(self, call: _Call, whole: str, said: str, name: str) -> list[Event]:
        if self._said.overflowed:
            return []
        renamed = bool(name) and name != call.name
        is_no_word = not whole.strip() or (bool(said) and as_object(whole) == "{}")
        if is_no_word or is_same(whole, said):
            whole = said or "{}"
        if renamed:
            call.name = name
            return [self._note(ToolCallDelta(call.number, "", name, whole, replaces=True))]
        if not whole.startswith(said):
            return [self._note(ToolCallDelta(call.number, arguments=whole, replaces=True))]
        rest = whole[len(said) :]
        return [self._note(ToolCallDelta(call.number, arguments=rest))] if rest else []

    def _note(self, delta: ToolCallDelta) -> ToolCallDelta:
        self._said.add(delta)
        return delta


def _whole_text(whole: str, said: str, *, ends: bool) -> str:
    """All arguments of a freeform call that has ended; no text behind a real one is no word."""
    if said and (not whole.strip() or whole == freeform.as_arguments("")):
        return (
            said if said.endswith(freeform.CLOSES) and freeform.is_plain(said) else f"{said}{freeform.CLOSES}"
        )
    return whole if whole.strip() or not ends else freeform.as_arguments("")


def _canonical(arguments: str) -> str:
    """Arguments in the one form that all texts of the same have."""
    try:
        return msgspec.json.encode(msgspec.json.decode(arguments or "{}"), order="sorted").decode()
    except NOT_JSON:
        return arguments

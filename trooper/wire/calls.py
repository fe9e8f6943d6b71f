"""
Tells the pieces of tool calls apart, in wires that send them in a list of deltas.

Theory of operation
-------------------
By the document each call has an index of its own, and its first piece has id
and name. Servers give all calls one index, or none, or another one with each
piece; they leave ids out, write "null" for one, or repeat it; they say the
name again with each piece, or in pieces itself.

    a piece                                      is
    -------------------------------------------  ------------------------------
    with an id that is known                     of that call
      but a name and other arguments behind      another call
      whole ones
    with an id that is new, and a name           another call
    with a new id alone, under a known index     of that call: some make one up each time
    with a name, behind whole arguments          another call
    with another name, and nothing to tell it    another call
    with a new index and no id or name           of the last call, while that is open
    with an index that is known, or none         of that call, or of the last one

A name that comes again says nothing; one that comes in pieces is said anew as
a whole, as far as it goes.
"""

from __future__ import annotations

from typing import Final

from attrs import define, evolve, field

from trooper.core.events import ToolCallDelta
from trooper.core.names import ByName
from trooper.core.tool_calls import MOST_CALLS, MOST_NAME_CHARS, ToolCalls, is_object, is_same

#: What some write where they have no id.
_NO_IDS: Final = frozenset({"", "null", "None", "none", "undefined"})

#: What is as short as this may be braces that say nothing.
_BRACES_CHARS: Final = 16


@define
class _Known:
    """A call that has begun: its number in the answer, and what it is called."""

    number: int
    id: str = ""
    name: str = ""


@define
class CallPieces:
    """
    The calls of one answer, and whose each piece is.

    Args:
        most: how many there may be.
    """

    most: int = MOST_CALLS
    calls: ToolCalls = field(factory=ToolCalls, init=False)
    _all: list[_Known] = field(factory=list, init=False)
    _by_id: ByName[_Known] = field(factory=ByName, init=False)
    _by_index: dict[int, _Known] = field(factory=dict, init=False)
    _last: _Known | None = field(default=None, init=False)
    # Those that are taken; the one behind the highest of them.
    _numbers: set[int] = field(factory=set, init=False)
    _next: int = field(default=0, init=False)

    def piece(
        self, index: int | None, call_id: str, name: str, arguments: str, *, made_up: str = ""
    ) -> ToolCallDelta | None:
        """
        What a piece says, under the number of its call; `None` for one of a call too many.

        `made_up`: what the id begins with of a call that has none.
        """
        call_id = "" if call_id in _NO_IDS else call_id
        call = self._find(index, call_id, name, arguments)
        if call is None and len(self._all) >= self.most:
            self.calls.overflow()
            return None
        if call is None:
            call = self._begin(index, call_id, name)
            call_id = call_id or (f"{made_up}_{call.number}" if made_up else "")
            piece = ToolCallDelta(call.number, call_id, name, arguments)
        elif name and name == call.name and arguments and self._is_again(call, arguments):
            piece = ToolCallDelta(call.number)
        else:
            piece = self._more(call, call_id, name, arguments)
        if call_id:
            call.id = call.id or call_id
            self._by_id.setdefault(call_id, call)
        if index is not None:
            self._by_index[index] = call
        self._last = call
        self.calls.add(piece)
        return piece

    def whole(self, position: int, call_id: str, name: str, arguments: str) -> ToolCallDelta | None:
        """
        What an answer that is said once more as a whole says of one of its calls, if that is new.

        `position` is where it stands among them.
        """
        call_id = "" if call_id in _NO_IDS else call_id
        call = self._by_id.get(call_id) if call_id else None
        if call is None and position < len(self._all):
            call = self._all[position]
        if call is None:
            return self.piece(None, call_id, name, arguments) if name else None
        if self.calls.overflowed:
            # What was said of it is not known any more.
            return None
        said = self.calls.arguments_of(call.number)
        renamed = bool(name) and name != call.name
        if not renamed and (not arguments.strip() or is_same(arguments, said)):
            return None
        if renamed or not arguments.startswith(said):
            call.name = name or call.name
            piece = ToolCallDelta(call.number, "", call.name, arguments or said, replaces=True)
        else:
            piece = ToolCallDelta(call.number, arguments=arguments[len(said) :])
        self.calls.add(piece)
        return piece

    def _find(self, index: int | None, call_id: str, name: str, arguments: str) -> _Known | None:
        by_id = self._by_id.get(call_id)
        call = self._last if index is None else self._by_index.get(index)
        if by_id is not None:
            # Some give one id to all of them.
            elsewhere = index is not None and by_id is not call
            again = not elsewhere and self._is_again(by_id, arguments)
            return None if self._begins_behind(by_id, name, arguments) and not again else by_id
        if call is None:
            last = self._last
            goes_on = last is not None and not (call_id or name) and not self.calls.is_whole(last.number)
            return last if goes_on and arguments else None
        if call_id and call.id and call_id != call.id:
            return None if name else call
        if name and call.name and not (call_id and call.id):
            unnamed = index is None and name != call.name
            return None if unnamed or self._begins_behind(call, name, arguments) else call
        return call

    def _begins_behind(self, call: _Known, name: str, arguments: str) -> bool:
        """Whether a piece with a name begins another call, since that one is whole."""
        if not name or not self.calls.is_whole(call.number):
            return False
        if name != call.name:
            return True
        # Braces may stand in front of the arguments.
        braces = self.calls.size_of(call.number) <= _BRACES_CHARS and (
            self.calls.arguments_of(call.number).strip() == "{}"
        )
        return bool(arguments.strip()) and (is_object(arguments) or not braces)

    def _is_again(self, call: _Known, arguments: str) -> bool:
        """Whether a piece says all of a whole call once more."""
        return self.calls.is_whole(call.number) and self.calls.says(call.number, arguments)

    def _begin(self, index: int | None, call_id: str, name: str) -> _Known:
        free = index is not None and index >= 0 and index not in self._numbers
        number = index if index is not None and free else self._next
        self._numbers.add(number)
        self._next = max(self._next, number + 1)
        call = _Known(number, call_id, name)
        self._all.append(call)
        self._by_index.setdefault(number, call)
        return call

    def _more(self, call: _Known, call_id: str, name: str, arguments: str) -> ToolCallDelta:
        piece = ToolCallDelta(call.number, "" if call.id else call_id, name, arguments)
        if not call.name or not name:
            call.name = call.name or name
        elif name == call.name or self.calls.size_of(call.number) or len(call.name) > MOST_NAME_CHARS:
            piece = evolve(piece, name="")
        else:
            call.name = name if name.startswith(call.name) else call.name + name
            piece = evolve(piece, name=call.name, replaces=True)
        return piece

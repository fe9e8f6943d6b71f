"""
Custom calls of the chat wire: their pieces are text, read as the one string of a call's arguments.

Nothing in the stream says where such a text ends: the next call does, and the
finish, unless it says that the answer was cut short.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from attrs import define, evolve, field

from trooper.core import freeform
from trooper.core.events import ToolCallDelta
from trooper.core.framing import parse_sse
from trooper.wire.calls import CallPieces
from trooper.wire.decoding import decoded_object
from trooper.wire.tolerant import text_of


@define
class CustomCalls:
    """The custom calls of one answer, among all its `calls`."""

    calls: CallPieces
    # Those that are open, by their numbers.
    _open: set[int] = field(factory=set, init=False)

    def piece(
        self, index: int | None, call_id: str, custom: Mapping[str, object]
    ) -> list[ToolCallDelta] | None:
        """What a piece says, behind the ends of the calls before it; `None` for one of a call too many."""
        known = len(self.calls.calls)
        begun = self.calls.piece(index, call_id, text_of(custom.get("name")), "")
        if begun is None:
            return None
        is_new = len(self.calls.calls) > known
        ends = self.ends() if is_new else []
        if is_new:
            self._open.add(begun.index)
        elif begun.index not in self._open:
            # It has ended, or is a function: what follows is no piece of either.
            return None
        text = freeform.escaped(text_of(custom.get("input")))
        text = (freeform.OPENS if is_new else "") + text
        if not text and not begun.name:
            return ends
        self.calls.calls.add(ToolCallDelta(begun.index, arguments=text))
        return [*ends, evolve(begun, arguments=text)]

    def ends(self) -> list[ToolCallDelta]:
        """The ends of those that are open: nothing more comes of them."""
        if not self._open:
            return []
        ends = [ToolCallDelta(number, arguments=freeform.CLOSES) for number in sorted(self._open)]
        self._open.clear()
        for end in ends:
            self.calls.calls.add(end)
        return ends


def custom_of(call: object) -> Mapping[str, object] | None:
    """What a call has where it is a custom one; `None` where it is another."""
    custom = call.get("custom") if isinstance(call, dict) else None
    return custom if isinstance(custom, dict) and custom else None


def customs_in(raw: bytes) -> set[tuple[str, str]]:
    """
    The names and ids of the calls in a chunk that are custom ones.

    A function may have that word for its name, and stand beside a custom call.
    """
    return {
        (text_of(custom.get("name")), text_of(call.get("id")))
        for call in _calls_in(decoded_object(parse_sse(raw).data or b""))
        if (custom := custom_of(call)) is not None
    }


def _calls_in(chunk: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    choices = chunk.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        delta = choice.get("delta") if isinstance(choice, dict) else None
        calls = delta.get("tool_calls") if isinstance(delta, dict) else None
        for call in calls if isinstance(calls, list) else (calls,):
            if isinstance(call, dict):
                yield call

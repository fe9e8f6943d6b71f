"""
What a part has said, as a sum: its text comes twice, in deltas and as a whole, and need not be kept for that.
"""

from __future__ import annotations

import zlib
from collections import Counter
from typing import Final, TypeAlias

from attrs import define, evolve, field

from trooper.core.events import Event, Reasoning, Refusal, Text
from trooper.wire.openai_responses.shapes import MOST_ITEMS, Place

#: How long a text is, and its check sum.
Sum: TypeAlias = tuple[int, int]
#: Of thoughts and words together. Models say some 128,000 tokens at once, which is an eighth of it.
MOST_CHARS: Final = 4_194_304
#: An event of so many bytes says something as a whole; and all of those together say a text three times at most.
FEW_BYTES: Final = 512
MOST_TOLD_BYTES: Final = 16_777_216


def sum_of(said: Event, before: Sum = (0, 0)) -> Sum:
    """The sum of a text behind another one."""
    match said:
        case Text(text) | Refusal(text) | Reasoning(text):
            return before[0] + len(text), zlib.crc32(text.encode("utf-8", "surrogatepass"), before[1])
        case _:
            return before


def rest_of(said: Event, before: Sum) -> Event | None:
    """What `said` has more than what was said before; `None` where that is nothing, or another text."""
    size, _ = before
    match said:
        case Text(text) | Refusal(text) | Reasoning(text) if len(text) > size:
            begun = evolve(said, text=text[:size]) if size else None
            same = begun is None or sum_of(begun) == before
            return evolve(said, text=text[size:]) if same else None
        case _:
            return None


@define
class Sums:
    """What each part of a response has said, and all parts of one kind of each item together."""

    _parts: dict[Place, Sum] = field(factory=dict, init=False)
    # It comes again as a whole, sometimes under another place.
    _items: dict[tuple[int, str], Sum] = field(factory=dict, init=False)
    # How many items have said the same.
    _same: Counter[Sum] = field(factory=Counter, init=False)
    _chars: int = field(default=0, init=False)

    def add(self, place: Place, said: Event) -> bool:
        """A part has said so much more; whether that is known from now on. There are more than anybody says."""
        before = self._parts.get(place)
        if self._chars > MOST_CHARS or (before is None and len(self._parts) >= MOST_ITEMS):
            return False
        self._parts[place] = total = sum_of(said, before or (0, 0))
        self._chars += total[0] - (before[0] if before else 0)
        self._of_item(place, sum_of(said, self._items.get(place[:2], (0, 0))))
        return True

    def tell(self, place: Place, said: Event) -> None:
        """A part is said as a whole, and its item with it."""
        self._parts[place] = total = sum_of(said)
        self._of_item(place, total)

    def of_part(self, place: Place) -> Sum | None:
        """What a part has said; `None` where that is nothing."""
        return self._parts.get(place)

    def are_of_item(self, place: Place, said: Event) -> bool:
        """Whether the part's item has said just that."""
        return self._items.get(place[:2]) == sum_of(said)

    def are_of_any(self, said: Event) -> bool:
        """Whether some item has."""
        return self._same[sum_of(said)] > 0

    def _of_item(self, place: Place, total: Sum) -> None:
        before = self._items.get(place[:2])
        if before is not None:
            self._same[before] -= 1
            if not self._same[before]:
                del self._same[before]
        self._items[place[:2]] = total
        self._same[total] += 1

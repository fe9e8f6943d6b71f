"""
Past answers by their ids, in memory: bounded in bytes, and shared fairly.

An answer belongs to whoever asked for it. The owner is a keyed digest of the
credentials (`core.digest`), so that an id alone opens nothing, and no credential is kept.

Where there is no room, the owner who holds the most gives up his oldest answer. So one may
have all of the room while nobody else needs it, and nobody can push out who holds less than
he does. Of owners that hold the same the one goes first whose oldest answer was used longest
ago; so where each has one, the oldest goes. Owners are made by whoever makes credentials up:
against many of them that hold little nothing here helps.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

from attrs import define, field, frozen

from trooper.core.names import MOST_CHARS, is_short

#: What an answer costs beside its bytes, one of an owner who has no other, and what each of its parts does beside its
#: id: objects and places in tables.
_ANSWER_BYTES: Final = 1536
_PART_BYTES: Final = 256


def _names(part_ids: Iterable[str]) -> tuple[str, ...]:
    """Those that are as long as a name; a provider may say thousands, so nothing is called for each."""
    return tuple([part_id for part_id in part_ids if len(part_id) <= MOST_CHARS])


@frozen
class Kept:
    """
    One answer and what it answered.

    Attributes:
        owner: whose it is.
        request: the request's body, with everything it went on from in it.
        response: the answer's body, as `GET` gives it back.
        provider_knows: a provider made the whole of it under this id, so it
            can be asked to go on from it.
        part_ids: the ids of the answer's parts, which a client may name
            instead of sending them back; one that is longer than any name is left out.
        size_bytes: what it costs to keep.
    """

    owner: str
    request: bytes = field(repr=False)
    response: bytes = field(repr=False)
    provider_knows: bool
    part_ids: tuple[str, ...] = field(default=(), converter=_names)
    size_bytes: int = field(init=False, eq=False)

    @size_bytes.default
    def _size_bytes(self) -> int:
        # All together: a provider may name thousands, and others wait meanwhile.
        ids = "".join(self.part_ids)
        parts = len(ids) * (1 if ids.isascii() else 4) + _PART_BYTES * len(self.part_ids)
        return len(self.request) + len(self.response) + parts + _ANSWER_BYTES


@define(eq=False)
class _Shelf:
    """What one owner has, the longest unused first, each with the moment of its last use."""

    held: OrderedDict[str, tuple[Kept, int]] = field(factory=OrderedDict)
    #: Part → the answer that it is a part of.
    parts: dict[str, str] = field(factory=dict)
    size_bytes: int = 0

    def take(self, answer_id: str) -> None:
        kept, _ = self.held.pop(answer_id)
        self.size_bytes -= kept.size_bytes
        for part_id in kept.part_ids:
            # Another answer may have named the same part since.
            if self.parts.get(part_id) == answer_id:
                del self.parts[part_id]


#: How much somebody holds, and how long ago his oldest was used; who comes last has to give.
_Rank = tuple[int, int, str]


@define
class Answers:
    """
    The answers that are remembered; one for all requests.

    `max_bytes` bounds all of them together. An answer that is larger than that
    is not kept at all.
    """

    max_bytes: int
    _shelves: dict[str, _Shelf] = field(factory=dict, init=False)
    #: Sorted. To find and to move one takes some 10 µs among 10,000.
    _ranks: list[_Rank] = field(factory=list, init=False)
    _bytes: int = field(default=0, init=False)
    _count: int = field(default=0, init=False)
    _moment: int = field(default=0, init=False)

    def keep(self, answer_id: str, kept: Kept) -> None:
        """Remember an answer; beyond the bound whoever holds the most forgets his oldest."""
        self._drop(kept.owner, answer_id)
        if not answer_id or not is_short(answer_id) or kept.size_bytes > self.max_bytes:
            return
        shelf = self._shelves.get(kept.owner)
        if shelf is None:
            shelf = self._shelves[kept.owner] = _Shelf()
        else:
            self._unrank(kept.owner, shelf)
        self._moment += 1
        shelf.held[answer_id] = kept, self._moment
        shelf.size_bytes += kept.size_bytes
        shelf.parts |= dict.fromkeys(kept.part_ids, answer_id)
        self._bytes += kept.size_bytes
        self._count += 1
        self._rank(kept.owner, shelf)
        while self._bytes > self.max_bytes:
            _, _, owner = self._ranks[-1]
            self._drop(owner, next(iter(self._shelves[owner].held)))

    def find(self, answer_id: str, owner: str) -> Kept | None:
        """The answer, if it is `owner`'s."""
        shelf = self._shelves.get(owner)
        if shelf is None or answer_id not in shelf.held:
            return None
        kept, _ = shelf.held[answer_id]
        self._unrank(owner, shelf)
        self._moment += 1
        shelf.held[answer_id] = kept, self._moment
        shelf.held.move_to_end(answer_id)
        self._rank(owner, shelf)
        return kept

    def find_by_part(self, part_id: str, owner: str) -> Kept | None:
        """The answer that has this part, if it is `owner`'s."""
        return self.find_named_by_part(part_id, owner)[1]

    def find_named_by_part(self, part_id: str, owner: str) -> tuple[str, Kept | None]:
        """The same, and its id."""
        shelf = self._shelves.get(owner)
        answer_id = "" if shelf is None else shelf.parts.get(part_id, "")
        return answer_id, self.find(answer_id, owner)

    def forget(self, answer_id: str, owner: str) -> bool:
        """Forget an answer; whether it was there."""
        return self._drop(owner, answer_id)

    def __len__(self) -> int:
        return self._count

    @property
    def held_bytes(self) -> int:
        """How much is kept, for the bound and for tests."""
        return self._bytes

    def _drop(self, owner: str, answer_id: str) -> bool:
        shelf = self._shelves.get(owner)
        if shelf is None or answer_id not in shelf.held:
            return False
        self._unrank(owner, shelf)
        before = shelf.size_bytes
        shelf.take(answer_id)
        self._bytes -= before - shelf.size_bytes
        self._count -= 1
        if shelf.held:
            self._rank(owner, shelf)
        else:
            del self._shelves[owner]
        return True

    def _rank(self, owner: str, shelf: _Shelf) -> None:
        insort(self._ranks, _rank_of(owner, shelf))

    def _unrank(self, owner: str, shelf: _Shelf) -> None:
        del self._ranks[bisect_left(self._ranks, _rank_of(owner, shelf))]


def _rank_of(owner: str, shelf: _Shelf) -> _Rank:
    _, oldest = next(iter(shelf.held.values()))
    return shelf.size_bytes, -oldest, owner

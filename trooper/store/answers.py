"""
Past answers by their ids, in memory: bounded in bytes, and shared fairly.

An answer belongs to whoever asked for it. The owner is a keyed digest of the
credentials (`core.digest`), so that an id alone opens nothing, and no credential is kept.

Where there is no room, whoever holds the most gives up what he has not used for longest (`store.shares`). Owners are made by
whoever makes credentials up: against many of them that hold little nothing here helps.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from attrs import define, field, frozen

from trooper.core.names import MOST_CHARS, is_short
from trooper.store.shares import Shares

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


@define
class Answers:
    """
    The answers that are remembered; one for all requests.

    `max_bytes` bounds all of them together. An answer that is larger than that
    is not kept at all.
    """

    max_bytes: int
    #: By owner and id.
    _kept: dict[tuple[str, str], Kept] = field(factory=dict, init=False)
    #: Owner and part → the answer that it is a part of.
    _parts: dict[tuple[str, str], str] = field(factory=dict, init=False)
    _shares: Shares = field(factory=Shares, init=False)

    def keep(self, answer_id: str, kept: Kept) -> None:
        """Remember an answer; beyond the bound whoever holds the most forgets his oldest."""
        owner = kept.owner
        self.forget(answer_id, owner)
        if not answer_id or not is_short(answer_id) or kept.size_bytes > self.max_bytes:
            return
        self._kept[owner, answer_id] = kept
        for part_id in kept.part_ids:
            self._parts[owner, part_id] = answer_id
        self._shares.use(owner, answer_id, kept.size_bytes)
        while self._shares.size_bytes > self.max_bytes:
            gives, oldest = self._shares.who_gives()
            self.forget(oldest, gives)

    def find(self, answer_id: str, owner: str) -> Kept | None:
        """The answer, if it is `owner`'s."""
        kept = self._kept.get((owner, answer_id))
        if kept is not None:
            self._shares.use(owner, answer_id, kept.size_bytes)
        return kept

    def find_by_part(self, part_id: str, owner: str) -> Kept | None:
        """The answer that has this part, if it is `owner`'s."""
        return self.find_named_by_part(part_id, owner)[1]

    def find_named_by_part(self, part_id: str, owner: str) -> tuple[str, Kept | None]:
        """The same, and its id."""
        answer_id = self._parts.get((owner, part_id), "")
        return answer_id, self.find(answer_id, owner)

    def forget(self, answer_id: str, owner: str) -> bool:
        """Forget an answer; whether it was there."""
        kept = self._kept.pop((owner, answer_id), None)
        if kept is None:
            return False
        self._shares.drop(owner, answer_id)
        for part_id in kept.part_ids:
            # Another answer may have named the same part since.
            if self._parts.get((owner, part_id)) == answer_id:
                del self._parts[owner, part_id]
        return True

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def held_bytes(self) -> int:
        """How much is kept, for the bound and for tests."""
        return self._shares.size_bytes

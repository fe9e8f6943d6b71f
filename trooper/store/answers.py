"""
Past answers by their ids, in memory: bounded in bytes, the oldest go first.

An answer belongs to whoever asked for it. The owner is a keyed digest of the
credentials (`core.digest`), so that an id alone opens nothing, and no credential is kept.
"""

from __future__ import annotations

from collections import OrderedDict

from attrs import define, field, frozen


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
            instead of sending them back.
    """

    owner: str
    request: bytes = field(repr=False)
    response: bytes = field(repr=False)
    provider_knows: bool
    part_ids: tuple[str, ...] = ()

    @property
    def size_bytes(self) -> int:
        """What it costs to keep."""
        return len(self.request) + len(self.response) + 512 + 128 * len(self.part_ids)


@define
class Answers:
    """
    The answers that are remembered; one for all requests.

    `max_bytes` bounds all of them together. An answer that is larger than that
    is not kept at all.
    """

    max_bytes: int
    _kept: OrderedDict[str, Kept] = field(factory=OrderedDict, init=False)
    _bytes: int = field(default=0, init=False)
    # Part → the answer that it is a part of.
    _parts: dict[str, str] = field(factory=dict, init=False)

    def keep(self, answer_id: str, kept: Kept) -> None:
        """Remember an answer, and forget the oldest beyond the bound."""
        self._drop(answer_id)
        if not answer_id or kept.size_bytes > self.max_bytes:
            return
        self._kept[answer_id] = kept
        self._bytes += kept.size_bytes
        self._parts |= dict.fromkeys(kept.part_ids, answer_id)
        while self._bytes > self.max_bytes:
            self._drop(next(iter(self._kept)))

    def find(self, answer_id: str, owner: str) -> Kept | None:
        """The answer, if it is `owner`'s."""
        kept = self._kept.get(answer_id)
        if kept is None or kept.owner != owner:
            return None
        self._kept.move_to_end(answer_id)
        return kept

    def find_by_part(self, part_id: str, owner: str) -> Kept | None:
        """The answer that has this part, if it is `owner`'s."""
        return self.find(self._parts.get(part_id, ""), owner)

    def forget(self, answer_id: str, owner: str) -> bool:
        """Forget an answer; whether it was there."""
        if self.find(answer_id, owner) is None:
            return False
        self._drop(answer_id)
        return True

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def held_bytes(self) -> int:
        """How much is kept, for the bound and for tests."""
        return self._bytes

    def _drop(self, answer_id: str) -> None:
        kept = self._kept.pop(answer_id, None)
        if kept is not None:
            self._bytes -= kept.size_bytes
            for part_id in kept.part_ids:
                self._parts.pop(part_id, None)


@define
class UnknownIds:
    """
    Ids that a client got from a provider which will not know them again.

    Bounded by number; an id that was forgotten costs one refusal more.
    """

    max_count: int = 10_000
    _ids: OrderedDict[str, None] = field(factory=OrderedDict, init=False)

    def add(self, part_id: str) -> None:
        """Remember an id."""
        self._ids[part_id] = None
        while len(self._ids) > self.max_count:
            self._ids.popitem(last=False)

    def __contains__(self, part_id: object) -> bool:
        return part_id in self._ids

"""
Who holds how much of a room that all share, and who has to give.

Where there is no room, the owner who holds the most gives up what he has not
used for longest. So one may have all of it while nobody else needs it, and
nobody can push out who holds less than he does. Of owners that hold the same
the one goes first whose oldest was used longest ago.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import OrderedDict

from attrs import define, field


@define(eq=False)
class _Share:
    """What one owner has: name → size and the moment of its last use, the longest unused first."""

    held: OrderedDict[str, tuple[int, int]] = field(factory=OrderedDict)
    size_bytes: int = 0

    def rank(self, owner: str) -> tuple[int, int, str]:
        _, oldest = next(iter(self.held.values()))
        return self.size_bytes, -oldest, owner


@define
class Shares:
    """
    The bookkeeping; what is held is elsewhere.

    A step takes some ten microseconds among 10,000 owners.
    """

    size_bytes: int = field(default=0, init=False)
    _shares: dict[str, _Share] = field(factory=dict, init=False)
    #: Sorted: the last one has to give.
    _ranks: list[tuple[int, int, str]] = field(factory=list, init=False)
    _moment: int = field(default=0, init=False)

    def use(self, owner: str, name: str, size_bytes: int) -> None:
        """`owner` has `name` and has just used it; it is so large now."""
        share = self._shares.get(owner)
        if share is None:
            share = self._shares[owner] = _Share()
        else:
            self._unrank(owner, share)
        before, _ = share.held.pop(name, (0, 0))
        self._moment += 1
        share.held[name] = size_bytes, self._moment
        share.size_bytes += size_bytes - before
        self.size_bytes += size_bytes - before
        insort(self._ranks, share.rank(owner))

    def drop(self, owner: str, name: str) -> None:
        """`owner` has it no longer."""
        share = self._shares.get(owner)
        if share is None or name not in share.held:
            return
        self._unrank(owner, share)
        size_bytes, _ = share.held.pop(name)
        share.size_bytes -= size_bytes
        self.size_bytes -= size_bytes
        if share.held:
            insort(self._ranks, share.rank(owner))
        else:
            del self._shares[owner]

    def who_gives(self) -> tuple[str, str]:
        """The owner who has to give, and what; there has to be something."""
        _, _, owner = self._ranks[-1]
        return owner, next(iter(self._shares[owner].held))

    def _unrank(self, owner: str, share: _Share) -> None:
        del self._ranks[bisect_left(self._ranks, share.rank(owner))]

"""
How bytes and texts come apart on their way: strategies for hypothesis, shared
by the tests of `core` and `wire`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TypeVar

from hypothesis import strategies as st

Cut = TypeVar("Cut", bytes, str)


def cut_at(whole: Cut, places: Sequence[int]) -> list[Cut]:
    """`whole` in pieces that begin at `places`; none is empty."""
    edges = [0, *sorted({p for p in places if 0 < p < len(whole)}), len(whole)]
    return [whole[a:b] for a, b in pairwise(edges) if a < b]


def cuts(whole: Cut, *, most: int = 40) -> st.SearchStrategy[list[Cut]]:
    """`whole` in any number of pieces, up to about `most`."""
    places = st.lists(st.integers(1, max(1, len(whole) - 1)), max_size=most)
    return places.map(lambda found: cut_at(whole, found))


def two_pieces(whole: Cut) -> Iterator[tuple[Cut, Cut]]:
    """`whole` cut once, at every place there is, both ends included."""
    return ((whole[:at], whole[at:]) for at in range(len(whole) + 1))


def places_that_hurt(events: Sequence[bytes]) -> list[int]:
    """Every event boundary and its neighbours, and every place inside a character."""
    stream = b"".join(events)
    places, at = set[int](), 0
    for event in events:
        places.update(range(at - 2, at + 3))
        at += len(event)
    places.update(range(at - 2, at + 1))
    places.update(place for place, byte in enumerate(stream) if byte & 0xC0 == 0x80)
    return sorted(place for place in places if 0 <= place <= len(stream))


def singles(whole: Cut) -> list[Cut]:
    """Byte by byte, or character by character."""
    return [whole[at : at + 1] for at in range(len(whole))]

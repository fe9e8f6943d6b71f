"""How much of the sweep is run: all of it, or of every column of its tables a part of its places, another one in each."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final, TypeVar
from zlib import crc32

T = TypeVar("T")
#: Every n-th place, and of what is drawn an n-th. `.ci/run` says 5, so that it ends within its time; all of it is a
#: session by hand.
EVERY: Final = int(os.environ.get("SWEEP_EVERY", "1"))


def part_of(places: Sequence[T], column: str) -> Sequence[T]:
    """The places of this column that are run; the same in each run."""
    return places[crc32(column.encode()) % EVERY :: EVERY]

"""
What a process holds while it serves, and how fast that grows.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

from attrs import define, field, frozen

from attack_watch import Watched

MIB = 1024 * 1024


@frozen
class Sample:
    """A look at a process after so many requests; `own_bytes` leaves files that are mapped out."""

    at_s: float
    requests: int
    resident_bytes: int
    own_bytes: int
    #: But for the connections of clients and to targets, which come and go with the requests that run.
    descriptors: int
    #: Connections to targets, of requests that run and for those that come.
    to_targets: int
    #: Of the processor.
    used_s: float


def look(watched: Watched, at_s: float, requests: int) -> Sample:
    """What the process holds now."""
    pid = watched.pid
    _, resident, shared, *_ = map(int, Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split())
    page = os.sysconf("SC_PAGE_SIZE")
    times = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(") ")[2].split()[11:13]
    used_s = sum(map(int, times)) / os.sysconf("SC_CLK_TCK")
    to_targets = watched.kept
    descriptors = watched.descriptors - watched.clients
    own_bytes = (resident - shared) * page
    return Sample(at_s, requests, resident * page, own_bytes, descriptors, to_targets, used_s)


def slope(points: Sequence[tuple[float, float]]) -> float:
    """
    How steeply the points rise: the median of the slopes between any two of them (Theil and Sen).

    A few large answers at once, which lift some points, do not tilt it.
    """
    steps = [(one, other) for one, other in combinations(points, 2) if one[0] != other[0]]
    return statistics.median((other[1] - one[1]) / (other[0] - one[0]) for one, other in steps)


@define
class Curve:
    """The samples of one process. The first `warm_up` share of `length_s` does not count."""

    length_s: float
    warm_up: float
    samples: list[Sample] = field(factory=list)

    @property
    def counted(self) -> list[Sample]:
        return [sample for sample in self.samples if sample.at_s >= self.warm_up * self.length_s]

    @property
    def mib_per_thousand(self) -> float:
        """By how much memory grows with each thousand requests."""
        return slope([(s.requests / 1000, s.resident_bytes / MIB) for s in self.counted])

    @property
    def own_mib_per_thousand(self) -> float:
        """The same, of memory that no file is behind."""
        return slope([(s.requests / 1000, s.own_bytes / MIB) for s in self.counted])

    @property
    def tenths(self) -> list[float]:
        """Memory in MiB at the end of each tenth of the time, for whoever looks for a reason."""
        step = max(1, len(self.samples) // 10)
        return [sample.resident_bytes / MIB for sample in self.samples[step::step]]

    @property
    def ms_per_request(self) -> float:
        """The processor's time for each of them."""
        first, last = self.counted[0], self.counted[-1]
        return 1000 * (last.used_s - first.used_s) / (last.requests - first.requests)

    @property
    def thirds(self) -> tuple[list[Sample], list[Sample]]:
        """The first and the last one."""
        third = len(self.counted) // 3
        return self.counted[:third], self.counted[-third:]

    @property
    def descriptors(self) -> tuple[float, float]:
        """How many of its own are open in the first third and in the last one."""
        first, last = self.thirds
        return statistics.median(s.descriptors for s in first), statistics.median(s.descriptors for s in last)

    @property
    def most_to_targets(self) -> tuple[int, int]:
        """How many connections to targets there are at most in the first third and in the last one."""
        first, last = self.thirds
        return max(s.to_targets for s in first), max(s.to_targets for s in last)

"""
Many measured values in four numbers.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from typing import Final

from attrs import frozen

_MS: Final = 1000.0


@frozen
class Spread:
    """How measured values lie: their number, and percentiles in the unit of the values."""

    n: int
    p50: float
    p90: float
    p99: float
    max: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread | None:
        """
        The spread of `values`; nothing if there are none.

        Between two measured values a percentile is interpolated, so the 99th
        of a handful is close to their maximum.
        """
        known = sorted(values)
        if not known:
            return None
        if len(known) == 1:
            return cls(1, *known * 4)
        cuts = statistics.quantiles(known, n=100, method="inclusive")
        return cls(len(known), cuts[49], cuts[89], cuts[98], known[-1])

    def as_json(self) -> dict[str, float]:
        """As JSON has it."""
        values = {"p50": self.p50, "p90": self.p90, "p99": self.p99, "max": self.max}
        return {"n": self.n} | {name: round(value, 3) for name, value in values.items()}


def milliseconds(values_s: Iterable[float | None]) -> Spread | None:
    """The spread in milliseconds of seconds; what was not measured does not count."""
    return Spread.of(value * _MS for value in values_s if value is not None)

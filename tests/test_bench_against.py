"""The interval of a median of pairs, as `bench/against.py` tells it."""

from __future__ import annotations

import random
import runpy
from pathlib import Path

import pytest

interval = runpy.run_path(str(Path(__file__).parents[1] / "bench" / "against.py"))["interval"]


@pytest.mark.parametrize(
    ("pairs", "low", "high", "covered"),
    # As tables of the sign test have it.
    [(6, 1, 6, 0.969), (8, 1, 8, 0.992), (9, 2, 8, 0.961), (15, 4, 12, 0.965), (20, 6, 15, 0.959)],
)
def test_the_binomial_interval(pairs: int, low: int, high: int, covered: float) -> None:
    found = interval([float(n) for n in random.Random(pairs).sample(range(1, pairs + 1), pairs)])
    assert (found.low, found.high, round(found.covered, 3)) == (low, high, covered)
    assert found.median == (pairs + 1) / 2


@pytest.mark.parametrize("pairs", [1, 2, 5])
def test_too_few_pairs_say_how_little_they_cover(pairs: int) -> None:
    found = interval([float(n) for n in range(pairs)])
    assert (found.low, found.high) == (0, pairs - 1)
    assert found.covered < 0.95

"""What a soak measures: how fast memory grows, whatever a single look happens to see."""

from __future__ import annotations

import random

import pytest

from soak_memory import MIB, Curve, Sample, slope


def sample(number: int, mib: float, descriptors: int = 100) -> Sample:
    return Sample(float(number), number * 100, round(mib * MIB), 0, descriptors, number, number * 0.1)


def watched(*samples: Sample) -> Curve:
    return Curve(100.0, 0.2, [*samples])


@pytest.mark.parametrize("leak", [0.0, 0.05, 0.2])
def test_a_slope_is_found_under_noise_and_single_heights(leak: float) -> None:
    chance = random.Random(3)
    points = [
        (number / 10, 60 + leak * number / 10 + chance.gauss(0, 0.05) + (9 if number % 17 == 0 else 0))
        for number in range(300)
    ]
    assert slope(points) == pytest.approx(leak, abs=0.01)


def test_the_warm_up_does_not_count() -> None:
    seen = watched(
        *(sample(number, 50 + number) for number in range(20)), *(sample(n, 90) for n in range(20, 101))
    )
    assert seen.mib_per_thousand == 0
    assert len(seen.counted) == 81


def test_memory_is_told_by_requests() -> None:
    seen = watched(*(sample(number, 50 + number * 0.01) for number in range(101)))
    assert seen.mib_per_thousand == pytest.approx(0.1, rel=0.01)
    assert seen.ms_per_request == pytest.approx(1.0)


def test_descriptors_are_told_by_thirds() -> None:
    seen = watched(*(sample(number, 50, 100 + number // 20) for number in range(101)))
    assert [*seen.descriptors, *seen.most_to_targets] == [101, 104, 46, 100]


def test_the_curve_in_tenths() -> None:
    assert len(watched(*(sample(number, 50) for number in range(101))).tenths) == 10

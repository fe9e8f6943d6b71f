"""Cooldowns: exactly as long as asked, for exactly whom."""

from __future__ import annotations

import pytest

from trooper.core.cooldown import MAX_COOLDOWN_S, Cooldowns

KEY = ("openai", "gpt-4o", 1)


def test_exactly_as_long_as_asked() -> None:
    c = Cooldowns()
    c.observe(KEY, 30.0, now=100.0)
    assert c.is_cooling(KEY, 100.0)
    assert c.is_cooling(KEY, 129.999)
    assert not c.is_cooling(KEY, 130.0)
    assert not c.is_cooling(KEY, 129.0), "what is over is forgotten"


@pytest.mark.parametrize(
    "other", [("azure", "gpt-4o", 1), ("openai", "gpt-4o-mini", 1), ("openai", "gpt-4o", 2)]
)
def test_nobody_else_is_blocked(other: tuple[str, str, int]) -> None:
    c = Cooldowns()
    c.observe(KEY, 30.0, now=0.0)
    assert not c.is_cooling(other, 1.0)


@pytest.mark.parametrize("wait_s", [None, 0.0, -3.0])
def test_a_wait_is_never_made_up(wait_s: float | None) -> None:
    c = Cooldowns()
    c.observe(KEY, wait_s, now=0.0)
    assert not c.is_cooling(KEY, 0.0)


def test_off_forgets_everything() -> None:
    c = Cooldowns(enabled=False)
    c.observe(KEY, 30.0, now=0.0)
    assert not c.is_cooling(KEY, 1.0)


def test_a_day_at_most() -> None:
    c = Cooldowns()
    c.observe(KEY, 1e12, now=0.0)
    assert c.is_cooling(KEY, MAX_COOLDOWN_S - 1)
    assert not c.is_cooling(KEY, MAX_COOLDOWN_S)


def test_the_memory_is_bounded() -> None:
    c = Cooldowns(max_entries=3)
    for n in range(10):
        c.observe(("t", "m", n), 30.0, now=float(n))
    assert [n for n in range(10) if c.is_cooling(("t", "m", n), 10.0)] == [7, 8, 9]


def test_a_new_wait_replaces_the_old_one() -> None:
    c = Cooldowns()
    c.observe(KEY, 100.0, now=0.0)
    c.observe(KEY, 10.0, now=5.0)
    assert c.is_cooling(KEY, 14.0)
    assert not c.is_cooling(KEY, 15.0)

"""Which targets asked to be left alone, and until when."""

from __future__ import annotations

import pytest

from trooper.core.cooldown import MAX_COOLDOWN_S, Cooldowns

KEY = ("openai", "gpt-4o", 1)


def test_a_target_is_left_alone_for_exactly_as_long_as_it_asked() -> None:
    cooldowns = Cooldowns()
    cooldowns.observe(KEY, 10, now=100)
    assert cooldowns.is_cooling(KEY, 100)
    assert cooldowns.is_cooling(KEY, 109.9)
    assert not cooldowns.is_cooling(KEY, 110)
    # What is over is forgotten.
    assert not cooldowns.is_cooling(KEY, 105)


@pytest.mark.parametrize("other", [("azure", "gpt-4o", 1), ("openai", "gpt-5", 1), ("openai", "gpt-4o", 2)])
def test_others_are_not_concerned(other: tuple[str, str, int]) -> None:
    cooldowns = Cooldowns()
    cooldowns.observe(KEY, 10, now=100)
    assert not cooldowns.is_cooling(other, 101)


@pytest.mark.parametrize("asked", [None, 0, -1])
def test_no_wait_is_made_up(asked: float | None) -> None:
    cooldowns = Cooldowns()
    cooldowns.observe(KEY, asked, now=100)
    assert not cooldowns.is_cooling(KEY, 100)


def test_no_wait_is_longer_than_a_day() -> None:
    cooldowns = Cooldowns()
    cooldowns.observe(KEY, 10 * MAX_COOLDOWN_S, now=0)
    assert cooldowns.is_cooling(KEY, MAX_COOLDOWN_S - 1)
    assert not cooldowns.is_cooling(KEY, MAX_COOLDOWN_S)


def test_the_last_word_counts() -> None:
    cooldowns = Cooldowns()
    cooldowns.observe(KEY, 100, now=0)
    cooldowns.observe(KEY, 1, now=0)
    assert not cooldowns.is_cooling(KEY, 1)


def test_switched_off() -> None:
    cooldowns = Cooldowns(enabled=False)
    cooldowns.observe(KEY, 10, now=0)
    assert not cooldowns.is_cooling(KEY, 1)


def test_the_oldest_leaves_when_there_are_too_many() -> None:
    cooldowns = Cooldowns(max_entries=2)
    one, two, three = (("t", "m", number) for number in range(3))
    cooldowns.observe(one, 10, now=0)
    cooldowns.observe(two, 10, now=0)
    # Heard again, it is the youngest; and nobody leaves for it.
    cooldowns.observe(one, 10, now=1)
    assert cooldowns.is_cooling(two, 1)
    cooldowns.observe(three, 10, now=1)
    assert [cooldowns.is_cooling(key, 1) for key in (one, two, three)] == [True, False, True]

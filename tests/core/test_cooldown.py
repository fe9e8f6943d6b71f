"""Which targets asked to be left alone, and until when."""

from __future__ import annotations

import pytest

from trooper.core.cooldown import MAX_COOLDOWN_S, Cooldowns

KEY = ("openai", "gpt-4o", "1")


def test_a_target_is_left_alone_for_exactly_as_long_as_it_asked() -> None:
    cooldowns = Cooldowns()
    cooldowns.observe(KEY, 10, now=100)
    assert cooldowns.is_cooling(KEY, 100)
    assert cooldowns.is_cooling(KEY, 109.9)
    assert cooldowns.is_cooling(KEY, 110) is False
    assert cooldowns.left_s(KEY, 110) == 0
    # What is over is forgotten.
    assert not cooldowns.is_cooling(KEY, 105)


@pytest.mark.parametrize(
    "other", [("azure", "gpt-4o", "1"), ("openai", "gpt-5", "1"), ("openai", "gpt-4o", "2")]
)
def test_others_are_not_concerned(other: tuple[str, str, str]) -> None:
    cooldowns = Cooldowns()
    cooldowns.observe(KEY, 10, now=100)
    assert not cooldowns.is_cooling(other, 101)


@pytest.mark.parametrize("asked", [None, 0, -1])
def test_no_wait_is_made_up(asked: float | None) -> None:
    cooldowns = Cooldowns()
    cooldowns.observe(KEY, asked, now=100)
    assert cooldowns.is_cooling(KEY, 100) is False


def test_no_wait_is_longer_than_a_day() -> None:
    cooldowns = Cooldowns()
    assert MAX_COOLDOWN_S == 24 * 60 * 60
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


def cooling(cooldowns: Cooldowns) -> list[str]:
    return [target for target in "abcd" if cooldowns.is_cooling((target, "m", "1"), 1)]


def test_the_oldest_leaves_when_there_are_too_many() -> None:
    cooldowns = Cooldowns(max_entries=3)
    # Heard again, `a` is younger than `b`; and nobody leaves for it.
    for target in "abacd":
        cooldowns.observe((target, "m", "1"), 10, now=0)
    assert cooling(cooldowns) == ["a", "c", "d"]
    cooldowns.observe(("a", "m", "1"), 10, now=0)
    assert cooling(cooldowns) == ["a", "c", "d"]

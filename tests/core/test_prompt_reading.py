"""How a model gets on with its prompt: what is told of it, and how long it may take."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trooper.core.prompt_reading import PromptRead, PromptReading, ReadingSpeeds, ToRead


def test_what_a_slow_machine_needs() -> None:
    """An agent's first prompt: on two cores 50 tokens a second were measured, and half of that is allowed."""
    assert ToRead(18_000).allowance_s == 720.0
    assert ToRead(0).allowance_s == 0.0


def test_a_machine_that_was_seen_to_be_slower() -> None:
    assert ToRead(1_000, tokens_per_s=10.0).allowance_s == 200.0
    # A fast one proves nothing: what it had in its cache counts as read.
    assert ToRead(1_000, tokens_per_s=5_000.0).allowance_s == 40.0


def test_no_prompt_gets_longer_than_half_an_hour() -> None:
    """However slow the one before it was: a server that hangs costs all of it."""
    assert ToRead(18_000, tokens_per_s=1.0).allowance_s == 1_800.0
    assert ToRead(10**6).allowance_s == 1_800.0
    assert ToRead(18_000, tokens_per_s=0.01).left_s(PromptRead(18_000, 2_048)) == 1_800.0


@pytest.mark.parametrize(
    ("tokens", "left_s"),
    [(0, 2_048 / 25), (15_000, 2_048 / 25), (17_500, 20.0), (18_000, 0.0), (20_000, 0.0)],
)
def test_what_is_left_comes_in_batches(tokens: int, left_s: float) -> None:
    """Behind a word about it the next one is due after a batch, and not after all the rest."""
    assert ToRead(18_000).left_s(PromptRead(18_000, tokens)) == left_s


def test_a_speed() -> None:
    assert PromptRead(4_000, 2_000, 1_000, 10.0).tokens_per_s == 100.0
    # Nothing is learned from a short one, or from what was in the cache.
    assert PromptRead(4_000, 255, 0, 1.0).tokens_per_s == 0.0
    assert PromptRead(4_000, 4_000, 4_000, 1.0).tokens_per_s == 0.0
    assert PromptRead(4_000, 4_000).tokens_per_s == 0.0
    # Nor from what nobody has measured.
    assert PromptRead(10**400, 10**400, 0, 1.0).tokens_per_s == 0.0
    assert PromptRead(4_000, 4_000, 0, 5e-324).tokens_per_s == 0.0


def test_the_slowest_counts() -> None:
    speeds = ReadingSpeeds()
    assert speeds.of("m") == 0.0
    for took_s in (1.0, 20.0, 10.0):
        speeds.learn("m", PromptRead(1_000, 1_000, took_s=took_s))
    speeds.learn("m", PromptRead(10, 10, took_s=100.0))
    speeds.learn("m", None)
    assert (speeds.of("m"), speeds.of("another")) == (50.0, 0.0)


def test_a_slow_prompt_is_not_remembered_for_ever() -> None:
    speeds = ReadingSpeeds()
    speeds.learn("m", PromptRead(1_000, 1_000, took_s=1_000.0))
    seen = []
    for _ in range(8):
        speeds.learn("m", PromptRead(1_000, 1_000, took_s=10.0))
        seen.append(speeds.of("m"))
    assert seen == [1.0] * 7 + [100.0]


def test_the_words() -> None:
    assert PromptReading(ToRead(), 100.0).words(130.0) == ""
    unknown = PromptReading(ToRead(18_000), 100.0)
    assert unknown.words(130.4) == "reading the prompt, about 18000 tokens, for 30 s"
    estimated = PromptReading(ToRead(18_000, 50.0), 100.0)
    assert estimated.words(130.0) == "reading the prompt, 1500 of 18000 tokens by estimate"
    estimated.hear(PromptRead(17_000, 4_096))
    assert estimated.words(130.0) == "reading the prompt, 4096 of 17000 tokens"
    assert not estimated.is_estimated


@given(
    st.integers(1, 10**6),
    st.floats(0.1, 10**4),
    st.floats(0, 10**5),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
)
def test_an_estimate_is_never_over(tokens: int, speed: float, passed: float, total: int, read: int) -> None:
    reading = PromptReading(ToRead(tokens, speed), 0.0)
    assert 0 <= (reading.read_tokens(passed) or 0) < tokens
    reading.hear(PromptRead(total, read))
    assert reading.read_tokens(passed) == min(total, read)


def test_the_log_hears_of_it_once_a_minute() -> None:
    reading = PromptReading(ToRead(18_000), 100.0)
    lines = [second for second in range(100, 400, 10) if reading.is_worth_a_line(float(second))]
    assert lines == [160, 220, 280, 340]

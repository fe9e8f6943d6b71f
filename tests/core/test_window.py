"""Which window a model should have, and whether it may be loaded anew for it."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trooper.core.window import (
    OTHERS_S,
    REFUSED_S,
    RENEW_AFTER_S,
    Grow,
    Growth,
    Keep,
    Kept,
    Refusal,
    Refused,
    Running,
    Shape,
    Wait,
    goal,
    holding,
    holds,
    most_tokens,
)

GIB = 1 << 30
#: 36 layers, 2 heads, 256 numbers, 2 bytes each: 36 KiB for a token.
SHAPE = Shape(36, 2, 256)
COLD = Running(4096, 2 * GIB, 0)
TOKENS = st.integers(0, 10**6)


def most(running: Running | None = COLD, shape: Shape | None = SHAPE, **changes: Any) -> int:
    facts: dict[str, Any] = {
        "free_bytes": 64 * GIB,
        "trained_tokens": 32_768,
        "bound_tokens": 65_536,
        "slots": 1,
    } | changes
    return most_tokens(running, shape, **facts)


@given(TOKENS, TOKENS, st.none() | TOKENS)
def test_what_holds_a_prompt_is_the_smallest_power_of_two(now: int, prompt: int, limit: int | None) -> None:
    window = holding(now, prompt, limit)
    if holds(now, prompt, limit):
        assert window == now
        return
    assert window & (window - 1) == 0
    assert holds(window, prompt, limit)
    assert window == 2048 or not holds(window // 2, prompt, limit)


def test_a_quarter_is_left_for_the_answer_or_what_was_asked_for() -> None:
    assert holding(0, 3072, None) == 4096
    assert holding(0, 3073, None) == 8192
    assert holding(0, 3996, 100) == 4096
    assert holding(0, 3997, 100) == 8192


def test_what_a_token_takes() -> None:
    assert SHAPE.token_bytes == 36_864


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, 32_768),
        ({"trained_tokens": 0}, 65_536),
        ({"bound_tokens": 16_384}, 16_384),
        # Smaller than it is already: nobody shrinks it.
        ({"bound_tokens": 2048}, 4096),
        ({"free_bytes": None}, 4096),
        ({"free_bytes": GIB}, 4096),
        ({"free_bytes": 0}, 4096),
    ],
)
def test_what_bounds_it(changes: dict[str, Any], expected: int) -> None:
    assert most(**changes) == expected


def test_nobody_knows_where_nothing_is_loaded_or_nothing_is_said() -> None:
    assert most(None) == 0
    assert most(Running(0)) == 0
    assert most(shape=None) == 4096
    assert most(shape=Shape(0, 2, 256)) == 4096


def test_memory_is_spared_for_others_and_reckoned_for_each_slot() -> None:
    one, two = (most(free_bytes=2 * GIB, slots=slots) - 4096 for slots in (1, 2))
    assert one == pytest.approx(GIB / 36_864 / 1.15, abs=1)
    assert two == pytest.approx(one / 2, abs=1)


def test_what_lies_in_video_memory_takes_no_other() -> None:
    """How much there is of it the server alone knows: the load is the proof."""
    assert most(Running(4096, 2 * GIB, 2 * GIB), free_bytes=0) == 32_768
    half = most(Running(4096, 2 * GIB, GIB), free_bytes=GIB + GIB // 4) - 4096
    assert half == pytest.approx(2 * (most(free_bytes=GIB + GIB // 4) - 4096), abs=2)


def test_part_of_the_way_is_worth_a_load_where_it_is_much() -> None:
    assert goal(4096, 32_768, 65_536) == 32_768
    assert goal(4096, 32_768, 20_000) == 20_000
    assert goal(4096, 32_768, 6144) == 6144
    assert goal(4096, 32_768, 6143) == 4096
    assert goal(8192, 4096, 65_536) == 8192


@given(TOKENS, TOKENS, TOKENS)
def test_it_never_shrinks_and_never_goes_further_than_it_may(now: int, wanted: int, largest: int) -> None:
    window = goal(now, wanted, largest)
    assert window >= now
    assert window == now or window <= min(max(wanted, 1), largest)


def decided(growth: Growth, running: Running | None = COLD, wanted: int = 16_384, now: float = 0.0) -> object:
    return growth.decide(running, wanted, 32_768, now)


def test_it_grows_for_who_needs_it_and_for_nobody_else() -> None:
    assert decided(Growth()) == Grow(16_384)
    assert decided(Growth(), wanted=4096) == Keep(Kept.HOLDS)
    assert decided(Growth(), wanted=0) == Keep(Kept.HOLDS)
    assert decided(Growth(), None) == Keep(Kept.UNKNOWN)
    assert decided(Growth(), Running(0)) == Keep(Kept.UNKNOWN)
    assert decided(Growth(), Running(32_768), wanted=65_536) == Keep(Kept.LARGEST)


def test_it_waits_a_minute_for_others() -> None:
    growth = Growth()
    growth.used_by_others = 100.0
    assert decided(growth, now=100.0) == Wait(OTHERS_S)
    assert decided(growth, now=159.0) == Wait(1.0)
    assert decided(growth, now=160.0) == Grow(16_384)


def kept_until(at: float) -> Running:
    return Running(4096, 2 * GIB, 0, at)


def use(growth: Growth, begun: float, ended: float) -> None:
    growth.begin_use()
    growth.seen(kept_until(begun + 1800), begun, 1800, begun)
    growth.end_use(ended)


def test_who_used_it_is_told_by_when_it_will_be_forgotten() -> None:
    growth = Growth()
    use(growth, 0.0, 5.0)
    growth.seen(kept_until(1805.2), 6.0, 1800, 6.0)
    assert growth.used_by_others == -math.inf
    growth.seen(kept_until(1805.3), 36.0, 1800, 36.0)
    assert growth.used_by_others == -math.inf
    # Nobody of ours was there, and the time is another one.
    growth.seen(kept_until(1850.0), 66.0, 1800, 66.0)
    assert growth.used_by_others == 66.0


def test_whoever_has_loaded_it_before_us_may_have_used_it_just_now() -> None:
    growth = Growth()
    growth.seen(kept_until(300.0), 10.0, 1800, 10.0)
    assert growth.used_by_others == 10.0


def test_a_use_behind_ours_is_seen_and_so_is_one_that_lasts() -> None:
    after, lasts = Growth(), Growth()
    for growth in (after, lasts):
        use(growth, 0.0, 5.0)
        growth.seen(kept_until(1805.0), 6.0, 1800, 6.0)
        use(growth, 100.0, 101.0)
    after.seen(kept_until(102.5 + 1800), 103.0, 1800, 103.0)
    assert after.used_by_others == 103.0
    # Its time was not set anew, so somebody is still there.
    lasts.seen(kept_until(1805.0), 103.0, 1800, 103.0)
    assert lasts.used_by_others == 103.0


def test_for_ever_tells_nothing_of_uses_of_ours() -> None:
    growth = Growth()
    use(growth, 0.0, 5.0)
    growth.seen(kept_until(1e10), 6.0, None, 6.0)
    assert growth.used_by_others == -math.inf
    growth.seen(kept_until(1e10 + 50), 66.0, None, 66.0)
    assert growth.used_by_others == 66.0


def test_what_is_not_loaded_was_used_by_nobody() -> None:
    growth = Growth()
    growth.seen(None, 10.0, 1800, 10.0)
    assert growth.used_by_others == -math.inf


@pytest.mark.parametrize(
    ("before", "after", "good"),
    [
        (COLD, Running(16_384, 3 * GIB, 0), True),
        (Running(4096, 100, 100), Running(16_384, 200, 200), True),
        (Running(4096, 100, 100), Running(16_384, 200, 150), False),
        (COLD, Running(4096, 2 * GIB, 0), False),
    ],
)
def test_what_a_load_was_worth(before: Running, after: Running, good: bool) -> None:
    assert Growth().is_worth(before, after) is good


def test_a_load_of_ours_may_be_taken_back_by_another_application() -> None:
    growth = Growth()
    assert not growth.was_taken(Running(16_384), 16_384, 5.0, 8.0)
    # A server with a bound of its own.
    assert not growth.was_taken(Running(4096), 16_384, 5.0, 8.0)
    assert growth.used_by_others == -math.inf
    assert growth.was_taken(None, 16_384, 5.0, 8.0)
    assert growth.used_by_others == 8.0
    assert growth.was_taken(Running(4096), 16_384, 8.0, 9.0)
    assert not growth.was_taken(Running(16_384), 16_384, 8.0, 9.0)


def refused(
    window_tokens: int, why: Refused = Refused.NOT_LOADED, free_bytes: int | None = 8 * GIB
) -> Refusal:
    return Refusal(window_tokens, why, 1_000.0, free_bytes, "0.33")


@pytest.mark.parametrize(
    ("now", "free_bytes", "version", "holds"),
    [
        (1_000.0, 8 * GIB, "0.33", True),
        (900.0, None, "0.33", True),
        (1_000.0 + REFUSED_S - 1, 11 * GIB, "0.33", True),
        (1_000.0 + REFUSED_S, 8 * GIB, "0.33", False),
        # Somebody else's model has gone.
        (1_001.0, 12 * GIB, "0.33", False),
        (1_001.0, 8 * GIB, "0.34", False),
        # It has not said it this time.
        (1_001.0, 8 * GIB, "", True),
    ],
)
def test_a_refusal_holds_while_nothing_has_changed(
    now: float, free_bytes: int | None, version: str, holds: bool
) -> None:
    assert refused(8192).holds(now, free_bytes, version) is holds


def test_a_bound_of_the_servers_own_is_no_matter_of_memory() -> None:
    bound = refused(8192, Refused.SERVERS_BOUND, None)
    assert bound.holds(1_000.0, 1 << 60, "0.33")
    assert not bound.holds(1_000.0 + REFUSED_S, 1 << 60, "0.33")
    # Where nothing was left, any memory is more.
    assert not refused(8192, free_bytes=0).holds(1_000.0, GIB, "0.33")


def test_what_was_too_much_is_not_tried_again_and_half_of_it_is() -> None:
    growth = Growth()
    growth.refuse(refused(16_384))
    assert growth.allowed(65_536) == 8192
    assert decided(growth) == Grow(8192)
    assert decided(growth, Running(8192)) == Keep(Kept.REFUSED)
    growth.refuse(refused(8192))
    assert decided(growth) == Keep(Kept.REFUSED)
    growth.refuse(refused(16_384))
    assert growth.allowed(65_536) == 4096
    growth.refuse(refused(6000))
    assert growth.allowed(5000) == 5000


def test_a_server_with_a_bound_of_its_own_is_not_asked_again() -> None:
    growth = Growth()
    assert growth.has_grown(Running(8192, 3 * GIB), 16_384)
    assert growth.largest == 8192
    growth.refuse(refused(16_384, Refused.SERVERS_BOUND))
    assert decided(growth, Running(8192)) == Keep(Kept.REFUSED)
    assert not growth.has_grown(Running(4096), 4096)
    assert growth.largest == 8192


def test_what_has_ended_since_the_server_was_asked_it_did_not_know_of() -> None:
    growth = Growth()
    use(growth, 0.0, 5.0)
    growth.seen(kept_until(1805.0), 6.0, 1800, 6.0)
    use(growth, 10.0, 20.0)
    growth.seen(kept_until(1805.0), 21.0, 1800, 19.0)
    assert growth.used_by_others == -math.inf
    growth.seen(kept_until(1820.0), 22.0, 1800, 22.0)
    assert growth.used_by_others == -math.inf


def test_who_is_at_it_keeps_its_time_from_being_set_anew() -> None:
    for moved_s, others in ((RENEW_AFTER_S, -math.inf), (0.0, 50.0)):
        growth = Growth()
        growth.renewed(kept_until(1800.0), kept_until(1800.0 + moved_s), 50.0)
        assert growth.used_by_others == others
    growth = Growth()
    growth.renewed(kept_until(1800.0), None, 50.0)
    assert growth.used_by_others == 50.0


def test_who_was_at_it_is_waited_for_from_his_end_on() -> None:
    growth = Growth()
    use(growth, 0.0, 5.0)
    growth.seen(kept_until(1805.0), 5.5, 1800, 5.5)
    growth.renewed(kept_until(1805.0), kept_until(1805.0), 6.0)
    growth.seen(kept_until(1805.0), 30.0, 1800, 30.0)
    assert growth.used_by_others == 30.0
    # His end and one of ours at once: what can be seen is that his was no later.
    use(growth, 40.0, 50.0)
    growth.seen(kept_until(1850.0), 55.0, 1800, 55.0)
    assert growth.used_by_others == 55.0
    growth.seen(kept_until(1850.0), 85.0, 1800, 85.0)
    assert growth.used_by_others == 55.0

"""What the client is owed in time: a table of moments."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trooper.core.pacing import Gap, Owed, Pacing

BEGAN = 100.0


def pacing(*, preamble: float | None = None, sent: float | None = None, streams: bool = True) -> Pacing:
    """Ten seconds to the status, one for a preamble, ten between keep-alives; moments count from the start."""
    made = Pacing(BEGAN, commit_after_s=10, preamble_hold_s=1, keepalive_s=10, streams=streams)
    if preamble is not None:
        made.preamble(BEGAN + preamble)
    if sent is not None:
        made.sent(BEGAN + sent)
    return made


@pytest.mark.parametrize(
    ("preamble", "sent", "due", "owed"),
    [
        (None, None, 10.0, Owed.OPEN),
        (0.0, None, 1.0, Owed.OPEN),
        (5.0, None, 6.0, Owed.OPEN),
        # A preamble that still waits when the status is due does not hold it up.
        (9.5, None, 10.0, Owed.OPEN),
        (None, 0.0, 10.0, Owed.KEEP_ALIVE),
        (None, 7.0, 17.0, Owed.KEEP_ALIVE),
        (0.5, 3.0, 13.0, Owed.KEEP_ALIVE),
    ],
)
def test_what_is_owed_and_when(preamble: float | None, sent: float | None, due: float, owed: Owed) -> None:
    made = pacing(preamble=preamble, sent=sent)
    assert made.due == BEGAN + due
    assert made.owed(BEGAN + due - 0.001) is Owed.NOTHING
    assert made.owed(BEGAN + due) is owed
    assert made.owed(BEGAN + due + 100) is owed


def test_the_first_preamble_counts_until_it_is_dropped() -> None:
    made = pacing(preamble=1.0)
    made.preamble(BEGAN + 1.9)
    assert made.due == BEGAN + 2.0
    made.preamble_dropped()
    assert made.due == BEGAN + 10.0
    made.preamble(BEGAN + 3.0)
    assert made.due == BEGAN + 4.0


def test_what_a_watchdog_counts_is_owed_at_once() -> None:
    """Once somebody works on the answer, and only behind what does not count."""
    made = pacing(sent=0.0)
    made.work_begins()
    assert made.owed(BEGAN + 9.9) is Owed.NOTHING
    made.sent(BEGAN + 10.0, counts=False)
    assert made.owed(BEGAN + 10.0) is Owed.NOTHING
    made.work_begins()
    assert made.owed(BEGAN + 10.0) is Owed.KEEP_ALIVE
    made.sent(BEGAN + 10.0)
    made.work_begins()
    assert made.due == BEGAN + 20.0
    # Before the status is out there is no hurry.
    new = pacing()
    new.work_begins()
    assert new.due == BEGAN + 10.0


def test_an_answer_in_one_piece_is_owed_nothing() -> None:
    made = pacing(preamble=0.0, sent=0.0, streams=False)
    assert made.due == math.inf
    assert made.owed(BEGAN + 1e9) is Owed.NOTHING


@given(
    st.none() | st.floats(0, 20),
    st.none() | st.floats(0, 20),
    st.floats(0, 40),
)
def test_whoever_waits_until_it_is_due_finds_something_to_do(
    preamble: float | None, sent: float | None, now: float
) -> None:
    """Else the alarm and whoever it wakes would ring each other without end."""
    made = pacing(preamble=preamble, sent=sent)
    assert (made.owed(BEGAN + now) is Owed.NOTHING) == (BEGAN + now < made.due)


def test_a_gap_is_from_the_last_content_to_the_next_legs_first() -> None:
    gap, seen = Gap(), []
    gap.leg_begins()
    gap.content(1.0, of_this_leg=True)
    seen.append(gap.seconds)
    gap.content(2.0, of_this_leg=True)
    gap.leg_begins()
    # What the failed leg had left over goes out, and the client goes on waiting.
    gap.content(2.5, of_this_leg=False)
    seen.append(gap.seconds)
    gap.content(4.25, of_this_leg=True)
    seen.append(gap.seconds)
    gap.content(9.0, of_this_leg=True)
    assert [*seen, gap.seconds] == [None, None, 2.25, 2.25]

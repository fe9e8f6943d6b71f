"""How long one leg may keep us waiting, and for what (`core.patience`)."""

from __future__ import annotations

import math

import pytest

from trooper.core.outcome import FailureKind
from trooper.core.patience import Patience


def cloud(total_s: float | None = None) -> Patience:
    return Patience(100.0, ttft_s=60, stall_s=20, terminator_s=1, total_s=total_s)


def local() -> Patience:
    return Patience(100.0, ttft_s=60, stall_s=20, terminator_s=1, load_s=300)


def check_lost(patience: Patience, due: float, kind: FailureKind | None) -> None:
    """Patience ends at `due`, not before, with `kind`."""
    assert patience.due == due
    assert patience.lost(math.nextafter(due, 0)) is None
    assert patience.lost(due) is kind
    assert patience.lost(due + 1000) is kind


def test_the_first_content() -> None:
    check_lost(cloud(), 160, FailureKind.TIMEOUT_TTFT)


def test_silence_after_content() -> None:
    patience = cloud()
    patience.content(150)
    check_lost(patience, 170, FailureKind.STALL)
    patience.content(169)
    check_lost(patience, 189, FailureKind.STALL)
    assert patience.first_content == 150


def test_a_local_model_is_loaded_first() -> None:
    patience = local()
    check_lost(patience, 400, FailureKind.TIMEOUT_LOAD)
    patience.granted(350)
    check_lost(patience, 410, FailureKind.TIMEOUT_TTFT)
    patience.content(360)
    check_lost(patience, 380, FailureKind.STALL)


def test_who_needs_no_slot_has_it() -> None:
    patience = cloud()
    patience.granted(110)
    check_lost(patience, 170, FailureKind.TIMEOUT_TTFT)


def test_the_terminator_is_waited_for_and_not_missed() -> None:
    patience = cloud()
    patience.content(110)
    assert not patience.over(1000)
    patience.finish(120)
    check_lost(patience, 121, None)
    assert not patience.over(120.9)
    assert patience.over(121)


def test_the_whole_leg() -> None:
    patience = cloud(total_s=30)
    check_lost(patience, 130, FailureKind.TIMEOUT_TOTAL)
    patience.content(115)
    assert patience.lost(129) is None
    check_lost(patience, 130, FailureKind.TIMEOUT_TOTAL)


def test_what_ends_first_is_what_we_are_tired_of() -> None:
    patience = cloud(total_s=30)
    patience.content(101)
    assert patience.due == 121
    assert patience.lost(121) is FailureKind.STALL
    assert patience.lost(130) is FailureKind.TIMEOUT_TOTAL


def test_behind_the_finish_the_whole_leg_is_no_matter() -> None:
    patience = cloud(total_s=30)
    patience.content(101)
    patience.finish(129.5)
    check_lost(patience, 130.5, None)


@pytest.mark.parametrize("finished", [False, True])
def test_our_own_waiting_is_nobodys_silence(finished: bool) -> None:
    patience = cloud()
    patience.content(110)
    if finished:
        patience.finish(110)
    due = patience.due
    patience.excuse(7.5)
    assert patience.due == due + 7.5


def test_our_own_waiting_does_not_lengthen_the_whole_leg() -> None:
    patience = cloud(total_s=30)
    patience.excuse(100)
    assert patience.due == 130


def test_content_behind_the_finish_takes_it_back() -> None:
    patience = cloud()
    patience.finish(110)
    assert (patience.over(110), patience.over(111)) == (False, True)
    patience.content(110.5)
    assert not patience.over(200)
    check_lost(patience, 130.5, FailureKind.STALL)
    patience.finish(130)
    assert patience.over(131)


def test_the_wait_for_the_terminator_begins_anew_with_each_event() -> None:
    patience = cloud()
    patience.event(105)
    assert patience.due == 160
    patience.finish(110)
    patience.event(110.9)
    assert (patience.over(111.8), patience.over(111.9)) == (False, True)


def test_a_finish_alone_is_a_first_sign_of_life() -> None:
    patience = cloud()
    patience.finish(110)
    assert patience.first_content == 110

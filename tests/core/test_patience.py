"""Patience: which budget is running, and who is excused."""

from __future__ import annotations

import math

import pytest

from trooper.core.outcome import FailureKind as K
from trooper.core.patience import Patience


def patience(total_s: float | None = None, load_s: float | None = None) -> Patience:
    return Patience(100.0, ttft_s=60.0, stall_s=20.0, terminator_s=1.0, total_s=total_s, load_s=load_s)


def test_first_content() -> None:
    p = patience()
    assert p.due == 160.0
    assert p.lost(159.9) is None
    assert p.lost(160.0) is K.TIMEOUT_TTFT


def test_silence_between_contents() -> None:
    p = patience()
    p.content(110.0)
    p.content(150.0)
    assert p.first_content == 110.0
    assert p.due == 170.0
    assert p.lost(169.9) is None
    assert p.lost(170.0) is K.STALL


def test_the_terminator_is_no_failure() -> None:
    p = patience(total_s=5.0)
    p.content(101.0)
    p.finish(104.5)
    assert p.due == 105.5
    assert not p.over(105.4)
    assert p.over(105.5)
    assert p.lost(1e9) is None


def test_a_load_comes_first() -> None:
    p = patience(load_s=300.0)
    assert p.due == 400.0
    assert p.lost(400.0) is K.TIMEOUT_LOAD
    p.granted(390.0)
    assert p.due == 450.0
    assert p.lost(450.0) is K.TIMEOUT_TTFT


@pytest.mark.parametrize("content", [False, True])
def test_the_whole_leg(*, content: bool) -> None:
    p = patience(total_s=30.0)
    if content:
        p.content(125.0)
    assert p.due == 130.0
    assert p.lost(130.0) is K.TIMEOUT_TOTAL
    assert patience(total_s=None).due < math.inf


def test_our_own_waiting_is_excused() -> None:
    p = patience()
    p.content(110.0)
    p.excuse(100.0)
    assert p.due == 230.0
    assert p.lost(229.0) is None
    assert not patience().over(1e9)

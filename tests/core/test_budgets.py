"""How long one leg may keep us waiting, and for what (`core.patience`)."""

from __future__ import annotations

import math
from typing import Any

import pytest

from trooper.core.events import (
    Finish,
    FinishReason,
    Other,
    PartEnd,
    Reasoning,
    Received,
    Text,
    ToolCallDelta,
    Usage,
)
from trooper.core.outcome import FailureKind
from trooper.core.patience import Patience
from trooper.core.prompt_reading import PromptRead, ToRead

TEXT = Received(b"text", (Text("word"),))
THOUGHT = Received(b"thought", (Reasoning("hm"),))
CALL = Received(b"call", (ToolCallDelta(0, "call_1", "look"),))
THINKS = Received(b"thinks", (Other(thinks=True),))
UNKNOWN = Received(b"unknown", (Other(continuable=False),))
PART_END = Received(b"end", (PartEnd(),))
FINISH = Received(b"finish", (Finish(FinishReason.STOP),))
COUNTS = Received(b"counts", (Usage(1, 1),))
PING = Received(b"ping", (Other(),))
COMMENT = Received(b": here\n\n")


def patience_with(**more: Any) -> Patience:
    budgets = {"ttft_s": 60, "stall_s": 20, "alive_s": 120, "alive_at_work_s": 400, "terminator_s": 1}
    return Patience(100.0, **(budgets | more))


def cloud(total_s: float | None = None) -> Patience:
    return patience_with(total_s=total_s)


def local() -> Patience:
    return patience_with(load_s=300)


def check_lost(patience: Patience, due: float, kind: FailureKind | None) -> None:
    """Patience ends at `due`, not before, with `kind`."""
    assert patience.due == due
    assert patience.lost(math.nextafter(due, 0)) is None
    assert patience.lost(due) is kind
    assert patience.lost(due + 1000) is kind


def test_a_long_prompt() -> None:
    """Where the target reads long: the first content may take what a slow machine needs for the prompt."""
    patience = patience_with(load_s=300, reads_long=True)
    patience.granted(200.0, ToRead(18_000))
    check_lost(patience, 200 + 60 + 720, FailureKind.TIMEOUT_TTFT)
    # It says how far it is: the next word is due after a batch.
    patience.read(PromptRead(18_000, 4_096), 400.0)
    check_lost(patience, 400 + (60 + 2_048 / 25), FailureKind.TIMEOUT_TTFT)
    patience.read(PromptRead(18_000, 18_000), 500.0)
    check_lost(patience, 560.0, FailureKind.TIMEOUT_TTFT)
    patience.hear(TEXT, 550.0)
    patience.read(PromptRead(18_000, 18_000), 555.0)
    check_lost(patience, 570.0, FailureKind.STALL)


def test_a_number_of_ones_own() -> None:
    """It counts as it is; a word about the prompt is a sign of work all the same."""
    patience = patience_with(load_s=300)
    patience.granted(200.0, ToRead(18_000))
    check_lost(patience, 260.0, FailureKind.TIMEOUT_TTFT)
    patience.read(PromptRead(18_000, 4_096), 250.0)
    check_lost(patience, 310.0, FailureKind.TIMEOUT_TTFT)


def test_the_first_content() -> None:
    check_lost(cloud(), 160, FailureKind.TIMEOUT_TTFT)


def test_silence_after_content() -> None:
    patience = cloud()
    patience.hear(TEXT, 150)
    check_lost(patience, 170, FailureKind.STALL)
    patience.hear(TEXT, 169)
    check_lost(patience, 189, FailureKind.STALL)
    assert patience.first_content == 150


def test_a_local_model_is_loaded_first() -> None:
    patience = local()
    check_lost(patience, 400, FailureKind.TIMEOUT_LOAD)
    patience.granted(350)
    check_lost(patience, 410, FailureKind.TIMEOUT_TTFT)
    patience.hear(TEXT, 360)
    check_lost(patience, 380, FailureKind.STALL)


def test_who_waits_for_a_slot_does_not_load() -> None:
    """Who has it may read for as long as anybody may; the load's budget comes behind that."""
    patience = patience_with(load_s=300, reads_long=True)
    patience.queued(350)
    check_lost(patience, 350 + 60 + 1_800 + 300, FailureKind.TIMEOUT_LOAD)
    patience.granted(2_000)
    check_lost(patience, 2_060, FailureKind.TIMEOUT_TTFT)
    # With a number of one's own nobody reads for long.
    patience = local()
    patience.queued(350)
    check_lost(patience, 350 + 60 + 300, FailureKind.TIMEOUT_LOAD)


def test_who_needs_no_slot_has_it() -> None:
    patience = cloud()
    patience.granted(110)
    check_lost(patience, 170, FailureKind.TIMEOUT_TTFT)


def test_the_terminator_is_waited_for_and_not_missed() -> None:
    patience = cloud()
    patience.hear(TEXT, 110)
    assert not patience.over(1000)
    patience.hear(FINISH, 120)
    check_lost(patience, 121, None)
    assert not patience.over(120.9)
    assert patience.over(121)


def test_the_whole_leg() -> None:
    patience = cloud(total_s=30)
    check_lost(patience, 130, FailureKind.TIMEOUT_TOTAL)
    patience.hear(TEXT, 115)
    assert patience.lost(129) is None
    check_lost(patience, 130, FailureKind.TIMEOUT_TOTAL)


def test_what_ends_first_is_what_we_are_tired_of() -> None:
    patience = cloud(total_s=30)
    patience.hear(TEXT, 101)
    assert patience.due == 121
    assert patience.lost(121) is FailureKind.STALL
    assert patience.lost(130) is FailureKind.TIMEOUT_TOTAL


def test_behind_the_finish_the_whole_leg_is_no_matter() -> None:
    patience = cloud(total_s=30)
    patience.hear(TEXT, 101)
    patience.hear(FINISH, 129.5)
    check_lost(patience, 130.5, None)


@pytest.mark.parametrize("finished", [False, True])
def test_our_own_waiting_is_nobodys_silence(finished: bool) -> None:
    patience = cloud()
    patience.hear(TEXT, 110)
    if finished:
        patience.hear(FINISH, 110)
    due = patience.due
    patience.excuse(7.5)
    assert patience.due == due + 7.5


def test_our_own_waiting_does_not_lengthen_the_whole_leg() -> None:
    patience = cloud(total_s=30)
    patience.excuse(100)
    assert patience.due == 130


def test_content_behind_the_finish_takes_it_back() -> None:
    patience = cloud()
    patience.hear(FINISH, 110)
    assert (patience.over(110), patience.over(111)) == (False, True)
    patience.hear(TEXT, 110.5)
    assert not patience.over(200)
    check_lost(patience, 130.5, FailureKind.STALL)
    patience.hear(FINISH, 130)
    assert patience.over(131)


def test_the_wait_for_the_terminator_begins_anew_with_each_event() -> None:
    patience = cloud()
    patience.hear(COUNTS, 105)
    assert patience.due == 160
    patience.hear(FINISH, 110)
    patience.hear(COUNTS, 110.9)
    assert (patience.over(111.8), patience.over(111.9)) == (False, True)


def test_a_finish_alone_is_a_first_sign_of_life() -> None:
    patience = cloud()
    patience.hear(FINISH, 110)
    assert patience.first_content == 110


def keep(
    patience: Patience, sign: Received, since: float, every: float = 10.0, until: float = 2000.0
) -> float:
    """When patience ends although `sign` comes every so often; `lost` says so even between two of them."""
    now = since
    while now < until:
        now += every
        if patience.due < now:
            return patience.due
        patience.hear(sign, now)
    raise AssertionError("patience has no end")


@pytest.mark.parametrize("sign", [PING, COMMENT, COUNTS])
@pytest.mark.parametrize(
    ("last", "silence_s"),
    [
        ((TEXT,), 120),
        ((CALL,), 400),
        ((THOUGHT,), 400),
        ((THINKS,), 400),
        ((UNKNOWN,), 400),
        ((CALL, PART_END), 120),
        ((THOUGHT, PART_END), 120),
        ((UNKNOWN, PART_END), 400),
        ((UNKNOWN, PART_END, TEXT), 120),
        ((CALL, TEXT), 120),
    ],
)
def test_signs_of_life_suffice_for_a_while(
    last: tuple[Received, ...], silence_s: float, sign: Received
) -> None:
    patience = cloud()
    patience.hear(TEXT, 110)
    for item in last:
        patience.hear(item, 110)
    assert patience.due == 130
    assert keep(patience, sign, 110) == 110 + silence_s
    assert patience.lost(110 + silence_s) is FailureKind.STALL


def test_who_falls_silent_behind_signs_of_life_is_lost_soon() -> None:
    patience = cloud()
    patience.hear(CALL, 110)
    patience.hear(PING, 125)
    patience.hear(PING, 140)
    check_lost(patience, 160, FailureKind.STALL)


def test_bytes_without_a_whole_event_are_a_sign_of_life() -> None:
    patience = cloud()
    patience.hear(TEXT, 110)
    patience.heard = 125
    check_lost(patience, 145, FailureKind.STALL)


@pytest.mark.parametrize(("first", "alive_s"), [((), 120), ((THINKS,), 400)])
def test_signs_of_life_before_the_first_content(first: tuple[Received, ...], alive_s: float) -> None:
    patience = cloud()
    for item in first:
        patience.hear(item, 101)
    assert patience.due == 160
    assert keep(patience, COMMENT, 100) == 100 + alive_s
    assert patience.lost(100 + alive_s) is FailureKind.TIMEOUT_TTFT


def test_a_sign_of_life_lengthens_the_wait_for_the_first_content_by_a_silence() -> None:
    patience = cloud()
    patience.hear(COMMENT, 130)
    assert patience.due == 160
    patience.hear(COMMENT, 150)
    check_lost(patience, 170, FailureKind.TIMEOUT_TTFT)


def test_who_waits_long_for_nothing_waits_as_long_for_signs_of_life() -> None:
    patience = patience_with(stall_s=300, ttft_s=500)
    patience.hear(COMMENT, 110)
    assert patience.due == 600
    patience.hear(TEXT, 110)
    patience.hear(PING, 200)
    assert patience.due == 410


def test_an_answer_in_one_piece_has_one_budget() -> None:
    patience = patience_with(whole_s=300)
    check_lost(patience, 400, FailureKind.TIMEOUT_WHOLE)
    patience.hear(COMMENT, 110)
    assert patience.due == 400
    check_lost(patience_with(whole_s=300, total_s=30), 130, FailureKind.TIMEOUT_TOTAL)

"""
A thin slice of the columns that the sweep tests in full: each answer of each dialect healthy, cut twice, and
told to one other client; all answers in one piece, and all refusals.
"""

from __future__ import annotations

from typing import Any

import pytest

from dialect_columns import SPOKEN, Column, Tally, columns, play_cuts, wrong_at_once
from dialect_targets import wrong_as_target, wrong_at_home
from dialect_wholes import wrong_refusal, wrong_whole, wrong_whole_elsewhere
from scenes import WIRES, configured, stage, with_second
from trooper.testing.dialects import DIALECTS, Then

pytestmark = pytest.mark.vast

COLUMNS = columns()
WHOLES = [whole for row in DIALECTS.values() for whole in row.wholes.values() if whole.is_healthy]


def goes_on(column: Column) -> bool:
    return column.golden.is_healthy and column.golden.then is Then.CONTINUED


def other_client(number: int, wire: str) -> str:
    """Both of the others in turn."""
    return [client for client in WIRES if client != wire][number % 2]


async def test_a_healthy_answer_passes(autojump_clock: Any) -> None:
    wrong: list[str] = []
    async with stage() as s:
        for column in COLUMNS:
            if column.golden.is_healthy or column.golden.then is Then.PASSED_ON:
                wrong += await wrong_at_once(s, column)
    assert wrong == []


async def test_a_cut_answer_is_gone_on_with_or_an_error(autojump_clock: Any) -> None:
    tally = Tally()
    async with stage() as s:
        for column in COLUMNS:
            middle, late = len(column.ends) // 2, len(column.ends) * 4 // 5
            await play_cuts(s, column, tally, [column.ends[middle] - 2, column.ends[late]])
    assert tally.wrong == []
    assert tally.whole > 500


@pytest.mark.parametrize("target", WIRES)
async def test_a_client_of_another_wire_gets_the_same(autojump_clock: Any, target: str) -> None:
    wrong: list[str] = []
    mine = [column for column in COLUMNS if column.wire == target and column.golden.is_healthy]
    async with stage(config=with_second(configured(), target, alone=True)) as s:
        for number, column in enumerate(mine):
            wrong += await wrong_as_target(s, column, other_client(number, target))
        for number, whole in enumerate(WHOLES):
            if SPOKEN[whole.wire] == target:
                wrong += await wrong_whole_elsewhere(
                    s, whole, other_client(number, target), stream=number % 3 > 0
                )
    assert wrong == []


async def test_the_next_turn_goes_home(autojump_clock: Any) -> None:
    """A part of each dialect."""
    wrong: list[str] = []
    async with stage() as s:
        for number, column in enumerate(filter(goes_on, COLUMNS)):
            wrong += await wrong_at_home(s, column) if number % 4 == 0 else []
    assert wrong == []


async def test_an_answer_in_one_piece_passes(autojump_clock: Any) -> None:
    wrong: list[str] = []
    async with stage() as s:
        for whole in WHOLES:
            wrong += await wrong_whole(s, whole, SPOKEN[whole.wire])
    assert wrong == []


async def test_a_refusal_is_passed_on_or_somebody_elses_chance(autojump_clock: Any) -> None:
    wrong: list[str] = []
    for row in DIALECTS.values():
        for refusal in row.refusals:
            # Whoever asked to be left alone is not asked again, so each has a stage of its own.
            async with stage() as s:
                wrong += [
                    f"{row.name}: {why}" for why in await wrong_refusal(s, refusal, SPOKEN[refusal.wire])
                ]
    assert wrong == []

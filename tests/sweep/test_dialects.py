"""
Every dialect as a column: each of its answers healthy, cut everywhere, as another wire's target, and at home.

Cut at every event boundary, two bytes to either side of it and inside every character of more than one
byte. What becomes of a cut is the row's own word: gone on with, or an honest error where nobody could go on.
"""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from dialect_columns import SPOKEN, Tally, columns, play_cuts, wrong_healthy
from dialect_targets import wrong_as_target, wrong_at_home, wrong_failing
from dialect_wholes import wrong_whole_elsewhere
from scenes import WIRES, configured, stage, with_second
from trooper.config import Chain
from trooper.testing.dialects import DIALECTS, Then


@pytest.mark.parametrize("gate", [True, False], ids=["gate", "no gate"])
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_healthy(autojump_clock: Any, dialect: str, gate: bool) -> None:
    """Byte-identical and in time, in one piece, by events and at odd bytes; one leg, completed."""
    wrong: list[str] = []
    async with stage(config=configured(gate=gate, tool_calls="hold" if gate else "stream")) as s:
        for column in columns(dialect):
            if column.golden.is_healthy or column.golden.then is Then.PASSED_ON:
                wrong += await wrong_healthy(s, column, gate=gate)
    assert wrong == []


@pytest.mark.parametrize("gate", [True, False], ids=["gate", "no gate"])
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_cut(autojump_clock: Any, dialect: str, gate: bool, tallies: Any) -> None:
    tally = Tally()
    async with stage(config=configured(gate=gate)) as s:
        for column in columns(dialect):
            await play_cuts(s, column, tally)
    tallies.add_dialect(dialect, gate, tally)
    assert tally.wrong == []
    assert tally.missing() == []


@pytest.mark.parametrize("target", WIRES)
async def test_as_a_target(autojump_clock: Any, target: str) -> None:
    """Clients of other wires get the same words and calls, for the same reason; or an honest error."""
    wrong: list[str] = []
    config = with_second(configured(), target, alone=True)
    async with stage(config=config) as s:
        for column in columns():
            for client in WIRES if column.wire == target and column.golden.is_healthy else ():
                for stream in (True, False) if client != target else ():
                    wrong += await wrong_as_target(s, column, client, stream=stream)
    async with stage(config=evolve(config, chains=(Chain("*", ("second", "ollama")),))) as s:
        for column in columns():
            for client in WIRES if column.wire == target and not column.golden.is_healthy else ():
                wrong += await wrong_failing(s, column, client) if client != target else []
    assert wrong == []


@pytest.mark.parametrize("target", WIRES)
async def test_in_one_piece_as_a_target(autojump_clock: Any, target: str) -> None:
    """Clients of every wire, whether they asked for a stream or not."""
    wrong: list[str] = []
    wholes = [whole for row in DIALECTS.values() for whole in row.wholes.values() if whole.is_healthy]
    async with stage(config=with_second(configured(), target, alone=True)) as s:
        for whole in wholes:
            for client in WIRES if SPOKEN[whole.wire] == target else ():
                for stream in (True, False) if client != target else (True,):
                    wrong += await wrong_whole_elsewhere(s, whole, client, stream=stream)
    assert wrong == []


async def test_at_home(autojump_clock: Any) -> None:
    """The next turn, with the continued answer in its history, goes to the same dialect."""
    wrong: list[str] = []
    async with stage() as s:
        for column in columns():
            if column.golden.is_healthy and column.golden.then is Then.CONTINUED:
                wrong += await wrong_at_home(s, column)
    assert wrong == []

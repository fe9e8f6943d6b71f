"""Every answer with unknown content, cut at every event boundary and at odd bytes."""

from __future__ import annotations

from typing import Any

import pytest

from scenes import WIRES, configured, stage
from trooper.testing import End, FakeOllama, Reset
from unknown_cuts import MAX_EVENT_BYTES, TEXT, answers, wrong_cuts


@pytest.mark.parametrize("gate", [True, False], ids=["gate", "no gate"])
@pytest.mark.parametrize("wire", WIRES)
async def test_no_success_with_a_hole(autojump_clock: Any, wire: str, gate: bool, tallies: Any) -> None:
    config = configured(gate=gate, max_event_bytes=MAX_EVENT_BYTES)
    played, wrong = 0, list[str]()
    async with stage(ollama=FakeOllama(answer=TEXT), config=config) as s:
        for answer in answers(wire):
            more, found = await wrong_cuts(s, answer, (Reset(), End()))
            played, wrong = played + more, [*wrong, *found]
    tallies.add_unknown(wire, gate, played)
    assert wrong == []

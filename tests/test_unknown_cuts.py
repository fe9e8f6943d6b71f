"""Answers with unknown content, cut: a prefix, then a continuation or an error; the sweep has them all."""

from __future__ import annotations

from typing import Any

import pytest

from scenes import WIRES, configured, stage
from trooper.testing import FakeOllama, Reset
from unknown_cuts import MAX_EVENT_BYTES, TEXT, answers, wrong_cuts


@pytest.mark.parametrize("wire", WIRES)
async def test_no_success_with_a_hole(autojump_clock: Any, wire: str) -> None:
    config = configured(max_event_bytes=MAX_EVENT_BYTES)
    async with stage(ollama=FakeOllama(answer=TEXT), config=config) as s:
        for answer in list(answers(wire))[::2]:
            _, wrong = await wrong_cuts(s, answer, (Reset(),))
            assert wrong == []

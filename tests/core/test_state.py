"""
State begins empty: what is given to it at its birth stands here, with what it
is when nobody says. The rest belongs to it alone.
"""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from trooper.core.cooldown import Cooldowns
from trooper.core.framing import LineFramer, SSEFramer
from trooper.core.gate import Gate
from trooper.core.overlap import NOTHING_LOST
from trooper.core.patience import Patience
from trooper.core.prompt_reading import ReadingSpeeds
from trooper.core.repair import ALL_REPAIRS
from trooper.core.seam import Join
from trooper.core.tally import LegTally, Tally
from trooper.core.tool_calls import ToolCalls
from trooper.core.transcript import Transcript

REQUIRED = inspect.Parameter.empty
MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (Cooldowns, {"enabled": True, "max_entries": 4096}),
        (SSEFramer, {"max_bytes": REQUIRED}),
        (LineFramer, {"max_bytes": REQUIRED}),
        (
            Gate,
            {"hold_chars": 32, "max_held_bytes": MIB // 4, "max_tool_bytes": 4 * MIB}
            | {"is_open": False, "holds_all": False, "holds_calls": True, "holds_noise": True},
        ),
        (ReadingSpeeds, {}),
        (
            Patience,
            dict.fromkeys(
                ["started", "ttft_s", "stall_s", "alive_s", "alive_at_work_s", "terminator_s"], REQUIRED
            )
            | {"total_s": None, "load_s": None, "whole_s": None, "reads_long": False},
        ),
        (
            Join,
            {"prefill": REQUIRED, "echoes": None, "stop": (), "overlaps": False}
            | {"lost": NOTHING_LOST, "speaks_of_thinking": False, "repairs": ALL_REPAIRS},
        ),
        (ToolCalls, {"max_bytes": 4 * MIB}),
        (Transcript, {"cap_bytes": REQUIRED}),
        (
            LegTally,
            {"target": REQUIRED, "model": REQUIRED, "outcome": None, "unread": False, "reported": None},
        ),
    ],
)
def test_what_state_is_born_with(state: type, expected: dict[str, Any]) -> None:
    found = {name: p.default for name, p in inspect.signature(state).parameters.items()}
    assert found == expected


def test_no_two_requests_share_their_state() -> None:
    assert Tally().legs is not Tally().legs
    assert Gate()._held is not Gate()._held
    assert Transcript(1)._text is not Transcript(1)._text
    assert ToolCalls()._calls is not ToolCalls()._calls
    assert Cooldowns()._until is not Cooldowns()._until

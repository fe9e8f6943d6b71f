"""
Calls in odd shapes, before clients of every other wire: whole, one after the other, or not at all.

The clients' validators are as strict as ever.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from odd_streams import ODD, OddStream
from scenes import WIRES, Exchange, configured, stage, with_second
from test_cross_wire import TOOLS
from test_odd_streams import script
from trooper.testing import FAULTS, FaultAt, ScriptedProvider

ROWS = [row for row in ODD if row.healthy and row.is_events and row.stream and not row.is_huge]
#: Those in which something is called, or said to be.
CALLING = [row for row in ROWS if "call" in row.name and not row.undecided]


def called(row: OddStream) -> list[tuple[str, Any]]:
    """What a client of another wire is to hear; braces in front of the arguments are none."""
    return [(name, json.loads(said.removeprefix("{}") or "{}")) for name, said in row.spoken]


def not_told(row: OddStream, x: Exchange, *, stream: bool) -> Iterator[str]:
    """What another wire's client heard that is not so."""
    if x.status != 200:
        if not row.unsayable and row.opaque is None:
            yield f"{x.status} {bytes(x.body)!r}"
        return
    told = x.told() if stream else x.told_whole()
    if row.unsayable or row.opaque is not None:
        if told.error is None or told.done:
            yield "a success"
        return
    heard = [(call.name, json.loads(call.arguments)) for call in told.tool_calls] if told.done else []
    if heard != called(row) or told.text != row.text:
        yield f"{heard} {told.text!r} {told.error}"
    reason = row.finish_reason or ("tool_calls" if row.spoken else "stop")
    if told.finish_reason != reason:
        yield f"finished with {told.finish_reason}"


def test_the_table_has_them() -> None:
    assert len(CALLING) > 100
    assert {row.wire for row in CALLING} == set(WIRES)
    assert sum(row.unsayable for row in CALLING) >= 6


@pytest.mark.parametrize(
    ("client", "target"), [(client, target) for client in WIRES for target in WIRES if client != target]
)
@pytest.mark.parametrize("alone", [True, False], ids=["alone", "behind another"])
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_before_another_wire(
    autojump_clock: Any, client: str, target: str, alone: bool, stream: bool
) -> None:
    wrong = []
    cloud = ScriptedProvider(script=FaultAt(FAULTS["status-503"], "start"))
    async with stage(cloud, config=with_second(configured(), target, alone=alone)) as s:
        for row in CALLING:
            if row.wire == target:
                s.second.script = script(row, row.pieces)
                x = await s.ask(wire=client, stream=stream, tools=TOOLS[client])
                wrong += [f"{row.name}: {why}" for why in not_told(row, x, stream=stream)]
    assert not wrong, "\n".join(wrong)

"""
Coding agents that wait for a slow local model, with default limits on both sides.

Claude Code and Codex give a turn up that shows them no event for 300 s, pings and
comments not counted, and send it again. Here the cloud is cut, and the local model
takes a minute to load and six to read the prompt. Each row takes that long, so this
is a session of its own: `nox -s agents_wait`.
"""

from __future__ import annotations

import pytest
from attrs import evolve

from agent_turns import ASK_COMMAND, ASK_TEXT, COMMAND, FINAL
from headless.desk import Desk
from headless.served import Serve
from headless.test_agents import AGENTS, Row, goes_well

LOAD_S, READ_S = 60.0, 360.0
ROWS = (
    # In mid text, before anything was said, and where a call comes behind the wait.
    Row(ASK_TEXT, "reset", ("text",), "middle"),
    Row(ASK_TEXT, "529", ("text",)),
    Row(ASK_COMMAND, "529", ("call",)),
)


@pytest.mark.parametrize("name", ["claude", "codex"])
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_seven_minutes(name: str, row: Row, serve: Serve, desk: Desk) -> None:
    served = serve(row.broken, row.fault, row.position, slow=(LOAD_S, READ_S))
    said = AGENTS[name](evolve(desk, timeout_s=1_200.0), served.url, row.ask)

    marker = desk.cwd / "marker.txt"
    assert (marker.read_text() if marker.exists() else "") == ("ran\n" if "call" in row.turns else ""), (
        COMMAND
    )
    assert said.count(FINAL) == 1
    # One request for each turn: nothing was given up and sent again.
    goes_well(served, row)
    assert served.asked() == list(row.turns)
    first = served.reports(1)[0]
    assert first["duration_s"] > LOAD_S + READ_S
    assert served.process.matches('"event": "reading_prompt"')

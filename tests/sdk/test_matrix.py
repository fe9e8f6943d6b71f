"""
Every row of the failure table, seen by the official OpenAI SDK, through every
way to serve: processes and real sockets.

The request itself chooses its fault, by the name of its model; so all rows
run side by side.
"""

from __future__ import annotations

from typing import Any

import pytest

from sdk_clients import STREAMING, WHOLE
from sdk_rows import FAILING_ROWS, POSITIONS, STREAM_ROWS, WHOLE_ROWS, dishonest, wrong
from trooper.testing import FAULTS


@pytest.mark.parametrize("how", STREAMING)
def test_stream(servers: Any, cloud: Any, table: Any, how: str) -> None:
    before = servers.answers()
    bad = wrong(how, servers.healthy.url, cloud.url, STREAM_ROWS)
    tried = f"{len(FAULTS)} faults, {len(POSITIONS)} positions where they have one"
    table.add(servers.way, how, tried, len(STREAM_ROWS) - len(bad), len(STREAM_ROWS))
    assert bad == []
    # Every fault has struck; a reset behind the finish may overtake it, and strikes too.
    assert servers.answers() - before >= len(FAILING_ROWS)


@pytest.mark.parametrize("how", WHOLE)
def test_whole(servers: Any, cloud: Any, table: Any, how: str) -> None:
    bad = wrong(how, servers.healthy.url, cloud.url, WHOLE_ROWS)
    tried = f"{len(WHOLE_ROWS)} faults, whole answers"
    table.add(servers.way, how, tried, len(WHOLE_ROWS) - len(bad), len(WHOLE_ROWS))
    assert bad == []


@pytest.mark.parametrize("how", STREAMING)
def test_the_local_model_fails_too(servers: Any, table: Any, how: str) -> None:
    bad = dishonest(how, servers.forsaken.url, FAILING_ROWS)
    tried = f"{len(FAILING_ROWS)} rows, and Ollama fails too: an honest error"
    table.add(servers.way, how, tried, len(FAILING_ROWS) - len(bad), len(FAILING_ROWS))
    assert bad == []

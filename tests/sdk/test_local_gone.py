"""
The local model is the last one. When it dies as well, in any way, the SDK
raises; what it had read until then is right.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import pytest

from deployed import IMPATIENT, WAYS, Deployed, deployed, fake
from sdk_clients import STREAMING
from sdk_rows import FAILING_ROWS, POSITIONS, ask_rows, dishonest, model
from trooper.testing import DEFAULT_ANSWER, FAULTS

NAMES = ("reset", "clean-eof", "cut-inside-event", "error-object-done", "silence")
ROWS = [(FAULTS[name], position) for name in NAMES for position in POSITIONS]
ENV = {**IMPATIENT, "TROOPER_BREAKER": "off"}


@pytest.fixture(scope="module", params=list(WAYS))
def dying(
    request: pytest.FixtureRequest, cloud: Any, tmp_path_factory: Any
) -> Iterator[tuple[str, Deployed]]:
    """Behind it the local model always stops after three words."""
    way, folder = request.param, tmp_path_factory.mktemp("cwd")
    with (
        fake("ollama", "--fault", "fin@3") as local,
        deployed(way, cloud.url, local.url, folder, **ENV) as trooper,
    ):
        yield way, trooper


@pytest.mark.parametrize("how", STREAMING)
def test_it_dies_in_its_answer(dying: tuple[str, Deployed], table: Any, how: str) -> None:
    way, trooper = dying
    bad = []
    for row, seen in zip(ROWS, ask_rows(how, trooper.url, ROWS), strict=True):
        said = seen.text != "" and DEFAULT_ANSWER.startswith(seen.text)
        raised = seen.raised is not None and seen.raised.is_api_error and seen.raised.status is None
        if not said or not raised or seen.finishes:
            bad.append((model(row), seen.text, seen.finishes, seen.raised))
    tried = f"{len(NAMES)} faults, 3 positions; Ollama dies midway"
    table.add(way, how, tried, len(ROWS) - len(bad), len(ROWS))
    assert bad == []


@pytest.mark.parametrize("way", WAYS)
def test_it_is_killed(way: str, cloud: Any, table: Any, tmp_path: Any) -> None:
    with fake("ollama") as local, deployed(way, cloud.url, local.url, tmp_path, **ENV) as trooper:
        local.process.process.send_signal(signal.SIGKILL)
        local.process.process.wait()
        for how in STREAMING:
            rows = FAILING_ROWS[:40]
            bad = dishonest(how, trooper.url, rows)
            table.add(way, how, f"{len(rows)} rows, Ollama killed", len(rows) - len(bad), len(rows))
            assert bad == []

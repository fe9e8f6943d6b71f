"""
The servers of the matrix, and its table, printed at the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from attrs import define, field, frozen

from deployed import IMPATIENT, WAYS, Deployed, Fake, deployed, fake

#: Every request must meet its fault, also behind one that asked to be left alone.
FORGETFUL = {"TROOPER_BREAKER": "off"}


@define
class Table:
    """Server × client × what was tried → passed of total."""

    rows: list[tuple[str, str, str, int, int]] = field(factory=list)

    def add(self, server: str, client: str, tried: str, passed: int, total: int) -> None:
        self.rows.append((server, client, tried, passed, total))


_TABLE: pytest.StashKey[Table] = pytest.StashKey()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_TABLE] = Table()


@pytest.fixture
def table(pytestconfig: pytest.Config) -> Table:
    return pytestconfig.stash[_TABLE]


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    rows = config.stash[_TABLE].rows
    if not rows:
        return
    terminalreporter.section("server × client × what was tried")
    for server, client, tried, passed, total in rows:
        terminalreporter.write_line(f"{server:<22} {client:<13} {tried:<58} {passed:>4}/{total}")
    passed, total = sum(row[3] for row in rows), sum(row[4] for row in rows)
    terminalreporter.write_line(f"{'all':<95} {passed:>4}/{total}")


@pytest.fixture(scope="session")
def cloud() -> Iterator[Fake]:
    with fake("provider") as running:
        yield running


@frozen
class Pair:
    """Two Troopers of the same kind: behind one of them the local model answers, behind the other it fails."""

    way: str
    healthy: Deployed
    forsaken: Deployed
    #: The local model of the healthy one.
    local: Fake

    def answers(self) -> int:
        """How many answers the local model has given."""
        return len(self.local.state()["endings"])


@pytest.fixture(scope="session", params=list(WAYS))
def servers(
    request: pytest.FixtureRequest, cloud: Fake, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    way: str = request.param
    folder: Path = tmp_path_factory.mktemp("cwd")
    with ExitStack() as stack:
        local = stack.enter_context(fake("ollama"))
        dying = stack.enter_context(fake("ollama", "--fault", "status@500"))
        healthy, forsaken = (
            stack.enter_context(deployed(way, cloud.url, ollama.url, folder, **IMPATIENT, **FORGETFUL))
            for ollama in (local, dying)
        )
        # What probes ask of it is not what clients ask.
        local.forget()
        yield Pair(way, healthy, forsaken, local)
        assert local.state()["mismatches"] == []

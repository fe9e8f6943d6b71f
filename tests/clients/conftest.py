"""
The servers, and the table of what was read, printed at the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from attrs import define, field

from dialect_servers import Servers, serving


@define
class Table:
    """Dialect × client → how much of it was read, and what it cannot read of its own provider."""

    rows: list[tuple[str, str, int, int, int]] = field(factory=list)
    unreadable: list[tuple[str, str, str, str, str]] = field(factory=list)


_TABLE: pytest.StashKey[Table] = pytest.StashKey()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_TABLE] = Table()


@pytest.fixture
def table(pytestconfig: pytest.Config) -> Table:
    return pytestconfig.stash[_TABLE]


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    table = config.stash[_TABLE]
    if not table.rows:
        return
    terminalreporter.section("dialect × client: streams read healthy, continued, broken off with an error")
    for dialect, client, healthy, continued, broken in table.rows:
        terminalreporter.write_line(f"{dialect:<20} {client:<34} {healthy:>3} {continued:>3} {broken:>3}")
    healthy, continued, broken = map(sum, zip(*(row[2:] for row in table.rows), strict=True))
    terminalreporter.write_line(f"{'all':<55} {healthy:>3} {continued:>3} {broken:>3}")
    terminalreporter.section("what a client cannot read of its provider, with Trooper or without")
    for dialect, client, kind, raised, why in table.unreadable:
        terminalreporter.write_line(f"{dialect:<17} {client:<33} {kind:<20} {raised}: {why}")


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with serving(tmp_path_factory.mktemp("cwd")) as running:
        yield running

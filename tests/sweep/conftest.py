from __future__ import annotations

from typing import Any

import pytest
from attrs import define, field


@define
class Tallies:
    """The sweep in figures."""

    rows: list[tuple[str, bool, Any]] = field(factory=list)

    calls: list[tuple[str, str, Any]] = field(factory=list)

    def add_calls(self, wire: str, mode: str, tally: Any) -> None:
        self.calls.append((wire, mode, tally))

    def add(self, name: str, gate: bool, tally: Any) -> None:
        self.rows.append((name, gate, tally))


_TALLIES: pytest.StashKey[Tallies] = pytest.StashKey()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_TALLIES] = Tallies()


@pytest.fixture
def tallies(pytestconfig: pytest.Config) -> Tallies:
    return pytestconfig.stash[_TALLIES]


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    rows = config.stash[_TALLIES].rows
    for wire, mode, tally in config.stash[_TALLIES].calls:
        terminalreporter.write_line(
            f"cut inside calls: {wire}, {mode}: {tally.whole} complete, {tally.raised} raised, "
            f"{len(tally.wrong)} violations, {tally.grammars} grammars"
        )
    if not rows:
        return
    terminalreporter.section("streams cut")
    for name, gate, tally in rows:
        terminalreporter.write_line(
            f"{name:<34} {'gate' if gate else 'no gate':<8} {tally.checked:>6} checked, "
            f"{tally.whole:>6} complete, {tally.honest:>5} honest errors, {len(tally.wrong)} violations"
        )
    checked = sum(tally.checked for _, _, tally in rows)
    whole = sum(tally.whole for _, _, tally in rows)
    wrong = sum(len(tally.wrong) for _, _, tally in rows)
    terminalreporter.write_line(
        f"{checked} streams checked, {100 * whole / checked:.1f} % completed, {wrong} violations"
    )

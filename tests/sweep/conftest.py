from __future__ import annotations

import json
from typing import Any

import pytest
from attrs import frozen

_STREAMS, _CALLS, _MIRRORED, _UNKNOWN = "streams cut", "calls cut", "streams mirrored", "unknown content cut"
_DIALECTS = "dialects cut"


@frozen
class Tallies:
    """The sweep in figures. They travel with the test's report, also from another process."""

    request: pytest.FixtureRequest

    def add(self, name: str, gate: bool, tally: Any) -> None:
        fit = (getattr(tally, "fit", tally.checked), getattr(tally, "fit_whole", tally.whole))
        row = [name, gate, tally.checked, tally.whole, tally.honest, len(tally.wrong), *fit]
        self.request.node.user_properties.append((_STREAMS, json.dumps(row)))

    def add_calls(self, wire: str, mode: str, tally: Any) -> None:
        row = [wire, mode, tally.whole, tally.raised, len(tally.wrong), tally.grammars]
        self.request.node.user_properties.append((_CALLS, json.dumps(row)))

    def add_mirrored(self, wire: str, part: int, played: int) -> None:
        self.request.node.user_properties.append((_MIRRORED, json.dumps([wire, part, played])))

    def add_unknown(self, wire: str, gate: bool, played: int) -> None:
        self.request.node.user_properties.append((_UNKNOWN, json.dumps([wire, gate, played])))

    def add_dialect(self, name: str, gate: bool, tally: Any) -> None:
        row = [name, gate, tally.checked, tally.whole, tally.honest, len(tally.wrong)]
        self.request.node.user_properties.append((_DIALECTS, json.dumps(row)))


@pytest.fixture
def tallies(request: pytest.FixtureRequest) -> Tallies:
    return Tallies(request)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    kept = [
        (name, json.loads(value))
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, ())
        for name, value in report.user_properties
    ]
    for wire, mode, whole, raised, wrong, grammars in sorted(row for name, row in kept if name == _CALLS):
        terminalreporter.write_line(
            f"cut inside calls: {wire}, {mode}: {whole} complete, {raised} raised, "
            f"{wrong} violations, {grammars} grammars"
        )
    mirrored = [row for name, row in kept if name == _MIRRORED]
    for wire in sorted({wire for wire, *_ in mirrored}):
        played = sum(count for of, _, count in mirrored if of == wire)
        terminalreporter.write_line(f"mirrored: {wire}: {played} streams untouched")
    if mirrored:
        terminalreporter.write_line(f"mirrored: {sum(row[2] for row in mirrored)} streams in all")
    unknown = sum(row[2] for name, row in kept if name == _UNKNOWN)
    if unknown:
        terminalreporter.write_line(f"cut around unknown content: {unknown} streams")
    _tell_dialects(terminalreporter, [row for name, row in kept if name == _DIALECTS])
    rows = sorted(row for name, row in kept if name == _STREAMS)
    if not rows:
        return
    terminalreporter.section(_STREAMS)
    for name, gate, checked, whole, honest, wrong, *_ in rows:
        terminalreporter.write_line(
            f"{name:<34} {'gate' if gate else 'no gate':<8} {checked:>6} checked, "
            f"{whole:>6} complete, {honest:>5} honest errors, {wrong} violations"
        )
    checked, whole, wrong, fit, fit_whole = (sum(row[at] for row in rows) for at in (2, 3, 5, 6, 7))
    terminalreporter.write_line(
        f"{checked} streams checked, {100 * whole / checked:.1f} % completed, {wrong} violations; "
        f"{fit} of them with a target that is fit, {100 * fit_whole / max(1, fit):.1f} % completed"
    )


def _tell_dialects(terminalreporter: Any, rows: list[Any]) -> None:
    if rows:
        terminalreporter.section(_DIALECTS)
    for dialect in sorted({row[0] for row in rows}):
        sums = [sum(row[at] for row in rows if row[0] == dialect) for at in (2, 3, 4, 5)]
        terminalreporter.write_line(_told(dialect, *sums))
    if rows:
        terminalreporter.write_line(_told("all", *(sum(row[at] for row in rows) for at in (2, 3, 4, 5))))


def _told(name: str, checked: int, whole: int, honest: int, wrong: int) -> str:
    share = 100 * whole / max(1, checked)
    return f"{name:<20} {checked:>6} cuts, {share:5.1f} % completed, {honest:>5} honest errors, {wrong} violations"

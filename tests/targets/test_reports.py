"""Who writes situation reports, by the configuration; and what is told of a function of the user's."""

from __future__ import annotations

import sys
import threading
import types
from typing import Any

import pytest
import trio
from structlog.testing import capture_logs

from relay_parts import services_of
from scenes import configured
from trooper.core.conversation import Message, Role, TextPart
from trooper.core.known_reports import KnownReports
from trooper.core.reported import Reported
from trooper.core.shortening import no_report
from trooper.core.situation.dropped import Dropped
from trooper.core.situation.writing import written
from trooper.errors import ConfigError
from trooper.targets.report_hook import Hook
from trooper.targets.reports import Reports, reports_of

ROOM = 100


def turns(count: int) -> tuple[Message, ...]:
    return tuple(Message(Role.USER, (TextPart(f"Turn {number}."),)) for number in range(count))


def reported(count: int, begun: str = "") -> Reported:
    return Reported(Dropped(turns(count), begun), ROOM)


def with_hook(function: Any, *, switch_s: float = 60.0) -> Reports:
    known = KnownReports()
    return Reports(known.write, known, Hook(function), switch_s=switch_s)


# -- by the configuration ------------------------------------------------------------


def test_the_rules_cost_nothing_more_than_themselves() -> None:
    """No store is asked, and nobody writes ahead."""
    rules, nobody = (services_of(configured(report=word)).reports for word in ("rules", "none"))
    assert rules.write is written
    assert nobody.write is no_report
    assert not rules.is_ahead
    assert not nobody.is_ahead


def test_each_local_server_has_its_writer() -> None:
    services = services_of(configured(report="model"))
    assert services.reports.is_ahead
    assert services.reports.hook is None
    assert set(services.reports.writers) == set(services.standbys) == {"ollama"}
    assert services.reports.write == services.reports.known.write


def test_a_function_is_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = types.ModuleType("users_written")
    module.report = lambda *_: ""
    monkeypatch.setitem(sys.modules, "users_written", module)
    found = reports_of("users_written:report", {})
    assert found.hook is not None
    assert found.hook.function is module.report
    assert found.is_ahead
    with pytest.raises(ConfigError, match=r"server\.report"):
        reports_of("users_written:nothing", {})


# -- a function ----------------------------------------------------------------------


async def test_it_writes_what_is_not_there() -> None:
    reports = with_hook(lambda given, _: f"{len(given)} turns.")
    assert await reports.catch_up([reported(4), reported(0, "half")])
    assert reports.write(reported(4).dropped, ROOM) == "4 turns."
    # It speaks of half of them: at a switch that will do, ahead of one it does not.
    assert not await reports.catch_up([reported(8)])
    assert reports.write(reported(8).dropped, ROOM).startswith("4 turns.\n\n")
    await reports.ahead([reported(8)])
    assert reports.write(reported(8).dropped, ROOM) == "8 turns."
    assert await reports.catch_up([reported(40)])


async def test_what_failed_is_told_once_and_without_a_word_of_the_turns() -> None:
    def report(given: Any, _: int) -> str:
        raise LookupError(given[0]["text"])

    reports = with_hook(report)
    with capture_logs() as log:
        for _ in range(3):
            assert not await reports.catch_up([reported(4)])
            await reports.ahead([reported(4)])
    (line,) = log
    assert line.pop("seconds") >= 0
    assert line == {
        "event": "report_not_written",
        "log_level": "warning",
        "by": "hook",
        "reason": "raised",
        "error": "LookupError",
    }


async def test_what_it_leaves_to_the_rules_is_not_worth_a_line() -> None:
    calls: list[int] = []

    def report(given: Any, _: int) -> str:
        calls.append(len(given))
        return ""

    reports = with_hook(report)
    with capture_logs() as log:
        for _ in range(3):
            assert not await reports.catch_up([reported(4)])
    assert log == []
    assert calls == [4]


async def test_the_time_is_for_all_reports_of_a_prompt() -> None:
    """While a client waits, a second one is not begun when the first has taken it all."""
    hangs, calls = threading.Event(), list[int]()

    def report(given: Any, _: int) -> str:
        calls.append(len(given))
        return str(hangs.wait(60))

    reports = with_hook(report, switch_s=0.1)
    try:
        with trio.fail_after(30):
            assert not await reports.catch_up([reported(4), Reported(Dropped(turns(5)[1:]), ROOM)])
    finally:
        hangs.set()
    assert calls == [4]


async def test_who_had_no_place_is_tried_again() -> None:
    hangs = threading.Event()
    reports = with_hook(lambda given, _: hangs.wait(60) and f"{len(given)} turns.", switch_s=0.05)
    try:
        for count in (4, 20, 80, 320):
            assert not await reports.catch_up([reported(count)])
        with capture_logs() as log:
            assert not await reports.catch_up([reported(1000)])
        assert [line["reason"] for line in log] == ["busy"]
    finally:
        hangs.set()
    assert not reports.known.is_refused(reported(1000).dropped)
    assert reports.known.is_refused(reported(320).dropped)


async def test_without_a_function_nobody_catches_up() -> None:
    reports = services_of(configured(report="model")).reports
    assert not await reports.catch_up([reported(4)])
    await reports.ahead([reported(4)])

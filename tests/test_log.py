"""The log as the process writes it."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from trooper.core.outcome import FailureKind, Phase
from trooper.core.unfit import Unfit
from trooper.telemetry.log import log_passed, log_request, set_up_logging
from trooper.telemetry.report import Ending, How, LegReport, PassedReport, RequestReport


class Writes(io.StringIO):
    """A stream that remembers each write: what other processes may come between."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []

    def write(self, text: str) -> int:
        self.pieces.append(text)
        return len(text)


@pytest.fixture
def stream() -> Iterator[Writes]:
    before = structlog.get_config()
    stream = Writes()
    set_up_logging(stream)
    yield stream
    structlog.configure(**before)


def test_a_line_is_one_write(stream: Writes) -> None:
    """Two workers share standard error; half a line of one must not end up in a line of the other."""
    structlog.get_logger().info("happened", count=1)
    structlog.get_logger().warning("happened\nagain")

    first, second = stream.pieces
    assert json.loads(first)["count"] == 1
    assert second.count("\n") == 1
    assert second.endswith("\n")


def test_a_log_that_nobody_can_have_ends_nothing() -> None:
    """A standby that said that it was ready, to a full disk, took the whole server with it."""
    before = structlog.get_config()
    reading, writing = os.pipe()
    os.close(reading)
    try:
        for descriptor in (os.open("/dev/full", os.O_WRONLY), writing):
            # As Python sets up standard error.
            with (
                os.fdopen(descriptor, "w", buffering=1, encoding="utf-8") as stream,
                Path(os.devnull).open("w") as nowhere,
            ):
                set_up_logging(stream)
                for _ in range(3):
                    structlog.get_logger().info("happened")
                # What is left in the buffer needs a place to go to at the end.
                os.dup2(nowhere.fileno(), descriptor)
    finally:
        structlog.configure(**before)


def test_a_closed_log_ends_nothing() -> None:
    before = structlog.get_config()
    closed = io.StringIO()
    closed.close()
    try:
        set_up_logging(closed)
        structlog.get_logger().info("happened")
    finally:
        structlog.configure(**before)


class Unsayable:
    """What a bug of ours may hand to the log."""

    def __repr__(self) -> str:
        raise ZeroDivisionError


def _deep() -> object:
    value: object = ()
    for _ in range(100_000):
        value = (value,)
    return value


def _round() -> object:
    value: list[object] = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (Unsayable(), "ZeroDivisionError"),
        ({(1, 2): 3}, "TypeError"),
        (_round(), "ValueError"),
        (_deep(), "RecursionError"),
    ],
    ids=["repr", "key", "round", "deep"],
)
def test_what_cannot_be_said_costs_its_line_and_nothing_else(
    stream: Writes, value: object, error: str
) -> None:
    log = structlog.get_logger()
    log.warning("happened", value=value)
    log.info(value)
    log.info("happened", count=1)

    told, without_name, after = map(json.loads, stream.pieces)
    timestamps = [line.pop("timestamp") for line in (told, without_name, after)]
    assert all(timestamps)
    assert told == {"event": "log_line_unsaid", "of": "happened", "error": error, "level": "warning"}
    assert without_name == {"event": "log_line_unsaid", "of": None, "error": error, "level": "info"}
    assert after == {"count": 1, "event": "happened", "level": "info"}


def test_what_is_said_as_something_else_is_said(stream: Writes) -> None:
    structlog.get_logger().error("failed", exc_info=ValueError(Unsayable()), name="\udc80 \ud83d é")

    (line,) = stream.pieces
    assert line.isascii()
    assert json.loads(line)["name"] == "\udc80 \ud83d é"


def test_states_and_reasons_are_logged_as_their_words(stream: Writes) -> None:
    leg = LegReport(
        *("openai", "gpt-4o", How.CONTINUE, FailureKind.UNFIT, Phase.TEXT),
        started_s=0.0,
        first_content_s=None,
        ended_s=1.5,
        tokens=0,
        estimated=True,
        unfit_reason=Unfit.STARTS_ANEW,
    )
    log_request(
        RequestReport(
            request_id="r",
            model="gpt-4o",
            stream=True,
            outcome=Ending.FAILED,
            status=200,
            duration_s=2.0,
            sent_bytes=7,
            gap_s=None,
            legs=(leg,),
            passed_by={"ollama": Unfit.VISION},
        )
    )
    log_passed(PassedReport("files", "openai", Ending.PASSED_ON, 200, 0.1, 3))

    request, passed = map(json.loads, stream.pieces)
    assert (request["level"], request["outcome"], request["passed_by"]) == (
        "warning",
        "failed",
        {"ollama": "vision"},
    )
    assert request["legs"] == [
        {
            "target": "openai",
            "model": "gpt-4o",
            "how": "continue",
            "outcome": "unfit",
            "phase": "text",
            "started_s": 0.0,
            "ended_s": 1.5,
            "tokens": 0,
            "estimated": True,
            "unfit_reason": "starts_anew",
        }
    ]
    assert passed["outcome"] == "passed_on"

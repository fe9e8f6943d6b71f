"""
Writes reports as one JSON object a line, to standard error.
"""

from __future__ import annotations

import enum
import logging
import sys
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any, Final, TextIO, cast

import structlog
from attrs import asdict, frozen
from structlog.typing import Processor

from trooper.core.prompt_reading import PromptReading
from trooper.core.unfit import Unfit
from trooper.telemetry.report import Ending, PassedReport, RequestReport

_PROCESSORS: Final[tuple[Processor, ...]] = (
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
    structlog.processors.JSONRenderer(),
)


def log_request(report: RequestReport) -> None:
    """Write the report's one line: a warning where nobody could finish, or no cloud could be asked."""
    fields = asdict(report, filter=lambda _, value: value not in (None, "", {}), value_serializer=_word)
    log = structlog.get_logger("trooper.request")
    if report.outcome is Ending.FAILED or Unfit.NO_PROVIDER in report.passed_by.values():
        log.warning("request", **fields)
    else:
        log.info("request", **fields)


def log_reading(reading: PromptReading, now: float, **who: str) -> None:
    """Write a line about a prompt that a local model has been reading for long; `who` reads, and for whom."""
    structlog.get_logger("trooper.request").info(
        "reading_prompt",
        **who,
        read_tokens=reading.read_tokens(now),
        prompt_tokens=reading.total_tokens or None,
        estimated=reading.is_estimated,
        for_s=round(now - reading.since, 3),
    )


def log_passed(report: PassedReport) -> None:
    """Write the report's one line."""
    structlog.get_logger("trooper.request").info(
        "passed_through", **asdict(report, filter=lambda _, value: value is not None, value_serializer=_word)
    )


def _word(_: object, _attribute: object, value: object) -> object:
    """What an enumeration's member is called in the log."""
    return value.value if isinstance(value, enum.Enum) else value


@frozen(eq=False)
class _MayBeLost:
    """What is logged where nobody can have it: the disk is full, the reader has left. No answer ends for that."""

    stream: TextIO

    def write(self, text: str) -> None:
        # The other one: the stream is closed.
        with suppress(OSError, ValueError):
            self.stream.write(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self.stream.flush()


def _line(logger: object, method: str, event: MutableMapping[str, Any]) -> str:
    """The event as its line. What cannot be said costs its line and nothing else."""
    try:
        return _rendered(logger, method, event)
    except Exception as error:  # noqa: BLE001  # whatever a value's own `repr` may raise
        name = event.get("event")
        told = {
            "event": "log_line_unsaid",
            "of": name if type(name) is str else None,
            "error": type(error).__name__,
        }
        with suppress(Exception):
            return _rendered(logger, method, told)
        raise structlog.DropEvent from None


def _rendered(logger: object, method: str, event: MutableMapping[str, Any]) -> str:
    said: Any = dict(event)
    for process in _PROCESSORS:
        said = process(logger, method, said)
    return str(said)


def set_up_logging(stream: TextIO | None = None, level: int = logging.INFO) -> None:
    """Log as one JSON object a line, to standard error: standard output belongs to commands."""
    structlog.configure(
        processors=[_line],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        # One write a line: worker processes share the stream, and `print` writes
        # the newline apart where the output is unbuffered, as in many containers.
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", _MayBeLost(stream or sys.stderr))),
        cache_logger_on_first_use=False,
    )

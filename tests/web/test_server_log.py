"""Log files of the server: hypercorn opens them, and nobody waits for them (its contract, by version)."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import hypercorn.logging
import pytest
from hypercorn.config import Config

from stuck_pipes import LONG_S, full
from trooper.telemetry.outlet import Stream
from trooper.web.routes import create_routes
from trooper.web.server_log import make_logger_aside
from trooper.wires import WIRES


@pytest.fixture
def config() -> Iterator[Config]:
    before = vars(hypercorn.logging)["_create_logger"]
    vars(hypercorn.logging)["_create_logger"] = make_logger_aside
    yield Config()
    vars(hypercorn.logging)["_create_logger"] = before
    for name in ("hypercorn.access", "hypercorn.error"):
        logger = logging.getLogger(name)
        for handler in logger.handlers:
            handler.close()
        logger.handlers = []


async def test_a_file_gets_its_lines(config: Config, tmp_path: Path) -> None:
    config.accesslog = str(tmp_path / "access")
    config.errorlog = str(tmp_path / "error")
    for _ in range(2):
        # As two servers in one process.
        config._log = None
        await config.log.error("lighthouse")
        for name in ("hypercorn.access", "hypercorn.error"):
            (handler,) = logging.getLogger(name).handlers
            assert isinstance(handler, logging.FileHandler)
            assert isinstance(handler.stream, Stream)
            assert handler.stream.outlet.finish(LONG_S)

    assert (tmp_path / "error").read_text().count("lighthouse\n") == 2


async def test_a_file_that_takes_nothing_stops_nobody(config: Config, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "error")
    nobody = os.open(tmp_path / "error", os.O_RDWR)
    full(nobody)
    config.errorlog = str(tmp_path / "error")
    for _ in range(100):
        await config.log.error("lighthouse " * 100)
    os.close(nobody)


async def test_the_standard_streams_are_as_they_are(
    config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    config.accesslog = "-"
    config.errorlog = "-"
    await config.log.error("lighthouse")

    assert capsys.readouterr().err.endswith("lighthouse\n")
    (handler,) = logging.getLogger("hypercorn.access").handlers
    assert isinstance(handler, logging.StreamHandler)
    assert handler.stream is sys.stdout


def test_the_frameworks_lines_come_out_as_everybodys(capsys: pytest.CaptureFixture[str]) -> None:
    """By itself Quart puts a queue without a bound before what standard error was at its import."""
    for _ in range(2):
        logger = create_routes(WIRES).logger
        assert logger.handlers == [logging.lastResort]
    logger.error("lighthouse")

    assert capsys.readouterr().err == "lighthouse\n"
    assert not logging.getLogger("trooper").handlers

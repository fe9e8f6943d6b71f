"""The log as the process writes it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest
import structlog

from trooper.telemetry.log import set_up_logging


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

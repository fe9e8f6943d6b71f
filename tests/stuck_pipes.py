"""Pipes that nobody reads, and readers that come late."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

LONG_S = 60


@contextmanager
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    try:
        yield reading, writing
    finally:
        for descriptor in (reading, writing):
            with suppress(OSError):  # The test has.
                os.close(descriptor)


def full(writing: int) -> int:
    """Fill a pipe to its brim; how many bytes it took."""
    os.set_blocking(writing, False)
    took = 0
    try:
        while True:
            took += os.write(writing, b"." * 4096)
    except BlockingIOError:
        os.set_blocking(writing, True)
        return took


class Reader:
    """Reads a pipe to its end, beside the test."""

    def __init__(self, reading: int) -> None:
        self.got = bytearray()
        self._thread = threading.Thread(target=self._read, args=(reading,), daemon=True)
        self._thread.start()

    def _read(self, reading: int) -> None:
        while data := os.read(reading, 65536):
            self.got += data

    def lines(self) -> list[bytes]:
        self._thread.join(LONG_S)
        return bytes(self.got).splitlines(keepends=True)

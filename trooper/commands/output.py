"""
What becomes of a command whose output nobody can have: the disk is full, the
reader has left. One line, an exit status, no traceback.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TextIO

from trooper.errors import TrooperError
from trooper.telemetry.outlet import Stream

#: As for everything else that did not work.
_LOST: Final = 1


class OutputLost(TrooperError):
    """
    What was printed went nowhere. Not an `OSError`: between a command and its
    output stands code that takes one for a matter of its own sockets.
    """

    def __init__(self, error: OSError) -> None:
        super().__init__(f"cannot write to standard output: {error.strerror or error}")
        #: Whoever reads the first line only (`| head -1`) has what he wanted.
        self.reader_left = isinstance(error, BrokenPipeError)


class Output(io.TextIOWrapper):
    """
    Standard output that raises `OutputLost`, and is nobody's from then on.

    What is left in its buffer goes to the null device: else Python would fail
    once more at its own end, with a traceback and a status of its own.
    """

    def write(self, text: str, /) -> int:
        """Write, as any text stream does."""
        try:
            return super().write(text)
        except OSError as error:
            raise self._lost(error) from None

    def flush(self) -> None:
        """Flush, as any text stream does."""
        try:
            super().flush()
        except OSError as error:
            raise self._lost(error) from None

    def _lost(self, error: OSError) -> OutputLost:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)
        return OutputLost(error)


@contextmanager
def watched_output() -> Iterator[None]:
    """
    Run a command; what it cannot print ends it with one line and an exit status.

    Raises:
        SystemExit: instead of `OutputLost`, also inside exception groups.
    """
    before, errors = sys.stdout, sys.stderr
    # Whoever closes them (`>&-`) wants silence.
    silence = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  # closed below
    try:
        sys.stderr = errors or silence
        sys.stdout = _watched(before) if before else silence
        try:
            yield
        finally:
            sys.stdout.flush()
    except (OutputLost, BaseExceptionGroup) as error:
        if (lost := _only_lost(error)) is None:
            raise
        if not lost.reader_left:
            # Both may go to the same full disk.
            with suppress(OSError):
                sys.stderr.write(f"trooper: {lost}\n")
        raise SystemExit(_LOST) from None
    finally:
        if isinstance(sys.stdout, Output):
            # Its end would close what it was given.
            sys.stdout.detach()
        # A server's stay for the life of its process, so that a traceback does not wait either.
        if not isinstance(sys.stdout, Stream):
            sys.stdout, sys.stderr = before, errors
        silence.close()


def _watched(stream: TextIO) -> TextIO:
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    stream.flush()
    return Output(
        stream.buffer,
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def _only_lost(error: BaseException) -> OutputLost | None:
    """The first of them, where there is nothing else."""
    if isinstance(error, OutputLost):
        return error
    if isinstance(error, BaseExceptionGroup) and error.split(OutputLost)[1] is None:
        return _only_lost(error.exceptions[0])
    return None

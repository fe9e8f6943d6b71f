"""
What the readers of framed answers share: feeding, and how they may end.

A reader says what one whole piece means (`_read`), and what an end of body
means (`_early_end`). That it stops at the piece which decides, and that a
piece past the bound is no answer at all, is the same for all of them.
"""

from __future__ import annotations

from attrs import define, field

from trooper.core.events import Received
from trooper.core.framing import LineFramer, SSEFramer
from trooper.core.outcome import Failed, FailureKind, Outcome


@define
class FramedReader:
    """The `Reader` of an answer that comes in events or lines."""

    outcome: Outcome | None = field(default=None, init=False)
    finished: bool = field(default=False, init=False)
    _framer: SSEFramer | LineFramer = field(init=False)

    def feed(self, chunk: bytes) -> list[Received]:
        """Return the whole, good pieces in `chunk`, up to one that decides the outcome."""
        received: list[Received] = []
        for raw in self._framer.feed(chunk):
            if self.outcome is not None:
                break
            item = self._read(raw)
            if item is not None:
                received.append(item)
        if self._framer.overflowed and self.outcome is None:
            self.outcome = Failed(FailureKind.BAD_FRAME)
        return received

    def end(self) -> list[Received]:
        """The body has ended cleanly. A last piece without its end counts if it reads as one."""
        rest = self._framer.rest()
        item = self._read_last(rest) if self.outcome is None and rest.strip() else None
        if self.outcome is None:
            self.outcome = self._early_end()
        return [] if item is None else [item]

    def _read(self, raw: bytes) -> Received | None:
        """Read one whole piece; nothing, where the client is not to have it."""
        raise NotImplementedError

    def _read_last(self, rest: bytes) -> Received | None:
        """Read what is left at the end of the body."""
        return self._read(rest)

    def _early_end(self) -> Outcome:
        """What it means that the body has ended and nothing has decided the outcome."""
        return Failed(FailureKind.EOF_EARLY)

"""
What the readers of framed answers share: feeding, and how they may end.

A reader says what one whole piece means (`_read`), and what an end of body
means (`_early_end`). That it stops at the piece which decides, and that a
piece past the bound is no answer at all, is the same for all of them.
"""

from __future__ import annotations

import json
from typing import Final

from attrs import define, evolve, field

from trooper.core.events import Other, Received
from trooper.core.framing import LineFramer, SSEEvent, SSEFramer, parse_sse
from trooper.core.outcome import Completed, Failed, FailureKind, Outcome
from trooper.wire.decoding import decoded
from trooper.wire.faults import find_error


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


#: One bad line of sixty once cost a good stream (litellm#40404); several in a row are noise.
MAX_BAD_LINES: Final = 3
EMPTY: Final = Failed(FailureKind.EMPTY_200)


@define
class EventReader(FramedReader):
    """
    The `Reader` of an answer in server-sent events: what an end means, what
    bad lines mean, and what an error does, is the same for all of them.

    `max_event_bytes` is the bound on one event.
    """

    max_event_bytes: int
    _bad_in_a_row: int = field(default=0, init=False)
    _heard: bool = field(default=False, init=False)
    _has_content: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self._framer = SSEFramer(self.max_event_bytes)

    def _read_data(self, raw: bytes, sse: SSEEvent, *, last: bool) -> Received | None:
        """Read one event that has data; `last`: it lacked its empty line."""
        raise NotImplementedError

    def _read(self, raw: bytes, *, last: bool = False) -> Received | None:
        self._heard = True
        sse = parse_sse(raw)
        if sse.data is None:
            # A comment, or nothing. At the end of the body it is a torn one.
            return None if last else Received(raw)
        if not sse.data.strip() and sse.name != "error":
            # It says nothing, and SDKs fail on it: `data:` must be JSON.
            return None
        return self._read_data(raw, sse, last=last)

    def _read_last(self, rest: bytes) -> Received | None:
        # Some servers leave out the last empty line. The event is whole if it
        # reads as one, and then the client gets it with its empty line.
        return self._read(rest.rstrip(b"\r\n") + b"\n\n", last=True)

    def _early_end(self) -> Outcome:
        if self.finished:
            return Completed()
        return Failed(FailureKind.EOF_EARLY) if self._heard else EMPTY

    def _read_not_json(self, raw: bytes, sse: SSEEvent, *, last: bool) -> Received | None:
        """Read an event whose data is no JSON, or JSON only to lenient readers."""
        try:
            # NaN, and characters that were cut in two (half of a "\ud83d\udea2"):
            # SDKs read them, so the client must get them; we cannot go on from them.
            value = json.loads((sse.data or b"").decode())
        except (ValueError, RecursionError):
            if sse.name == "error":
                self._fail(Failed(FailureKind.IN_BAND_ERROR), raw)
            elif not last:
                self._count_bad_line()
            return None
        if self._tells_of_failure(value, sse.name, raw):
            return None
        self._has_content = True
        return Received(raw, (Other(continuable=False),))

    def _read_untyped(self, raw: bytes, sse: SSEEvent) -> Received | None:
        """Read an event that is an error, or whose fields are not of the usual types."""
        if self._tells_of_failure(decoded(sse.data or b""), sse.name, raw):
            return None
        self._has_content = True
        return Received(raw, (Other(continuable=False),))

    def _tells_of_failure(self, value: object, name: str, raw: bytes) -> bool:
        """It is JSON, so the line is not bad; is it an error?"""
        self._bad_in_a_row = 0
        failed = find_error(value, name)
        if failed is not None:
            self._fail(failed, raw)
        return failed is not None

    def _fail(self, failed: Failed, raw: bytes) -> None:
        if self.finished:
            # The answer is whole by its own word; what follows cannot unsay it.
            self.outcome = Completed()
        else:
            self.outcome = evolve(failed, raw=raw)

    def _count_bad_line(self) -> None:
        self._bad_in_a_row += 1
        if self._bad_in_a_row >= MAX_BAD_LINES:
            self.outcome = Completed() if self.finished else Failed(FailureKind.BAD_FRAME)

"""
What kind of body an answer has: an event stream, or one JSON value.

Theory of operation
-------------------
What was asked for and what the headers say are hints; the first byte that is
neither blank nor a byte order mark decides.

    asked for    first byte                 read as
    -----------  -------------------------  -----------------------------------
    either       { or [                     a whole answer, until lines of an
                                            event stream show up behind it
    a stream     < in what is named a page  no answer
                 anything else              an event stream
    a whole one  <                          no answer
                 one that begins a field    an event stream
                 or a comment
                 anything else              a whole answer

An event stream may begin with a line of bare JSON. So a value is collected
while it may be the whole answer, and when the first `data:` line with something
in it stands where no string can be open, all of it goes to the reader of events
at once. `data: [DONE]` behind a value is an adapter's habit and decides nothing.

Waits for nothing, knows no wire.
"""

from __future__ import annotations

import re
from typing import Final

from attrs import define, field

from trooper.core.events import Received
from trooper.core.framing import BOM
from trooper.core.outcome import Failed, FailureKind, Outcome
from trooper.wire.target_side import Reader
from trooper.wire.whole import BLANKS, Extent, WholeReader

#: Nobody needs more blanks than this to say what follows them, nor more bare JSON in front of a stream that
#: was not asked for.
_MAX_LEAD_BYTES: Final = 65_536
#: What `data:`, `event:`, `id:`, `retry:` and comments begin with, and no JSON value does.
_BEGINS_A_FIELD: Final = b":deir"
_DATA_LINE: Final = re.compile(rb"[\r\n]data:[ \t]*")
_TERMINATOR: Final = b"[DONE]"


@define
class Body:
    """
    The `Reader` of an answer of either kind.

    Args:
        events: reads it where it is an event stream.
        whole: reads it where it is one JSON value.
        streams: whether a stream was asked for.
    """

    events: Reader
    whole: WholeReader
    streams: bool
    outcome: Outcome | None = field(default=None, init=False)
    finished: bool = field(default=False, init=False)
    #: Whether it is an event stream; false while nothing is known.
    is_stream: bool = field(default=False, init=False)
    #: Whether it is known to be of the kind that was asked for: else its bytes are of no use to the client.
    is_as_asked: bool = field(default=False, init=False)
    _kind: bytes = field(default=b"", init=False)
    _lead: bytearray = field(factory=bytearray, init=False)
    # Who reads it; `None` while nothing has decided.
    _reader: Reader | None = field(default=None, init=False)
    _extent: Extent = field(factory=Extent, init=False)
    _searched: int = field(default=0, init=False)
    _was_read: bool = field(default=False, init=False)

    def named(self, content_type: bytes) -> None:
        """Note what the headers call it: a hint, for where the bytes leave a doubt."""
        self._kind = content_type.lower()

    def feed(self, chunk: bytes) -> list[Received]:
        """Return what `chunk` completes, as soon as it is known what kind of body it is in."""
        reader = self._reader
        if reader is None:
            if self.outcome is not None:
                return []
            self._lead += chunk
            decided = self._decide()
            if decided is None:
                return []
            reader, chunk = self._read_by(decided), self._taken_lead()
        received = reader.feed(chunk)
        if not self.is_stream and reader.outcome is None:
            received += self._look_behind()
            reader = self._reader or reader
        self.outcome, self.finished = reader.outcome, reader.finished
        return received

    def end(self) -> list[Received]:
        """The body has ended cleanly: return what is left and set `outcome`."""
        if isinstance(self.outcome, Failed):
            return []
        received: list[Received] = []
        reader = self._reader
        if reader is None:
            # Blanks and nothing else: as empty as the answer that was asked for can be.
            reader = self._read_by(self._by_default())
            received = reader.feed(self._taken_lead())
        received += reader.end()
        self.outcome, self.finished = reader.outcome, reader.finished
        return received

    def _taken_lead(self) -> bytes:
        lead = bytes(self._lead)
        self._lead.clear()
        return lead

    def _read_by(self, reader: Reader) -> Reader:
        self._reader = reader
        self.is_stream = reader is self.events
        self.is_as_asked = self.is_stream is self.streams
        return reader

    def _decide(self) -> Reader | None:
        """Who reads the body; `None` where nothing has decided yet, or where it is no answer."""
        lead = bytes(self._lead).lstrip(BLANKS)
        if BOM.startswith(lead[:3]):
            # It, a part of it, or nothing: what follows decides.
            lead = lead[3:].lstrip(BLANKS)
        first = lead[:1]
        if not first:
            return None if len(self._lead) < _MAX_LEAD_BYTES else self._by_default()
        if first in b"{[":
            return self.whole
        if first == b"<" and (not self.streams or b"html" in self._kind or b"xml" in self._kind):
            # A captive portal or an edge's own page, with a friendly status.
            self.outcome = Failed(FailureKind.BAD_FRAME)
            return None
        return self.events if first in _BEGINS_A_FIELD else self._by_default()

    def _by_default(self) -> Reader:
        return self.events if self.streams else self.whole

    def _look_behind(self) -> list[Received]:
        """See whether an event stream shows up behind the value, or nothing more is needed."""
        body = self.whole.body
        undecided = self._first_undecided()
        if undecided is None:
            # It was an event stream with bare JSON in front.
            collected = bytes(body)
            body.clear()
            return self._read_by(self.events).feed(collected)
        self._searched = min(undecided, max(self._searched, len(body) - len(b"\ndata:")))
        if self.streams:
            self._extent.look(body, undecided)
            if self._extent.closed and not self._was_read:
                # Whoever waits for a stream need not wait for the connection to close.
                self._was_read = True
                return self.whole.read_now()
        return []

    def _first_undecided(self) -> int | None:
        """Up to where the body is a value and no more; `None` where a line of an event stream shows up."""
        body = self.whole.body
        if not self.streams and len(body) > _MAX_LEAD_BYTES:
            return len(body)
        for line in _DATA_LINE.finditer(body, self._searched):
            said = body[line.end() : line.end() + len(_TERMINATOR)]
            if len(said) < len(_TERMINATOR) and _TERMINATOR.startswith(said):
                return line.start()
            if said != _TERMINATOR and not said.startswith((b"\r", b"\n")) and self._may_begin(line.start()):
                return None
        return len(body)

    def _may_begin(self, at: int) -> bool:
        """Whether a line of an event stream may begin there; lenient readers take raw line ends in strings."""
        self._extent.look(self.whole.body, at)
        return not self._extent.in_string or (self.streams and b"event-stream" in self._kind)

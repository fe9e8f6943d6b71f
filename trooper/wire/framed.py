"""
What the readers of framed answers share: feeding, and how they may end.

A reader says what one whole piece means (`_read`), and what an end of body
means (`_early_end`). That nothing behind the piece which decides has a
meaning is the same for all of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from attrs import define, evolve, field

from trooper.core.events import Done, Event, Finish, FinishReason, Other, Received, Unread
from trooper.core.framing import LineFramer, Part, SSEEvent, SSEFramer, parse_sse
from trooper.core.outcome import Completed, Failed, FailureKind, Outcome
from trooper.core.tool_calls import MOST_CALLS
from trooper.wire.decoding import decoded
from trooper.wire.faults import find_error, find_problem
from trooper.wire.large import LargeEvent
from trooper.wire.tolerant import DONE, read_leniently, texts_in
from trooper.wire.weight import SHORT_BYTES, has_more_lines_than, is_intricate


@define
class FramedReader:
    """
    The `Reader` of an answer that comes in events or lines.

    `max_calls` is how many tool calls are followed.
    """

    max_calls: int = field(default=MOST_CALLS, kw_only=True)
    outcome: Outcome | None = field(default=None, init=False)
    finished: bool = field(default=False, init=False)
    _framer: SSEFramer | LineFramer = field(init=False)
    # The terminator has come; what follows is the client's business alone.
    _terminated: bool = field(default=False, init=False)

    def feed(self, chunk: bytes) -> list[Received]:
        """Return what is whole in `chunk`, up to a piece that tells of a failure."""
        received: list[Received] = []
        for piece in self._framer.feed(chunk):
            if self.outcome is not None:
                if not self._terminated:
                    break
                received.append(_unmeant(piece))
                continue
            item = self._read(piece) if isinstance(piece, bytes) else self._read_part(piece)
            if item is not None:
                received.append(item)
        framer = self._framer
        if isinstance(framer, SSEFramer):
            if framer.has_lines and self.outcome is None:
                received += self._read_lines(framer)
        elif framer.overflowed and self.outcome is None:
            self.outcome = Failed(FailureKind.BAD_FRAME)
        return received

    def _read_lines(self, framer: SSEFramer) -> list[Received]:
        """Read the lines of an event that has not ended, where each is one by itself."""
        return []

    def end(self) -> list[Received]:
        """The body has ended cleanly. A last piece without its end counts if it reads as one."""
        rest = self._framer.rest()
        item = self._read_last(rest) if self.outcome is None and rest.strip() else None
        if self.outcome is None:
            self.outcome = self._early_end()
        if item is None and isinstance(self.outcome, Completed) and (self._terminated or not rest.strip()):
            item = Received(rest) if rest else None
        return [] if item is None else [item]

    def _read(self, raw: bytes) -> Received | None:
        """Read one whole piece; nothing, where the client is not to have it."""
        raise NotImplementedError

    def _read_part(self, part: Part) -> Received | None:
        """Read a piece of one that is too long to be kept."""
        self.outcome = Failed(FailureKind.BAD_FRAME)
        return None

    def _read_last(self, rest: bytes) -> Received | None:
        """Read what is left at the end of the body."""
        return self._read(rest)

    def _early_end(self) -> Outcome:
        """What it means that the body has ended and nothing has decided the outcome."""
        return Failed(FailureKind.EOF_EARLY)


def _unmeant(piece: bytes | Part) -> Received:
    """What nobody has to understand."""
    return Received(piece) if isinstance(piece, bytes) else Received(piece.raw, (), not piece.ends)


#: So many lines in a row that cannot be read are noise, if nothing follows.
MAX_BAD_LINES: Final = 3
EMPTY: Final = Failed(FailureKind.EMPTY_200)
ENDED_EMPTY: Final = Failed(FailureKind.EMPTY_200, has_ended=True)
#: A line of a stream that has the shape of a field; those of other names are ignored by everybody.
_FIELD: Final = re.compile(rb"[\w.-]+\Z")
_MAX_KEY_BYTES: Final = 256
_NOTHING: Final = SSEEvent("", None)
#: Some write one value over many lines. Where each line may be something of its own, fewer are read.
_MOST_LINES: Final = 4_096
_MOST_LOOSE_LINES: Final = 1_024
#: What an event is called that only says that somebody is there, whatever its data are.
_SIGNS_OF_LIFE: Final = frozenset({"ping", "heartbeat", "keepalive", "keep-alive", "keep_alive"})


@define
class EventReader(FramedReader):
    """
    The `Reader` of an answer in server-sent events: what an end means, what
    bad lines mean, and what an error does, is the same for all of them.

    Theory of operation
    -------------------
    Each event is read once, by a typed decoder that knows the fields of the
    wire. What it does not take goes the slow road: any JSON that a lenient
    client could read, field by field. What is no JSON, even leniently, is
    `Unread`. Nothing is dropped: the client's provider speaks to its client.

    A finish is believed while nothing contradicts it. It is `doubtful`, and
    then worth something only with the terminator or a clean end behind it,

    * while every piece of content so far had one beside it,
    * once content has followed one,
    * and while nothing was said at all: an empty answer is one if its tokens
      were counted, and else a failure.

    A terminator without any finish is believed, too, unless something stood
    in the stream that could not be read: then that was the end of it.

    `max_event_bytes` is how much of one event is kept.
    """

    max_event_bytes: int
    _heard: bool = field(default=False, init=False)
    _has_content: bool = field(default=False, init=False)
    # The last finish has not been taken back; some content had none beside it; one was taken back.
    _ended: bool = field(default=False, init=False)
    _was_open: bool = field(default=False, init=False)
    _taken_back: bool = field(default=False, init=False)
    # The target has counted what it said.
    _counted: bool = field(default=False, init=False)
    # What the first line means that could not be read, if no finish follows; how many are the last.
    _doubt: Failed | None = field(default=None, init=False)
    _noise: int = field(default=0, init=False)
    _large: LargeEvent | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self._framer = SSEFramer(self.max_event_bytes)

    # -- what a wire says --------------------------------------------------------

    def _hear(self, data: bytes, name: str, raw: bytes) -> Sequence[Event] | None:
        """
        What one event's data says; `None` where the typed decoder does not take it.

        `raw` is what a failure is told with. A failure sets the outcome.
        """
        raise NotImplementedError

    def _hear_slowly(self, value: object, name: str, raw: bytes) -> Sequence[Event]:
        """The same of any JSON value that tells of no failure."""
        raise NotImplementedError

    def _hear_large(self, event: LargeEvent) -> Sequence[Event]:
        """What the end of an event means that was too long to be kept."""
        return ()

    # -- one event ---------------------------------------------------------------

    def _read(self, raw: bytes, *, last: bool = False) -> Received | None:
        self._heard = True
        if len(raw) > SHORT_BYTES and (has_more_lines_than(raw, _MOST_LINES) or is_intricate(raw)):
            return self._read_intricate(raw, last=last)
        sse = parse_sse(raw)
        if sse.data and not sse.stray:
            events = self._hear(sse.data, sse.name, raw)
            if events is not None:
                self._noise = 0
                return Received(raw, tuple(events)) if self.outcome is None or self._terminated else None
        elif sse == _NOTHING and not last:
            # A comment or an empty line, of which somebody may send a million.
            return Received(raw)
        return self._read_slowly(raw, sse, last=last)

    def _read_slowly(self, raw: bytes, sse: SSEEvent, *, last: bool) -> Received | None:
        if has_more_lines_than(raw, _MOST_LOOSE_LINES) or is_intricate(raw, slowly=True):
            return self._read_intricate(raw, last=last)
        if last and sse.name != "error" and not (sse.data or b"").strip():
            # It is torn: nobody is to have half of it, nor to know it by its name alone.
            return None
        # First, so that a terminator behind it in the same event is known to be none.
        stray = self._read_stray(sse)
        events: list[Event] = []
        for data in _texts_of(sse):
            if self.outcome is not None:
                break
            heard = self._hear(data, sse.name, raw) if sse.data != data or sse.stray else None
            events += self._read_value(data, sse.name, raw, last=last) if heard is None else heard
        if self.outcome is not None and not self._terminated:
            return None
        has_noise = any(isinstance(event, Unread) for event in (*events, *stray))
        if last and has_noise:
            # It is torn: nobody is to have half of it.
            return None
        events += stray
        if has_noise:
            self._noise += 1
        elif events:
            self._noise = 0
        return Received(raw, tuple(events))

    def _read_value(self, data: bytes, name: str, raw: bytes, *, last: bool) -> Sequence[Event]:
        read = read_leniently(data)
        is_life = name.lower() in _SIGNS_OF_LIFE
        if read is None:
            if is_life:
                return (Other(),)
            if name == "error":
                self._fail(Failed(FailureKind.IN_BAND_ERROR), raw)
                return ()
            if not last:
                self._doubt = self._doubt or Failed(FailureKind.BAD_FRAME)
            # A bare word is no piece of an answer: some keep a connection alive so.
            return (Unread(may_say=data.lstrip().startswith((b"{", b"[", b'"'))),)
        if failed := find_error(read.value, name):
            self._fail(failed, raw)
            return ()
        if is_life:
            return (Other(),)
        if problem := find_problem(read.value):
            # What follows tells whether it was one; until then nobody needs to have it.
            self._doubt = self._doubt or evolve(problem, raw=raw)
            return (Unread(),)
        events = self._hear_slowly(read.value, name, raw)
        return (*events, Other(continuable=False)) if read.is_lossy else events

    def _read_stray(self, sse: SSEEvent) -> Sequence[Event]:
        """What stands in an event outside of its fields: harmless, an error, or an event that was not framed."""
        told = [failed for line in sse.stray if (failed := _told_outside(line)) is not None]
        if sse.data is None and sse.name == "error":
            told.append(Failed(FailureKind.IN_BAND_ERROR))
        if not told:
            return ()
        self._doubt = self._doubt or told[0]
        return (Unread(may_say=any(line.lstrip().startswith((b"{", b"[")) for line in sse.stray)),)

    def _read_lines(self, framer: SSEFramer) -> list[Received]:
        lines = framer.lines
        data = parse_sse(lines).data
        if data is None or not all(map(_is_whole, data.split(b"\n"))):
            framer.pass_lines(lines, is_odd=data is not None)
            return []
        item = self._read(framer.take_lines())
        return [] if item is None else [evolve(item, is_part=True)]

    def _read_last(self, rest: bytes) -> Received | None:
        # Some servers leave out the last empty line. The event is whole if it
        # reads as one. An event in parts is torn.
        if self._large is not None and isinstance(self._framer, SSEFramer) and self._framer.in_part:
            self._large.feed(rest)
            if self._large.is_closed:
                return Received(rest, tuple(self._hear_large(self._large)), is_part=True)
            self.outcome = Failed(FailureKind.EOF_EARLY)
            return None
        item = self._read(rest + b"\n\n", last=True)
        return None if item is None else Received(rest, item.events, is_part=True)

    def _read_intricate(self, raw: bytes, *, last: bool) -> Received | None:
        """One that would cost more than its size to read: as one that is too long to be kept."""
        if last and (has_more_lines_than(raw, _MOST_LINES) or not _is_whole(parse_sse(raw).data or b"")):
            # It is torn: nobody is to have half of it, nor to take it for the end.
            return None
        self._large = LargeEvent()
        return self._read_part(Part(raw, is_first=False, ends=True))

    def _read_part(self, part: Part) -> Received:
        self._heard = True
        if part.is_first or self._large is None:
            self._large = LargeEvent()
        self._large.feed(part.raw)
        self._unknown()
        events: list[Event] = [Other(continuable=False, unread=True)]
        if part.ends:
            events += self._hear_large(self._large)
            self._was_open = True
        return Received(part.raw, tuple(events), is_part=not part.ends)

    # -- the end -----------------------------------------------------------------

    def _content(self) -> None:
        """Content has come, in an event without a finish: a finish before it was none."""
        self._has_content = self._was_open = True
        if self._ended:
            self._take_back()

    def _unknown(self) -> None:
        """Something has come that may be content: a finish before it counts with the terminator alone."""
        self._has_content = True
        self.finished = False

    def _take_back(self) -> None:
        self._ended = self.finished = False
        self._taken_back = True

    def _finish(self, reason: FinishReason, word: str, *, beside_content: bool) -> Finish:
        """
        The target says that it has finished. `beside_content`: in the event
        that had its last words.
        """
        self._ended = True
        empty = not self._has_content and reason is FinishReason.STOP
        every = beside_content and not self._was_open
        doubtful = empty or every or self._taken_back
        self.finished = not doubtful
        return Finish(reason, word, doubtful)

    def _terminate(self) -> Sequence[Event]:
        """The terminator has come. One that is none is nobody's to see: to clients it is success."""
        failed = self._not_an_end()
        if failed is not None:
            self._fail(failed, failed.raw)
            return ()
        self.finished = self._terminated = True
        self.outcome = Completed()
        return (Done(),)

    @property
    def _said_finish(self) -> bool:
        """Whether there was any finish, even if it was taken back: then a terminator is one."""
        return self._ended or self._taken_back

    def _not_an_end(self) -> Failed | None:
        """Why a terminator, or a clean end behind a finish, is none."""
        if not self._said_finish and self._doubt is not None:
            return self._doubt
        return None if self.finished or self._has_content or (self._ended and self._counted) else ENDED_EMPTY

    def _early_end(self) -> Outcome:
        if self._ended:
            return self._not_an_end() or Completed()
        if self._doubt is not None and self._noise:
            # One line alone may be the end of a cut.
            if self._noise >= MAX_BAD_LINES or self._doubt.kind is not FailureKind.BAD_FRAME:
                return self._doubt
        return Failed(FailureKind.EOF_EARLY) if self._heard else EMPTY

    def _fail(self, failed: Failed, raw: bytes) -> None:
        if self.finished:
            # The answer is whole by its own word; what follows cannot unsay it.
            self.outcome = Completed()
        else:
            self.outcome = evolve(failed, raw=raw)


def _is_whole(line: bytes) -> bool:
    """Whether a line of data is an event by itself, and not a piece of a value in several lines."""
    return isinstance(decoded(line), dict) or line.strip() == DONE


def _texts_of(sse: SSEEvent) -> Sequence[bytes]:
    """The data that an event has; where that is blank, its name still says what it is."""
    data = sse.data
    if data is None:
        return ()
    if sse.name and not data.strip():
        return (b"",) if sse.name == "error" else (b"{}",)
    return texts_in(data)


def _told_outside(line: bytes) -> Failed | None:
    """What a line means that is no field of an event, if no finish follows; `None` if it is harmless."""
    if line.lstrip().startswith((b"{", b"[")):
        value = decoded(line)
        return (find_error(value) if value is not None else None) or Failed(FailureKind.BAD_FRAME)
    key, _, told = line.partition(b":")
    if not _FIELD.match(key.rstrip()) or len(key) > _MAX_KEY_BYTES:
        return Failed(FailureKind.BAD_FRAME)
    if any(word in key.lower() for word in (b"error", b"exception")):
        value = decoded(told)
        return (find_error({"error": value}) if value else None) or Failed(FailureKind.IN_BAND_ERROR)
    return None

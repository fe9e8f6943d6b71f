"""
Whole answers (`stream: false`), read and spoken: what is the same for every
wire but for what its body says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

import msgspec
from attrs import define, evolve, field, frozen

from trooper.core.events import Begin, Done, Event, Finish, FinishReason, Other, Received
from trooper.core.framing import BOM
from trooper.core.json_text import NOT_JSON
from trooper.core.outcome import Answer, Completed, Failed, FailureKind, Outcome
from trooper.wire.client_side import LegNote, Trouble
from trooper.wire.decoding import decoded, is_strict
from trooper.wire.faults import find_error
from trooper.wire.tolerant import Read, read_leniently
from trooper.wire.weight import SHORT_BYTES, is_heavy, is_intricate

#: One wire's reading of a body. A failed answer is not to be shown; its event is empty.
ReadWhole: TypeAlias = Callable[[bytes], tuple[Received, Outcome]]

#: What may stand in front of the value and say nothing, beside a byte order mark.
BLANKS: Final = b" \t\r\n"
_OUTSIDE_STRINGS: Final = re.compile(rb'["{}\[\]]')
#: All of a string but its end, and but an escape that is not whole yet.
_IN_STRING: Final = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
#: What an answer that is an error begins with.
_ERROR: Final = re.compile(rb'\{\s*(?:"error"\s*:\s*[{"]|"(?:type|object)"\s*:\s*"error")')
_QUOTE: Final = ord('"')
#: An answer that is not quite JSON is read in Python: up to so many bytes.
_MOST_LENIENT_BYTES: Final = 524_288


@define
class Extent:
    """
    How far the first JSON value of a body goes.

    Each byte is looked at once, however the body grows. `end` is where the
    value ends, once it has `closed`.
    """

    end: int = field(default=0, init=False)
    closed: bool = field(default=False, init=False)
    in_string: bool = field(default=False, init=False)
    _depth: int = field(default=0, init=False)

    def look(self, body: bytes | bytearray, until: int) -> None:
        """Look at `body` up to `until`."""
        while not self.closed:
            if self.in_string:
                inside = _IN_STRING.match(body, self.end, until)
                self.end = self.end if inside is None else inside.end()
                if self.end >= until or body[self.end] != _QUOTE:
                    return
                self.in_string, self.end = False, self.end + 1
            found = _OUTSIDE_STRINGS.search(body, self.end, until)
            if found is None:
                self.end = max(self.end, until)
                return
            self.end = found.end()
            match found[0]:
                case b'"':
                    self.in_string = True
                case b"{" | b"[":
                    self._depth += 1
                case _:
                    self._depth -= 1
                    self.closed = self._depth <= 0


@frozen
class Whole:
    """
    The JSON object that a whole answer is.

    It `is_lossy` where characters of it can be read by nobody: then nobody can
    say it anew, and its bytes may be passed on all the same.
    """

    value: Mapping[str, object]
    is_lossy: bool = False

    @property
    def unread(self) -> tuple[Event, ...]:
        """What is to be said of that which could not be read."""
        return (Other(continuable=False),) if self.is_lossy else ()


def whole_object(body: bytes) -> Whole | Failed:
    """
    The JSON object that a whole answer is, or how it failed: empty, no object, or an error of any shape.

    It is read as leniently as clients do; what stands behind it is no part of it.
    """
    read = _first_value(body)
    if read is None:
        return Failed(FailureKind.BAD_FRAME if body.strip() else FailureKind.EMPTY_200)
    failed = find_error(read.value)
    if failed is not None:
        return failed
    if not isinstance(read.value, dict):
        return Failed(FailureKind.BAD_FRAME)
    return Whole(read.value, read.is_lossy)


def _first_value(body: bytes) -> Read | None:
    try:
        return Read(msgspec.json.decode(body))
    except NOT_JSON:
        pass
    start = body.lstrip(BLANKS).removeprefix(BOM).lstrip(BLANKS)
    extent = Extent()
    extent.look(start, len(start))
    return read_leniently(start[: extent.end]) if extent.closed else None


def _is_slow(body: bytes) -> bool:
    """Whether a body is not quite JSON, and too long or too intricate to be read leniently."""
    # What stands behind it is no part of it.
    value = body[: body.rfind(b"}") + 1]
    if len(body) > _MOST_LENIENT_BYTES:
        return decoded(value) is None
    return len(body) > SHORT_BYTES and not is_strict(value) and is_intricate(body, slowly=True)


def counted(value: object) -> int:
    """A count, in whatever form it comes; 0 for what is none."""
    try:
        return max(0, msgspec.convert(value, int, strict=False)) if not isinstance(value, bool) else 0
    except msgspec.ValidationError:
        return 0


@define
class WholeReader:
    """
    Collects one answer and reads it at its end.

    Args:
        read: reads a whole body; returns it as one event, and how the leg ended.
        max_bytes: the bound on the whole answer.
    """

    read: ReadWhole
    max_bytes: int
    outcome: Outcome | None = field(default=None, init=False)
    finished: bool = field(default=False, init=False)
    #: What was collected.
    body: bytearray = field(factory=bytearray, init=False)

    def feed(self, chunk: bytes) -> list[Received]:
        """Collect."""
        if self.outcome is not None:
            return []
        self.body += chunk
        if len(self.body) > self.max_bytes:
            self.outcome = Failed(FailureKind.BAD_FRAME)
            self.body.clear()
        return []

    def _read_all(self, body: bytes) -> tuple[Received, Outcome]:
        """
        One that is heavy is passed on as it is, and nobody goes on from it or says it anew. What
        does not begin and end as an answer is none, or half of one.
        """
        if is_heavy(body) or _is_slow(body):
            said = body.strip(BLANKS).removeprefix(BOM)
            if not (said.startswith(b"{") and said.endswith(b"}")):
                return Received(b"", ()), Failed(FailureKind.BAD_FRAME)
            if _ERROR.match(said):
                return Received(b"", ()), Failed(FailureKind.IN_BAND_ERROR)
            unread = (Other(continuable=False, unread=True), Finish(FinishReason.STOP), Done())
            return Received(body, unread), Completed()
        return self.read(body)

    def read_now(self) -> list[Received]:
        """Read what was collected if that is an answer, and all of it is understood; else nothing has happened."""
        item, outcome = self._read_all(bytes(self.body))
        if isinstance(outcome, Failed) or Other(continuable=False) in item.events:
            return []
        self.outcome, self.finished = outcome, True
        return [item]

    def end(self) -> list[Received]:
        """Read what was collected."""
        if self.outcome is not None:
            return []
        body = bytes(self.body)
        item, self.outcome = self._read_all(body)
        if isinstance(self.outcome, Failed):
            answer = Answer(200, ((b"content-type", b"application/json"),), body)
            self.outcome = evolve(self.outcome, answer=answer)
            return []
        self.finished = True
        return [item]


@define
class WholeVoice:
    """What the voices of answers in one piece share: they cannot say anything on the way."""

    content_type: bytes = field(default=b"application/json", init=False)
    _legs: Sequence[LegNote] = field(default=(), init=False)
    _forwarded: bool = field(default=False, init=False)
    _name: str = field(default="", init=False)

    @property
    def named(self) -> str:
        """The model of the answer; empty while it has none."""
        return self._name

    def call_it(self, model: str) -> None:
        """Name the answer after the model that makes it, if it has no name yet."""
        self._name = self._name or model

    def _learn(self, received: Received) -> None:
        """A provider's own answer goes through, and says itself who made it."""
        self._forwarded = self._forwarded or bool(received.raw)
        for event in received.events:
            if isinstance(event, Begin) and event.model:
                self.call_it(event.model)

    @property
    def answer(self) -> Mapping[str, object] | None:
        """The answer as it was told, where clients may come back to it."""
        return None

    @property
    def lacks_usage(self) -> bool:
        """Whether the counts are ours to give: a forwarded answer has its own."""
        return not self._forwarded

    def error(self, trouble: Trouble) -> bytes:
        """The error body; the status line says the rest."""
        raise NotImplementedError

    def own_error(self, raw: bytes, trouble: Trouble) -> bytes:
        """A whole answer has no in-band error of its own; ours is the body."""
        return self.error(trouble)

    def hand_over(self, words: str, said: str, next_said: str) -> bytes:
        """JSON has no comments."""
        return b""

    def keep_alive(self, progress: str = "") -> bytes:
        """Nothing can come before a whole answer."""
        return b""

    def at_work(self, progress: str = "") -> bytes:
        """Nothing either."""
        return b""

"""
Whole answers (`stream: false`), read and spoken: what is the same for every
wire but for what its body says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import msgspec
from attrs import define, evolve, field

from trooper.core.events import Received
from trooper.core.json_text import NOT_JSON
from trooper.core.outcome import Answer, Failed, FailureKind, Outcome
from trooper.wire.client_side import LegNote, Trouble
from trooper.wire.faults import find_error

#: One wire's reading of a body. A failed answer is not to be shown; its event is empty.
ReadWhole: TypeAlias = Callable[[bytes], tuple[Received, Outcome]]


def whole_object(body: bytes) -> dict[str, object] | Failed:
    """The JSON object that a whole answer is, or how it failed: empty, no object, or an error of any shape."""
    try:
        value = msgspec.json.decode(body)
    except NOT_JSON:
        return Failed(FailureKind.BAD_FRAME if body.strip() else FailureKind.EMPTY_200)
    failed = find_error(value)
    if failed is not None:
        return failed
    return value if isinstance(value, dict) else Failed(FailureKind.BAD_FRAME)


@define
class WholeReader:
    """
    Collects one answer and reads it at its end.

    Args:
        read: reads a whole body; returns it as one event, and how the leg ended.
        max_bytes: the bound on the whole answer.
        for_stream: a stream was asked for and the provider sent this instead;
            its bytes are of no use to the client then, only what they say.
    """

    read: ReadWhole
    max_bytes: int
    for_stream: bool = False
    outcome: Outcome | None = field(default=None, init=False)
    finished: bool = field(default=False, init=False)
    _body: bytearray = field(factory=bytearray, init=False)

    def feed(self, chunk: bytes) -> list[Received]:
        """Collect."""
        if self.outcome is not None:
            return []
        self._body += chunk
        if len(self._body) > self.max_bytes:
            self.outcome = Failed(FailureKind.BAD_FRAME)
            self._body.clear()
        return []

    def end(self) -> list[Received]:
        """Read what was collected."""
        if self.outcome is not None:
            return []
        body = bytes(self._body)
        item, self.outcome = self.read(body)
        if isinstance(self.outcome, Failed):
            answer = Answer(200, ((b"content-type", b"application/json"),), body)
            self.outcome = evolve(self.outcome, answer=answer)
            return []
        self.finished = True
        return [evolve(item, raw=b"") if self.for_stream else item]


@define
class WholeVoice:
    """What the voices of answers in one piece share: they cannot say anything on the way."""

    content_type: bytes = field(default=b"application/json", init=False)
    _legs: Sequence[LegNote] = field(default=(), init=False)
    _forwarded: bool = field(default=False, init=False)

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

    def keep_alive(self) -> bytes:
        """Nothing can come before a whole answer."""
        return b""

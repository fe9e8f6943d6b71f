"""
Chunks of an OpenAI chat stream, and all that is read out of one; shared by the
tests of its reader.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from attrs import frozen

from trooper.core.events import Begin, Event, Finish, FinishReason, Received, Text
from trooper.core.outcome import Completed, Failed, FailureKind, Outcome
from trooper.wire.openai_chat.reader import ChatReader

K = FailureKind
MAX = 1 << 20
DONE = b"data: [DONE]\n\n"
WHOLE = Completed()
EARLY = Failed(K.EOF_EARLY)


def sse(value: object, name: str = "") -> bytes:
    head = f"event: {name}\n".encode() if name else b""
    return head + b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


def chunk(delta: object = None, finish: object = None, index: object = 0, **fields: object) -> bytes:
    choice = {"index": index, "delta": {} if delta is None else delta, "finish_reason": finish}
    named: dict[str, object] = {"id": "c1", "object": "chat.completion.chunk", "created": 7, "model": "m"}
    return sse(named | {"choices": [choice]} | fields)


ROLE = chunk({"role": "assistant", "content": ""})
HELLO = chunk({"content": "Hello"})
STOP = chunk({}, "stop")
BEGIN = Begin("c1", 7, "m", has_role=True)
STOPPED = Finish(FinishReason.STOP, "stop")


@frozen
class Result:
    """All of an answer."""

    raw: bytes
    events: tuple[Event, ...]
    outcome: Outcome | None
    finished: bool

    @property
    def text(self) -> str:
        return "".join(e.text for e in self.events if isinstance(e, Text))


def read(pieces: Iterable[bytes], *, choices: int = 1, end: bool = True) -> Result:
    reader = ChatReader(MAX, choices)
    items: list[Received] = []
    for piece in pieces:
        items += reader.feed(piece)
    if end and reader.outcome is None:
        items += reader.end()
    return Result(
        b"".join(i.raw for i in items),
        tuple(e for i in items for e in i.events),
        reader.outcome,
        reader.finished,
    )


def events_of(*pieces: bytes) -> tuple[Event, ...]:
    """The events, without the beginning."""
    return tuple(e for e in read(pieces, end=False).events if not isinstance(e, Begin))


def outcome_of(*pieces: bytes, choices: int = 1) -> Outcome | None:
    return read(pieces, choices=choices).outcome

"""One answer's bytes on their way into an inbox: what is handed on, and how it ends."""

from __future__ import annotations

import json
from typing import Any

import pytest

from legs import heard, outcome, text
from trooper.core.events import Done, Finish, FinishReason, Other, Received, Text, ToolCallDelta
from trooper.core.outcome import Answer, Completed, Failed, FailureKind
from trooper.targets.inbox import Ended, Inbox, Item, Opened
from trooper.targets.reading import Reading, as_call, foreign, without_answer
from trooper.targets.upstream import Headers
from trooper.testing import ANSWERS
from trooper.wire.openai_chat.reader import ChatReader
from trooper.wire.openai_chat.whole import read_whole
from trooper.wire.whole import WholeReader

SSE: Headers = ((b"content-type", b"text/event-stream"),)
JSON: Headers = ((b"content-type", b"application/json; charset=utf-8"),)
EVENTS = ANSWERS["text"].events()
SAID = "".join(ANSWERS["text"].tokens)
BROKEN = Failed(FailureKind.CONN_RESET)


def reader() -> ChatReader:
    return ChatReader(100_000)


def whole() -> WholeReader:
    return WholeReader(read_whole, 100_000, for_stream=True)


async def read(
    *chunks: bytes, headers: Headers = SSE, failed: Failed | None = None, **changes: Any
) -> tuple[list[Item], list[bool]]:
    """What a reading of `chunks` puts, and whether it wanted more after each."""
    wanted: list[bool] = []

    async def run(inbox: Inbox) -> None:
        reading = Reading(inbox, **{"reader": reader(), **changes})
        assert await reading.head(200, headers) is None
        for chunk in chunks:
            wanted.append(await reading.chunk(chunk))
            if not wanted[-1]:
                break
        await reading.finish(failed)

    return await heard(run), wanted


async def test_a_whole_answer() -> None:
    items, wanted = await read(*EVENTS)
    assert items[0] == Opened(SSE)
    assert outcome(items) == Completed()
    assert text(items) == SAID
    assert b"".join(item.raw for item in items if isinstance(item, Received)) == b"".join(EVENTS)
    # With the terminator it is decided: what the connection does then is nobody's business.
    assert wanted == [True] * (len(EVENTS) - 1) + [False]


async def test_it_is_told_as_soon_as_it_is_decided() -> None:
    inbox_at_the_end: list[Item] = []

    async def run(inbox: Inbox) -> None:
        reading = Reading(inbox, reader())
        await reading.chunk(b"".join(EVENTS))
        inbox_at_the_end.extend(iter(inbox.take, None))
        assert await reading.finish(BROKEN) == Completed()

    assert await heard(run) == []
    assert inbox_at_the_end[-1] == Ended(Completed())


@pytest.mark.parametrize("kind", [b"text/html; charset=utf-8", b"application/xml", b"TEXT/HTML"])
async def test_a_page_is_no_answer(kind: bytes) -> None:
    async def run(inbox: Inbox) -> None:
        reading = Reading(inbox, reader())
        failed = await reading.head(200, ((b"content-type", kind),))
        assert failed == Failed(FailureKind.BAD_FRAME)
        await reading.finish(failed)

    assert await heard(run) == [Ended(Failed(FailureKind.BAD_FRAME))]


@pytest.mark.parametrize(
    ("chunks", "failed", "expected"),
    [
        ([], None, Failed(FailureKind.EMPTY_200)),
        (EVENTS[:4], None, Failed(FailureKind.EOF_EARLY)),
        (EVENTS[:4], BROKEN, BROKEN),
        # Behind the finish reason the answer is whole, whatever the transport does.
        (EVENTS[:-1], None, Completed()),
        (EVENTS[:-1], BROKEN, Completed()),
    ],
)
async def test_how_it_ends(chunks: list[bytes], failed: Failed | None, expected: object) -> None:
    items, _ = await read(*chunks, failed=failed)
    assert outcome(items) == expected


async def test_a_whole_answer_where_a_stream_was_asked_for() -> None:
    items, _ = await read(ANSWERS["text"].body(), headers=JSON, reader_of_whole=whole())
    assert outcome(items) == Completed()
    assert text(items) == SAID


async def test_of_another_wire_the_client_gets_no_bytes() -> None:
    items, _ = await read(*EVENTS, is_native=False)
    assert text(items) == SAID
    assert not any(item.raw for item in items if isinstance(item, Received))


@pytest.mark.parametrize("decided_inside", [True, False])
async def test_of_another_wires_failure_the_client_gets_the_status(decided_inside: bool) -> None:
    answer = Answer(500, (), b"theirs")
    error = b'data: {"error": {"message": "theirs", "code": 500}}\n\n'
    items, _ = await read(
        *([error] if decided_inside else []),
        failed=Failed(FailureKind.SERVER_ERROR, answer, b"raw"),
        is_native=False,
    )
    found = outcome(items)
    assert isinstance(found, Failed)
    assert found.raw == b""
    assert (
        found.answer is None
        if decided_inside
        else found.answer == Answer(500, (), b"theirs", is_foreign=True)
    )


async def test_between_the_choices_of_one_leg_only_a_failure_ends_it() -> None:
    items, _ = await read(*EVENTS, ends_leg=False)
    assert not any(isinstance(item, Ended) for item in items)
    items, _ = await read(*EVENTS[:3], ends_leg=False)
    assert outcome(items) == Failed(FailureKind.EOF_EARLY)


async def test_the_rest_of_a_call() -> None:
    arguments = json.dumps({"a": 1})
    event = {"choices": [{"index": 0, "delta": {"content": arguments}}]}
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    lines = [f"data: {json.dumps(e)}\n\n".encode() for e in (event, end)]
    items, _ = await read(*lines, call=2)
    said = [e for item in items if isinstance(item, Received) for e in item.events]
    assert ToolCallDelta(2, arguments=arguments) in said
    assert not any(isinstance(e, Text) for e in said)


def test_text_as_a_call() -> None:
    other = Finish(FinishReason.LENGTH, "length")
    item = Received(b"raw", (Text("{"), Finish(FinishReason.STOP, "stop"), other, Other(), Done()))
    calls = Finish(FinishReason.TOOL_CALLS)
    assert as_call(item, 1) == Received(b"", (ToolCallDelta(1, arguments="{"), calls, other, Other(), Done()))


def test_what_a_client_may_see_of_a_failure() -> None:
    failed = Failed(FailureKind.AUTH, Answer(401, (), b"theirs"), b"raw")
    assert foreign(failed) == Failed(FailureKind.AUTH, Answer(401, (), b"theirs", is_foreign=True))
    assert foreign(BROKEN) == BROKEN
    assert without_answer(failed) == Failed(FailureKind.AUTH)

"""One answer's bytes on their way into an inbox: what is handed on, and how it ends."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio
from attrs import define

from legs import heard, outcome, text
from trooper.core.events import Done, Finish, FinishReason, Other, Received, Text, ToolCallDelta
from trooper.core.outcome import Answer, Completed, Failed, FailureKind, Outcome
from trooper.targets.inbox import Ended, Inbox, Item, Opened
from trooper.targets.reading import Reading, as_call, foreign, without_answer
from trooper.targets.upstream import Headers
from trooper.testing import ANSWERS
from trooper.wire.body import Body
from trooper.wire.llama_server.reader import LlamaReader
from trooper.wire.openai_chat.reader import ChatReader
from trooper.wire.openai_chat.whole import read_whole
from trooper.wire.whole import WholeReader
from work import counted_steps

SSE: Headers = ((b"content-type", b"text/event-stream"),)
HTML: Headers = ((b"content-type", b"text/html; charset=utf-8"),)
JSON: Headers = ((b"content-type", b"application/json; charset=utf-8"),)
EVENTS = ANSWERS["text"].events()
SAID = "".join(ANSWERS["text"].tokens)
BROKEN = Failed(FailureKind.CONN_RESET)


def reader() -> ChatReader:
    return ChatReader(100_000)


def body(*, streams: bool = True) -> Body:
    return Body(reader(), WholeReader(read_whole, 100_000), streams)


@define
class Tailed:
    """Reads what ends at an `!`, and passes on what follows."""

    outcome: Outcome | None = None
    finished: bool = False

    def feed(self, chunk: bytes) -> list[Received]:
        if isinstance(self.outcome, Failed):
            return []
        if self.outcome is None and b"!" in chunk:
            self.outcome = Failed(FailureKind.IN_BAND_ERROR) if b"?" in chunk else Completed()
        return [Received(chunk, (Text("x"),))]

    def end(self) -> list[Received]:
        return []


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
async def test_a_local_servers_page_is_no_answer(kind: bytes) -> None:
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


def raws(items: list[Item]) -> bytes:
    return b"".join(item.raw for item in items if isinstance(item, Received))


@pytest.mark.parametrize("headers", [SSE, JSON, HTML, ()])
@pytest.mark.parametrize("streams", [True, False])
async def test_the_first_bytes_decide_and_the_client_decides_what_it_gets(
    headers: Headers, *, streams: bool
) -> None:
    """What came as it was asked for keeps its bytes; all else is said anew."""
    for sent, is_stream in ((b"".join(EVENTS), True), (ANSWERS["text"].body(), False)):
        items, _ = await read(sent, headers=headers, reader=body(streams=streams))
        assert outcome(items) == Completed()
        assert text(items) == SAID
        assert raws(items) == (sent if streams is is_stream else b"")


@pytest.mark.parametrize("streams", [True, False])
async def test_a_page_is_no_answer_whatever_was_asked_for(*, streams: bool) -> None:
    items, wanted = await read(b"  \n", b"<!doctype html>", headers=HTML, reader=body(streams=streams))
    assert items == [Opened(HTML), Ended(Failed(FailureKind.BAD_FRAME))]
    assert wanted == [True, False]


async def tailed(*chunks: bytes, **changes: Any) -> tuple[list[Item], list[Item], list[bool]]:
    """What is in the inbox before the exchange is over, what then comes, and what was wanted."""
    before: list[Item] = []
    wanted: list[bool] = []
    kind = Body(Tailed(), WholeReader(read_whole, 100), changes.pop("streams", True))

    async def run(inbox: Inbox) -> None:
        reading = Reading(inbox, **{"reader": kind, **changes})
        wanted.extend([await reading.chunk(chunk) for chunk in chunks])
        before.extend(iter(inbox.take, None))
        await reading.finish(None)

    return before, await heard(run), wanted


async def test_bytes_behind_the_terminator_are_the_clients() -> None:
    before, after, wanted = await tailed(b"data", b"end!", b": more", b"x")
    assert raws(before) == b"dataend!: morex"
    assert after == [Ended(Completed())]
    assert wanted == [True, False, False, False]


@pytest.mark.parametrize("changes", [{"is_native": False}, {"streams": False}, {"reader": Tailed()}], ids=str)
async def test_what_is_said_anew_ends_with_the_terminator(changes: dict[str, Any]) -> None:
    before, after, wanted = await tailed(b"data", b"end!", b": more", **changes)
    assert outcome(before) == Completed()
    assert text(before) == "xx"
    assert (after, wanted) == ([], [True, False, False])


async def test_a_failure_is_told_at_once_and_nothing_follows() -> None:
    before, after, wanted = await tailed(b"data", b"end?!", b": more")
    assert outcome(before) == Failed(FailureKind.IN_BAND_ERROR)
    assert (after, wanted) == ([], [True, False, False])


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
    # Nor is the whole answer there: the client had "all of it", and could leave without anybody's notice.
    assert Done() not in [e for item in items if isinstance(item, Received) for e in item.events]
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


@pytest.mark.parametrize("event", [b":\n\n", b"data:\n\n", b"data: {}\n\n"])
async def test_events_of_which_nothing_comes_hold_up_nobody(event: bytes) -> None:
    """A compressed answer comes in large pieces, with nothing to wait for between them."""

    async def run(inbox: Inbox) -> None:
        reading = Reading(inbox, LlamaReader(1 << 20), is_native=False)
        await trio.lowlevel.checkpoint()
        for _ in range(16):
            await reading.chunk(event * (65_536 // len(event)))
        await reading.finish(BROKEN)

    with counted_steps() as steps:
        assert await heard(run) == [Ended(BROKEN)]
    assert 0 < steps.most < 60_000

"""More calls than anybody makes: each wire's reader says that there is something it does not follow."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve

from floods import HELLO, block, call, chunk, item, message, whole
from trooper.core.events import Event, Other, Received, ToolCallDelta
from trooper.core.tool_calls import MOST_CALLS
from trooper.wire.anthropic_messages.reader import MessagesReader
from trooper.wire.anthropic_messages.whole import read_whole as read_messages
from trooper.wire.llama_server.reader import LlamaReader
from trooper.wire.ollama_chat.reader import OllamaReader
from trooper.wire.openai_chat.reader import ChatReader
from trooper.wire.openai_chat.whole import read_whole as read_chat
from trooper.wire.openai_responses.reader import ResponsesReader
from trooper.wire.openai_responses.shapes import MOST_ITEMS
from trooper.wire.openai_responses.whole import read_whole as read_responses
from trooper.wire.target_side import Reader
from work import work_of

LARGE = 10_000_000


def begun(count: int) -> bytes:
    return message("message_start", message={"id": "a"}) + b"".join(block(i) for i in range(count))


def ollama(count: int) -> bytes:
    calls = [{"function": {"name": "f", "arguments": {}}}] * count
    return json.dumps({"message": {"content": "", "tool_calls": calls}}).encode() + b"\n"


STREAMS: dict[str, tuple[Callable[[], Reader], Callable[[int], bytes]]] = {
    "chat": (lambda: ChatReader(LARGE), lambda n: HELLO + b"".join(call(i, "{}") for i in range(n))),
    "messages": (lambda: MessagesReader(LARGE), begun),
    "responses": (lambda: ResponsesReader(LARGE), lambda n: b"".join(item(i) for i in range(n))),
    "responses, one place": (
        lambda: ResponsesReader(LARGE),
        lambda n: b"".join(item(i, place=0) for i in range(n)),
    ),
    "llama-server": (
        lambda: LlamaReader(max_event_bytes=LARGE, call_id="x"),
        lambda n: b"".join(call(i, "{}") for i in range(n)),
    ),
    "ollama": (lambda: OllamaReader(max_line_bytes=LARGE, call_id="x"), ollama),
}


def said(reader: Reader, body: bytes) -> list[Event]:
    return [event for received in reader.feed(body) for event in received.events]


def calls_in(events: list[Event]) -> int:
    return len({event.index for event in events if isinstance(event, ToolCallDelta)})


@pytest.mark.parametrize("wire", STREAMS)
def test_as_many_as_anybody_makes_are_followed(wire: str) -> None:
    reader, body = STREAMS[wire]
    events = said(reader(), body(MOST_CALLS))
    assert calls_in(events) == MOST_CALLS
    assert Other(continuable=False) not in events


@pytest.mark.parametrize("wire", STREAMS)
def test_more_are_not(wire: str) -> None:
    reader, body = STREAMS[wire]
    events = said(reader(), body(MOST_CALLS + 3))
    assert calls_in(events) == MOST_CALLS
    assert events.count(Other(continuable=False)) >= 1


@pytest.mark.parametrize("wire", STREAMS)
@pytest.mark.parametrize("most", [3, MOST_CALLS + 50])
def test_how_many_is_configured(wire: str, most: int) -> None:
    new, body = STREAMS[wire]
    make: Callable[[], Any] = new
    reader = evolve(make(), max_calls=most)
    assert calls_in(said(reader, body(most))) == most
    reader = evolve(make(), max_calls=most)
    events = said(reader, body(most + 1))
    assert (calls_in(events), Other(continuable=False) in events) == (most, True)


@pytest.mark.parametrize("wire", STREAMS)
def test_the_work_grows_with_the_number_and_not_its_square(wire: str) -> None:
    reader, body = STREAMS[wire]
    few, many = (work_of(lambda n=n: said(reader(), body(n))) for n in (MOST_CALLS // 2, MOST_CALLS))  # type: ignore[misc]
    assert many < 2.3 * few


@pytest.mark.parametrize(
    ("read", "body"),
    [
        (read_chat, whole({"tool_calls": [{"id": "a", "function": {"name": "f"}}] * 300}).body),
        (
            read_messages,
            json.dumps({"content": [{"type": "tool_use", "name": "f", "input": {}}] * 300}).encode(),
        ),
        (
            read_responses,
            json.dumps(
                {"status": "completed", "output": [{"type": "function_call", "name": "f"}] * 300}
            ).encode(),
        ),
    ],
)
def test_nor_in_a_whole_answer(read: Callable[[bytes], tuple[Received, object]], body: bytes) -> None:
    received, _ = read(body)
    events = list(received.events)
    assert calls_in(events) == MOST_CALLS
    assert Other(continuable=False) in events


def test_a_name_in_pieces_ends_somewhere() -> None:
    """Each of them would be said with all that came before it."""
    reader = ChatReader(LARGE)
    events = said(
        reader, b"".join(call(0, "", name="x" * 100, call_id="c") + call(0, "", f"y{i}") for i in range(200))
    )
    assert max(len(event.name) for event in events if isinstance(event, ToolCallDelta)) < 2_000


def test_what_is_said_again_of_a_long_call_is_not_compared_with_it() -> None:
    reader = ChatReader(LARGE)
    said(reader, call(0, json.dumps({"a": "x" * 500_000})))
    before = reader._calls.calls
    again = call(0, " ")
    assert work_of(lambda: [said(reader, again) for _ in range(50)]) < 50 * 400
    assert before is reader._calls.calls


@pytest.mark.parametrize(
    "odd", [b"data: {\n", b":\n", b"event: x\n", b"data:\n"], ids=["half", "comment", "name", "blank"]
)
def test_lines_whose_event_does_not_end_are_looked_at_once(odd: bytes) -> None:
    def dribbled(count: int) -> Callable[[], object]:
        reader = ChatReader(LARGE)
        return lambda: [reader.feed(odd) for _ in range(count)]

    few, many = work_of(dribbled(200)), work_of(dribbled(400))
    assert many < 2.3 * few
    reader = ChatReader(LARGE)
    for _ in range(3):
        assert reader.feed(odd) == []
    # And what an event is by itself is read as soon as it is there, behind lines that say nothing.
    if odd in (b":\n", b"event: x\n"):
        line = chunk({"content": "a"}).removesuffix(b"\n")
        assert [received.text for received in reader.feed(line)] == ["a"]


@pytest.mark.parametrize("count", [MOST_ITEMS, MOST_ITEMS + 1])
def test_more_items_than_anybody_says_are_not_followed(count: int) -> None:
    said_items = [{"type": "message", "id": f"m{i}", "content": []} for i in range(count)]
    body = b"".join(
        message("response.output_item.added", output_index=i, item=value)
        for i, value in enumerate(said_items)
    )
    events = said(ResponsesReader(LARGE), body)
    assert (Other(continuable=False) in events) is (count > MOST_ITEMS)

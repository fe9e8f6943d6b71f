"""
What the voices say while somebody works on an answer: events that clients count,
and of which nothing is left in the message.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from scenes import WIRES
from spoken import LEGS, TROUBLE, answers
from trooper.core.events import (
    Done,
    Event,
    Finish,
    FinishReason,
    Reasoning,
    Received,
    Text,
    ToolCallDelta,
    Usage,
)
from trooper.testing import ANSWERS
from trooper.testing.provider import WIRES as SPOKEN
from trooper.wire.client_side import Voice
from wire.test_three_wires import NAMES, new_voice, read, sayable, validated
from wire_validator import ChatResult

HALF_CALL = ToolCallDelta(0, "call_1", "get_weather", '{"city": ')
PROGRESS = "reading the prompt, 1 of 2 tokens"


def spoken(voice: Voice, events: Sequence[Event], after: set[int]) -> bytes:
    """The events, with a sign behind each of those at `after`."""
    out = voice.at_work() if -1 in after else b""
    for at, event in enumerate(events):
        out += voice.speak((event,))
        out += voice.at_work(PROGRESS) if at in after else b""
    return out


def without_comments(result: ChatResult) -> ChatResult:
    return evolve(result, comments=())


def meaning(name: str, stream: bytes) -> list[Event]:
    """What our own reader makes of it, signs of life apart."""
    items, _ = read(name, stream)
    return [
        e
        for item in items
        for e in item.events
        if isinstance(e, Text | Reasoning | ToolCallDelta | Finish | Done)
    ]


@pytest.mark.parametrize("name", NAMES)
@given(events=answers(), data=st.data())
def test_the_message_is_the_same(name: str, events: list[Event], data: st.DataObject) -> None:
    """Anywhere, any number of them: same message, gapless numbers, and our own reader reads the same."""
    events = sayable(name, events)
    after = data.draw(st.sets(st.integers(-1, max(0, len(events) - 1))))
    finish = (
        FinishReason.TOOL_CALLS if any(isinstance(e, ToolCallDelta) for e in events) else FinishReason.STOP
    )
    said = []
    for places in (after, set[int]()):
        voice = new_voice(name)
        out = spoken(voice, events, places) + voice.finish(finish, LEGS) + voice.usage(Usage(7, 9))
        said.append(out + voice.terminate())
    with_signs, without = said
    assert without_comments(validated(name, with_signs)) == without_comments(validated(name, without))
    assert meaning(name, with_signs) == meaning(name, without)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["text", "tools", "text-tools", "reasoning"])
def test_behind_a_stream_that_breaks_off_anywhere(name: str, kind: str) -> None:
    """A provider's bytes up to any event, signs, and an honest error: valid, and its words are its own."""
    events = SPOKEN[WIRES[name].path].events(ANSWERS[kind])
    for cut in range(1, len(events)):
        items, _ = read(name, b"".join(events[:cut]))
        if any(isinstance(e, Finish | Done) for item in items for e in item.events):
            break
        results = []
        for signs in (0, 3):
            voice = new_voice(name)
            out = b"".join(voice.forward(item) for item in items)
            out += b"".join(voice.at_work() for _ in range(signs)) + voice.error(TROUBLE)
            results.append(without_comments(validated(name, out)))
        assert results[0] == results[1]


@pytest.mark.parametrize(
    ("open_", "delta"),
    [
        (Text("a"), {"type": "text_delta", "text": ""}),
        (Reasoning("a"), {"type": "thinking_delta", "thinking": ""}),
        (HALF_CALL, {"type": "input_json_delta", "partial_json": ""}),
    ],
)
def test_messages_an_empty_delta_in_the_open_block(open_: Event, delta: object) -> None:
    voice = new_voice("messages")
    voice.speak((open_,))
    value = json.loads(voice.at_work().partition(b"data: ")[2])
    assert value == {"type": "content_block_delta", "index": 0, "delta": delta}


def test_messages_before_and_between_blocks() -> None:
    """The beginning once, and a `message_delta` without a reason; no block of our own."""
    voice = new_voice("messages")
    voice.call_it("qwen3")
    assert [*map(kind_of, blocks(voice.at_work() + voice.at_work()))] == [
        "message_start",
        "message_delta",
        "message_delta",
    ]
    assert voice.named == "qwen3"
    block = b'data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n'
    for raw in (block, b'data: {"type":"content_block_stop","index":0}\n\n'):
        voice.forward(Received(raw))
    (sign,) = blocks(voice.at_work())
    assert json.loads(sign)["delta"] == {"stop_reason": None, "stop_sequence": None}


@pytest.mark.parametrize("kind", ["server_tool_use", "redacted_thinking"])
def test_messages_in_a_block_that_has_no_delta(kind: str) -> None:
    voice = new_voice("messages")
    start = {"type": "content_block_start", "index": 0, "content_block": {"type": kind}}
    voice.forward(Received(b"data: " + json.dumps(start).encode() + b"\n\n"))
    assert [*map(kind_of, blocks(voice.at_work()))] == ["message_start", "message_delta"]


def test_responses_begins_once_and_counts_on() -> None:
    voice = new_voice("responses")
    told = [json.loads(data) for data in blocks(voice.at_work() + voice.at_work(PROGRESS) + voice.at_work())]
    kinds = ["response.created", *["response.in_progress"] * 3]
    assert [value["type"] for value in told] == kinds
    assert [value["sequence_number"] for value in told] == [0, 1, 2, 3]


def test_chat_not_even_an_empty_text() -> None:
    """Some clients would begin a part for it."""
    voice = new_voice("chat")
    deltas = [json.loads(data)["choices"][0]["delta"] for data in blocks(voice.at_work() + voice.at_work())]
    assert deltas == [{"role": "assistant"}, {}]


@pytest.mark.parametrize("name", NAMES)
def test_behind_the_finish_nothing_is_begun(name: str) -> None:
    """What follows the last event is no part of the answer; comments and pings may stand anywhere."""
    voice = new_voice(name)
    out = voice.speak((Text("x"),)) + voice.finish(FinishReason.STOP, ())
    out += voice.at_work() + voice.usage(Usage(1, 1))
    late = voice.at_work() if name == "chat" else b""
    out += late + voice.terminate()
    assert validated(name, out).text == "x"
    assert blocks(voice.at_work()) in ([], ['{"type":"ping"}'])


@pytest.mark.parametrize("name", NAMES)
def test_what_somebody_is_at_is_a_comment(name: str) -> None:
    voice = new_voice(name)
    out = voice.keep_alive(PROGRESS) + voice.at_work(PROGRESS) + voice.keep_alive(PROGRESS)
    assert out.decode().count(f": trooper keep-alive: {PROGRESS}\n") == 3
    assert PROGRESS not in "".join(blocks(out))
    # An answer in one piece has room for neither.
    whole = new_voice(name, stream=False)
    assert whole.keep_alive(PROGRESS) + whole.at_work(PROGRESS) == b""


def blocks(out: bytes) -> list[str]:
    """The data of each event."""
    return re.findall("(?m)^data: (.*)$", out.decode())


def kind_of(data: str) -> str:
    return str(json.loads(data)["type"])

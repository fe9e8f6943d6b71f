"""Reads an Anthropic Messages stream (`wire.anthropic_messages.reader`) and a whole message."""

from __future__ import annotations

import json
from typing import Any

import pytest

from trooper.core.events import (
    Begin,
    Done,
    Event,
    Finish,
    FinishReason,
    Other,
    PartEnd,
    Reasoning,
    Text,
    ToolCallDelta,
    Usage,
)
from trooper.core.outcome import Completed, Failed, FailureKind, Outcome
from trooper.testing import ANSWERS
from trooper.testing.messages import messages_events
from trooper.wire.anthropic_messages.reader import MessagesReader
from trooper.wire.anthropic_messages.voice import MessagesVoice
from trooper.wire.anthropic_messages.whole import read_whole

START = {
    "type": "message_start",
    "message": {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-x",
        "content": [],
        "usage": {"input_tokens": 5, "cache_read_input_tokens": 3, "cache_creation_input_tokens": 2},
    },
}
BEGIN = Begin("msg_1", 0, "claude-x", has_role=True, prompt_tokens=10)
STOP = {"type": "message_stop"}


def sse(value: Any, name: str | None = None) -> bytes:
    name = value["type"] if name is None else name
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(value)}\n\n".encode()


def start(index: int, **block: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index: int, kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def stop(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def end(reason: str | None, **usage: int) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage or None}


def read(*values: Any) -> tuple[list[Event], Outcome | None]:
    reader = MessagesReader(1 << 20)
    stream = b"".join(v if isinstance(v, bytes) else sse(v) for v in values)
    received = [*reader.feed(stream), *reader.end()]
    return [event for item in received for event in item.events], reader.outcome


def test_text() -> None:
    events, outcome = read(
        START,
        start(0, type="text", text=""),
        {"type": "ping"},
        delta(0, "text_delta", text="Hel"),
        delta(0, "text_delta", text=""),
        delta(0, "text_delta", text="lo"),
        stop(0),
        end("end_turn", output_tokens=7),
        STOP,
    )
    assert events == [
        BEGIN,
        Text("Hel"),
        Text("lo"),
        PartEnd(),
        Usage(10, 7),
        Finish(FinishReason.STOP, "end_turn"),
        Done(),
    ]
    assert outcome == Completed()


def test_a_call_and_one_without_arguments() -> None:
    events, outcome = read(
        START,
        start(0, type="tool_use", id="toolu_1", name="f", input={}),
        delta(0, "input_json_delta", partial_json=""),
        delta(0, "input_json_delta", partial_json='{"a"'),
        delta(0, "input_json_delta", partial_json=":1}"),
        stop(0),
        start(1, type="tool_use", id="toolu_2", name="g", input={}),
        stop(1),
        end("tool_use"),
        STOP,
    )
    assert events[1:-2] == [
        ToolCallDelta(0, "toolu_1", "f"),
        ToolCallDelta(0, arguments='{"a"'),
        ToolCallDelta(0, arguments=":1}"),
        PartEnd(),
        ToolCallDelta(1, "toolu_2", "g"),
        ToolCallDelta(1, arguments="{}"),
        PartEnd(),
    ]
    assert events[-2] == Finish(FinishReason.TOOL_CALLS, "tool_use")
    assert outcome == Completed()


def test_thinking_is_signed_by_something_that_says_nothing() -> None:
    events, _ = read(
        START,
        start(0, type="thinking", thinking="", signature=""),
        delta(0, "thinking_delta", thinking="Hm"),
        delta(0, "signature_delta", signature="abc"),
        stop(0),
        start(1, type="redacted_thinking", data="x"),
        stop(1),
    )
    assert events[1:] == [
        Other(thinks=True),
        Reasoning("Hm"),
        Other(),
        PartEnd(),
        Other(thinks=True),
        PartEnd(),
    ]


@pytest.mark.parametrize(
    "block",
    [
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}},
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
    ],
)
def test_a_block_that_only_its_provider_knows(block: dict[str, Any]) -> None:
    """It is forwarded, and the text behind it can be gone on with."""
    events, _ = read(START, start(0, **block), delta(0, "input_json_delta", partial_json="{}"), stop(0))
    assert events[1:] == [Other(works=True), Other(works=True), PartEnd()]
    assert not any(isinstance(event, ToolCallDelta) for event in events)


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("end_turn", FinishReason.STOP),
        ("stop_sequence", FinishReason.STOP),
        ("pause_turn", FinishReason.STOP),
        ("max_tokens", FinishReason.LENGTH),
        ("model_context_window_exceeded", FinishReason.LENGTH),
        ("tool_use", FinishReason.TOOL_CALLS),
        ("refusal", FinishReason.CONTENT_FILTER),
        # Words of other wires, and of providers behind this one.
        ("stop", FinishReason.STOP),
        ("length", FinishReason.LENGTH),
        ("model_length", FinishReason.LENGTH),
        ("tool_calls", FinishReason.TOOL_CALLS),
        ("content_filter", FinishReason.CONTENT_FILTER),
        ("sensitive", FinishReason.CONTENT_FILTER),
        ("something_new", FinishReason.STOP),
    ],
)
def test_stop_reasons(word: str, reason: FinishReason) -> None:
    events, outcome = read(START, start(0, type="text", text="x"), stop(0), end(word), STOP)
    assert [e for e in events if isinstance(e, Finish)] == [Finish(reason, word)]
    assert outcome == Completed()


@pytest.mark.parametrize("word", ["error", "network_error", "abort", "insufficient_system_resource"])
def test_a_stop_reason_may_be_a_failure(word: str) -> None:
    events, outcome = read(START, start(0, type="text", text="x"), stop(0), end(word), STOP)
    assert not any(isinstance(e, Finish) for e in events)
    assert isinstance(outcome, Failed)
    assert outcome.kind is FailureKind.IN_BAND_ERROR
    body = json.dumps({"type": "message", "content": [{"type": "text", "text": "x"}], "stop_reason": word})
    assert read_whole(body.encode())[1] == Failed(FailureKind.IN_BAND_ERROR)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("exception", FailureKind.IN_BAND_ERROR),
        ("internalServerException", FailureKind.SERVER_ERROR),
        ("throttlingException", FailureKind.RATE_LIMIT),
    ],
)
def test_a_failure_may_be_known_by_its_name_alone(name: str, kind: FailureKind) -> None:
    raw = f'event: {name}\ndata: {{"message": "m"}}\n\n'.encode()
    _, outcome = read(START, start(0, type="text", text="x"), raw)
    assert isinstance(outcome, Failed)
    assert outcome.kind is kind


def test_the_voice_learns_types_from_names() -> None:
    reader, voice = MessagesReader(1 << 20), MessagesVoice("ours", "m")
    for value in (START, start(0, type="text", text="x")):
        kind, told = value["type"], {key: item for key, item in value.items() if key != "type"}
        for item in reader.feed(f"event: {kind}\ndata: {json.dumps(told)}\n\n".encode()):
            voice.forward(item)
    assert voice.speak([Text("y")]).startswith(b"event: content_block_delta")


@pytest.mark.parametrize(
    ("rest", "outcome"),
    [
        ((), Failed(FailureKind.EOF_EARLY)),
        ((start(0, type="text", text="x"),), Failed(FailureKind.EOF_EARLY)),
        ((start(0, type="text", text="x"), stop(0), end("end_turn")), Completed()),
        ((end("end_turn"), STOP), Failed(FailureKind.EMPTY_200)),
        ((end("max_tokens"), STOP), Completed()),
        ((end("pause_turn"), STOP), Completed()),
        ((start(0, type="text", text="x"), stop(0), end(None), STOP), Completed()),
        ((start(0, type="text", text="x"), end(None), STOP), FailureKind.EOF_EARLY),
        (
            (start(0, type="text", text="x"), stop(0), b"data: {nope\n\n", end(None), STOP),
            FailureKind.EOF_EARLY,
        ),
        ((start(0, type="text", text="x"), stop(0), STOP), FailureKind.EOF_EARLY),
        ((end(None), STOP), FailureKind.EMPTY_200),
        ((b"data: {nope\n\n" * 3,), Failed(FailureKind.BAD_FRAME)),
        ((b"event: error\ndata: {nope\n\n",), FailureKind.IN_BAND_ERROR),
        ((b"event: error\n\n",), Failed(FailureKind.IN_BAND_ERROR)),
        (({"type": "error", "error": {"type": "overloaded_error", "message": "m"}},), FailureKind.OVERLOADED),
        (
            (
                start(0, type="text", text="x"),
                stop(0),
                end("end_turn"),
                {"type": "error", "error": {"type": "api_error", "message": "m"}},
            ),
            Completed(),
        ),
        (
            (start(0, type="text", text="x"), end("end_turn"), b"data: {nope\n\n" * 3),
            Completed(),
        ),
    ],
)
def test_ends(rest: tuple[Any, ...], outcome: Outcome | FailureKind) -> None:
    _, seen = read(START, *rest)
    assert (seen.kind if isinstance(seen, Failed) and isinstance(outcome, FailureKind) else seen) == outcome


def test_nothing_at_all() -> None:
    assert read() == ([], Failed(FailureKind.EMPTY_200))


def test_one_bad_line_is_left_out() -> None:
    events, outcome = read(
        START, b"data: {nope\n\n", start(0, type="text", text="x"), stop(0), end("end_turn")
    )
    assert Text("x") in events
    assert outcome == Completed()


@pytest.mark.parametrize(
    "value",
    [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "something_new", "x": 1}},
        {"type": "content_block_delta", "index": 0, "delta": "text"},
        {"type": "something_new", "delta": {"x": "y"}},
        {"type": "something_new", "x": "y"},
    ],
)
def test_what_may_be_content_ends_the_net(value: Any) -> None:
    events, outcome = read(START, value)
    assert events[-1] == Other(continuable=False)
    assert outcome == Failed(FailureKind.EOF_EARLY)


def test_what_is_new_and_no_content_does_no_harm() -> None:
    events, _ = read(START, {"type": "something_new"}, b": hello\n\n", b"data: \n\n")
    assert events == [BEGIN, Other()]


def test_a_last_event_without_its_empty_line_counts() -> None:
    stream = b"".join(messages_events(ANSWERS["text"]))
    events, outcome = read(stream.removesuffix(b"\n"))
    assert isinstance(events[-1], Done)
    assert outcome == Completed()


WHOLE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-x",
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 5, "cache_read_input_tokens": 5, "output_tokens": 7},
    "content": [
        {"type": "thinking", "thinking": "Hm", "signature": "s"},
        {"type": "text", "text": "Hello"},
        {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": "é"}},
    ],
}


@pytest.mark.parametrize("torn", [b"event: message_stop\ndata:", b"event: message_stop\ndata: "])
def test_a_last_event_that_is_torn_behind_its_name_is_no_end(torn: bytes) -> None:
    """Whose finish is known is completed by ours; it must not stand in the line that they began."""
    said = [START, start(0, type="text", text=""), delta(0, "text_delta", text="x"), stop(0), end("end_turn")]
    reader = MessagesReader(1 << 20)
    whole = b"".join(map(sse, said))
    received = [*reader.feed(whole + torn), *reader.end()]

    assert b"".join(item.raw for item in received) == whole
    assert [type(event) for item in received for event in item.events][-1] is Finish
    assert reader.outcome == Completed()


@pytest.mark.parametrize("name", ["message_stop", "content_block_stop", "message_delta", "message_start"])
def test_nothing_is_known_by_the_name_of_a_torn_event(name: str) -> None:
    said = [START, start(0, type="text", text=""), delta(0, "text_delta", text="x")]
    reader = MessagesReader(1 << 20)
    torn = f"event: {name}\ndata: ".encode()
    received = [*reader.feed(b"".join(map(sse, said)) + torn), *reader.end()]

    assert b"".join(item.raw for item in received) == b"".join(map(sse, said))
    assert reader.outcome == Failed(FailureKind.EOF_EARLY)


def test_a_whole_message() -> None:
    item, outcome = read_whole(json.dumps(WHOLE).encode())
    assert outcome == Completed()
    assert item.events == (
        Begin("msg_1", 0, "claude-x", has_role=True),
        Reasoning("Hm"),
        Text("Hello"),
        ToolCallDelta(0, "toolu_1", "f", '{"a":"é"}'),
        Usage(10, 7),
        Finish(FinishReason.STOP, "end_turn"),
        Done(),
    )


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", FailureKind.EMPTY_200),
        (b"<html>", FailureKind.BAD_FRAME),
        (b"[1]", FailureKind.BAD_FRAME),
        (b"{}", FailureKind.BAD_FRAME),
        (json.dumps(WHOLE | {"content": [], "usage": {"output_tokens": 0}}).encode(), FailureKind.EMPTY_200),
        (b'{"type":"error","error":{"type":"overloaded_error","message":"m"}}', FailureKind.OVERLOADED),
    ],
)
def test_what_is_no_whole_message(body: bytes, kind: FailureKind) -> None:
    item, outcome = read_whole(body)
    assert item.events == ()
    assert isinstance(outcome, Failed)
    assert outcome.kind is kind


def test_odd_counts_and_blocks_of_a_whole_message() -> None:
    odd = WHOLE | {
        "usage": {"input_tokens": "five"},
        "content": [{"type": "server_tool_use"}, {"type": "fallback"}],
    }
    item, outcome = read_whole(json.dumps(odd).encode())
    assert outcome == Completed()
    assert Other(works=True) in item.events
    assert Usage(0, 0) in item.events

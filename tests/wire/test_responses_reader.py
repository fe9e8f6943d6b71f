"""Reads an OpenAI Responses stream (`wire.openai_responses.reader`) and a whole response."""

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
    Refusal,
    Text,
    ToolCallDelta,
    Usage,
)
from trooper.core.outcome import Completed, Failed, FailureKind, Outcome
from trooper.testing import ANSWERS
from trooper.testing.responses import responses_events
from trooper.wire.openai_responses.reader import ResponsesReader
from trooper.wire.openai_responses.whole import read_whole

RESPONSE = {"id": "resp_1", "created_at": 5.0, "model": "gpt-x", "status": "in_progress", "output": []}
CREATED = {"type": "response.created", "response": RESPONSE}
BEGIN = Begin("resp_1", 5, "gpt-x", has_role=True)
MESSAGE = {"type": "message", "id": "msg_1", "role": "assistant", "content": []}
CALL = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": ""}


def sse(value: Any) -> bytes:
    return f"event: {value['type']}\ndata: {json.dumps(value)}\n\n".encode()


def told(kind: str, index: int = 0, **fields: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}", "output_index": index, **fields}


def completed(status: str = "completed", **fields: Any) -> dict[str, Any]:
    usage = {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}
    response = {**RESPONSE, "status": status, "usage": usage, **fields}
    return {"type": f"response.{status}", "response": response}


def read(*values: Any) -> tuple[list[Event], Outcome | None]:
    reader = ResponsesReader(1 << 20)
    stream = b"".join(v if isinstance(v, bytes) else sse(v) for v in values)
    received = [*reader.feed(stream), *reader.end()]
    events = [event for item in received for event in item.events]
    return [event for event in events if event != Other()], reader.outcome


def test_text() -> None:
    part = {"type": "output_text", "text": "Hello"}
    events, outcome = read(
        CREATED,
        told("output_item.added", item=MESSAGE),
        told("content_part.added", content_index=0, part={"type": "output_text", "text": ""}),
        told("output_text.delta", content_index=0, delta="Hel"),
        told("output_text.delta", content_index=0, delta=""),
        told("output_text.delta", content_index=0, delta="lo"),
        told("output_text.done", content_index=0, text="Hello"),
        told("content_part.done", content_index=0, part=part),
        told("output_item.done", item=MESSAGE | {"content": [part]}),
        completed(output=[MESSAGE | {"content": [part]}]),
    )
    assert events == [
        BEGIN,
        Text("Hel"),
        Text("lo"),
        PartEnd(),
        Usage(3, 4),
        Finish(FinishReason.STOP, "completed"),
        Done(),
    ]
    assert outcome == Completed()


@pytest.mark.parametrize("where", ["done", "item", "end"])
def test_text_that_came_in_no_delta(where: str) -> None:
    """Some servers send none: what is done is read once, wherever it is said first."""
    part = {"type": "output_text", "text": "Hello"}
    whole = MESSAGE | {"content": [part]}
    done = [told("output_text.done", content_index=0, text="Hello")] if where == "done" else []
    item = [told("output_item.done", item=whole)] if where != "end" else []
    events, outcome = read(
        CREATED, told("output_item.added", item=MESSAGE), *done, *item, completed(output=[whole])
    )
    assert [event for event in events if isinstance(event, Text)] == [Text("Hello")]
    assert outcome == Completed()


def test_a_call() -> None:
    events, outcome = read(
        CREATED,
        told("output_item.added", item=CALL),
        told("function_call_arguments.delta", delta='{"a"'),
        told("function_call_arguments.delta", delta=":1}"),
        told("function_call_arguments.done", arguments='{"a":1}'),
        told("output_item.done", item=CALL | {"arguments": '{"a":1}'}),
        completed(output=[CALL | {"arguments": '{"a":1}'}]),
    )
    assert events[1:-3] == [
        ToolCallDelta(0, "call_1", "f"),
        ToolCallDelta(0, arguments='{"a"'),
        ToolCallDelta(0, arguments=":1}"),
        PartEnd(),
    ]
    assert events[-2] == Finish(FinishReason.TOOL_CALLS, "completed")
    assert outcome == Completed()


@pytest.mark.parametrize("how", ["done", "item", "end", "nothing"])
def test_arguments_that_came_in_no_delta(how: str) -> None:
    whole = CALL | {"arguments": "" if how == "nothing" else '{"a":1}'}
    middle = {
        "done": [
            told("output_item.added", item=CALL),
            told("function_call_arguments.done", arguments='{"a":1}'),
        ],
        "item": [told("output_item.added", item=CALL), told("output_item.done", item=whole)],
        "end": [],
        "nothing": [told("output_item.added", item=CALL), told("output_item.done", item=whole)],
    }[how]
    events, outcome = read(CREATED, *middle, completed(output=[whole]))
    calls = [event for event in events if isinstance(event, ToolCallDelta)]
    assert [call.name for call in calls if call.name] == ["f"]
    assert "".join(call.arguments for call in calls) == ("{}" if how == "nothing" else '{"a":1}')
    assert outcome == Completed()


def test_calls_that_the_last_event_alone_names_and_that_have_no_ids_are_several() -> None:
    told_last = [{"type": "function_call", "name": name, "arguments": "{}"} for name in ("f", "g")]
    events, outcome = read(CREATED, completed(output=told_last))
    calls = [event for event in events if isinstance(event, ToolCallDelta) and event.name]
    assert [(call.index, call.name) for call in calls] == [(0, "f"), (1, "g")]
    assert outcome == Completed()


def test_a_call_whose_arguments_never_ended_was_cut() -> None:
    events, outcome = read(
        CREATED,
        told("output_item.added", item=CALL),
        told("function_call_arguments.delta", delta='{"a"'),
        completed(output=[CALL]),
    )
    assert not any(isinstance(event, Finish) for event in events)
    assert outcome == Failed(FailureKind.EOF_EARLY)


def test_reasoning_and_refusal() -> None:
    events, _ = read(
        CREATED,
        told("output_item.added", item={"type": "reasoning", "id": "rs_1", "summary": []}),
        told("reasoning_summary_text.delta", summary_index=0, delta="Hm"),
        told("reasoning_summary_text.done", summary_index=0, text="Hm"),
        told("reasoning_summary_text.done", summary_index=1, text="So"),
        told("reasoning_text.delta", 1, content_index=0, delta="raw"),
        told("refusal.delta", 2, content_index=0, delta="No"),
        told("refusal.done", 2, content_index=0, refusal="No"),
        told("refusal.done", 3, content_index=0, refusal="Never"),
    )
    said = [Reasoning("Hm"), Reasoning("So"), Reasoning("raw"), Refusal("No"), Refusal("Never")]
    assert events[1:] == [Other(thinks=True), *said]


@pytest.mark.parametrize(
    ("kind", "other"),
    [
        ("web_search_call", Other(works=True)),
        ("code_interpreter_call", Other(works=True)),
        ("image_generation_call", Other(works=True, shows=True)),
        ("tool_search_call", Other(works=True)),
        ("local_shell_call", Other(continuable=False)),
        ("hologram_call", Other(continuable=False)),
    ],
)
def test_an_item_that_only_its_provider_knows(kind: str, other: Other) -> None:
    """Behind what the provider runs itself the text can be gone on with."""
    events, _ = read(CREATED, told("output_item.added", item={"type": kind, "id": "x_1"}))
    assert events[1:] == [other]
    events, _ = read(
        CREATED, told("output_item.added", item={"type": kind, "id": "x_1", "execution": "client"})
    )
    clients = kind == "tool_search_call"
    assert events[1:] == [Other(continuable=False) if clients else other]


@pytest.mark.parametrize(
    ("details", "status", "reason"),
    [
        (None, "completed", FinishReason.STOP),
        ({"reason": "max_output_tokens"}, "incomplete", FinishReason.LENGTH),
        ({"reason": "content_filter"}, "incomplete", FinishReason.CONTENT_FILTER),
    ],
)
def test_reasons(details: Any, status: str, reason: FinishReason) -> None:
    events, outcome = read(
        CREATED,
        told("output_text.delta", content_index=0, delta="x"),
        completed(status, incomplete_details=details),
    )
    assert [event.reason for event in events if isinstance(event, Finish)] == [reason]
    assert outcome == Completed()


@pytest.mark.parametrize(
    ("rest", "kind"),
    [
        ((), FailureKind.EOF_EARLY),
        ((completed(usage=None),), FailureKind.EMPTY_200),
        ((completed(usage={"output_tokens": 0}),), FailureKind.EMPTY_200),
        ((b"data: {nope\n\n" * 3,), FailureKind.BAD_FRAME),
        ((b"event: error\ndata: {nope\n\n",), FailureKind.IN_BAND_ERROR),
        (
            (
                {
                    "type": "error",
                    "error": {"type": "requests", "code": "rate_limit_exceeded", "message": "m"},
                },
            ),
            FailureKind.RATE_LIMIT,
        ),
        (
            ({"type": "error", "code": "server_error", "message": "m", "param": None},),
            FailureKind.SERVER_ERROR,
        ),
        (
            (
                {
                    "type": "response.failed",
                    "response": {"error": {"code": "server_is_overloaded", "message": "m"}},
                },
            ),
            FailureKind.OVERLOADED,
        ),
        (
            (
                {
                    "type": "response.failed",
                    "response": {"error": {"code": "context_length_exceeded", "message": "m"}},
                },
            ),
            FailureKind.CONTEXT_LENGTH,
        ),
    ],
)
def test_failures(rest: tuple[Any, ...], kind: FailureKind) -> None:
    _, outcome = read(CREATED, *rest)
    assert isinstance(outcome, Failed)
    assert outcome.kind is kind


def test_nothing_at_all_and_a_terminator_of_another_wire() -> None:
    assert read() == ([], Failed(FailureKind.EMPTY_200))
    stream = b"".join(responses_events(ANSWERS["text"]))
    events, outcome = read(stream, b"data: [DONE]\n\n")
    assert isinstance(events[-1], Done)
    assert outcome == Completed()


@pytest.mark.parametrize(
    "value",
    [
        told("something_new.delta", delta="x"),
        told("function_call_arguments.delta", 9, delta="{"),
    ],
)
def test_what_may_be_content_ends_the_net(value: Any) -> None:
    events, _ = read(CREATED, value)
    assert events[-1] == Other(continuable=False)


WHOLE = RESPONSE | {
    "object": "response",
    "status": "completed",
    "usage": {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7},
    "output": [
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm"}]},
        MESSAGE
        | {"content": [{"type": "output_text", "text": "Hello"}, {"type": "refusal", "refusal": "No"}]},
        CALL | {"arguments": '{"a":1}'},
        CALL | {"call_id": "call_2", "arguments": ""},
    ],
}


def test_a_whole_response() -> None:
    item, outcome = read_whole(json.dumps(WHOLE).encode())
    assert outcome == Completed()
    assert item.events == (
        BEGIN,
        Reasoning("Hm"),
        Text("Hello"),
        Refusal("No"),
        ToolCallDelta(0, "call_1", "f", '{"a":1}'),
        ToolCallDelta(1, "call_2", "f", "{}"),
        Usage(3, 4),
        Finish(FinishReason.TOOL_CALLS, "completed"),
        Done(),
    )


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", FailureKind.EMPTY_200),
        (b"<html>", FailureKind.BAD_FRAME),
        (b"{}", FailureKind.BAD_FRAME),
        (json.dumps(WHOLE | {"output": [], "usage": None}).encode(), FailureKind.EMPTY_200),
        (json.dumps(WHOLE | {"status": "cancelled"}).encode(), FailureKind.IN_BAND_ERROR),
        (
            json.dumps(WHOLE | {"error": {"code": "server_error", "message": "m"}}).encode(),
            FailureKind.SERVER_ERROR,
        ),
    ],
)
def test_what_is_no_whole_response(body: bytes, kind: FailureKind) -> None:
    item, outcome = read_whole(body)
    assert item.events == ()
    assert isinstance(outcome, Failed)
    assert outcome.kind is kind


@pytest.mark.parametrize(
    "odd", [{"status": "queued"}, {"output": [{"type": 5}]}, {"output": [{"type": "computer_call"}]}]
)
def test_what_nobody_else_could_say(odd: dict[str, Any]) -> None:
    """A background job, or items of the provider's own: passed on as they are."""
    item, outcome = read_whole(json.dumps(WHOLE | odd).encode())
    assert outcome == Completed()
    assert Other(continuable=False) in item.events

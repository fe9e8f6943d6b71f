"""
What gateways and older servers call the events of a response: thoughts under other names, other ends, no types.
"""

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
    Received,
    Text,
    ToolCallDelta,
)
from trooper.core.outcome import Completed, Failed, FailureKind, Outcome
from trooper.testing import ANSWERS
from trooper.testing.responses import responses_events
from trooper.wire.openai_responses.reader import ResponsesReader
from trooper.wire.openai_responses.voice import ResponsesVoice

CREATED = {"type": "response.created", "response": {"id": "resp_1", "model": "m", "output": []}}
WORDS = {
    "type": "message",
    "id": "m",
    "role": "assistant",
    "content": [{"type": "output_text", "text": "Hi"}],
}
CALL = {"type": "function_call", "id": "f", "call_id": "c", "name": "get_time", "arguments": "{}"}
DONE = b"data: [DONE]\n\n"


def sse(value: Any) -> bytes:
    return value if isinstance(value, bytes) else f"data: {json.dumps(value)}\n\n".encode()


def received(*values: Any) -> tuple[list[Received], Outcome | None]:
    reader = ResponsesReader(1 << 20)
    items = [*reader.feed(b"".join(map(sse, values))), *reader.end()]
    return items, reader.outcome


def read(*values: Any) -> tuple[list[Event], Outcome | None]:
    items, outcome = received(*values)
    return [event for item in items for event in item.events if event != Other()], outcome


def said(*values: Any) -> list[dict[str, Any]]:
    """What a voice has made of these events, and of a word behind them."""
    voice = ResponsesVoice("r", {"id": "resp_ours", "output": []})
    items, _ = received(*values)
    for item in items:
        voice.forward(item)
    told = voice.speak([Text(" more")]) + voice.finish(FinishReason.STOP, ()) + voice.terminate()
    return [json.loads(line[6:]) for line in told.splitlines() if line.startswith(b"data: ")]


# -- thoughts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "reasoning",
        "reasoning_content",
        "reasoning_raw_content",
        "reasoning_summary",
        "reasoning_text",
        "thinking",
    ],
)
@pytest.mark.parametrize("delta", ["Hm", {"content": "Hm"}, {"text": "Hm"}])
def test_a_thought_has_many_names(name: str, delta: Any) -> None:
    events, _ = read(
        CREATED,
        {"type": f"response.{name}.delta", "delta": delta},
        {"type": f"response.{name}.done", "text": "Hm"},
    )
    assert events[1:] == [Reasoning("Hm")]


@pytest.mark.parametrize(
    "name", ["reasoning.search_results", "reasoning.started", "thinking", "unreasoning.delta"]
)
def test_what_only_sounds_like_a_thought_ends_the_net(name: str) -> None:
    events, _ = read(CREATED, {"type": f"response.{name}", "delta": "x", "results": ["y"]})
    assert events[-1] == Other(continuable=False)


def test_half_a_thought_under_another_name_is_ended_as_what_it_is() -> None:
    told = said(
        CREATED,
        {"type": "response.reasoning.delta", "delta": "H"},
        {"type": "response.reasoning.delta", "delta": "m"},
    )
    assert told[1]["type"] == "response.reasoning_text.done"
    assert told[1]["text"] == "Hm"
    assert [item["type"] for item in told[-1]["response"]["output"]] == ["reasoning", "message"]


def test_words_without_a_place_are_none_of_the_thought_that_is_open() -> None:
    output = said(
        CREATED,
        {"type": "response.reasoning_text.delta", "delta": "Hm"},
        {"type": "response.reasoning_text.delta", "delta": "m"},
        {"type": "response.output_text.delta", "delta": "Well"},
        {"type": "response.output_text.delta", "delta": ","},
    )[-1]["response"]["output"]
    assert [item["type"] for item in output] == ["reasoning", "message"]
    assert output[0]["content"] == [{"type": "reasoning_text", "text": "Hmm"}]
    assert output[1]["content"][0]["text"] == "Well, more"


def test_a_text_that_only_its_end_has_is_an_item_that_somebody_began() -> None:
    told = said(
        CREATED, {"type": "response.output_text.done", "item_id": "m", "output_index": 0, "text": "Hi"}
    )
    (item,) = told[-1]["response"]["output"]
    assert (item["id"], [part["text"] for part in item["content"]]) == ("m", ["Hi", " more"])


def test_an_event_may_have_its_type_as_its_name_alone() -> None:
    told = said(
        b'event: response.created\ndata: {"response":{"id":"resp_1","model":"m","output":[]}}\n\n',
        b'event: response.output_item.added\ndata: {"output_index":0,"item":{"type":"message","id":"m","content":[]}}\n\n',
        b'event: response.output_text.delta\ndata: {"output_index":0,"item_id":"m","delta":"Hi"}\n\n',
    )
    assert told[0]["type"] == "response.in_progress"
    assert told[-1]["response"]["id"] == "resp_1"
    assert [item["content"][0]["text"] for item in told[-1]["response"]["output"]] == ["Hi more"]


# -- ends ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "reason"), [("completed", FinishReason.STOP), ("incomplete", FinishReason.LENGTH)]
)
def test_codex_backend_may_say_that_it_is_done(status: str, reason: FinishReason) -> None:
    response = {"id": "resp_1", "status": status, "output": [WORDS]}
    events, outcome = read(CREATED, {"type": "response.done", "response": response})
    assert events[1:] == [Text("Hi"), Finish(reason, "completed" if status == "completed" else ""), Done()]
    assert outcome == Completed()


@pytest.mark.parametrize("kind", ["completed", "done", "incomplete"])
@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_an_end_that_says_of_itself_that_it_is_a_failure(kind: str, status: str) -> None:
    error = {"code": "server_is_overloaded", "message": "m"}
    _, outcome = read(
        CREATED,
        {"type": "response.output_text.delta", "delta": "Hi"},
        {"type": f"response.{kind}", "response": {"status": status, "error": error}},
    )
    assert isinstance(outcome, Failed)
    assert outcome.kind is FailureKind.OVERLOADED


@pytest.mark.parametrize("word", ["sensitive", "safety", "content_filter"])
def test_a_filter_has_many_words(word: str) -> None:
    response = {"status": "incomplete", "output": [WORDS], "incomplete_details": {"reason": word}}
    events, _ = read(CREATED, {"type": "response.incomplete", "response": response})
    assert [event.reason for event in events if isinstance(event, Finish)] == [FinishReason.CONTENT_FILTER]


def test_an_agent_that_begins_no_response_ends_with_the_other_wires_terminator() -> None:
    events, outcome = read(
        {"type": "response.output_text.delta", "item_id": "m", "delta": "H"},
        {"type": "response.output_text.delta", "item_id": "m", "delta": "i"},
        {"type": "response.output_item.done", "item": WORDS},
        DONE,
    )
    assert events == [Text("H"), Text("i"), Finish(FinishReason.STOP, ""), Done()]
    assert outcome == Completed()


def test_so_does_one_that_calls() -> None:
    events, outcome = read({"type": "response.output_item.done", "item": CALL}, DONE)
    call = [ToolCallDelta(0, "c", "get_time"), ToolCallDelta(0, arguments="{}"), PartEnd()]
    assert events == [*call, Finish(FinishReason.TOOL_CALLS, ""), Done()]
    assert outcome == Completed()


def test_items_that_have_an_end_and_no_place_are_several() -> None:
    more = {**WORDS, "id": "m2", "content": [{"type": "output_text", "text": "Ho"}]}
    calls = [{**CALL, "id": f"f{n}", "call_id": f"c{n}"} for n in (1, 2)]
    ends = [{"type": "response.output_item.done", "item": item} for item in (WORDS, more, *calls)]
    events, outcome = read(*ends, DONE)
    assert [event.text for event in events if isinstance(event, Text)] == ["Hi", "Ho"]
    assert [event.id for event in events if isinstance(event, ToolCallDelta) and event.id] == ["c1", "c2"]
    assert outcome == Completed()


@pytest.mark.parametrize(
    "before",
    [
        (CREATED, {"type": "response.output_item.done", "item": WORDS}),
        ({"type": "response.output_text.delta", "item_id": "m", "delta": "H"},),
        (
            {"type": "response.output_item.added", "item": {**CALL, "arguments": ""}},
            {"type": "response.function_call_arguments.delta", "item_id": "f", "delta": '{"a'},
        ),
    ],
    ids=["of a response that began as one", "behind half a text", "behind half a call"],
)
def test_that_terminator_is_no_end_of_what_has_its_own(before: tuple[Any, ...]) -> None:
    events, outcome = read(*before, DONE)
    assert not any(isinstance(event, Finish | Done) for event in events)
    assert outcome == Failed(FailureKind.EOF_EARLY)


def test_nor_of_nothing() -> None:
    _, outcome = read({"type": "response.output_text.delta", "delta": ""}, DONE)
    assert isinstance(outcome, Failed)
    assert outcome.kind is FailureKind.EMPTY_200


def test_behind_an_end_it_means_nothing() -> None:
    events, outcome = read(b"".join(responses_events(ANSWERS["text"])), DONE)
    assert isinstance(events[-1], Done)
    assert isinstance(events[0], Begin)
    assert outcome == Completed()


# -- what says nothing --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        {"type": "response.ping"},
        {"type": "response.keep_alive", "timestamp": 17, "created_at": 1.5},
        {
            "type": "response.output_text_annotation.added",
            "annotation": {"type": "url_citation", "url": "https://x.example"},
        },
    ],
)
def test_a_life_sign_and_a_citation_harm_nobody(value: Any) -> None:
    assert read(CREATED, value)[0][1:] == []

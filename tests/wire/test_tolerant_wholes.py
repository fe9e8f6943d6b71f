"""Whole answers that are not quite as their wire's document has them, in all three wires."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trooper.core.events import (
    Begin,
    Done,
    Event,
    Finish,
    FinishReason,
    Other,
    Reasoning,
    Received,
    Refusal,
    Text,
    ToolCallDelta,
    Usage,
)
from trooper.core.outcome import Completed, Failed, FailureKind, Outcome
from trooper.testing import ANSWERS
from trooper.wire.anthropic_messages.whole import read_whole as read_message
from trooper.wire.openai_chat.whole import read_whole
from trooper.wire.openai_responses.whole import read_whole as read_response

K = FailureKind
WHOLE = ANSWERS["text"].body()
UNKNOWN = Other(continuable=False)
Read = Callable[[bytes], tuple[Received, Outcome]]


def body(message: object = None, finish: object = "stop", **fields: object) -> bytes:
    """A whole answer of the chat wire."""
    return json.dumps({"choices": [{"message": message, "finish_reason": finish}]} | fields).encode()


def message(content: object, **fields: object) -> bytes:
    """A whole answer of the messages wire."""
    return json.dumps({"type": "message", "content": content, "stop_reason": "end_turn"} | fields).encode()


def response(output: object, **fields: object) -> bytes:
    """A whole answer of the responses wire."""
    return json.dumps({"object": "response", "output": output, "status": "completed"} | fields).encode()


def events_of(raw: bytes, read: Read = read_whole) -> tuple[Event, ...]:
    """What a good answer says, without its beginning, its counts and its end."""
    item, outcome = read(raw)
    assert outcome == Completed()
    assert item.raw == raw
    assert isinstance(item.events[0], Begin)
    assert item.events[-1] == Done()
    return tuple(event for event in item.events[1:-1] if not isinstance(event, Usage | Finish))


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        # A number is a text; nothing is nothing.
        ({"content": 42}, [Text("42")]),
        ({"content": "a", "refusal": False, "tool_calls": 0, "audio": {}, "images": []}, [Text("a")]),
        ({"content": "a", "tool_calls": [None, {}]}, [Text("a")]),
        ({"content": "a", "reasoning": 0, "refusal": 0, "thinking": [{"text": ""}]}, [Text("a")]),
        ("a", [Text("a")]),
        ([{"type": "text", "text": "a"}, "b"], [Text("a"), Text("b")]),
        # Thoughts and texts in one list, and the same thought under two names.
        (
            {"content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "a"}]},
            [Reasoning("hm"), Text("a")],
        ),
        (
            {"reasoning": "hm", "content": [{"type": "thinking", "thinking": "hm"}, "a"]},
            [Reasoning("hm"), Text("a")],
        ),
        (
            {
                "reasoning": "hm",
                "reasoning_details": [{"type": "reasoning.text", "text": "hm"}],
                "content": "a",
            },
            [Reasoning("hm"), Text("a")],
        ),
        # A call without a name is none that anybody could say.
        (
            {"tool_calls": {"id": 7, "function": {"name": "f", "arguments": None}}},
            [ToolCallDelta(0, "7", "f", "{}")],
        ),
        ({"content": "a", "images": [{"url": "x"}]}, [Text("a"), UNKNOWN]),
    ],
)
def test_a_field_of_another_type_costs_what_it_would_have_said(
    message: object, expected: list[Event]
) -> None:
    assert list(events_of(body(message))) == expected


def test_a_choice_in_no_list_and_things_that_are_none() -> None:
    choice = {"message": {"content": "a"}, "finish_reason": "stop"}
    for choices in (choice, [choice], [7, choice, None]):
        assert events_of(json.dumps({"choices": choices}).encode()) == (Text("a"),)
    unknown = {"text": "a", "finish_reason": "stop"}
    assert events_of(json.dumps({"choices": [unknown]}).encode()) == (UNKNOWN,)


@pytest.mark.parametrize("finish", [None, 7, [], {}, False])
def test_a_finish_of_another_type(finish: object) -> None:
    item, _ = read_whole(body({"content": "a"}, finish))
    assert item.events[-2] == Finish(FinishReason.STOP, "7" if finish == 7 else "")


@pytest.mark.parametrize(
    ("finish", "usage", "is_answer"),
    [
        ("stop", {"completion_tokens": 3}, True),
        ("stop", {"completion_tokens": "3"}, True),
        ("stop", {"completion_tokens": 0}, False),
        ("stop", {"completion_tokens": None}, False),
        ("stop", None, False),
        (None, {"completion_tokens": 3}, False),
        ("", {"completion_tokens": 3}, False),
    ],
)
@pytest.mark.parametrize("message", [{"content": ""}, {"content": None}, None, {}])
def test_an_empty_answer_with_a_reason(
    message: object, finish: object, usage: object, *, is_answer: bool
) -> None:
    """Who was paid for and gave a reason had nothing to say."""
    _, outcome = read_whole(body(message, finish, usage=usage))
    assert outcome == (Completed() if is_answer else Failed(K.EMPTY_200))


LENIENT = b'{"choices":[{"message":{"content":"%s"},"finish_reason":"stop","logprobs":NaN}]}'


@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf", b" \n"])
@pytest.mark.parametrize("behind", [b"", b"data: [DONE]", b"\n\ndata: [DONE]\n\n", b"\n{}", b"garbage"])
def test_what_stands_around_the_value_is_no_part_of_it(before: bytes, behind: bytes) -> None:
    raw = before + WHOLE + behind
    assert read_whole(raw) == (Received(raw, read_whole(WHOLE)[0].events), Completed())


def test_json_for_lenient_readers() -> None:
    assert read_whole(LENIENT % b"a\nb\tc")[0].events[1:-2] == (Text("a\nb\tc"),)


@pytest.mark.parametrize("odd", [b"\xff", b"\\ud83d", b"\xf0\x9f"])
def test_characters_that_nobody_can_read(odd: bytes) -> None:
    """The bytes may pass; to be said anew the answer is not fit."""
    raw = LENIENT % (b"a" + odd + b"b")
    item, outcome = read_whole(raw)
    assert (item.raw, outcome) == (raw, Completed())
    assert UNKNOWN in item.events
    assert item.text.startswith("a")
    item.text.encode()


# Messages


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a", [Text("a")]),
        (7, [Text("7")]),
        ({"type": "text", "text": "a"}, [Text("a")]),
        ([{"text": "a"}, "b", None, {}, 0.5], [Text("a"), Text("b"), Text("0.5")]),
        ([{"type": "text", "text": None}, {"type": "text", "text": 8, "citations": [{"x": 1}]}], [Text("8")]),
        ([{"type": "thinking", "thinking": [{"text": "hm"}], "signature": "s"}], [Reasoning("hm")]),
        (
            [{"type": "thinking", "thinking": None}, {"type": "redacted_thinking", "data": "x"}, "a"],
            [Text("a")],
        ),
        ([{"type": "tool_use", "id": 7, "name": "f", "input": None}], [ToolCallDelta(0, "7", "f", "{}")]),
        ([{"type": "tool_use", "name": "f", "input": '{"a": 1}'}], [ToolCallDelta(0, "", "f", '{"a": 1}')]),
        ([{"type": "tool_use", "id": "x", "name": None, "input": {"a": 1}}], [UNKNOWN]),
        ([{"type": "web_search_tool_result", "content": []}, "a"], [Other(works=True), Text("a")]),
        ([{"type": "hologram", "content": []}, "a"], [UNKNOWN, Text("a")]),
        ([{"type": 5}], [UNKNOWN]),
    ],
)
def test_messages_of_other_types(content: object, expected: list[Event]) -> None:
    assert list(events_of(message(content), read_message)) == expected


@pytest.mark.parametrize("content", [[], None, "", [{"type": "text", "text": ""}], [None]])
@pytest.mark.parametrize(
    ("reason", "told", "is_answer"),
    [
        ("end_turn", 2, True),
        ("stop_sequence", "2", True),
        ("end_turn", 0, False),
        ("end_turn", None, False),
        (None, 2, False),
        ("max_tokens", None, True),
        ("pause_turn", None, True),
    ],
)
def test_an_empty_message_with_a_reason(
    content: object, reason: object, told: object, *, is_answer: bool
) -> None:
    _, outcome = read_message(message(content, stop_reason=reason, usage={"output_tokens": told}))
    assert outcome == (Completed() if is_answer else Failed(K.EMPTY_200))


def test_counts_and_names_of_a_message() -> None:
    usage = {"input_tokens": "5", "cache_read_input_tokens": 4.0, "output_tokens": 7, "x": {}}
    item, _ = read_message(message("a", usage=usage, id=3, model=None, stop_reason=["x"]))
    assert item.events == (
        Begin("3", 0, "", has_role=True),
        Text("a"),
        Usage(9, 7),
        Finish(FinishReason.STOP, ""),
        Done(),
    )


# Responses

CALL = {"type": "function_call", "name": "f", "call_id": "c"}


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ([{"type": "message", "content": "a"}], [Text("a")]),
        (
            [{"type": "message", "content": [{"text": "a"}, {"type": "refusal", "refusal": "n"}]}],
            [Text("a"), Refusal("n")],
        ),
        ([{"type": "message", "content": None}, {"type": "output_text", "text": 7}], [Text("7")]),
        ({"type": "message", "content": "a"}, [Text("a")]),
        ([None, 0.5, {"content": None}], [Text("0.5")]),
        (
            [{"type": "reasoning", "summary": [], "content": [{"text": "hm"}]}, "a"],
            [Reasoning("hm"), Text("a")],
        ),
        ([{"type": "reasoning", "summary": None, "encrypted_content": "x"}, "a"], [Text("a")]),
        ([CALL | {"arguments": {"a": 1}}], [ToolCallDelta(0, "c", "f", '{"a":1}')]),
        ([CALL | {"arguments": None, "call_id": None, "id": 7}], [ToolCallDelta(0, "7", "f", "{}")]),
        ([CALL | {"name": None, "arguments": "{}"}, "a"], [UNKNOWN, Text("a")]),
        ([{"type": "web_search_call", "status": "completed"}, "a"], [Other(works=True), Text("a")]),
        ([{"type": "computer_call", "status": "completed"}, "a"], [UNKNOWN, Text("a")]),
        ([{"type": 5}], [UNKNOWN]),
    ],
)
def test_responses_of_other_types(output: object, expected: list[Event]) -> None:
    assert list(events_of(response(output), read_response)) == expected


def test_a_response_without_its_output() -> None:
    assert events_of(response(None, output_text="a"), read_response) == (Text("a"),)
    assert events_of(response(None, usage={"output_tokens": 3}), read_response) == ()
    assert read_response(response(None))[1] == Failed(K.EMPTY_200)
    without = b'{"object":"response","status":"completed","usage":{"output_tokens":3}}'
    assert events_of(without, read_response) == ()


@pytest.mark.parametrize(
    ("changes", "is_answer"),
    [
        ({"usage": {"output_tokens": 3}}, True),
        ({"usage": {"output_tokens": 0}}, False),
        ({"usage": None}, False),
        ({"usage": {"output_tokens": 3}, "status": None}, False),
        ({"incomplete_details": {"reason": "max_output_tokens"}, "status": "incomplete"}, True),
    ],
)
@pytest.mark.parametrize("output", [[], None, [{"type": "reasoning", "summary": []}]])
def test_an_empty_response_with_a_reason(output: object, changes: dict[str, Any], *, is_answer: bool) -> None:
    _, outcome = read_response(response(output, **changes))
    assert outcome == (Completed() if is_answer else Failed(K.EMPTY_200))


# All of them

KEYS = (
    *(
        "choices",
        "message",
        "content",
        "tool_calls",
        "function",
        "name",
        "arguments",
        "finish_reason",
        "usage",
    ),
    *("id", "created", "refusal", "type", "text", "input", "stop_reason", "output", "status", "summary"),
    *("output_tokens", "completion_tokens", "incomplete_details", "reasoning", "thinking", "created_at"),
)
TYPES = ("message", "reasoning", "thinking", "tool_use", "function_call", "text", "completed", "stop", "f")
JSON = st.recursive(
    st.none() | st.integers() | st.floats() | st.text(max_size=4) | st.booleans() | st.sampled_from(TYPES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=16,
)
JSON_OBJECT = st.dictionaries(st.sampled_from(KEYS), JSON, max_size=4)
TYPED = st.builds(lambda kind, rest: {**rest, "type": kind}, st.sampled_from(TYPES), JSON_OBJECT)
ANSWER = st.dictionaries(
    st.sampled_from(("choices", "content", "output")), st.lists(TYPED | JSON, max_size=3)
)


@pytest.mark.parametrize("read", [read_whole, read_message, read_response])
@given(ANSWER | JSON)
def test_no_json_is_a_crash(read: Read, value: object) -> None:
    raw = json.dumps(value).encode()
    item, outcome = read(raw)
    assert item.raw == (raw if outcome == Completed() else b"")
    for event in item.events:
        match event:
            case Text(text) | Reasoning(text) | Refusal(text):
                assert text
                text.encode()
            case _:
                pass

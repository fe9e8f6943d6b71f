"""Reads an OpenAI chat stream: what comes out, and how it begins."""

from __future__ import annotations

import inspect

import pytest

from chat_chunks import (
    BEGIN,
    DONE,
    EARLY,
    HELLO,
    MAX,
    ROLE,
    STOP,
    STOPPED,
    WHOLE,
    K,
    chunk,
    events_of,
    outcome_of,
    read,
    sse,
)
from trooper.core.events import (
    Begin,
    Done,
    Event,
    Other,
    Reasoning,
    Received,
    Refusal,
    Text,
    ToolCallDelta,
    Usage,
)
from trooper.core.outcome import Failed
from trooper.wire.openai_chat.reader import ChatReader
from trooper.wire.tolerant import REASONING_KEYS

# One healthy answer


def test_a_healthy_answer() -> None:
    pieces = [ROLE, HELLO, chunk({"content": " world"}), STOP, DONE]
    result = read(pieces)
    assert result.raw == b"".join(pieces)
    assert result.events == (BEGIN, Text("Hello"), Text(" world"), STOPPED, Done())
    assert result.outcome == WHOLE
    assert result.finished


def test_the_outcome_is_known_with_the_terminator() -> None:
    reader = ChatReader(MAX)
    for piece in (ROLE, HELLO, STOP):
        reader.feed(piece)
        assert reader.outcome is None
    assert reader.finished
    reader.feed(DONE)
    assert reader.outcome == WHOLE


def test_behind_the_terminator_bytes_pass_and_mean_nothing() -> None:
    reader = ChatReader(MAX)
    received = reader.feed(ROLE + HELLO + STOP + DONE + HELLO + DONE)
    assert [item.raw for item in received] == [ROLE, HELLO, STOP, DONE, HELLO, DONE]
    assert [item.events for item in received[4:]] == [(), ()]
    assert reader.feed(HELLO) == [Received(HELLO)]
    assert reader.feed(sse({"error": {"message": "late"}}) + b"data: {}") == [
        Received(sse({"error": {"message": "late"}}))
    ]
    assert reader.end() == [Received(b"data: {}")]
    assert reader.outcome == WHOLE


def test_behind_a_failure_nothing_passes() -> None:
    reader = ChatReader(MAX)
    error = sse({"error": {"message": "no"}})
    assert [item.raw for item in reader.feed(ROLE + HELLO + error + HELLO + DONE)] == [ROLE, HELLO]
    assert reader.feed(HELLO) == []
    assert reader.end() == []
    assert reader.outcome == Failed(K.IN_BAND_ERROR, raw=error)


NOTHING: tuple[object, ...] = (0, False, [], {"text": ""})


@pytest.mark.parametrize(
    ("delta", "expected"),
    [
        ({"content": "a"}, [Text("a")]),
        ({"content": ""}, []),
        ({"content": None}, []),
        ({}, []),
        ({"reasoning_content": "r"}, [Reasoning("r")]),
        ({"reasoning": "r"}, [Reasoning("r")]),
        ({"reasoning_content": "r", "reasoning": "r"}, [Reasoning("r")]),
        ({"reasoning": "r", "reasoning_details": [{"text": "r"}]}, [Reasoning("r")]),
        ({"refusal": "no"}, [Refusal("no")]),
        (
            {"content": "a", "reasoning_content": "r", "refusal": "n"},
            [Reasoning("r"), Text("a"), Refusal("n")],
        ),
        ({"content": "a", "refusal": None, "function_call": None, "audio": None}, [Text("a")]),
        ({"tool_calls": None}, []),
        ({"tool_calls": []}, []),
        ({"tool_calls": [{"index": 0}]}, [ToolCallDelta(0)]),
        ({"tool_calls": [{"id": "x", "function": {"name": "f"}}]}, [ToolCallDelta(0, "x", "f")]),
        (
            {
                "tool_calls": [
                    {"index": 1, "id": "x", "type": "function", "function": {"name": "f", "arguments": "{"}}
                ]
            },
            [ToolCallDelta(1, "x", "f", "{")],
        ),
        (
            {"tool_calls": [{"index": 0, "function": {"arguments": "a"}}, {"index": 1, "id": None}]},
            [ToolCallDelta(0, "", "", "a"), ToolCallDelta(1)],
        ),
        # Extensions that carry no part of the answer.
        *(
            ({"content": "a", key: value}, [Text("a")])
            for key, value in [
                *(("annotations", [{}]), ("citations", ["x"]), ("provider_specific_fields", {"a": 1})),
                *(("padding", "xx"), ("obfuscation", "yy"), ("name", "n"), ("reasoning_details", [{}])),
                *(("anything", None), ("anything", ""), ("anything", []), ("anything", {})),
                *(
                    ("anything", 0),
                    ("anything", False),
                    ("anything", [{"x": None}]),
                    ("index", 0),
                    ("index", 1),
                ),
            ]
        ),
        # Extensions that may.
        *(
            ({"content": "a", key: value}, [Text("a"), Other(continuable=False)])
            for key, value in [
                *(("audio", {"data": "x"}), ("function_call", {"name": "f"}), ("images", [{"url": "x"}])),
                *(("anything", "x"), ("anything", 1), ("anything", True), ("anything", {"x": ["y"]})),
            ]
        ),
        ({"anything": "x"}, [Other(continuable=False)]),
        # What is only beside an answer: numbers that count or number, seals, sources, the channel.
        *(
            ({"content": "a", name: value}, [Text("a")])
            for name, value in [
                *(
                    ("token_id", 207),
                    ("position", 3),
                    ("logprob", -0.5),
                    ("latency_ms", 7),
                    ("seed", 1 << 60),
                ),
                *(
                    ("reasoning_opaque", "4CUQ"),
                    ("x_signature", "EjQK"),
                    ("copilot_annotations", {"a": [{"b": "c"}]}),
                ),
                *(
                    ("text", "a"),
                    ("content_list", [{"type": "text", "text": "a"}]),
                    ("graph", {"status": "processing"}),
                ),
                *(("providerMetadata", {"a": {"b": "c"}}), ("diffusion_step", 4)),
                *(("channel", "final"), ("extra_content", {"google": {"thought_signature": "EjQK"}})),
            ]
        ),
        *(
            ({"content": "a", name: value}, [Text("a"), Other(continuable=False)])
            for name, value in [
                *(("token_id", "x"), ("token_id", True), ("file_id", "file-1"), ("opaque_x", "x")),
                *(("text", "b"), ("content_list", [{"type": "text", "text": "ab"}])),
                # What repeats the words, and has more in it; what has words under a harmless name.
                *(
                    ("blocks", [{"type": "text", "text": "a"}, {"type": "image", "url": "https://x"}]),
                    ("blocks", [{"type": "text", "text": "a", "file_id": "file-1"}]),
                    ("extra", {"text": "a", "content": "b"}),
                ),
                *(
                    ("state", {"messages": ["b"]}),
                    ("run_status", {"output": "b"}),
                    ("function_signature", {"name": "f"}),
                    ("x_metadata", {"content": "b"}),
                ),
                *(("extra_content", {"google": {"thought": True}}), ("extra_content", {"x_id": ["a"]})),
            ]
        ),
        # Not of the shape that we know at all.
        ({"content": [{"type": "text", "text": "a"}]}, [Text("a")]),
        ({"content": ["a", {"text": "b"}]}, [Text("a"), Text("b")]),
        ({"content": {"type": "text", "text": "a"}}, [Text("a")]),
        (
            {
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "r"}]},
                    {"type": "text", "text": "a"},
                ]
            },
            [Reasoning("r"), Text("a")],
        ),
        ({"content": [{"type": "image_url", "image_url": {"url": "x"}}]}, [Other(continuable=False)]),
        ({"content": [{"type": "text", "text": "a", "x": "y"}]}, [Text("a"), Other(continuable=False)]),
        ({"content": 7}, [Text("7")]),
        ({"content": 0.5}, [Text("0.5")]),
        ({"content": True}, []),
        *(({key: "r"}, [Reasoning("r")]) for key in REASONING_KEYS),
        *(({key: [{"type": "x", "text": "r"}]}, [Reasoning("r")]) for key in REASONING_KEYS),
        ({"reasoning": {"content": [{"text": "r"}]}}, [Reasoning("r")]),
        ({"refusal": ["no"]}, [Refusal("no")]),
        *(({"refusal": nothing, "reasoning": nothing}, []) for nothing in NOTHING),
        (
            {"reasoning": "r", "content": [{"type": "thinking", "thinking": "r"}, "a"]},
            [Reasoning("r"), Text("a")],
        ),
        ({"tool_calls": {"0": {}}}, []),
        ({"tool_calls": {"0": {"id": "x"}}}, [Other(continuable=False)]),
        ({"tool_calls": [{"index": None}]}, [ToolCallDelta(0)]),
        ({"tool_calls": [{"index": None, "id": "x", "function": None}]}, [ToolCallDelta(0, "x")]),
        (
            {"tool_calls": [{"index": "1", "function": {"name": "f", "arguments": {"a": 1}}}]},
            [ToolCallDelta(1, "", "f", '{"a":1}')],
        ),
        ({"tool_calls": [{"function": {"name": "f", "arguments": None}}]}, [ToolCallDelta(0, "", "f")]),
        ({"tool_calls": [{"index": 0, "function": "f"}]}, [Other(continuable=False)]),
        ("text", [Other(continuable=False)]),
        ("", []),
    ],
)
def test_deltas(delta: object, expected: list[Event]) -> None:
    raw = chunk(delta)
    result = read([ROLE, raw], end=False)
    assert list(result.events[1:]) == expected
    assert result.raw == ROLE + raw
    assert result.outcome is None


def test_a_delta_that_is_missing() -> None:
    assert events_of(ROLE, sse({"choices": [{"index": 0}]}), sse({"choices": [{"delta": None}]})) == ()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}}, (Usage(3, 4),)),
        ({"usage": {"prompt_tokens": 3, "completion_tokens": 4, "x": {"y": 1}}}, (Usage(3, 4),)),
        ({"usage": None}, ()),
        ({"usage": {"prompt_tokens": 3, "completion_tokens": None}}, ()),
        ({"usage": {"prompt_tokens": "3", "completion_tokens": 4}}, ()),
        ({"usage": "7"}, ()),
        ({"error": None}, ()),
        ({"error": {}}, ()),
        ({"x_groq": {"id": "r"}}, ()),
        ({"usage": {"prompt_tokens": 3}}, (Usage(3, 0),)),
        ({"usage": {"completion_tokens": 3}}, (Usage(0, 3),)),
        ({"x_groq": {"id": "r"}, "usage": {"prompt_tokens": 3, "completion_tokens": 1}}, (Usage(3, 1),)),
        ({"x_groq": {"id": "r"}, "usage": {"prompt_tokens": 3, "completion_tokens": 4}}, (Usage(3, 4),)),
        ({"id": None, "model": None, "created": None}, ()),
        ({"id": 3, "model": 4, "created": 1.5}, ()),
        ({"service_tier": "default", "system_fingerprint": None, "provider": "x"}, ()),
    ],
)
def test_fields_beside_the_choices(fields: dict[str, object], expected: tuple[Event, ...]) -> None:
    raw = chunk({"content": "a"}, **fields)
    assert events_of(ROLE, raw) == (Text("a"), *expected)


# The beginning


def test_the_beginning_is_told_once_a_role() -> None:
    two = chunk({"role": "assistant", "content": "a"})
    assert read([ROLE, two], end=False).events == (BEGIN, BEGIN, Text("a"))


def test_an_answer_without_a_role_has_a_name_all_the_same() -> None:
    named = Begin("c1", 7, "m", has_role=False)
    assert read([HELLO, HELLO], end=False).events == (named, Text("Hello"), Text("Hello"))


def test_azures_first_chunk_is_not_the_answers() -> None:
    filters = sse({"id": "", "model": "", "created": 0, "choices": [], "prompt_filter_results": []})
    assert read([filters, ROLE], end=False).events == (BEGIN,)


def test_what_is_not_said_is_not_made_up() -> None:
    bare = sse({"id": "x", "choices": [{"delta": {"role": "assistant", "content": "a"}}]})
    assert read([bare], end=False).events == (Begin("x", 0, "", has_role=True), Text("a"))


def test_the_slow_road_knows_the_answers_name() -> None:
    assert read([chunk({"role": "assistant"}, x_groq={"id": "r"})], end=False).events == (BEGIN,)


def test_what_a_reader_is_born_with() -> None:
    assert list(inspect.signature(ChatReader).parameters) == ["max_event_bytes", "choices", "max_calls"]
    assert ChatReader(MAX) == ChatReader(MAX, choices=1)


# Several choices


def test_several_choices_are_forwarded_and_cannot_be_continued() -> None:
    two = chunk({"content": "b"}, index=1)
    result = read([ROLE, HELLO, two, STOP, chunk({}, "stop", 1), DONE], choices=2)
    assert result.events == (BEGIN, Other(continuable=False), Other(continuable=False), STOPPED, Done())
    assert result.outcome == WHOLE


def test_all_choices_must_have_finished() -> None:
    two, stop_two = chunk({"content": "b"}, index=1), chunk({}, "stop", 1)
    assert outcome_of(ROLE, HELLO, STOP, choices=2) == EARLY
    assert outcome_of(ROLE, HELLO, two, STOP) == EARLY
    assert outcome_of(ROLE, HELLO, two, stop_two) == EARLY
    assert outcome_of(ROLE, HELLO, two, stop_two, STOP) == WHOLE
    assert outcome_of(ROLE, HELLO, STOP, two, stop_two, choices=2) == WHOLE
    assert outcome_of(ROLE, HELLO, STOP, STOP, choices=2) == EARLY


def test_a_choice_that_nobody_asked_for_is_not_text() -> None:
    assert events_of(ROLE, chunk({"content": "b"}, index=1)) == (Other(continuable=False),)

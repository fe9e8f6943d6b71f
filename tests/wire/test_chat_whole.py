"""Reads a whole OpenAI chat answer (`stream: false`)."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pieces import cuts
from trooper.core.events import (
    Begin,
    Done,
    Event,
    Finish,
    FinishReason,
    NextChoice,
    Other,
    Reasoning,
    Received,
    Refusal,
    Text,
    ToolCallDelta,
    Usage,
)
from trooper.core.outcome import Answer, Completed, Failed, FailureKind
from trooper.testing import Call, ChatAnswer
from trooper.wire.openai_chat.whole import read_whole
from trooper.wire.whole import WholeReader

K = FailureKind
NOTHING = Received(b"")
BEGIN = Begin("c1", 7, "m", has_role=True)


def body(message: object = None, finish: object = "stop", **fields: object) -> bytes:
    choice = {"index": 0, "message": message, "finish_reason": finish}
    named: dict[str, object] = {"id": "c1", "object": "chat.completion", "created": 7, "model": "m"}
    return json.dumps(named | {"choices": [choice]} | fields).encode()


def events_of(raw: bytes) -> tuple[Event, ...]:
    """What a good answer says, without its beginning and end."""
    item, outcome = read_whole(raw)
    assert outcome == Completed()
    assert item.raw == raw
    assert isinstance(item.events[0], Begin)
    assert isinstance(item.events[-2], Finish)
    assert item.events[-1] == Done()
    return item.events[1:-2]


def test_a_good_answer() -> None:
    raw = body({"role": "assistant", "content": "Hi"}, usage={"prompt_tokens": 3, "completion_tokens": 1})
    finish = Finish(FinishReason.STOP, "stop")
    assert read_whole(raw) == (Received(raw, (BEGIN, Text("Hi"), Usage(3, 1), finish, Done())), Completed())


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"content": "a"}, [Text("a")]),
        (
            {"content": "a", "reasoning_content": "r", "refusal": "n"},
            [Reasoning("r"), Text("a"), Refusal("n")],
        ),
        (
            {
                "content": None,
                "tool_calls": [{"id": "x", "function": {"name": "f", "arguments": '{"a": 1}'}}],
            },
            [ToolCallDelta(0, "x", "f", '{"a": 1}')],
        ),
        (
            {"tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}, {"function": {"name": "g"}}]},
            [ToolCallDelta(0, "", "f", '{"a":1}'), ToolCallDelta(1, "", "g", "{}")],
        ),
        ({"tool_calls": [7]}, [Other(continuable=False)]),
        ({"tool_calls": [{"function": {"arguments": "{}"}}]}, [Other(continuable=False)]),
        ({"content": "a", "tool_calls": {"0": 1}}, [Text("a"), Other(continuable=False)]),
        ({"content": "a", "function_call": {"name": "f"}}, [Text("a"), Other(continuable=False)]),
        ({"audio": {"data": "x"}}, [Other(continuable=False)]),
        ({"content": "a", "function_call": None, "audio": None, "annotations": []}, [Text("a")]),
    ],
)
def test_messages(message: object, expected: list[Event]) -> None:
    assert list(events_of(body(message))) == expected


@pytest.mark.parametrize(
    ("finish", "reason"),
    [
        ("stop", FinishReason.STOP),
        ("length", FinishReason.LENGTH),
        ("tool_calls", FinishReason.TOOL_CALLS),
        ("content_filter", FinishReason.CONTENT_FILTER),
        ("new", FinishReason.STOP),
    ],
)
def test_finish_reasons(finish: str, reason: FinishReason) -> None:
    item, _ = read_whole(body({"content": "a"}, finish))
    assert item.events[-2] == Finish(reason, finish)


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b"", K.EMPTY_200),
        (b" \n", K.EMPTY_200),
        (b"<html>", K.BAD_FRAME),
        (b'{"choices": [', K.BAD_FRAME),
        (b"\xff", K.BAD_FRAME),
        (b"[" * 5000, K.BAD_FRAME),
        (b"7", K.BAD_FRAME),
        (b"{}", K.BAD_FRAME),
        (b'{"choices": {}}', K.EMPTY_200),
        (b'{"choices": [7]}', K.BAD_FRAME),
        (b'{"choices": []}', K.EMPTY_200),
        (b'{"error": {"type": "server_error"}}', K.SERVER_ERROR),
        (b'{"error": "x", "choices": []}', K.IN_BAND_ERROR),
        (b'[{"error": {"code": 429}}]', K.RATE_LIMIT),
        (body({"content": ""}), K.EMPTY_200),
        (body({"content": None}, None), K.EMPTY_200),
        (body(None), K.EMPTY_200),
        (body({"content": "a"}, "error"), K.IN_BAND_ERROR),
        (body({"content": "a"}, "insufficient_system_resource"), K.IN_BAND_ERROR),
    ],
)
def test_failures(raw: bytes, kind: FailureKind) -> None:
    assert read_whole(raw) == (NOTHING, Failed(kind))


@pytest.mark.parametrize("finish", ["length", "content_filter"])
def test_an_answer_may_be_empty_for_a_reason(finish: str) -> None:
    assert events_of(body({"content": ""}, finish)) == ()


def test_one_choice_of_several_may_fail_all() -> None:
    good, bad = {"message": {"content": "a"}, "finish_reason": "stop"}, {"finish_reason": "abort"}
    assert read_whole(json.dumps({"choices": [good, bad]}).encode()) == (NOTHING, Failed(K.IN_BAND_ERROR))


def test_several_choices_are_told_apart() -> None:
    choices = [
        {"message": {"content": "a"}, "finish_reason": "length"},
        {"message": {"content": "b"}, "finish_reason": "stop"},
        {"finish_reason": "stop"},
    ]
    assert events_of(json.dumps({"choices": choices}).encode()) == (
        Text("a"),
        Finish(FinishReason.LENGTH, "length"),
        NextChoice(1),
        Text("b"),
        Finish(FinishReason.STOP, "stop"),
        NextChoice(2),
    )


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (None, ()),
        (7, ()),
        ({}, (Usage(0, 0),)),
        ({"prompt_tokens": 3, "completion_tokens": None}, (Usage(3, 0),)),
        ({"prompt_tokens": True, "completion_tokens": "4"}, (Usage(0, 4),)),
        ({"prompt_tokens": -3, "completion_tokens": 4.0}, (Usage(0, 4),)),
        ({"prompt_tokens": "many", "completion_tokens": 4.5}, (Usage(0, 0),)),
    ],
)
def test_usage(usage: object, expected: tuple[Event, ...]) -> None:
    assert events_of(body({"content": "a"}, usage=usage)) == (Text("a"), *expected)


def test_an_answer_without_a_name() -> None:
    item, _ = read_whole(body({"content": "a"}, id=None, created="x", model=None))
    assert item.events[0] == Begin("", 0, "", has_role=True)


# The reader


WHOLE = ChatAnswer(("Hi", " there"), reasoning=("hm",), calls=(Call("f", '{"a": 1}'),)).body()


@given(cuts(WHOLE))
def test_any_chunking(pieces: list[bytes]) -> None:
    reader = WholeReader(read_whole, 10_000)
    for piece in pieces:
        assert reader.feed(piece) == []
        assert reader.outcome is None
    assert reader.end() == [read_whole(WHOLE)[0]]
    assert reader.outcome == Completed()
    assert reader.finished


def test_what_is_no_answer_yet_may_become_one() -> None:
    reader = WholeReader(read_whole, 10_000)
    reader.feed(WHOLE[:-1])
    assert (reader.read_now(), reader.outcome, reader.finished) == ([], None, False)
    reader.feed(WHOLE[-1:])
    assert reader.read_now() == [read_whole(WHOLE)[0]]
    assert (reader.outcome, reader.finished) == (Completed(), True)
    assert (reader.feed(b"more"), reader.end()) == ([], [])


def test_a_failure_is_not_shown() -> None:
    reader = WholeReader(read_whole, 10_000)
    reader.feed(b'{"error": "x"}')
    assert reader.end() == []
    answer = Answer(200, ((b"content-type", b"application/json"),), b'{"error": "x"}')
    assert reader.outcome == Failed(K.IN_BAND_ERROR, answer=answer)
    assert not reader.finished


def test_an_answer_is_bounded() -> None:
    reader = WholeReader(read_whole, 10)
    assert (reader.feed(b"x" * 10), reader.outcome) == ([], None)
    assert (reader.feed(b"x"), reader.outcome) == ([], Failed(K.BAD_FRAME))
    assert reader.body == b""


@pytest.mark.parametrize("at", range(0, len(WHOLE), 7))
def test_half_an_answer_is_none(at: int) -> None:
    _, outcome = read_whole(WHOLE[:at])
    assert isinstance(outcome, Failed)


JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=4) | st.booleans(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *(
                        "choices",
                        "message",
                        "content",
                        "tool_calls",
                        "function",
                        "name",
                        "arguments",
                        "finish_reason",
                    ),
                    *("usage", "error", "id", "created", "refusal", "function_call", "prompt_tokens"),
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.fixed_dictionaries({"choices": st.lists(JSON, max_size=2)}) | JSON)
def test_no_json_is_a_crash(value: object) -> None:
    item, outcome = read_whole(json.dumps(value).encode())
    assert (item == NOTHING) is isinstance(outcome, Failed)


@given(st.binary())
def test_no_bytes_are_a_crash(raw: bytes) -> None:
    read_whole(raw)


# What one provider or another sends


PARTS = [{"type": "text", "text": "Hi"}]


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("content", Text("Hi")),
        ("refusal", Refusal("Hi")),
        ("reasoning", Reasoning("Hi")),
        ("reasoning_content", Reasoning("Hi")),
        ("reasoning_text", Reasoning("Hi")),
        ("reasoning_details", Reasoning("Hi")),
        ("thinking", Reasoning("Hi")),
        ("thinking_blocks", Reasoning("Hi")),
    ],
)
def test_an_answer_in_parts_is_an_answer(key: str, said: Event) -> None:
    assert events_of(body({"content": "", key: PARTS})) == (said,)
    assert events_of(body({"content": "", key: "Hi"})) == (said,)
    assert read_whole(body({"content": "", key: []}))[1] == Failed(K.EMPTY_200)


def test_thinking_under_either_name() -> None:
    assert events_of(body({"content": None, "reasoning": "hm"})) == (Reasoning("hm"),)
    assert events_of(body({"reasoning": "hm", "reasoning_content": "hm"})) == (Reasoning("hm"),)
    assert events_of(body({"reasoning": "hm", "reasoning_content": None})) == (Reasoning("hm"),)


@pytest.mark.parametrize("finish", ["stop", "eos", "", None])
def test_nothing_came_to_its_own_end(finish: str | None) -> None:
    assert read_whole(body({"content": ""}, finish))[1] == Failed(K.EMPTY_200)


def test_nothing_follows_an_overflow() -> None:
    reader = WholeReader(read_whole, len(WHOLE) - 1)
    reader.feed(WHOLE)
    reader.feed(WHOLE[:-1])
    assert reader.body == b""
    assert reader.end() == []
    assert reader.outcome == Failed(K.BAD_FRAME)

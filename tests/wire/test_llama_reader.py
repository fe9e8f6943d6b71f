"""Reads what llama.cpp's server answers (`wire.llama_server.reader`)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trooper.core.events import (
    Done,
    Event,
    Finish,
    FinishReason,
    Other,
    Reasoning,
    Text,
    ToolCallDelta,
    Usage,
)
from trooper.core.outcome import Completed, Failed, FailureKind
from trooper.core.prompt_reading import PromptRead
from trooper.wire.llama_server.models import read_props, read_render, read_trained
from trooper.wire.llama_server.reader import LlamaReader


def dumps(value: object) -> bytes:
    return json.dumps(value).encode()


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, **fields: Any) -> bytes:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return b"data: " + dumps({"choices": choices, "object": "chat.completion.chunk", **fields}) + b"\n\n"


def read(*pieces: bytes, end: bool = True) -> tuple[list[Event], object]:
    reader = LlamaReader(10_000, call_id="call_x")
    received = [item for piece in pieces for item in reader.feed(piece)]
    received += reader.end() if end else []
    assert all(item.raw == b"" for item in received)
    return [event for item in received for event in item.events], reader.outcome


COUNTS = chunk(usage={"prompt_tokens": 40, "completion_tokens": 3})
DONE = b"data: [DONE]\n\n"


def test_how_far_the_prompt_is() -> None:
    """As a real one says it on both routes: with a role, or an empty piece; of the answer it is nothing."""
    told = {"total": 4096, "cache": 96, "processed": 2048, "time_ms": 900}
    for piece in (
        chunk({"role": "assistant", "content": None}, prompt_progress=told),
        b"data: " + dumps({"index": 0, "content": "", "stop": False, "prompt_progress": told}) + b"\n\n",
    ):
        reader = LlamaReader(10_000)
        (item,) = reader.feed(piece)
        (event,) = item.events
        assert isinstance(event, Other)
        assert event.read == reader.prompt_read == PromptRead(4096, 2048, 96, 0.9)
        assert not item.has_content
        assert reader.end() == []
        assert reader.outcome == Failed(FailureKind.EOF_EARLY)


def test_how_it_was_read() -> None:
    reader = LlamaReader(10_000)
    timings = {"cache_n": 96, "prompt_n": 4000, "prompt_ms": 1800.0, "predicted_n": 3}
    reader.feed(chunk({"content": "x"}) + chunk({}, "stop", timings=timings) + DONE)
    assert reader.prompt_read == PromptRead(4096, 4096, 96, 1.8)


@pytest.mark.parametrize("told", [None, "soon", 1.5, [1], {"total": None}, {"total": 4096, "processed": 1.5}])
def test_figures_that_are_none_are_no_matter_of_the_answer(told: object) -> None:
    reader = LlamaReader(10_000)
    (item,) = reader.feed(chunk({"content": "x"}, prompt_progress=told))
    assert item.events == (Text("x"),)
    reader.feed(chunk({}, "stop", timings={"prompt_n": told}) + DONE)
    assert (reader.outcome, reader.prompt_read) == (Completed(), None)


def test_a_chat() -> None:
    body = [
        chunk({"role": "assistant", "content": None}),
        chunk({"reasoning_content": "hm"}),
        chunk({"content": " France"}),
        b": ping\n\n",
        chunk({"content": " is"}),
        chunk({}, "length"),
        COUNTS,
        DONE,
    ]
    said: list[Event] = [
        Reasoning("hm"),
        Text(" France"),
        Text(" is"),
        Finish(FinishReason.LENGTH, "length"),
        Usage(40, 3),
        Done(),
    ]

    assert read(*body) == (said, Completed())
    whole = b"".join(body)
    for at in range(len(whole)):
        assert read(whole[:at], whole[at:]) == (said, Completed())


def test_tool_calls_have_an_id_each() -> None:
    pieces = [
        {"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}},
        {"index": 0, "function": {"arguments": "{}"}},
        {"index": 1, "function": {"name": "g", "arguments": "{}"}},
    ]
    events, outcome = read(*(chunk({"tool_calls": [p]}) for p in pieces), chunk({}, "tool_calls"), DONE)

    assert events[:3] == [
        ToolCallDelta(0, "a", "f", ""),
        ToolCallDelta(0, "", "", "{}"),
        ToolCallDelta(1, "call_x_1", "g", "{}"),
    ]
    assert events[3] == Finish(FinishReason.TOOL_CALLS, "tool_calls")
    assert outcome == Completed()


@pytest.mark.parametrize(
    ("pieces", "calls"),
    [
        ([{"id": "a", "function": {"name": "f", "arguments": {"x": 1}}}], [("a", "f", '{"x":1}')]),
        ([{"index": 0, "function": {"name": "f", "arguments": None}}], [("call_x_0", "f", "")]),
        ([{"index": None, "id": None, "function": {"name": "f"}}, {"index": 0}], [("call_x_0", "f", "")]),
        (
            [{"index": 0, "id": i, "function": {"name": "f", "arguments": "{}"}} for i in ("a", "b")],
            [("a", "f", "{}"), ("b", "f", "{}")],
        ),
        (
            [{"index": 0, "function": {"name": "f", "arguments": part}} for part in ('{"x"', ": 1}")],
            [("call_x_0", "f", '{"x": 1}')],
        ),
    ],
)
def test_odd_tool_calls(pieces: list[dict[str, Any]], calls: list[tuple[str, str, str]]) -> None:
    """Builds differ; an older one, or a parser of its own, is no reason to lose the answer."""
    events, outcome = read(*(chunk({"tool_calls": [p]}) for p in pieces), chunk({}, "stop"), DONE)

    said: dict[int, list[str]] = {}
    for event in events:
        if isinstance(event, ToolCallDelta):
            parts = said.setdefault(event.index, ["", "", ""])
            said[event.index] = [
                a + b for a, b in zip(parts, (event.id, event.name, event.arguments), strict=True)
            ]
    assert [tuple(parts) for parts in said.values()] == calls
    assert outcome == Completed()


@pytest.mark.parametrize(
    ("stop_type", "reason"),
    [("eos", FinishReason.STOP), ("word", FinishReason.STOP), ("limit", FinishReason.LENGTH)],
)
def test_a_raw_completion(stop_type: str, reason: FinishReason) -> None:
    last = {"content": "", "stop": True, "stop_type": stop_type, "tokens_evaluated": 5, "tokens_predicted": 3}
    events, outcome = read(
        b'data: {"index":0,"content":" Paris","tokens":[7042],"stop":false}\n\n',
        b"data: " + dumps(last) + b"\n\n",
    )

    assert events == [Text(" Paris"), Usage(5, 3), Finish(reason, stop_type), Done()]
    assert outcome == Completed()


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ([], FailureKind.EOF_EARLY),
        ([chunk({"content": "x"})], FailureKind.EOF_EARLY),
        ([chunk({"content": "x"}), DONE], FailureKind.EOF_EARLY),
        ([chunk({"content": "x"}), b"data: {\n\n"], FailureKind.BAD_FRAME),
        ([b"data: " + b"x" * 20_000], FailureKind.BAD_FRAME),
        (
            [b'data: {"error":{"code":500,"message":"m","type":"server_error"}}\n\n'],
            FailureKind.SERVER_ERROR,
        ),
    ],
)
def test_what_is_no_answer(body: list[bytes], kind: FailureKind) -> None:
    _, outcome = read(*body)

    assert isinstance(outcome, Failed)
    assert outcome.kind is kind


def test_a_finish_reason_is_enough() -> None:
    _, outcome = read(chunk({"content": "x"}), chunk({}, "stop"))

    assert outcome == Completed()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["choices", "delta", "content", "stop", "error", "usage", "data", "meta", "prompt"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@given(JSON.map(dumps) | st.binary(max_size=60))
def test_nothing_is_a_crash(body: bytes) -> None:
    read(b"data: " + body + b"\n\n")
    assert read_props(body).name
    assert read_trained(body) >= 0
    read_render(body)


@pytest.mark.parametrize(
    "body",
    [
        [chunk({"role": "assistant", "content": None}), chunk({}, "stop"), COUNTS, DONE],
        [chunk({"content": ""}, "length"), DONE],
        [chunk({}, "stop")],
        [b'data: {"content":"","stop":true,"stop_type":"eos"}\n\n'],
    ],
)
def test_an_end_without_a_word_is_none(body: list[bytes]) -> None:
    """In the middle of an answer it may be an end, for who knows the rest."""
    events, outcome = read(*body)
    assert outcome == Failed(FailureKind.EMPTY_200)
    assert any(isinstance(event, Finish) for event in events)
    assert Done() not in events


@pytest.mark.parametrize(("window", "reasons"), [(0, ["stop"]), (43, ["stop"]), (42, ["stop", "length"])])
def test_more_than_the_window_holds_is_not_whole(window: int, reasons: list[str]) -> None:
    """A server of old shifts its window; the counts come behind the finish, and the last word counts."""
    reader = LlamaReader(10_000, window_tokens=window)
    body = chunk({"content": "x"}) + chunk({}, "stop") + COUNTS + DONE
    finishes = [e.reason.value for i in reader.feed(body) for e in i.events if isinstance(e, Finish)]
    assert finishes == reasons


@pytest.mark.parametrize("last", [{"truncated": True}, {"tokens_evaluated": 40, "tokens_predicted": 3}])
def test_nor_by_the_raw_way(last: dict[str, Any]) -> None:
    reader = LlamaReader(10_000, window_tokens=42)
    body = dumps({"content": "x", "stop": True, "stop_type": "eos", **last})
    (item,) = reader.feed(b"data: " + body + b"\n\n")
    assert item.events[-2] == Finish(FinishReason.LENGTH, "eos")


@pytest.mark.parametrize(("word", "is_answer"), [("stop", False), ("length", True)])
def test_a_thought_alone_is_no_answer(word: str, is_answer: bool) -> None:
    _, outcome = read(chunk({"reasoning_content": "hm"}), chunk({}, word), DONE)
    assert outcome == (Completed() if is_answer else Failed(FailureKind.EMPTY_200))

"""Reads an OpenAI chat stream: how it finishes, and how the leg ends."""

from __future__ import annotations

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
from trooper.core.events import Finish, FinishReason, Text, Usage
from trooper.core.outcome import Failed, Outcome
from trooper.wire.openai_chat.reader import ChatReader

# The finish


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("stop", FinishReason.STOP),
        ("eos", FinishReason.STOP),
        ("length", FinishReason.LENGTH),
        ("tool_calls", FinishReason.TOOL_CALLS),
        ("function_call", FinishReason.TOOL_CALLS),
        ("content_filter", FinishReason.CONTENT_FILTER),
        ("max_tokens", FinishReason.LENGTH),
        ("model_length", FinishReason.LENGTH),
        ("model_context_window_exceeded", FinishReason.LENGTH),
        ("tool_use", FinishReason.TOOL_CALLS),
        ("refusal", FinishReason.CONTENT_FILTER),
        ("sensitive", FinishReason.CONTENT_FILTER),
        ("safety", FinishReason.CONTENT_FILTER),
        ("something_new", FinishReason.STOP),
        ("MAX_TOKENS", FinishReason.LENGTH),
        ("SAFETY", FinishReason.CONTENT_FILTER),
    ],
)
def test_finish_reasons(word: str, reason: FinishReason) -> None:
    result = read([ROLE, HELLO, chunk({}, word)])
    assert result.events[-1] == Finish(reason, word)
    assert result.outcome == WHOLE
    assert result.finished


@pytest.mark.parametrize(
    "word", ["error", "insufficient_system_resource", "abort", "network_error", "ERROR", "Timeout"]
)
def test_finish_reasons_that_mean_failure(word: str) -> None:
    failing = chunk({"content": "x"}, word)
    result = read([ROLE, HELLO, failing, DONE])
    assert result.outcome == Failed(K.IN_BAND_ERROR, raw=failing)
    assert result.raw == ROLE + HELLO
    assert not result.finished


@pytest.mark.parametrize("word", [None, ""])
def test_no_finish_reason_is_none(word: object) -> None:
    assert outcome_of(ROLE, chunk({"content": "a"}, word)) == EARLY
    assert outcome_of(ROLE, chunk({"content": "a"}, word), DONE) == WHOLE


def test_text_and_finish_in_one_chunk() -> None:
    assert events_of(ROLE, HELLO, chunk({"content": "a"}, "stop")) == (Text("Hello"), Text("a"), STOPPED)


def test_a_finish_in_the_first_words_is_doubtful() -> None:
    """It may stand in every chunk to come. Only a clean end makes it one."""
    first = chunk({"content": "a"}, "stop")
    result = read([ROLE, first], end=False)
    assert result.events == (BEGIN, Text("a"), Finish(FinishReason.STOP, "stop", doubtful=True))
    assert not result.finished
    assert outcome_of(ROLE, first) == WHOLE
    assert outcome_of(ROLE, first, DONE) == WHOLE


def test_a_finish_in_every_chunk_is_none() -> None:
    every = [chunk({"content": word}, "stop") for word in ("a", "b", "c")]
    result = read([ROLE, *every], end=False)
    assert [e for e in result.events if isinstance(e, Text)] == [Text("a"), Text("b"), Text("c")]
    assert all(e.doubtful for e in result.events if isinstance(e, Finish))
    assert (result.finished, result.outcome) == (False, None)
    assert outcome_of(ROLE, *every, DONE) == WHOLE
    assert outcome_of(ROLE, *every, sse({"error": {"message": "no"}})) != WHOLE


@pytest.mark.parametrize(
    "more",
    [
        {"content": "more"},
        {"reasoning": "more"},
        {"tool_calls": [{"index": 0, "id": "x", "function": {"name": "f", "arguments": "{}"}}]},
        {"refusal": "no"},
    ],
)
def test_content_behind_a_finish_takes_it_back(more: object) -> None:
    result = read([ROLE, HELLO, STOP, chunk(more)])
    assert (result.finished, result.outcome) == (False, EARLY)
    result = read([ROLE, HELLO, STOP, chunk(more), STOP], end=False)
    # It has lied once.
    assert (result.events[-1], result.finished) == (Finish(FinishReason.STOP, "stop", doubtful=True), False)
    assert outcome_of(ROLE, HELLO, STOP, chunk(more), STOP) == WHOLE


@pytest.mark.parametrize("word", ["stop", "eos"])
def test_a_finish_without_anything_is_an_empty_answer(word: str) -> None:
    finish = chunk({}, word)
    assert outcome_of(ROLE, finish, DONE) == Failed(K.EMPTY_200)
    assert outcome_of(ROLE, finish) == Failed(K.EMPTY_200)
    nothing = sse({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 0}})
    assert outcome_of(ROLE, finish, nothing, DONE) == Failed(K.EMPTY_200)


@pytest.mark.parametrize("ending", [(DONE,), ()])
def test_an_empty_answer_that_was_counted_is_an_answer(ending: tuple[bytes, ...]) -> None:
    counted = sse({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}})
    result = read([ROLE, chunk({}, "stop"), counted, *ending])
    assert result.outcome == WHOLE
    assert result.raw == b"".join((ROLE, chunk({}, "stop"), counted, *ending))
    assert outcome_of(ROLE, counted, DONE) == Failed(K.EMPTY_200)


@pytest.mark.parametrize("word", ["length", "content_filter", "tool_calls"])
def test_an_answer_may_be_empty_for_a_reason(word: str) -> None:
    assert outcome_of(ROLE, chunk({}, word), DONE) == WHOLE


@pytest.mark.parametrize(
    "delta", [{"reasoning": "r"}, {"refusal": "n"}, {"tool_calls": [{"index": 0}]}, {"new": 1}, {"new": "x"}]
)
def test_anything_said_is_an_answer(delta: object) -> None:
    assert outcome_of(ROLE, chunk(delta), STOP) == WHOLE


def test_what_follows_the_finish_does_not_take_it_back() -> None:
    usage = sse({"id": "c1", "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}})
    offsets = sse(
        {"choices": [{"index": 0, "finish_reason": None, "content_filter_offsets": {"end_offset": 5}}]}
    )
    for tail in ([usage], [offsets], [offsets, usage], [STOP]):
        result = read([ROLE, HELLO, STOP, *tail])
        assert result.outcome == WHOLE
        assert sum(isinstance(e, Finish) for e in result.events) == 1
        assert outcome_of(ROLE, HELLO, STOP, *tail, DONE) == WHOLE
    assert events_of(ROLE, HELLO, STOP, usage)[-1] == Usage(1, 2)


# The end


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([], Failed(K.EMPTY_200)),
        ([b"\n\n"], EARLY),
        ([b": ping\n\n"], EARLY),
        ([ROLE], EARLY),
        ([ROLE, HELLO], EARLY),
        ([ROLE, HELLO, DONE], WHOLE),
        ([ROLE, HELLO, b"data:[DONE]\n\n"], WHOLE),
        ([ROLE, HELLO, b"data: [DONE] \n\n"], WHOLE),
        ([ROLE, HELLO, b"data: [DONE]"], WHOLE),
        ([ROLE, HELLO, b"data: [DONE]\n"], WHOLE),
        ([ROLE, HELLO, b"data: [DO"], EARLY),
        ([ROLE, HELLO, STOP, b"data: [DO"], WHOLE),
        ([ROLE, HELLO, STOP[:-1]], WHOLE),
        ([ROLE, HELLO, STOP[:-2]], WHOLE),
        ([ROLE, HELLO, STOP[:-3]], EARLY),
        ([DONE], Failed(K.EMPTY_200)),
        ([ROLE, DONE], Failed(K.EMPTY_200)),
        ([ROLE, STOP[:-4], b"\n\n"], EARLY),
    ],
)
def test_ends(pieces: list[bytes], expected: Outcome) -> None:
    assert outcome_of(*pieces) == expected


@pytest.mark.parametrize("end", [b"", b"\n", b"\r", b"\r\n"])
def test_the_last_event_without_its_empty_line_counts_and_is_known_to_lack_it(end: bytes) -> None:
    reader = ChatReader(MAX)
    (item,) = [*reader.feed(HELLO[:-2] + end), *reader.end()]
    assert (item.raw, item.is_part, item.text) == (HELLO[:-2] + end, True, "Hello")
    assert reader.outcome == EARLY


@pytest.mark.parametrize(
    "rest", [b": pi", b"data", b"data:", b"data: ", b"event: x", b"da", b"id: 7", b"\n", b"data: {"]
)
def test_a_rest_that_says_nothing_is_not_given(rest: bytes) -> None:
    """`data:` alone would be an event to SDKs, and they fail on it."""
    result = read([ROLE, HELLO, rest])
    assert result.raw == ROLE + HELLO
    assert result.outcome == EARLY


def test_done_while_a_call_is_open_is_an_early_end() -> None:
    """Nobody finished that call: `[DONE]` alone does not, a finish reason does."""
    call = chunk({"tool_calls": [{"index": 0, "id": "x", "function": {"name": "f", "arguments": "{"}}]})
    assert outcome_of(ROLE, call, DONE) == EARLY
    assert outcome_of(ROLE, call, chunk({}, "tool_calls"), DONE) == WHOLE
    closing = chunk({"tool_calls": [{"index": 0, "function": {"arguments": "}"}}]})
    assert outcome_of(ROLE, call, closing, DONE) == WHOLE

"""Reads an OpenAI chat stream: lines that are no JSON, JSON that is no chunk, and anything at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_chunks import BEGIN, DONE, HELLO, ROLE, STOP, WHOLE, K, chunk, events_of, outcome_of, read, sse
from trooper.core.events import Done, Other, Text
from trooper.core.outcome import Failed
from trooper.wire.framed import MAX_BAD_LINES
from trooper.wire.openai_chat.reader import ChatReader

BAD = b"data: {not json\n\n"


# Lines that are no JSON, and JSON that is no chunk


@pytest.mark.parametrize(
    "bad",
    [
        BAD,
        b"data: <html>\n\n",
        b'data: {"choices": [}\n\n',
        b'data: {"choices": 7, {\n\n',
        b'data: {"choices": [{"delta": {"content": "\xff"}}]}\n\n',
        b'data: {"choices": [{"delta": {"content": "\xed\xa0\xbd"}}]}\n\n',
        b"data: " + b"[" * 5000 + b"\n\n",
        b"event: message\ndata: oops\n\n",
    ],
)
def test_a_bad_line_is_dropped(bad: bytes) -> None:
    result = read([ROLE, bad, HELLO, STOP, DONE])
    assert result.raw == ROLE + HELLO + STOP + DONE
    assert result.outcome == WHOLE


def test_several_bad_lines_in_a_row_are_noise() -> None:
    assert outcome_of(ROLE, *[BAD] * (MAX_BAD_LINES - 1), HELLO, *[BAD] * (MAX_BAD_LINES - 1), STOP) == WHOLE
    assert outcome_of(*[BAD] * (MAX_BAD_LINES - 1), ROLE, HELLO, STOP) == WHOLE
    result = read([ROLE, *[BAD] * MAX_BAD_LINES, HELLO, STOP, DONE])
    assert result.outcome == Failed(K.BAD_FRAME)
    assert result.raw == ROLE


@pytest.mark.parametrize(
    "good", [sse({"choices": []}), sse({"x": 1}), chunk({"new": 1}), b'data: {"x": NaN}\n\n'], ids=range(4)
)
def test_any_good_line_ends_the_row(good: bytes) -> None:
    row = [BAD] * (MAX_BAD_LINES - 1)
    assert outcome_of(ROLE, HELLO, *row, good, *row, STOP) == WHOLE


def test_noise_behind_the_finish_is_no_failure() -> None:
    assert read([ROLE, HELLO, STOP, *[BAD] * MAX_BAD_LINES], end=False).outcome == WHOLE


def test_an_event_that_never_ends_is_noise() -> None:
    reader = ChatReader(100)
    assert reader.feed(b"data: " + b"x" * 100) == []
    assert reader.outcome == Failed(K.BAD_FRAME)
    reader = ChatReader(len(ROLE))
    assert [i.raw for i in reader.feed(ROLE + b"x" * 1000)] == [ROLE]
    assert reader.outcome == Failed(K.BAD_FRAME)


def test_too_much_behind_the_terminator_is_no_failure() -> None:
    reader = ChatReader(len(ROLE))
    reader.feed(ROLE + HELLO + DONE + b"x" * 1000)
    assert reader.outcome == WHOLE


@pytest.mark.parametrize(
    "value", [{}, {"x": 1}, {"type": "ping"}, {"choices": 7}, {"choices": {}}, 7, "x", None, []]
)
def test_json_that_is_no_chunk_is_forwarded(value: object) -> None:
    raw = sse(value, "ping")
    result = read([ROLE, raw], end=False)
    assert result.raw == ROLE + raw
    assert result.events == (BEGIN, Other())
    # It is not content: an answer of nothing else is empty.
    assert outcome_of(ROLE, raw, DONE) == Failed(K.EMPTY_200, raw=DONE)


@pytest.mark.parametrize(
    "raw",
    [
        sse({"choices": [7]}),
        sse({"choices": [{"index": "x"}]}),
        sse({"choices": [{"finish_reason": 7}]}),
        chunk({"content": {"text": "a"}}),
        b'data: {"choices": [{"delta": {"content": "\\ud83d"}}]}\n\n',
        b'data: {"choices": [{"delta": {"content": "a"}, "logprobs": NaN}]}\n\n',
    ],
)
def test_a_chunk_that_we_do_not_understand_may_be_content(raw: bytes) -> None:
    """It is forwarded, counts as an answer, and cannot be continued."""
    result = read([ROLE, raw, DONE])
    assert result.raw == ROLE + raw + DONE
    assert result.events == (BEGIN, Other(continuable=False), Done())
    assert result.outcome == WHOLE


def test_a_number_in_quotes_is_a_number() -> None:
    raw = sse({"id": "c1", "choices": [{"index": "0", "delta": {"content": "a"}}]})
    assert events_of(ROLE, raw) == (Text("a"),)


def test_the_finish_of_a_strange_chunk_is_seen() -> None:
    assert outcome_of(ROLE, chunk({"content": "a", "new": 1}, "stop", created=1.5)) == WHOLE


@pytest.mark.parametrize(
    "silent", [b": ping\n\n", b"\n\n", b"event: ping\n\n", b"id: 7\n\n", b"retry: 9\n\n"]
)
def test_what_has_no_data_is_forwarded_and_says_nothing(silent: bytes) -> None:
    result = read([ROLE, silent, HELLO, STOP, DONE])
    assert result.raw == ROLE + silent + HELLO + STOP + DONE
    assert result.outcome == WHOLE


@pytest.mark.parametrize("empty", [b"data:\n\n", b"data: \n\n", b"data\n\n", b"event: ping\ndata:\n\n"])
def test_empty_data_is_dropped_and_no_bad_line(empty: bytes) -> None:
    result = read([ROLE, *[empty] * 5, HELLO, STOP, DONE])
    assert result.raw == ROLE + HELLO + STOP + DONE
    assert result.outcome == WHOLE


# Anything at all


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("stop")
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *(
                        "choices",
                        "delta",
                        "content",
                        "role",
                        "tool_calls",
                        "function",
                        "arguments",
                        "name",
                        "id",
                    ),
                    *(
                        "index",
                        "finish_reason",
                        "usage",
                        "error",
                        "object",
                        "model",
                        "created",
                        "reasoning",
                        "x",
                    ),
                    *("prompt_tokens", "completion_tokens", "refusal", "audio", "x_groq", "message"),
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
CHUNKS = st.fixed_dictionaries(
    {"choices": st.lists(st.fixed_dictionaries({"delta": JSON}) | JSON, max_size=2)}
)


@given(st.lists(JSON | CHUNKS), st.integers(1, 2), st.sampled_from(["", "error", "ping"]))
def test_no_json_is_a_crash(values: list[object], choices: int, name: str) -> None:
    # As often as it takes for bad lines to be noise: none of them is a bad line.
    pieces = [sse(value, name) for value in values for _ in range(MAX_BAD_LINES)]
    assert read(pieces, choices=choices).outcome not in (None, Failed(K.BAD_FRAME))


@given(
    st.lists(
        st.binary(max_size=30)
        | st.sampled_from([b"data: ", b"\n\n", b"{}", b"[DONE]", b"\r", b"event: error"])
    )
)
def test_no_bytes_are_a_crash(pieces: list[bytes]) -> None:
    result = read(pieces)
    assert result.outcome is not None
    # Whatever is forwarded is made of whole events.
    assert not result.raw or result.raw.endswith((b"\n\n", b"\r\r", b"\r\n", b"\n\r", b"\r\n\r"))

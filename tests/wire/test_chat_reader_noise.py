"""Reads an OpenAI chat stream: lines that are no JSON, JSON that is no chunk, and anything at all."""

from __future__ import annotations

import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from trooper.core.events import Done, Other, Text, Unread
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
def test_a_bad_line_passes_and_is_not_read(bad: bytes) -> None:
    """A lenient client may read it: it gets it, and nobody else can go on behind it."""
    result = read([ROLE, bad, HELLO, STOP, DONE])
    assert result.raw == ROLE + bad + HELLO + STOP + DONE
    assert result.outcome == WHOLE
    assert any(isinstance(e, Unread) or e == Other(continuable=False) for e in result.events)


def test_a_body_that_ends_in_bad_lines_is_noise() -> None:
    for noise in ([BAD] * MAX_BAD_LINES, [BAD] * 20):
        assert outcome_of(ROLE, HELLO, *noise) == Failed(K.BAD_FRAME)
        assert outcome_of(*noise) == Failed(K.BAD_FRAME)
        # Pings say nothing, so they are not the end of it.
        assert outcome_of(ROLE, *noise, b": ping\n\n") == Failed(K.BAD_FRAME)
    # One line alone may be the end of a cut.
    assert outcome_of(ROLE, HELLO, BAD) == EARLY


@pytest.mark.parametrize(
    "good", [sse({"choices": []}), sse({"x": 1}), chunk({"new": 1}), b'data: {"x": NaN}\n\n'], ids=range(4)
)
def test_any_good_line_ends_the_row(good: bytes) -> None:
    row = [BAD] * (MAX_BAD_LINES - 1)
    assert outcome_of(ROLE, HELLO, *row, good, *row) == EARLY
    assert outcome_of(ROLE, HELLO, *[BAD] * 20, good) == EARLY


def test_bad_lines_do_not_end_a_healthy_answer() -> None:
    pieces = [ROLE, *[BAD] * 20, HELLO, *[BAD] * 20, STOP, DONE]
    result = read(pieces)
    assert (result.outcome, result.raw) == (WHOLE, b"".join(pieces))


def test_noise_behind_the_finish_is_no_failure() -> None:
    assert read([ROLE, HELLO, STOP, *[BAD] * MAX_BAD_LINES]).outcome == WHOLE


@pytest.mark.parametrize(
    ("noise", "kind"),
    [
        (BAD, K.BAD_FRAME),
        (b'{"choices": []}\n\n', K.BAD_FRAME),
        (b"upstream connect error or disconnect/reset before headers\n\n", K.BAD_FRAME),
        (b'{"error": {"code": 429, "message": "slow down"}}\n\n', K.RATE_LIMIT),
        (b'error: {"code": "insufficient_quota"}\n\n', K.QUOTA),
        (b"error: something went wrong\n\n", K.IN_BAND_ERROR),
        (b"Exception: something went wrong\n\n", K.IN_BAND_ERROR),
        (b"event: error\n\n", K.IN_BAND_ERROR),
    ],
)
def test_a_terminator_without_a_finish_behind_something_that_was_not_read(noise: bytes, kind: K) -> None:
    """It is not a success: what was not read was the end. With a finish it is one."""
    result = read([ROLE, HELLO, noise, DONE])
    assert result.outcome == Failed(kind)
    assert result.raw == ROLE + HELLO + noise
    assert outcome_of(ROLE, HELLO, noise, STOP, DONE) == WHOLE
    assert outcome_of(ROLE, HELLO, DONE) == WHOLE
    if kind is not K.BAD_FRAME:
        assert outcome_of(ROLE, HELLO, noise) == Failed(kind)


@pytest.mark.parametrize(
    "line", [b"x-header: y", b"nothing", b"foo.bar: {}", b"id: {", b": error: x", b"retry: 1"]
)
def test_a_field_of_another_name_is_ignored_by_everybody(line: bytes) -> None:
    result = read([ROLE, HELLO, line + b"\n\n", DONE])
    assert result.outcome == WHOLE
    assert Unread() not in result.events


def test_events_without_an_empty_line_between_them() -> None:
    both = ROLE[:-1] + HELLO
    result = read([both, STOP[:-1] + DONE])
    assert result.raw == both + STOP[:-1] + DONE
    assert result.events == (BEGIN, Text("Hello"), STOPPED, Done())
    assert result.outcome == WHOLE
    result = read([ROLE, BAD[:-1] + HELLO, STOP, DONE])
    assert result.events == (BEGIN, Unread(), Text("Hello"), STOPPED, Done())


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_line_for_each_event_is_read_as_it_comes(end: bytes) -> None:
    """Some never send the empty line, and some send it a moment later."""
    lines = [piece[:-2] + end for piece in (ROLE, HELLO, STOP, DONE)]
    reader = ChatReader(MAX)
    for line, event in zip(lines, (BEGIN, Text("Hello"), STOPPED, Done()), strict=True):
        (item,) = reader.feed(line)
        assert (item.raw, item.events, item.is_part) == (line, (event,), True)
    assert reader.outcome == WHOLE
    reader = ChatReader(MAX)
    (item, rest) = [*reader.feed(HELLO[:-1]), *reader.feed(b"\n")]
    assert (item.raw + rest.raw, item.is_part, rest.is_part) == (HELLO, True, False)
    # In one piece, and the last of them half.
    reader = ChatReader(MAX)
    items = [*reader.feed(b"".join(lines)[:-9]), *reader.feed(b"".join(lines)[-9:])]
    assert b"".join(item.raw for item in items) == b"".join(lines)
    assert reader.outcome == WHOLE


def test_a_value_in_several_lines_waits_for_its_end() -> None:
    raw = b'data: {"choices":\ndata: [{"delta":\ndata: {"content": "a"}}]}\n\n'
    reader = ChatReader(MAX)
    items = [item for at in range(len(raw)) for item in reader.feed(raw[at : at + 1])]
    assert [(item.raw, item.text) for item in items] == [(raw, "a")]
    assert ChatReader(MAX).feed(b"event: x\n") == []
    assert ChatReader(MAX).feed(b"data: 12\n") == []


def test_raw_control_characters_in_a_string() -> None:
    raw = b'data: {"choices": [{"delta": {"content": "a\tb\x01"}}]}\n\n'
    result = read([ROLE, raw, STOP, DONE])
    assert result.events == (BEGIN, Text("a\tb\x01"), STOPPED, Done())
    assert result.raw == ROLE + raw + STOP + DONE


# Events that are too long to be kept


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_a_long_event_passes_in_parts(size: int) -> None:
    long = chunk({"content": "x" * 3000, "images": ["y" * 3000]})
    stream = ROLE + HELLO + long + STOP + DONE
    reader = ChatReader(400)
    items = [item for at in range(0, len(stream), size) for item in reader.feed(stream[at : at + size])]
    assert b"".join(item.raw for item in items) == stream
    parts = [item for item in items if len(item.raw) and Other(continuable=False) in item.events]
    assert [item.is_part for item in parts] == [True] * (len(parts) - 1) + [False]
    assert max(len(item.raw) for item in items) <= 400 + size
    assert (reader.outcome, reader.end()) == (WHOLE, [])


@pytest.mark.parametrize("at", [0, 1, 2, 3, 400, 401])
def test_the_finish_of_a_long_event_is_seen(at: int) -> None:
    long = chunk({"content": '"finish_reason": "error" \\' + "é\u2028" * 300}, "stop")
    reader = ChatReader(200)
    for piece in (ROLE, HELLO, long[:at], long[at:-100], long[-100:-50], long[-50:]):
        reader.feed(piece)
    assert (reader.finished, reader.outcome) == (True, None)


def test_a_body_that_ends_inside_a_long_event_is_cut() -> None:
    reader = ChatReader(100)
    items = [*reader.feed(ROLE + HELLO + b"data: " + b"x" * 500)]
    assert items[-1].is_part
    assert (reader.end(), reader.outcome) == ([], EARLY)


def test_too_much_behind_the_terminator_is_no_failure() -> None:
    reader = ChatReader(len(ROLE))
    items = reader.feed(ROLE + HELLO + STOP + DONE + b"x" * 1000)
    assert (items[-1].events, items[-1].is_part) == ((), True)
    assert reader.outcome == WHOLE


@pytest.mark.parametrize(
    "value", [{}, {"x": 0}, {"type": "ping"}, {"choices": {}}, {"choices": None, "x": [{}]}, 0, "", None, []]
)
def test_json_that_says_nothing_is_forwarded(value: object) -> None:
    raw = sse(value, "ping")
    result = read([ROLE, raw], end=False)
    assert result.raw == ROLE + raw
    assert result.events == (BEGIN, Other())
    # It is not content: an answer of nothing else is empty.
    assert outcome_of(ROLE, raw, DONE) == Failed(K.EMPTY_200)


@pytest.mark.parametrize("value", [{"x": 1}, {"image": {"url": "x"}}, {"choices": 7}, 7, "x", [0, "x"]])
def test_json_that_is_no_chunk_may_be_content(value: object) -> None:
    raw = sse(value)
    result = read([ROLE, raw], end=False)
    assert result.raw == ROLE + raw
    assert result.events == (BEGIN, Other(continuable=False))


@pytest.mark.parametrize(
    "raw",
    [
        sse({"choices": [7]}),
        sse({"choices": [{"message": {"content": "a"}}]}),
        sse({"choices": [{"text": "a"}]}),
        chunk({"content": {"type": "image", "data": "a"}}),
    ],
)
def test_a_chunk_that_we_do_not_understand_may_be_content(raw: bytes) -> None:
    """It is forwarded, counts as an answer, and cannot be continued."""
    result = read([ROLE, raw, DONE])
    assert result.raw == ROLE + raw + DONE
    assert result.events == (BEGIN, Other(continuable=False), Done())
    assert result.outcome == WHOLE


@pytest.mark.parametrize("choice", [{"index": "x"}, {"finish_reason": 7}, {"index": None, "delta": None}])
def test_a_field_of_another_type_costs_what_it_would_have_said(choice: object) -> None:
    result = read([ROLE, sse({"choices": [choice]}), HELLO, STOP, DONE])
    assert [e for e in result.events if e != Other()] == [BEGIN, Text("Hello"), STOPPED, Done()]


def test_not_a_number_beside_the_text_costs_nothing() -> None:
    raw = b'data: {"choices": [{"delta": {"content": "a"}, "logprobs": NaN}]}\n\n'
    assert events_of(ROLE, raw) == (Text("a"),)


@pytest.mark.parametrize("content", [b"\\ud83d", b"a\xff", b"\xed\xa0\xbd"])
def test_characters_that_are_lost_end_the_net(content: bytes) -> None:
    raw = b'data: {"choices": [{"delta": {"content": "' + content + b'"}}]}\n\n'
    result = read([ROLE, raw, STOP, DONE])
    assert result.raw == ROLE + raw + STOP + DONE
    assert Other(continuable=False) in result.events
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
def test_empty_data_passes_and_is_no_bad_line(empty: bytes) -> None:
    result = read([ROLE, *[empty] * 5, HELLO, STOP, DONE])
    assert result.raw == ROLE + empty * 5 + HELLO + STOP + DONE
    assert result.outcome == WHOLE
    assert [e for e in result.events if e != Other()] == [BEGIN, Text("Hello"), STOPPED, Done()]


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
    stream = b"".join(pieces)
    # What is forwarded is what came: all of it, or up to what tells of a failure or is torn.
    assert stream.startswith(result.raw)
    assert isinstance(result.outcome, Failed) or result.raw == stream


@pytest.mark.parametrize("words", [(None,), (None, "stop")], ids=["open", "ended"])
def test_choices_that_nobody_has_asked_for_are_not_remembered(words: tuple[str | None, ...]) -> None:
    reader = ChatReader(1 << 20)
    tracemalloc.start()
    try:
        for number in range(1, 30_000):
            for word in words:
                choice = {"index": number, "delta": {"content": "a"}, "finish_reason": word}
                reader.feed(f"data: {json.dumps({'id': 'c', 'choices': [choice]})}\n\n".encode())
        kept_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert kept_bytes < 300_000

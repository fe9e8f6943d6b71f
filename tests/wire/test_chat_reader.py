"""Reads an OpenAI chat stream: what comes out, and how the leg ends."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from pieces import cuts, singles, two_pieces
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
from trooper.testing import FAULTS, Call, ChatAnswer, chat_events
from trooper.wire.framed import MAX_BAD_LINES
from trooper.wire.openai_chat.reader import ChatReader

K = FailureKind
MAX = 1 << 20
DONE = b"data: [DONE]\n\n"
WHOLE = Completed()
EARLY = Failed(K.EOF_EARLY)


def sse(value: object, name: str = "") -> bytes:
    head = f"event: {name}\n".encode() if name else b""
    return head + b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


def chunk(delta: object = None, finish: object = None, index: object = 0, **fields: object) -> bytes:
    choice = {"index": index, "delta": {} if delta is None else delta, "finish_reason": finish}
    named: dict[str, object] = {"id": "c1", "object": "chat.completion.chunk", "created": 7, "model": "m"}
    return sse(named | {"choices": [choice]} | fields)


ROLE = chunk({"role": "assistant", "content": ""})
HELLO = chunk({"content": "Hello"})
STOP = chunk({}, "stop")
BAD = b"data: {not json\n\n"
BEGIN = Begin("c1", 7, "m", has_role=True)
STOPPED = Finish(FinishReason.STOP, "stop")


@frozen
class Result:
    """All of an answer."""

    raw: bytes
    events: tuple[Event, ...]
    outcome: Outcome | None
    finished: bool

    @property
    def text(self) -> str:
        return "".join(e.text for e in self.events if isinstance(e, Text))


def read(pieces: Iterable[bytes], *, choices: int = 1, end: bool = True) -> Result:
    reader = ChatReader(MAX, choices)
    items: list[Received] = []
    for piece in pieces:
        if reader.outcome is None:
            items += reader.feed(piece)
    if end and reader.outcome is None:
        items += reader.end()
    return Result(
        b"".join(i.raw for i in items),
        tuple(e for i in items for e in i.events),
        reader.outcome,
        reader.finished,
    )


def events_of(*pieces: bytes) -> tuple[Event, ...]:
    """The events, without the beginning."""
    return tuple(e for e in read(pieces, end=False).events if not isinstance(e, Begin))


def outcome_of(*pieces: bytes, choices: int = 1) -> Outcome | None:
    return read(pieces, choices=choices).outcome


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


def test_nothing_is_read_behind_the_outcome() -> None:
    reader = ChatReader(MAX)
    assert [i.raw for i in reader.feed(ROLE + HELLO + STOP + DONE + HELLO + DONE)] == [
        ROLE,
        HELLO,
        STOP,
        DONE,
    ]
    assert reader.feed(HELLO) == []
    assert reader.end() == []
    assert reader.outcome == WHOLE


def test_what_is_left_behind_the_outcome_does_not_count() -> None:
    reader = ChatReader(MAX)
    reader.feed(ROLE + HELLO + STOP + DONE + b"data: {}")
    assert reader.end() == []
    assert reader.outcome == WHOLE


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
            ]
        ),
        # Extensions that may.
        *(
            ({"content": "a", key: value}, [Text("a"), Other(continuable=False)])
            for key, value in [
                *(("audio", {"data": "x"}), ("function_call", {"name": "f"}), ("images", [{"url": "x"}])),
                *(("anything", "x"), ("anything", 0), ("anything", False)),
            ]
        ),
        ({"anything": "x"}, [Other(continuable=False)]),
        # Not of the shape that we know at all.
        ({"content": [{"type": "text", "text": "a"}]}, [Other(continuable=False)]),
        ({"content": 7}, [Other(continuable=False)]),
        ({"tool_calls": {"0": {}}}, [Other(continuable=False)]),
        ({"tool_calls": [{"index": None}]}, [Other(continuable=False)]),
        ("text", []),
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
    assert list(inspect.signature(ChatReader).parameters) == ["max_event_bytes", "choices"]
    assert ChatReader(MAX) == ChatReader(MAX, choices=1)


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
        ("something_new", FinishReason.STOP),
    ],
)
def test_finish_reasons(word: str, reason: FinishReason) -> None:
    result = read([ROLE, HELLO, chunk({}, word)])
    assert result.events[-1] == Finish(reason, word)
    assert result.outcome == WHOLE
    assert result.finished


@pytest.mark.parametrize("word", ["error", "insufficient_system_resource", "abort"])
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
    assert events_of(ROLE, chunk({"content": "a"}, "stop")) == (Text("a"), STOPPED)


@pytest.mark.parametrize("word", ["stop", "eos"])
def test_a_finish_without_anything_is_an_empty_answer(word: str) -> None:
    finish = chunk({}, word)
    assert outcome_of(ROLE, finish, DONE) == Failed(K.EMPTY_200, raw=finish)


@pytest.mark.parametrize("word", ["length", "content_filter", "tool_calls"])
def test_an_answer_may_be_empty_for_a_reason(word: str) -> None:
    assert outcome_of(ROLE, chunk({}, word), DONE) == WHOLE


@pytest.mark.parametrize(
    "delta", [{"reasoning": "r"}, {"refusal": "n"}, {"tool_calls": [{"index": 0}]}, {"new": 1}]
)
def test_anything_said_is_an_answer(delta: object) -> None:
    assert outcome_of(ROLE, chunk(delta), STOP) == WHOLE


def test_what_follows_the_finish_does_not_take_it_back() -> None:
    usage = sse({"id": "c1", "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}})
    offsets = sse(
        {"choices": [{"index": 0, "finish_reason": None, "content_filter_offsets": {"end_offset": 5}}]}
    )
    for tail in ([usage], [offsets], [offsets, usage], [STOP], [HELLO]):
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
        ([DONE], Failed(K.EMPTY_200, raw=DONE)),
        ([ROLE, DONE], Failed(K.EMPTY_200, raw=DONE)),
        ([ROLE, STOP[:-4], b"\n\n"], EARLY),
    ],
)
def test_ends(pieces: list[bytes], expected: Outcome) -> None:
    assert outcome_of(*pieces) == expected


@pytest.mark.parametrize("end", [b"", b"\n", b"\r", b"\r\n"])
def test_the_last_event_without_its_empty_line_is_given_one(end: bytes) -> None:
    reader = ChatReader(MAX)
    assert reader.feed(HELLO[:-2] + end) == []
    (item,) = reader.end()
    assert item.raw == HELLO
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
    assert outcome_of(ROLE, call, DONE) == Failed(K.EOF_EARLY, raw=DONE)
    assert outcome_of(ROLE, call, chunk({}, "tool_calls"), DONE) == WHOLE
    closing = chunk({"tool_calls": [{"index": 0, "function": {"arguments": "}"}}]})
    assert outcome_of(ROLE, call, closing, DONE) == WHOLE


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


# Errors inside the answer


ERRORS = [
    pytest.param(sse({"error": {"message": "m", "type": "server_error"}}), K.SERVER_ERROR, id="object"),
    pytest.param(sse({"error": "went away"}), K.IN_BAND_ERROR, id="string"),
    pytest.param(sse({"object": "error", "message": "m", "code": 500}), K.SERVER_ERROR, id="flat"),
    pytest.param(chunk({}, None, object="error"), K.IN_BAND_ERROR, id="a chunk that calls itself error"),
    pytest.param(sse({"message": "m"}, "error"), K.IN_BAND_ERROR, id="event name"),
    pytest.param(sse({"choices": []}, "error"), K.IN_BAND_ERROR, id="event name of a chunk"),
    pytest.param(sse({"error": {"type": "overloaded_error"}}, "error"), K.OVERLOADED, id="event"),
    pytest.param(b"event: error\ndata: upstream died\n\n", K.IN_BAND_ERROR, id="event of plain text"),
    pytest.param(b"event: error\ndata: {\n\n", K.IN_BAND_ERROR, id="event of half JSON"),
    pytest.param(b'event: error\ndata: {"choices": 7, {\n\n', K.IN_BAND_ERROR, id="event of bad JSON"),
    pytest.param(b"event: error\ndata:\n\n", K.IN_BAND_ERROR, id="event of nothing"),
    pytest.param(sse([{"error": {"code": 503}}]), K.OVERLOADED, id="list"),
    pytest.param(chunk({}, None, x_groq={"error": "over"}), K.IN_BAND_ERROR, id="x_groq"),
    pytest.param(chunk({"content": ""}, "error", error={"code": 502}), K.SERVER_ERROR, id="OpenRouter"),
    pytest.param(sse({"throttlingException": {}}), K.RATE_LIMIT, id="Bedrock"),
    pytest.param(b'data: {"error": {"code": 429, "x": NaN}}\n\n', K.RATE_LIMIT, id="lenient JSON"),
    pytest.param(
        sse({"error": {"code": "context_length_exceeded", "n_ctx": 4, "n_prompt_tokens": 9}}),
        K.CONTEXT_LENGTH,
        id="window",
    ),
]


@pytest.mark.parametrize(("error", "kind"), ERRORS)
@pytest.mark.parametrize("before", [[], [ROLE], [ROLE, HELLO]])
def test_errors(error: bytes, kind: FailureKind, before: list[bytes]) -> None:
    for after in ([], [DONE], [STOP, DONE]):
        result = read([*before, error, *after])
        assert isinstance(result.outcome, Failed)
        assert result.outcome.kind is kind
        assert result.outcome.raw == error
        assert result.raw == b"".join(before)
        assert not result.finished


@pytest.mark.parametrize(("error", "kind"), ERRORS)
def test_an_error_behind_the_finish_is_too_late(error: bytes, kind: FailureKind) -> None:
    result = read([ROLE, HELLO, STOP, error, DONE])
    assert result.outcome == WHOLE
    assert result.raw == ROLE + HELLO + STOP


def test_what_an_error_says_of_itself_is_kept() -> None:
    error = {
        "code": "rate_limit_exceeded",
        "details": [{"retryDelay": "4s"}],
        "n_ctx": 4,
        "n_prompt_tokens": 9,
    }
    raw = sse({"error": error})
    assert outcome_of(ROLE, raw) == Failed(
        K.RATE_LIMIT, raw=raw, retry_after_s=4.0, prompt_tokens=9, window_tokens=4
    )


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


# Golden streams, cut everywhere


GOLDEN = {
    "text": chat_events("Hé, 🚢 \u2028 ok."),
    "usage": chat_events("Hi there.", usage=True),
    "no done": chat_events("Hi there.", done=False),
    "no finish": chat_events("Hi there.", finish=None),
    "length": chat_events("Hi there", finish="length"),
    "tools": chat_events("Look.", tool_calls=[Call("f", '{"a": "b}"}'), Call("g", "{}", "call_2")]),
    "reasoning": chat_events("Yes.", reasoning="I think"),
    "refusal": ChatAnswer(refusal=("I", " can't.")).events(),
    "odd": [b": ping\n\n", sse({"choices": []}), ROLE, HELLO, sse({"x": 1}), chunk({"new": 1}, "stop"), DONE],
}
ENDS = {"lf": b"\n", "crlf": b"\r\n", "cr": b"\r"}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("name", GOLDEN)
def test_a_stream_that_is_cut_at_any_byte(name: str, end: str) -> None:
    """Completed only when the finish or `[DONE]` was whole; never a word more than was there."""
    events = [event.replace(b"\n", ENDS[end]) for event in GOLDEN[name]]
    stream = b"".join(events)
    # Up to where each event's data is whole, and what has been said then.
    data_ends, texts, finished, at = [0], [""], [False], 0
    for event in events:
        data_ends.append(at + len(event.rstrip(b"\r\n")))
        at += len(event)
        alone = read([ROLE, HELLO, event], end=False)
        texts.append(texts[-1] + alone.text.removeprefix("Hello"))
        finished.append(finished[-1] or alone.finished)
    for before, _ in two_pieces(stream):
        result = read([before])
        number = max(n for n, data_end in enumerate(data_ends) if data_end <= len(before))
        assert isinstance(result.outcome, Completed) is finished[number]
        assert result.text == texts[number]
        if not finished[number]:
            assert result.outcome == (EARLY if before.strip() else Failed(K.EMPTY_200))


def check_same(pieces: list[bytes], stream: bytes) -> None:
    result, whole = read(pieces, end=False), read([stream], end=False)
    assert result.events == whole.events
    # Of a CRLF that ends an event the LF comes with the next one, if there is one.
    assert result.raw == whole.raw.removesuffix(b"\n" if result.raw.endswith(b"\r") else b"")
    assert (result.outcome, result.finished) == (whole.outcome, whole.finished)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("name", GOLDEN)
def test_byte_by_byte_is_as_whole(name: str, end: str) -> None:
    stream = b"".join(GOLDEN[name]).replace(b"\n", ENDS[end])
    check_same(singles(stream), stream)


@given(st.sampled_from(sorted(GOLDEN)).flatmap(lambda name: cuts(b"".join(GOLDEN[name]))))
def test_any_chunking_is_as_whole(pieces: list[bytes]) -> None:
    check_same(pieces, b"".join(pieces))


def test_every_healthy_oddity_of_the_failure_table_is_whole() -> None:
    for name in (
        "crlf",
        "cr",
        "bom",
        "multi-line-data",
        "comment-inside-frame",
        "unknown-fields",
        "data-no-space",
    ):
        script = FAULTS[name].build(chat_events(), "end")
        pieces = [step.data for step in script.steps if hasattr(step, "data")]
        result, plain = read(pieces), read(chat_events())
        assert (result.text, result.outcome) == (plain.text, WHOLE), name


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

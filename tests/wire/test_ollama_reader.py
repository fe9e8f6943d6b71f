"""Ollama's lines, read as events (`wire.ollama_chat.reader`)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pieces import cuts, singles, two_pieces
from trooper.core.events import (
    Done,
    Event,
    Finish,
    FinishReason,
    Reasoning,
    Text,
    ToolCallDelta,
    Usage,
)
from trooper.core.outcome import Completed, Failed, FailureKind, Outcome
from trooper.core.prompt_reading import PromptRead
from trooper.wire.ollama_chat.reader import OllamaReader

K = FailureKind
BIG = 1 << 20


def said(content: str = "", **more: Any) -> dict[str, Any]:
    """A line of `/api/chat`; `more` goes into its message."""
    message = {"role": "assistant", "content": content, **more}
    return {"model": "m", "created_at": "2026-11-23T13:19:48.88Z", "message": message, "done": False}


def ending(reason: str = "stop", content: str = "", **more: Any) -> dict[str, Any]:
    counts = {"prompt_eval_count": 26, "eval_count": 6, "total_duration": 268333700}
    return said(content, **more) | {"done": True, "done_reason": reason} | counts


def call(name: str, arguments: Any, **more: Any) -> dict[str, Any]:
    return {"function": {"index": 0, "name": name, "arguments": arguments}, **more}


def ndjson(*lines: Any) -> bytes:
    return b"".join(json.dumps(line, ensure_ascii=False).encode() + b"\n" for line in lines)


def read(*chunks: bytes, max_line_bytes: int = BIG) -> tuple[list[Event], Outcome | None]:
    reader = OllamaReader(max_line_bytes, call_id="call_req")
    events: list[Event] = []
    for chunk in chunks:
        for item in reader.feed(chunk):
            assert item.raw == b""
            assert item.events
            events += item.events
    events += [event for item in reader.end() for event in item.events]
    assert reader.finished is isinstance(reader.outcome, Completed)
    return events, reader.outcome


COUNTS = Usage(26, 6)
STOP = (COUNTS, Finish(FinishReason.STOP, "stop"), Done())
ANSWER = ndjson(said("A lamp "), said("é 🚢 <&> \u2028"), said("", thinking="hm"), said(""), ending())
HEARD = [Text("A lamp "), Text("é 🚢 <&> \u2028"), Reasoning("hm"), *STOP]


def test_a_healthy_answer() -> None:
    assert read(ANSWER) == (HEARD, Completed())
    assert read(*singles(ANSWER)) == (HEARD, Completed())


def test_success_is_the_done_line_and_nothing_else() -> None:
    """Cut at every byte, the text is a beginning of the answer and the outcome is never a guess."""
    whole_from = len(ANSWER) - 1  # The last line needs no line end.
    for first, _ in two_pieces(ANSWER):
        events, outcome = read(first)
        assert events == HEARD[: len(events)]
        expected = Completed() if len(first) >= whole_from else None
        assert outcome == expected or (expected is None and isinstance(outcome, Failed))


@given(cuts(ANSWER))
def test_any_chunking(pieces: list[bytes]) -> None:
    assert read(*pieces) == (HEARD, Completed())


@pytest.mark.parametrize(
    ("duration", "took_s"), [("2e9", 2.0), ("1.5", 1.5e-9), ("null", None), ('"2"', None), ("1" * 400, None)]
)
def test_how_long_the_prompt_took_is_no_matter_of_the_answer(duration: str, took_s: float | None) -> None:
    last = json.dumps(ending() | {"prompt_eval_duration": 0}).replace(
        '_duration": 0', f'_duration": {duration}'
    )
    reader = OllamaReader(BIG)
    reader.feed(ndjson(said("x")) + last.encode() + b"\n")
    assert reader.outcome == Completed()
    assert reader.prompt_read == (None if took_s is None else PromptRead(26, 26, took_s=took_s))


def test_raw_generate_says_response() -> None:
    lines = [
        {"model": "m", "response": "on ", "done": False},
        {"model": "m", "response": "and on", "thinking": "hm", "done": False},
        {"model": "m", "response": "", "done": True, "done_reason": "length", "eval_count": 2},
    ]
    events, outcome = read(ndjson(*lines))
    assert events == [
        Text("on "),
        Reasoning("hm"),
        Text("and on"),
        Usage(0, 2),
        Finish(FinishReason.LENGTH, "length"),
        Done(),
    ]
    assert outcome == Completed()


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("stop", FinishReason.STOP),
        ("length", FinishReason.LENGTH),
        ("", FinishReason.STOP),
    ],
)
def test_why_it_ended(reason: str, finish: FinishReason) -> None:
    assert read(ndjson(said("x"), ending(reason)))[0][2:] == [Finish(finish, reason), Done()]


def test_counts_that_are_left_out_are_none() -> None:
    """The server omits what is zero."""
    heard = [Text("x"), Usage(0, 0), Finish(FinishReason.STOP), Done()]
    assert read(ndjson(said("x")) + b'{"done":true}\n') == (heard, Completed())


@pytest.mark.parametrize("reason", ["", "stop", "length"])
def test_an_end_without_a_word_is_none(reason: str) -> None:
    """It was a success with an empty answer; in the middle of one it may be an end, for who knows the rest."""
    events, outcome = read(ndjson(said(""), ending(reason)))
    assert outcome == Failed(K.EMPTY_200)
    assert [type(event) for event in events] == [Usage, Finish]


@pytest.mark.parametrize(("word", "is_answer"), [("stop", False), ("length", True)])
def test_a_thought_alone_is_no_answer_and_blanks_are_none(word: str, is_answer: bool) -> None:
    """Unless its length was the limit's business."""
    for mused in ({"message": {"thinking": "hm"}}, said("\n")):
        _, outcome = read(ndjson(mused, ending(word)))
        assert outcome == (Completed() if is_answer else Failed(K.EMPTY_200))


@pytest.mark.parametrize("reason", ["load", "unload"])
def test_a_model_that_was_only_loaded_has_finished_nothing(reason: str) -> None:
    assert read(ndjson(ending(reason))) == ([], Failed(K.EMPTY_200))
    assert read(ndjson(said("x"), ending(reason))) == ([Text("x")], Failed(K.EOF_EARLY))


@pytest.mark.parametrize(("window", "reason"), [(0, "stop"), (20, "stop"), (13, "stop"), (12, "length")])
def test_more_than_the_window_holds_is_not_whole(window: int, reason: str) -> None:
    """The server had pushed the question out, and went on."""
    counts = {"done": True, "done_reason": "stop", "prompt_eval_count": 10, "eval_count": 3}
    reader = OllamaReader(BIG, window_tokens=window)
    events = [event for item in reader.feed(ndjson(said("x"), counts)) for event in item.events]
    assert events[2] == Finish(FinishReason(reason), "stop")
    assert reader.outcome == Completed()


def test_the_done_line_may_carry_content() -> None:
    events, outcome = read(ndjson(ending(content="all at once", thinking="hm")))
    assert events == [Reasoning("hm"), Text("all at once"), *STOP]
    assert outcome == Completed()


@pytest.mark.parametrize("on_done_line", [True, False])
def test_tool_calls(on_done_line: bool) -> None:
    """They come whole; the server says "stop", clients look for "tool_calls"."""
    calls = [call("f", {"a": "x", "é": [1, {"b": None}]}), call("g", {})]
    lines = [ending(tool_calls=calls)] if on_done_line else [said(tool_calls=calls), ending()]
    events, outcome = read(ndjson(*lines))
    assert events == [
        ToolCallDelta(0, "call_req_0", "f", '{"a":"x","é":[1,{"b":null}]}'),
        ToolCallDelta(1, "call_req_1", "g", "{}"),
        COUNTS,
        Finish(FinishReason.TOOL_CALLS, "stop"),
        Done(),
    ]
    assert outcome == Completed()


@pytest.mark.parametrize(
    ("given", "arguments"),
    [('{"a": "x"}', '{"a": "x"}'), (None, "{}"), ("", "{}"), (["x"], '["x"]'), ('"{}"', '"{}"')],
)
def test_arguments_that_are_no_object(given: object, arguments: str) -> None:
    """What they are is seen when they are said: the line is no failure."""
    function = {"name": "f", "arguments": given}
    events, outcome = read(ndjson(said(tool_calls=[{"function": function, "id": None}]), ending()))
    assert events[0] == ToolCallDelta(0, "call_req_0", "f", arguments)
    assert outcome == Completed()


def test_calls_of_several_lines_are_several_calls() -> None:
    """The server numbers each line's calls from 0; a client would take them for one."""
    one, two = said(tool_calls=[call("f", {})]), said(tool_calls=[call("f", {}, id="call_8u4mycfw")])
    events, _ = read(ndjson(one, two, one, ending()))
    calls = [event for event in events if isinstance(event, ToolCallDelta)]
    assert [c.index for c in calls] == [0, 1, 2]
    assert [c.id for c in calls] == ["call_req_0", "call_8u4mycfw", "call_req_2"]


def test_a_limit_in_a_call_is_a_limit() -> None:
    events, _ = read(ndjson(said(tool_calls=[call("f", {})]), ending("length")))
    assert Finish(FinishReason.LENGTH, "length") in events


INNER = {
    "error": {
        "code": 400,
        "message": "request (663 tokens) exceeds the available context size (512 tokens), try increasing it",
        "type": "exceed_context_size_error",
        "n_prompt_tokens": 663,
        "n_ctx": 512,
    }
}


@pytest.mark.parametrize(
    ("error", "failed"),
    [
        (
            "an error was encountered while running the model: unexpected EOF",
            Failed(K.IN_BAND_ERROR),
        ),
        (
            "llama-server chat error: map[code:500 message:Compute error. type:server_error]",
            Failed(K.IN_BAND_ERROR),
        ),
        (json.dumps(INNER), Failed(K.CONTEXT_LENGTH, prompt_tokens=663, window_tokens=512)),
        (INNER["error"], Failed(K.CONTEXT_LENGTH, prompt_tokens=663, window_tokens=512)),
        ("the prompt is longer than the context length currently available", Failed(K.CONTEXT_LENGTH)),
        ({"message": "server busy", "code": 503}, Failed(K.OVERLOADED)),
        (True, Failed(K.IN_BAND_ERROR)),
    ],
)
def test_an_error_line(error: object, failed: Failed) -> None:
    for lines in ([{"error": error}], [said("half"), {"error": error}, said("never"), ending()]):
        events, outcome = read(ndjson(*lines))
        assert events == ([Text("half")] if len(lines) > 1 else [])
        assert outcome == failed


@pytest.mark.parametrize("nothing", [None, "", False, {}])
def test_an_empty_error_is_none(nothing: object) -> None:
    assert read(ndjson(said("x") | {"error": nothing}, ending())) == ([Text("x"), *STOP], Completed())


@pytest.mark.parametrize("body", [b"", b"\n", b" \r\n\n", ndjson(said("x")), ndjson(said("x"))[:-1]])
def test_an_end_without_done_is_a_failure(body: bytes) -> None:
    """It happens: a zero-byte 200, and a silent end behind 31 equal tokens."""
    assert read(body)[1] == Failed(K.EOF_EARLY)


@pytest.mark.parametrize(
    "line",
    [
        b"<html>\n",
        b"{}{}\n",
        b"[]\n",
        b'"x"\n',
        b"\xff\n",
        b'{"message": "x"}\n',
        b'{"done": "yes"}\n',
        b'{"message": {"tool_calls": [{"function": "f"}]}}\n',
        b'{"message": {"content": "\\ud83d"}}\n',
        b'{"x": ' + b"[" * 5000 + b"]" * 5000 + b"}\n",
    ],
)
def test_an_unreadable_line(line: bytes) -> None:
    events, outcome = read(ndjson(said("half")) + line + ANSWER)
    assert events == [Text("half")]
    assert outcome == Failed(K.BAD_FRAME)


def test_half_a_last_line_is_an_unreadable_one() -> None:
    assert read(ndjson(said("x")) + b'{"mess') == ([Text("x")], Failed(K.BAD_FRAME))


def test_a_last_line_without_its_end_counts() -> None:
    assert read(ANSWER[:-1]) == (HEARD, Completed())


def test_line_ends_and_empty_lines() -> None:
    assert read(b"\n\r\n" + ANSWER.replace(b"\n", b"\r\n\n")) == (HEARD, Completed())


def test_a_line_is_bounded() -> None:
    events, outcome = read(ndjson(said("x")) + b'{"message": {"content": "' + b"y" * 500, max_line_bytes=400)
    assert events == [Text("x")]
    assert outcome == Failed(K.BAD_FRAME)


def test_nothing_follows_the_outcome() -> None:
    events, outcome = read(ANSWER + ANSWER, ANSWER, b"junk")
    assert events == HEARD
    assert outcome == Completed()
    reader = OllamaReader(400)
    reader.feed(ndjson(said("x"), ending()) + b"x" * 500)
    assert reader.outcome == Completed()


def test_lines_that_say_nothing_are_no_events() -> None:
    reader = OllamaReader(BIG)
    assert reader.feed(ndjson(said(""), {"model": "m"}, {}, {"message": None}, {"response": None})) == []
    assert reader.outcome is None


KEYS = ["message", "content", "thinking", "tool_calls", "function", "arguments", "done", "error", "response"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*KEYS, "id"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.lists(JSON | st.dictionaries(st.sampled_from(KEYS), JSON, max_size=3), max_size=4))
def test_no_json_is_a_crash(lines: list[Any]) -> None:
    assert read(ndjson(*lines))[1] is not None


@given(st.lists(st.binary(max_size=30) | st.sampled_from([b"{", b"}", b"\n", b'"error":', ANSWER[:90]])))
def test_no_bytes_are_a_crash(chunks: list[bytes]) -> None:
    assert read(*chunks, max_line_bytes=200)[1] is not None

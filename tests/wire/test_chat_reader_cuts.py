"""Reads an OpenAI chat stream: golden streams, cut everywhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_chunks import DONE, EARLY, HELLO, ROLE, WHOLE, K, chunk, read, sse
from pieces import cuts, singles, two_pieces
from trooper.core.outcome import Completed, Failed
from trooper.testing import FAULTS, Call, ChatAnswer, chat_events

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

"""What kind of body an answer has, whatever was asked for and whatever its headers say."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pieces import cuts
from trooper.core.events import Received
from trooper.core.outcome import Completed, Failed, FailureKind
from trooper.testing import ANSWERS
from trooper.wire.body import _MAX_LEAD_BYTES, Body
from trooper.wire.openai_chat.reader import ChatReader
from trooper.wire.openai_chat.whole import read_whole
from trooper.wire.whole import WholeReader
from work import work_of

EVENTS = b"".join(ANSWERS["text"].events())
WHOLE = ANSWERS["text"].body()
SAID = "".join(ANSWERS["text"].tokens)
BOM = b"\xef\xbb\xbf"
LEADS = [b"", b"\n", b" \r\n\t", BOM, BOM + b"\n", b"\n" + BOM]
#: An event's data without its field's name: a value that looks like an answer, and is none.
CHUNK = b'{"choices":[{"delta":{"content":"x"},"finish_reason":"stop"}],"usage":{"completion_tokens":1}}\n'
#: Raw line ends in a string, for lenient readers.
RAW_LINES = b'{"choices":[{"message":{"content":"one\ndata: {two}\n\nthree"},"finish_reason":"stop"}]}'


def body(kind: bytes = b"text/event-stream", *, streams: bool = True) -> Body:
    made = Body(ChatReader(1_000_000), WholeReader(read_whole, 1_000_000), streams)
    made.named(kind)
    return made


def read(made: Body, *pieces: bytes) -> list[Received]:
    received = [item for piece in pieces for item in made.feed(piece)]
    return received + made.end()


def text(received: list[Received]) -> str:
    return "".join(item.text for item in received)


def raws(received: list[Received]) -> bytes:
    return b"".join(item.raw for item in received)


@pytest.mark.parametrize(
    "kind", [b"", b"text/html", b"application/json", b"text/plain", b"application/octet-stream", b"Text/XML"]
)
@pytest.mark.parametrize("streams", [True, False])
@pytest.mark.parametrize("lead", LEADS)
def test_an_event_stream_is_one_under_any_name(kind: bytes, lead: bytes, *, streams: bool) -> None:
    made = body(kind, streams=streams)
    received = read(made, lead + EVENTS)
    assert (text(received), raws(received)) == (SAID, lead + EVENTS)
    assert (made.outcome, made.finished) == (Completed(), True)
    assert (made.is_stream, made.is_as_asked) == (True, streams)


@pytest.mark.parametrize("first", [b": hello\n\n", b"event: x\n", b"id: 7\n", b"retry: 9\n", b"data:\n\n"])
@pytest.mark.parametrize("streams", [True, False])
def test_a_stream_may_begin_with_any_field(first: bytes, *, streams: bool) -> None:
    made = body(b"application/json", streams=streams)
    assert text(read(made, first + EVENTS)) == SAID
    assert made.is_stream


@pytest.mark.parametrize("kind", [b"", b"text/html", b"text/event-stream", b"application/json"])
@pytest.mark.parametrize("streams", [True, False])
@pytest.mark.parametrize("lead", [b"", b"\n", b" \r\n\t"])
@pytest.mark.parametrize(
    "glued", [b"", b"\n", b"data: [DONE]", b"\n\ndata: [DONE]\n\n", b"\r\ndata:[DONE]", b"\ndata: \n\n"]
)
def test_one_value_is_a_whole_answer(kind: bytes, lead: bytes, glued: bytes, *, streams: bool) -> None:
    made = body(kind, streams=streams)
    received = read(made, lead + WHOLE + glued)
    assert text(received) == SAID
    assert made.outcome == Completed()
    assert (made.is_stream, made.is_as_asked) == (False, not streams)
    if not streams:
        assert raws(received) == lead + WHOLE + glued


@given(st.sampled_from([WHOLE, EVENTS, WHOLE + b"\ndata: [DONE]\n\n", b'{"a": 1}\n' + EVENTS]), st.data())
def test_any_chunking(sent: bytes, data: st.DataObject) -> None:
    for streams in (True, False):
        made = body(streams=streams)
        assert text(read(made, *data.draw(cuts(sent)))) == SAID
        assert made.outcome == Completed()
        assert made.is_stream is sent.startswith((b"data", b'{"a'))


@pytest.mark.parametrize(
    "line", [b'{"error": null}\n', b"{}\r\n\r\n", b'["x"]\n', b"{half of it\n", b'{"a": "\\"}"}\n', CHUNK]
)
@pytest.mark.parametrize("streams", [True, False])
def test_bare_json_in_front_of_a_stream(line: bytes, *, streams: bool) -> None:
    """All that was collected goes to the reader of events, and at once."""
    made = body(streams=streams)
    assert made.feed(line) == []
    first = made.feed(EVENTS[:7])
    assert made.is_stream
    assert raws(first) + raws(read(made, EVENTS[7:])) == line + EVENTS


@pytest.mark.parametrize("said", [b"{}", b"[]", b"[DONE!]", b"x"])
@pytest.mark.parametrize("line", [b"data:", b"data: ", b"data: \t  ", b"data"])
def test_a_line_is_seen_wherever_it_is_cut(line: bytes, said: bytes) -> None:
    made = body()
    whole = b"{}\n" + line.ljust(5, b":") + said + b" more"
    pieces = [b"{}\n" + line, whole.removeprefix(b"{}\n" + line)]
    assert made.feed(pieces[0]) == []
    assert not made.is_stream
    made.feed(pieces[1])
    assert made.is_stream


@pytest.mark.parametrize(
    ("kind", "streams", "is_stream"),
    [
        (b"application/json", True, False),
        (b"application/json", False, False),
        (b"text/event-stream", False, False),
        # The header is a hint, and here the bytes leave a doubt.
        (b"text/event-stream", True, True),
    ],
)
def test_a_line_in_a_string(kind: bytes, *, streams: bool, is_stream: bool) -> None:
    made = body(kind, streams=streams)
    read(made, RAW_LINES)
    assert made.is_stream is is_stream


def test_who_waits_for_a_stream_need_not_wait_for_the_end() -> None:
    made = body()
    assert made.feed(WHOLE[:-1]) == []
    assert text(made.feed(WHOLE[-1:] + b"\n")) == SAID
    assert (made.outcome, made.finished) == (Completed(), True)
    assert (made.feed(b"data: [DONE]\n\n"), made.end()) == ([], [])


def test_who_waits_for_a_whole_answer_gets_all_its_bytes() -> None:
    made = body(streams=False)
    assert made.feed(WHOLE) == []
    assert made.outcome is None
    assert raws(read(made, b"\n")) == WHOLE + b"\n"


@pytest.mark.parametrize(
    ("sent", "kind", "streams", "is_page"),
    [
        (b"<html>", b"text/html; charset=utf-8", True, True),
        (BOM + b"\n <!doctype html>", b"TEXT/HTML", True, True),
        (b"<?xml?>", b"application/xml", False, True),
        (b"<html>", b"application/json", False, True),
        (b"<html>", b"text/event-stream", True, False),
    ],
)
def test_a_page_is_no_answer(sent: bytes, kind: bytes, *, streams: bool, is_page: bool) -> None:
    made = body(kind, streams=streams)
    assert made.feed(sent) == []
    assert made.outcome == (Failed(FailureKind.BAD_FRAME) if is_page else None)
    if is_page:
        assert (made.feed(EVENTS), made.end()) == ([], [])


@pytest.mark.parametrize("streams", [True, False])
@pytest.mark.parametrize("sent", [[], [b"\n"], [b"\xef", b"\xbb"], [BOM]])
def test_nothing(sent: list[bytes], *, streams: bool) -> None:
    made = body(streams=streams)
    read(made, *sent)
    assert isinstance(made.outcome, Failed)
    assert made.is_as_asked


@pytest.mark.parametrize("streams", [True, False])
@pytest.mark.parametrize("sent", [b"7", b'"x"', b"true", b"null", b"upstream connect error"])
def test_what_is_neither(sent: bytes, *, streams: bool) -> None:
    made = body(b"text/plain", streams=streams)
    assert text(read(made, sent)) == ""
    assert isinstance(made.outcome, Failed)
    assert made.is_as_asked


def test_blanks_are_not_kept_for_ever() -> None:
    made = body()
    received = made.feed(b"\n" * _MAX_LEAD_BYTES)
    assert made.is_stream
    received += read(made, EVENTS)
    assert raws(received) == b"\n" * _MAX_LEAD_BYTES + EVENTS


def test_a_whole_answer_is_bounded() -> None:
    made = Body(ChatReader(100), WholeReader(read_whole, 20), True)
    assert made.feed(WHOLE) == []
    assert made.outcome == Failed(FailureKind.BAD_FRAME)


@pytest.mark.parametrize("at", range(1, len(RAW_LINES), 5))
def test_a_value_is_searched_once_over_any_cut(at: int) -> None:
    made = body(b"application/json")
    received = read(made, RAW_LINES[:at], RAW_LINES[at:])
    assert not made.is_stream
    assert text(received) == "one\ndata: {two}\n\nthree"


def test_a_string_may_hold_anything() -> None:
    said = 'a " b } ] } ] } c \\'
    sent = json.dumps({"choices": [{"message": {"content": said}, "finish_reason": "stop"}]}).encode()
    for at in range(len(sent)):
        made = body()
        early = made.feed(sent[:at]) + made.feed(sent[at:])
        assert text(early) == said


@pytest.mark.parametrize("said", [b"[", b'""', b"\\\\"], ids=["brackets", "quotes", "escapes"])
def test_no_event_stream_is_looked_for_behind_half_a_megabyte(said: bytes) -> None:
    """Whoever asked for a whole answer gets it; to tell where a line of a stream may begin, all of it was read."""
    made = body(b"application/json", streams=False)
    made.feed(b'{"x": ' + said * 250_000)
    assert work_of(lambda: made.feed(b"\ndata: x\n\n")) < 100

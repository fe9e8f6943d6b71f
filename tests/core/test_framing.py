"""Bytes into whole events and lines, whatever the chunking."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

import pytest
from attrs import define
from hypothesis import given
from hypothesis import strategies as st

from pieces import cuts, singles, two_pieces
from trooper.core.framing import LineFramer, Part, SSEEvent, SSEFramer, parse_sse
from trooper.testing import chat_events
from work import work_of

BIG = 1 << 20
BOM = b"\xef\xbb\xbf"

EVENTS = (
    b'data: {"a":1}\n\n',
    b": keep-alive\n\n",
    b"event: error\ndata: {}\n\n",
    b"data: one\ndata: two\n\n",
    'data: "a\u2028b\u0085c\x0bd\x0ce"\n\n'.encode(),
    "data: é 🚢 中\n\n".encode(),
    b"id: 7\nretry: 100\nnonsense\n\n",
    b"data:no blank\n\n",
    b"data:\n\n",
    b"data: [DONE]\n\n",
)
STREAM = b"".join(EVENTS)
GOLDEN = {
    "lf": STREAM,
    "crlf": STREAM.replace(b"\n", b"\r\n"),
    "cr": STREAM.replace(b"\n", b"\r"),
    "mixed": b"".join(
        event.replace(b"\n", end, 1 + n % 2)
        for n, event in enumerate(EVENTS)
        for end in (b"\r\n", b"\r", b"\n")
    ),
    "bom": BOM + STREAM,
    "blank lines": b"\n\n\r\n" + STREAM.replace(b"\n\n", b"\n\n\n\n\n"),
    "chat": b"".join(chat_events("é \u2028 🚢 ok")),
    "unfinished": STREAM + b"data: hal",
}


def raws(pieces: Iterable[bytes | Part]) -> list[bytes]:
    return [piece.raw if isinstance(piece, Part) else piece for piece in pieces]


def frames(pieces: list[bytes]) -> tuple[list[bytes], bytes]:
    framer = SSEFramer(BIG)
    whole = [event for piece in pieces for event in raws(framer.feed(piece))]
    return whole, framer.rest()


def said(events: list[bytes]) -> list[SSEEvent]:
    """What the events say. The LF of a CRLF may have moved to the next event; it says nothing."""
    return [e for e in map(parse_sse, events) if e.data is not None]


def check_same(pieces: list[bytes], stream: bytes) -> None:
    events, rest = frames(pieces)
    assert b"".join(events) + rest == stream
    expected, expected_rest = frames([stream])
    assert said(events) == said(expected)
    # Line ends alone say nothing, whether they count as the end of an empty event or as left over.
    assert rest.strip(b"\r\n") == expected_rest.strip(b"\r\n")


@pytest.mark.parametrize("name", GOLDEN)
def test_cut_at_every_byte(name: str) -> None:
    for pieces in two_pieces(GOLDEN[name]):
        check_same(list(pieces), GOLDEN[name])


@pytest.mark.parametrize("name", GOLDEN)
def test_byte_by_byte(name: str) -> None:
    check_same(singles(GOLDEN[name]), GOLDEN[name])


@given(st.sampled_from(sorted(GOLDEN)).flatmap(lambda name: cuts(GOLDEN[name])))
def test_any_chunking(pieces: list[bytes]) -> None:
    check_same(pieces, b"".join(pieces))


@given(st.lists(st.sampled_from([b"data: a", b"data:", b":", b"\n", b"\r", b"x"]), max_size=40), st.data())
def test_any_chunking_of_anything(words: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(words)
    check_same(data.draw(cuts(stream)) if stream else [], stream)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_events_are_whole_and_nothing_waits(end: bytes) -> None:
    events = [event.replace(b"\n", end) for event in EVENTS]
    framer = SSEFramer(BIG)
    assert [framer.feed(event) for event in events] == [[event] for event in events]
    assert framer.rest() == b""


def test_an_event_goes_out_with_its_last_byte_and_not_before() -> None:
    framer = SSEFramer(BIG)
    event = b"event: x\ndata: y\n\n"
    assert [framer.feed(byte) for byte in singles(event)] == [[]] * (len(event) - 1) + [[event]]


def test_a_carriage_return_ends_an_event_before_its_line_feed_has_come() -> None:
    framer = SSEFramer(BIG)
    assert framer.feed(b"data: x\r\n\r") == [b"data: x\r\n\r"]
    assert framer.feed(b"\ndata: y\r\n\r\n") == [b"\ndata: y\r\n\r\n"]
    assert parse_sse(b"\ndata: y\r\n\r\n") == SSEEvent("", b"y")


@define
class Counting:
    """Stands in for the pattern and counts the bytes that it is given to search."""

    pattern: re.Pattern[bytes]
    searched: int = 0

    def finditer(self, buffer: bytearray, start: int) -> object:
        self.searched += len(buffer) - start
        return self.pattern.finditer(buffer, start)


FRAMERS = pytest.mark.parametrize("framer_of", [SSEFramer, LineFramer])


@FRAMERS
def test_a_dribbled_piece_is_searched_once(
    framer_of: type[SSEFramer | LineFramer], monkeypatch: pytest.MonkeyPatch
) -> None:
    counting = Counting(framer_of._end)
    monkeypatch.setattr(framer_of, "_end", counting)
    piece = b"x" * 100_000 + b"\n\n"
    framer = framer_of(BIG)
    assert b"".join(whole for byte in singles(piece) for whole in raws(framer.feed(byte))) == piece
    assert len(piece) <= counting.searched <= 4 * len(piece)


@FRAMERS
def test_what_is_left_behind_many_pieces_is_not_searched_again(
    framer_of: type[SSEFramer | LineFramer], monkeypatch: pytest.MonkeyPatch
) -> None:
    counting = Counting(framer_of._end)
    monkeypatch.setattr(framer_of, "_end", counting)
    framer = framer_of(BIG)
    framer.feed(b"x\n\n" * 1000 + b"y" * 1000)
    searched = counting.searched
    framer.feed(b"y")
    assert counting.searched - searched <= 4


def test_the_longest_line_is_bounded() -> None:
    framer = LineFramer(10)
    assert (framer.feed(b"0123456789"), framer.overflowed) == ([], False)
    assert (framer.feed(b"x"), framer.overflowed) == ([], True)
    assert framer.rest() == b""
    assert framer.feed(b"a\n\n") == []


def test_what_was_whole_before_the_overflow_comes_out() -> None:
    framer = LineFramer(10)
    assert b"".join(framer.feed(b"data: x\n\n" + b"y" * 11)) == b"data: x\n\n"
    assert framer.overflowed


@FRAMERS
def test_the_bound_is_one_events_not_the_streams(framer_of: type[SSEFramer | LineFramer]) -> None:
    framer = framer_of(10)
    for _ in range(100):
        assert b"".join(raws(framer.feed(b"data: x\n\n"))) == b"data: x\n\n"
    assert framer.rest() == b""


# An event that is too long to be kept


def test_an_event_that_is_too_long_comes_in_parts_as_it_comes() -> None:
    framer = SSEFramer(10)
    assert framer.feed(b"data: x\n\ndata: 678") == [b"data: x\n\n"]
    assert framer.feed(b"9ab") == [Part(b"data: 678", is_first=True, ends=False)]
    assert framer.in_part
    assert framer.feed(b"cdef") == [Part(b"9abc", is_first=False, ends=False)]
    assert framer.rest() == b"def"
    assert framer.feed(b"\n\ndata: y\n\nda") == [Part(b"def\n\n", is_first=False, ends=True), b"data: y\n\n"]
    assert not framer.in_part


def test_what_follows_a_long_event_may_be_long_again() -> None:
    framer = SSEFramer(10)
    framer.feed(b"x" * 20)
    last, first = framer.feed(b"\n\n" + b"y" * 20)
    assert last == Part(b"xxx\n\n", is_first=False, ends=True)
    assert first == Part(b"y" * 17, is_first=True, ends=False)


@given(
    st.lists(st.sampled_from([b"x", b"data: ", b"\n", b"\r\n", b"\r", b"yyyyyyyyyyyy"]), max_size=40),
    st.integers(1, 12),
    st.data(),
)
def test_parts_are_all_bytes_in_order_and_ends_are_the_same(
    pieces: list[bytes], max_bytes: int, data: st.DataObject
) -> None:
    stream = b"".join(pieces)
    framer, kept = SSEFramer(max_bytes), []
    for chunk in data.draw(cuts(stream)) if stream else ():
        kept += framer.feed(chunk)
        assert len(framer.rest()) <= max(max_bytes, 3)
    assert b"".join(raws(kept)) + framer.rest() == stream
    opened = False
    for piece in kept:
        if isinstance(piece, Part):
            assert piece.is_first is not opened
            opened = not piece.ends
        else:
            assert not opened
    assert framer.in_part is opened


LINES = b'{"a":1}\n\r\n{"b":"\\u2028"}\r\n' + "\u2028é\n".encode() + b"half"


def lines(pieces: list[bytes]) -> tuple[list[bytes], bytes]:
    framer = LineFramer(BIG)
    return [line for piece in pieces for line in framer.feed(piece)], framer.rest()


def test_lines() -> None:
    expected = [b'{"a":1}\n', b"\r\n", b'{"b":"\\u2028"}\r\n', "\u2028é\n".encode()]
    assert lines([LINES]) == (expected, b"half")
    assert lines(singles(LINES)) == (expected, b"half")
    for pieces in two_pieces(LINES):
        assert lines(list(pieces)) == (expected, b"half")


@given(cuts(LINES * 3))
def test_lines_in_any_chunking(pieces: list[bytes]) -> None:
    assert lines(pieces) == lines([LINES * 3])


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"data: x\n\n", SSEEvent("", b"x")),
        (b"data:x\n\n", SSEEvent("", b"x")),
        (b"data:  x\n\n", SSEEvent("", b" x")),
        (b"data: x\r\n\r\n", SSEEvent("", b"x")),
        (b"data: x\r\r", SSEEvent("", b"x")),
        (b"data: x\r\n\r", SSEEvent("", b"x")),
        (b"data: x\rdata: y\n\n", SSEEvent("", b"x\ny")),
        (b"\ndata: x\n\n", SSEEvent("", b"x")),
        (b"data: x\ndata: y\n\n", SSEEvent("", b"x\ny")),
        (b"data: x\n: a comment\ndata: y\n\n", SSEEvent("", b"x\ny")),
        (b"data: x\nevent: error\n\n", SSEEvent("error", b"x")),
        (b"event:error\ndata: x\n\n", SSEEvent("error", b"x")),
        (b"event: a\nevent: b\ndata: x\n\n", SSEEvent("b", b"x")),
        (b"event: \xff\ndata: x\n\n", SSEEvent("\ufffd", b"x")),
        (b"event: ping\n\n", SSEEvent("ping", None)),
        (b"data: a: b\n\n", SSEEvent("", b"a: b")),
        (b"data\n\n", SSEEvent("", b"")),
        (b"data:\n\n", SSEEvent("", b"")),
        (b"data: \n\n", SSEEvent("", b"")),
        (b": data: x\n\n", SSEEvent("", None)),
        (b"datax: y\nid: 3\nretry: 9\nx\n\n", SSEEvent("", None, (b"datax: y", b"x"))),
        (b"\n\n", SSEEvent("", None)),
        (BOM + b"data: x\n\n", SSEEvent("", b"x")),
        (BOM + b"data: x\r\n\r\n", SSEEvent("", b"x")),
        ("data: a\u2028b\u0085c\x0c\n\n".encode(), SSEEvent("", "a\u2028b\u0085c\x0c".encode())),
    ],
)
def test_fields(raw: bytes, expected: SSEEvent) -> None:
    assert parse_sse(raw) == expected


@given(st.text(st.characters(blacklist_categories=["Cs"])), st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_json_in_data_survives_every_line_end(text: str, end: bytes) -> None:
    data = json.dumps({"text": text}, ensure_ascii=False).encode()
    framer = SSEFramer(BIG)
    (event,) = raws(framer.feed(b"data: " + data + end + end))
    assert parse_sse(event) == SSEEvent("", data)


@given(st.lists(st.text(st.characters(blacklist_characters="\r\n", blacklist_categories=["Cs"])), min_size=1))
def test_several_data_lines_are_joined(parts: list[str]) -> None:
    raw = b"".join(b"data: " + part.encode() + b"\n" for part in parts) + b"\n"
    assert parse_sse(raw).data == "\n".join(parts).encode()


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_any_number_of_empty_lines_is_one_piece(end: bytes) -> None:
    """They say nothing, and a million of them cost no more than one."""
    framer = SSEFramer(10_000_000)
    body = b"data: a" + end * 100_000 + b"data: b" + end * 2
    pieces = framer.feed(body)
    assert pieces == [b"data: a" + end * 100_000, b"data: b" + end * 2]
    assert work_of(lambda: parse_sse(b"data: a" + end * 100_000)) < 30
    assert parse_sse(b"data: a" + end * 100_000) == SSEEvent("", b"a")
    assert parse_sse(end * 5 + b"data: a" + end * 2) == SSEEvent("", b"a")
    assert parse_sse(end * 100_000) == SSEEvent("", None)

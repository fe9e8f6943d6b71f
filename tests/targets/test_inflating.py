"""Compressed bodies, piece by piece: what they hold, over any cuts, and how much of it is too much."""

from __future__ import annotations

import gzip
import zlib

import pytest

from trooper.core.outcome import Failed, FailureKind
from trooper.targets.inflating import Inflate, inflater_of

TEXT = b"Lighthouses stand by the sea. " * 10_000


def inflater(encoding: str = "gzip", max_ratio: int = 100) -> Inflate:
    made = inflater_of(encoding, max_ratio)
    assert not isinstance(made, Failed)
    return made


@pytest.mark.parametrize("size", [1, 7, 1_000, 1_000_000])
@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("", TEXT),
        ("Identity", TEXT),
        ("gzip", gzip.compress(TEXT)),
        ("X-GZIP", gzip.compress(TEXT[:9]) + gzip.compress(TEXT[9:])),
        ("deflate", zlib.compress(TEXT)),
        ("gzip", gzip.compress(TEXT) + b"\0" * 100),
    ],
)
def test_what_a_body_holds(encoding: str, body: bytes, size: int) -> None:
    made = inflater(encoding)
    pieces = [piece for at in range(0, len(body), size) for piece in made(body[at : at + size])]
    assert b"".join(pieces) == TEXT
    assert max(map(len, pieces)) <= max(65_536, 0 if encoding in ("gzip", "X-GZIP", "deflate") else len(TEXT))


def test_what_is_not_undone() -> None:
    assert inflater_of("br", 100) == Failed(FailureKind.BAD_FRAME)
    with pytest.raises(zlib.error):
        list(inflater()(b"no gzip"))


@pytest.mark.parametrize(("size", "is_too_much"), [(4_194_304, False), (4_194_305, True), (50_000_000, True)])
def test_what_swells(size: int, *, is_too_much: bool) -> None:
    body, made, given = gzip.compress(b"\n" * size), inflater(), 0
    try:
        for piece in made(body):
            given += len(piece)
    except zlib.error:
        assert is_too_much
    assert given <= max(4_194_304, 100 * len(body))
    assert (given < size) is is_too_much


def test_by_how_much_it_may_swell() -> None:
    body = gzip.compress(b"\n" * 20_000_000)
    assert sum(map(len, inflater(max_ratio=2_000)(body))) == 20_000_000


@pytest.mark.parametrize(("count", "is_too_much"), [(1_024, False), (1_025, True)])
def test_empty_members(count: int, *, is_too_much: bool) -> None:
    made, body = inflater(), gzip.compress(b"") * count
    try:
        assert list(made(body)) == []
    except zlib.error:
        assert is_too_much
    else:
        assert not is_too_much


def test_a_member_for_each_event() -> None:
    events = [b"data: %d\n\n" % number for number in range(3_000)]
    made, body = inflater(), b"".join(map(gzip.compress, events))
    assert b"".join(made(body)) == b"".join(events)

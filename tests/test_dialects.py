"""
The table of dialects is sound: every body is there and can be read, every row
says where its shape was seen and when, and nothing stands in it twice.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator

import pytest

from trooper.testing.dialects import DIALECTS, Dialect, Golden, Then
from trooper.testing.dialects.table import FOLDER
from trooper.wires import WIRES

GOLDENS = [golden for dialect in DIALECTS.values() for golden in dialect.goldens.values()]
WHOLES = [whole for dialect in DIALECTS.values() for whole in dialect.wholes.values()]
WIRE_NAMES = {row.wire.name for row in WIRES.rows if row.client}


def name_of(value: Golden | Dialect) -> str:
    return value.name if isinstance(value, Dialect) else f"{value.dialect}/{value.kind}"


def values_of(piece: bytes) -> Iterator[object]:
    """What the data lines of an event hold; an event of comments holds nothing."""
    lines = re.split(rb"\r\n|\n|\r", piece)
    assert all(re.match(rb"(data|event|id|retry)?:|\Z", line) for line in lines), piece
    data = b"\n".join(line[5:].strip() for line in lines if line.startswith(b"data:"))
    if data and data != b"[DONE]":
        yield json.loads(data)


def test_there_are_as_many_as_were_asked_for() -> None:
    assert len(DIALECTS) >= 24
    assert len(GOLDENS) >= 300
    assert {dialect.wire for dialect in DIALECTS.values()} == WIRE_NAMES


@pytest.mark.parametrize("golden", GOLDENS, ids=name_of)
def test_every_body_can_be_read(golden: Golden) -> None:
    values = [value for piece in golden.pieces for value in values_of(piece)]

    assert b"".join(golden.pieces) == golden.body
    assert values
    assert all(isinstance(value, dict) for value in values)


@pytest.mark.parametrize("whole", WHOLES, ids=name_of)
def test_every_whole_answer_can_be_read(whole: Golden) -> None:
    assert isinstance(json.loads(whole.body), dict)


@pytest.mark.parametrize("golden", [*GOLDENS, *WHOLES], ids=name_of)
def test_every_row_says_where_and_when_it_was_seen(golden: Golden) -> None:
    assert len(golden.source) > 5
    assert re.match(r"20\d\d\b", golden.seen)
    assert golden.wire in WIRE_NAMES
    assert bool(golden.why) == (golden.then is not Then.CONTINUED)
    assert golden.then is not Then.PASSED_ON or not golden.is_healthy
    assert not re.search(r"(^|_)error", golden.kind) or not golden.is_healthy


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=name_of)
def test_a_dialect_says_who_speaks_it_and_when_it_was_looked_at(dialect: Dialect) -> None:
    assert dialect.clients
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", dialect.looked_at)
    assert dialect.oddities
    for refusal in dialect.refusals:
        assert 400 <= refusal.code < 600
        assert refusal.body
        assert refusal.source
        assert refusal.wire in WIRE_NAMES


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=name_of)
def test_every_file_has_its_row(dialect: Dialect) -> None:
    files = {file.name for file in (FOLDER / dialect.name).iterdir()}
    rows = {f"{kind}.sse" for kind in dialect.goldens} | {f"{kind}.json" for kind in dialect.wholes}

    assert files == rows | {"dialect.toml"}


def test_no_body_stands_there_twice() -> None:
    for goldens in (GOLDENS, WHOLES):
        counted = Counter(golden.body for golden in goldens)
        assert [name_of(golden) for golden in goldens if counted[golden.body] > 1] == []


def test_a_kind_that_is_another_ones_too_is_found_under_both_names() -> None:
    openai = DIALECTS["openai-responses"]

    assert "usage" not in openai.goldens
    assert openai.kinds["usage"] is openai.goldens["text"]
    for dialect in DIALECTS.values():
        also = [kind for golden in dialect.goldens.values() for kind in golden.also]
        assert len(dialect.kinds) == len(dialect.goldens) + len(also)

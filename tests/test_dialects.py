"""
The table of dialects is sound: every body is there and can be read, every row
says where its shape was seen and when, and nothing stands in it twice.
"""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from trooper.testing.dialects import DIALECTS, Dialect, Golden, Then
from trooper.testing.dialects.table import FOLDER, SPOKEN, BadRow, read_dialect
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
    assert {dialect.wire for dialect in DIALECTS.values()} == WIRE_NAMES == set(SPOKEN)


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=name_of)
def test_every_body_can_be_read(dialect: Dialect) -> None:
    for golden in dialect.goldens.values():
        values = [value for piece in golden.pieces for value in values_of(piece)]

        assert b"".join(golden.pieces) == golden.body, name_of(golden)
        assert values, name_of(golden)
        assert all(isinstance(value, dict) for value in values), name_of(golden)
    for whole in dialect.wholes.values():
        assert isinstance(json.loads(whole.body), dict), name_of(whole)


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=name_of)
def test_every_row_says_where_and_when_it_was_seen(dialect: Dialect) -> None:
    for row in (*dialect.goldens.values(), *dialect.wholes.values()):
        assert len(row.source) > 5, name_of(row)
        assert re.match(r"20\d\d\b", row.seen), name_of(row)
        assert row.wire in WIRE_NAMES, name_of(row)
        assert bool(row.why) == (row.then is not Then.CONTINUED), name_of(row)
        assert row.then is not Then.PASSED_ON or not row.is_healthy, name_of(row)
        assert not re.search(r"(^|_)error", row.kind) or not row.is_healthy, name_of(row)


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


ROW = "[kinds.text]\n"


@pytest.mark.parametrize(
    ("was", "row", "words"),
    [
        (
            ROW,
            '[kinds.txt]\nsource = "s"\nseen = "2026"\ncertain = true\n' + ROW,
            "kinds.txt: there is no txt.sse",
        ),
        (ROW, ROW + 'thenn = "error"\n', "kinds.text: there is no key 'thenn'; did you mean 'then'?"),
        (ROW, ROW + 'wire = "openai"\n', "kinds.text: there is no wire 'openai'; there are openai-chat, "),
        (ROW, ROW + 'then = "eror"\n', "kinds.text: there is no then = 'eror'; there are continued, error, "),
        (ROW, ROW + 'then = "error"\n', "kinds.text: what is not continued has its 'why'"),
        (ROW, ROW + 'why = "a tool"\n', "kinds.text: what is not continued has its 'why'"),
        (ROW, ROW + 'also = "usage"\n', "kinds.text: 'also' has to be a list"),
        ("certain = true\n", "", "kinds.text: 'certain' is missing"),
        ("title = ", "titel = ", "minimax: there is no key 'titel'; did you mean 'title'?"),
        (ROW, "[[refusals.statuses]]\ncode = 429\n" + ROW, r"refusals.statuses\[0\]: 'source' is missing"),
        (ROW, "[kinds.text\n", "minimax: .*line "),
    ],
)
def test_a_wrong_row_says_where_and_what(was: str, row: str, words: str, tmp_path: Path) -> None:
    folder = tmp_path / "minimax"
    shutil.copytree(FOLDER / folder.name, folder)
    file = folder / "dialect.toml"
    file.write_text(file.read_text(encoding="utf-8").replace(was, row, 1), encoding="utf-8")

    with pytest.raises(BadRow, match=words):
        read_dialect(folder)

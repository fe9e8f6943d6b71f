"""What is no JSON: one list of what decoding raises, and nobody writes it again."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
import pytest

import trooper
from trooper.core.json_text import NOT_JSON, whole_number


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"no", b'"\xff"', b"\xff", '"\ud800"', b"[" * 100_000],
    ids=["empty", "cut", "word", "no-utf-8-inside", "no-utf-8", "half-a-pair", "deep"],
)
def test_it_raises_one_of_these(text: bytes | str) -> None:
    with pytest.raises(NOT_JSON):
        msgspec.json.decode(text)


def test_what_is_json_of_another_type() -> None:
    with pytest.raises(NOT_JSON):
        msgspec.json.decode(b'"text"', type=int)


@pytest.mark.parametrize("digits", [641, 4_000, 100_000])
def test_an_integer_of_so_many_digits_is_not_made(digits: int) -> None:
    """Its time grows with the square of their number."""
    with pytest.raises(NOT_JSON):
        msgspec.json.decode(b"4" * digits)
    assert whole_number("4" * digits) == math.inf


def test_all_others_are_exact() -> None:
    assert msgspec.json.decode(b"4" * 640) == whole_number("4" * 640) == int("4" * 640)


def test_the_list_stands_once() -> None:
    package = Path(trooper.__file__).parent
    files = [*package.glob("core/*.py"), *package.glob("wire/**/*.py")]
    assert [f.name for f in files if "(msgspec.DecodeError, " in f.read_text()] == ["json_text.py"]

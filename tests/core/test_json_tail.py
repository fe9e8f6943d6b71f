"""What is missing of half a JSON object (`core.json_tail`)."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gbnf import Grammar
from trooper.core.json_tail import tail_grammar

NESTED = '{"a": {"b": [1, -2.5e+10, "c\\n\\u00e9\\ud83d\\ude00", {}, [], true, null]}, "é": "🚢", "z": false}'

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.floats(allow_nan=False, allow_infinity=False, width=16)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
objects = st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), values, max_size=4)


def check(whole: str, at: int, seed: int) -> None:
    grammar = tail_grammar(whole[:at])
    assert grammar is not None, whole[:at]
    read = Grammar(grammar)
    # The true rest fits, and whatever fits makes a whole object of it.
    assert read.fits(whole[at:]), (whole[:at], whole[at:])
    made_up = read.sample(random.Random(seed))
    assert isinstance(json.loads(whole[:at] + made_up), dict), (whole[:at], made_up)


@pytest.mark.parametrize("at", range(len(NESTED)))
def test_at_every_character(at: int) -> None:
    for seed in range(8):
        check(NESTED, at, seed)


@given(value=objects, place=st.floats(0, 0.999), ascii_only=st.booleans(), seed=st.integers(0, 99))
def test_of_any_object(value: object, place: float, ascii_only: bool, seed: int) -> None:
    whole = json.dumps(value, ensure_ascii=ascii_only, separators=(", ", ": "))
    check(whole, int(place * len(whole)), seed)


@given(value=objects, place=st.floats(0, 0.999), seed=st.integers(0, 99))
def test_pairs_of_escapes_stay_pairs(value: object, place: float, seed: int) -> None:
    """Half an emoji would be no text at all."""
    whole = json.dumps(value)
    half = whole[: int(place * len(whole))]
    grammar = tail_grammar(half)
    assert grammar is not None
    made_up = half + Grammar(grammar).sample(random.Random(seed))
    json.dumps(json.loads(made_up), ensure_ascii=False).encode()


@pytest.mark.parametrize(
    "half",
    [
        "{}",
        '{"a": 1}',
        '{"a": 1} ',
        "x",
        "[1",
        '"a',
        "{a",
        '{"a" 1',
        '{"a": }',
        '{"a": 1 2',
        '{"a": nope',
        '{"a": 1.2.3',
        '{"a": 01',
        '{"a": "\\ux',
        '{"a": "\\ud83dx',
        '{"a": "\\ud83d\\n',
        '{"a": [1}',
        '{"a": 1}}',
        "{,",
    ],
)
def test_where_nothing_can_be_added(half: str) -> None:
    assert tail_grammar(half) is None


def test_before_the_first_character() -> None:
    grammar = tail_grammar("")
    assert grammar is not None
    assert Grammar(grammar).fits('{"a": 1}')
    assert not Grammar(grammar).fits("[1]")
    assert not Grammar(grammar).fits('{"a": 1} {}')


def test_more_than_a_small_model_could_finish() -> None:
    """Nor does it take seconds to say so; texts as long as one likes are no more work."""
    assert tail_grammar('{"a": [' + "[" * 20_000) is None
    assert tail_grammar('{"a": "' + "\\n" * 20_000) is None
    assert tail_grammar('{"a": [' + "[" * 10_000) is not None
    assert tail_grammar('{"a": "' + "x" * 1_000_000) is not None

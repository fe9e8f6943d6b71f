from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trooper.core.tokens import estimate_tokens, token_weight, tokens_left


@pytest.mark.parametrize(
    ("text", "weight", "tokens"),
    [
        ("", 0, 0),
        ("abcd", 1, 1),
        ("abcde", 1.25, 2),
        ("中中中", 2, 2),
        ("abcd中中中", 3, 3),
        ("ab\ud83d", 0.5 + 1 / 1.5, 2),
    ],
)
def test_tokens_are_estimated(text: str, weight: float, tokens: int) -> None:
    assert token_weight(text) == pytest.approx(weight)
    assert estimate_tokens(text) == tokens


@given(st.text(), st.text())
def test_weights_add_up(one: str, other: str) -> None:
    assert token_weight(one) + token_weight(other) == pytest.approx(token_weight(one + other))


@pytest.mark.parametrize(
    ("limit", "given_text", "expected"),
    [(None, "abcd", None), (10, "abcde", 8), (1, "abcd", 0), (1, "a" * 9, -2)],
)
def test_tokens_left(limit: int | None, given_text: str, expected: int | None) -> None:
    assert tokens_left(limit, given_text) == expected

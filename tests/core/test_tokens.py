from __future__ import annotations

import random
import re
from secrets import token_hex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generated_conversations import KINDS
from trooper.core.tokens import (
    count_in_steps,
    estimate_tokens,
    is_counted,
    token_weight,
    tokens_at_most,
    tokens_left,
)
from trooper.core.word_pieces import COMMON, COMMON_ALONE, PAIRS


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


# At most

#: How many tokens SmolLM2's own tokenizer, one of the worst, makes of 6,000 characters of each kind; by three
#: seeds. `tests/embedded/test_counts.py` asks it anew.
COUNTED = {
    "prose": (1325, 1325, 1337),
    "other languages": (2623, 2594, 2641),
    "code": (1991, 2037, 2037),
    "minified": (2793, 2793, 2793),
    "json": (3585, 3566, 3602),
    "indented json": (4273, 4257, 4297),
    "tight json": (3120, 3110, 3136),
    "base64": (4869, 4853, 4887),
    "digits": (6000, 6000, 6000),
    "table": (3862, 3869, 3870),
    "one-letter words": (3000, 3000, 3000),
    "letters": (4410, 4385, 4341),
    "signs": (4765, 4776, 4767),
    "blanks": (870, 965, 980),
    "one sign": (95, 1500, 3000),
    "chinese": (11288, 11255, 11278),
    "japanese": (10262, 10213, 10270),
    "korean": (11321, 11357, 11354),
    "thai": (11023, 11030, 11004),
    "arabic": (5746, 5717, 5727),
    "hindi": (6456, 6402, 6439),
    "russian": (4033, 3997, 4031),
    "emoji": (13711, 13698, 13710),
}
#: How far above these figures the bound may be.
WASTE = {"prose": 1.13, "code": 1.3, "json": 1.3, "indented json": 1.3, "tight json": 1.3, "minified": 1.3}
PROSE = (
    "In the autumn the keeper counted her matches, wrote the number into the book, and wondered who would bring "
    "more before the storms came. She had asked the harbour master twice. The first time he said that the boat "
    "was being repaired; the second time he did not answer at all, which she thought was worse. It is difficult to "
    "be angry with somebody whom you can only reach by letter.\n\n"
    "When the weather was clear she could see the other lighthouse, twenty miles to the north, and she liked to "
    "believe that its keeper looked for hers. They had never met. Still, on most evenings one of them was a little "
    "later than the other, and the one who was early waited."
)
#: What the same tokenizer makes of it.
PROSE_COUNTED = 140


@pytest.mark.parametrize("kind", sorted(COUNTED))
@pytest.mark.parametrize("seed", range(3))
def test_it_is_never_less_than_a_real_count(kind: str, seed: int) -> None:
    text, counted = KINDS[kind](random.Random(seed), 6_000), COUNTED[kind][seed]
    assert counted <= tokens_at_most(text) <= counted * WASTE.get(kind, 100)


def test_prose_costs_little_more_than_it_is() -> None:
    assert PROSE_COUNTED <= tokens_at_most(PROSE) <= 1.15 * PROSE_COUNTED


@given(st.text())
def test_it_is_never_less_than_the_words(text: str) -> None:
    """The fakes count them; and no tokenizer that is in use joins two."""
    assert tokens_at_most(text) >= len(re.findall(r"\s*\S+|\s+", text))
    assert tokens_at_most(text) <= 2 * len(text.encode("utf-8", "surrogatepass")) + 1


@given(st.text(), st.text())
def test_two_texts_are_about_their_sum(one: str, other: str) -> None:
    both = tokens_at_most(one) + tokens_at_most(other)
    joined = tokens_at_most(one + other)
    # Where they meet, a word or a run of signs may become another.
    assert joined <= both + 2 + len(re.findall(r"[A-Za-z]*$", one)[0]) + len(re.match(r"[A-Za-z]*", other)[0])  # type: ignore[index]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("the", 2),
        ("the light", 3),
        ("the  light", 4),
        ("12 345", 7),
        ("\n\n", 3),
        ("()", 3),
        ("- - -", 4),
        ("-" * 80, 21),
        ("中中中", 10),
        ("и", 3),
        ("\ud83d", 4),
        ("a" * 2_000_000, 1_500_000),
        ("1" * 2_000_000, 2_000_000),
    ],
)
def test_what_is_counted(text: str, tokens: int) -> None:
    assert tokens_at_most(text) == tokens


def test_rare_letters_cost_more_than_words() -> None:
    assert tokens_at_most("xqzvkjwp") > 2 * tokens_at_most("building")
    assert tokens_at_most("getHTTPResponse") > tokens_at_most("get response")
    assert tokens_at_most("UNRECOGNIZED") > tokens_at_most("unrecognized")
    # In an identifier there is no blank before it.
    assert b"beautiful" in COMMON_ALONE
    assert tokens_at_most("a beautiful") < tokens_at_most("a_beautiful") - 1


def test_the_table_is_whole() -> None:
    assert [len(row) for row in PAIRS] == [26] * 26
    assert not COMMON & COMMON_ALONE
    assert all(word.isalpha() and word.islower() for word in COMMON | COMMON_ALONE)


@pytest.mark.parametrize(
    "text",
    ["a", "A", "aB", "[", "{}", " ", "\n", "-", "👩\u200d", "a1", "word ", "é", "A" * 50 + "a", "中 "],
)
def test_a_megabyte_of_anything_is_counted_at_once(text: str) -> None:
    """What is quadratic would take hours."""
    assert tokens_at_most(text * (1_000_000 // len(text.encode()))) > 1000


def test_what_has_been_counted_in_steps_is_known_at_once() -> None:
    """Else it would be counted once more, and in one go."""
    text = f"{token_hex()} and a long way to go. " * 1000
    steps = sum(1 for _ in count_in_steps(text))

    assert steps > 1
    assert is_counted(text)
    assert list(count_in_steps(text)) == []

"""
Where text can be continued from, sign by sign.

A text in a table has a bar at every place that is a boundary, and nowhere
else.
"""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trooper.core.boundary import CONTEXT_CHARS, context_start, is_boundary, last_boundary

ZWJ, VS16, SKIN = "\u200d", "\ufe0f", "\U0001f3fd"
#: Signs that boundaries are about, and a few that they are not about.
SIGNS = st.sampled_from([*"ab9 .,'\n\r\t_(-é中の한ก🙂🇩🇪", "\u0e33", "\u0301", ZWJ, VS16, SKIN, "\u2019"])
TEXTS = st.text(SIGNS, max_size=30)


def bars(text: str) -> str:
    """`text` with a bar at each of its boundaries."""
    return "".join(
        {True: "|", False: ""}[is_boundary(text, at)] + text[at : at + 1] for at in range(len(text) + 1)
    )


@pytest.mark.parametrize(
    "expected",
    [
        "",
        "Hello",  # The end may be the middle of a word.
        "Hello| world",  # The end of a word, not behind the blank.
        "Hello|  world",
        "Hello|\tworld",
        "Hello| ",
        "Hello|,| world|.",
        "one|\n|two",
        "one|\n|\n|two",
        "one|\n|",  # A newline at the end is the one end that is known.
        "\n|",
        "one|\r\n|two",  # Never inside CRLF.
        "don't| stop",
        "don’t| stop",
        "'hi'|,| he",
        "snake_case| x",
        "pi|:| 3.14| ok",
        "1,000,000| ok",
        "costs| 3.",  # Behind a digit it may be a decimal point.
        "costs| 3|.| So",
        "costs| 3|.|\n|",
        "1|.|.2",
        "3|.x",
        "x|.5",
        ".5| ok",
        ",5",
        "a|.b|,| c",
        "f|(x|)|;| y",
        "f|(|)",
        "(foo|)",  # An opening bracket alone reads as if something were lost.
        "https|:|/|/host|/a| b",
        "well|-known| ",
        "-5",
        "$3.50|!",
        "`|`|`|\n|code|\n|`|`|`",
    ],
)
def test_words_and_signs(expected: str) -> None:
    assert bars(expected.replace("|", "")) == expected


@pytest.mark.parametrize(
    "expected",
    [
        "世|界|你|好",
        "你|好|,|世|界",
        "中|文| abc",
        "abc|中|文",
        "カ|タ|カ|ナ",
        "ひ|ら|が|な|、|で|す",
        "ﾀﾞ|ｶﾞ|ｱ",  # Half-width sound marks belong to the sign before them.
        "ส|วั|ส|ดี",
        "น้ำ|ใ|จ",  # AM is a letter by category and part of the grapheme all the same.
        "๓.๑|๔| ก",  # Digits are digits in any script.
        "1|中|2",
        "ກຳ|ນ",
        "ស្រី|ៗ",  # The second consonant is stacked under the first.
        "က္က|ခ",
        "មា|ន",
        "한국어| 좋아",  # Hangul separates words with blanks.
        "é| e\u0301e",
    ],
)
def test_scripts(expected: str) -> None:
    assert bars(expected.replace("|", "")) == expected


@pytest.mark.parametrize(
    "expected",
    [
        "🙂|🙂",
        f"👩{ZWJ}💻|👍{SKIN}| x",
        f"👩{ZWJ}👩{ZWJ}👧|!",
        f"❤{VS16}| a",
        f"1{VS16}\u20e3| 2",
        "🇩🇪|🇫🇷|🇪🇸",
        "x|🇩🇪| x",
        "🇩🇪x",
        "🇩| x",  # Half a flag is all there is of it.
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f|🏴",
        f"葛\U000e0100|城{ZWJ}x",
        f"a{ZWJ}b",
        f"a{ZWJ}| b",
        "a\u0300| b",
        "a\u2060b",
        "क\u094d\u200cष",
    ],
)
def test_graphemes(expected: str) -> None:
    assert bars(expected.replace("|", "")) == expected


def test_a_long_row_of_flags_is_cut_between_flags() -> None:
    row = "🇩🇪" * 3 * CONTEXT_CHARS
    assert [at for at in range(len(row)) if is_boundary(row, at)] == list(range(2, len(row), 2))


@pytest.mark.parametrize("at", [-1, 0, 4, 5])
def test_places_outside(at: int) -> None:
    assert not is_boundary("a b", at)


@given(TEXTS)
def test_a_boundary_cuts_no_grapheme(text: str) -> None:
    for at in range(1, len(text)):
        if not is_boundary(text, at):
            continue
        before, after = text[at - 1], text[at]
        if before == "\n":
            continue
        assert before not in " \t\r"
        assert unicodedata.category(after) not in ("Mn", "Mc", "Me")
        assert after != ZWJ
        if after not in " \t\r\n":
            assert before != ZWJ


@given(TEXTS, st.integers(0, 30))
def test_the_last_boundary_is_the_largest(text: str, start: int) -> None:
    found = [at for at in range(len(text) + 1) if at > start and is_boundary(text, at)]
    assert last_boundary(text, start) == (found[-1] if found else -1)


def asked_place_by_place(text: str, start: int) -> int:
    """What `last_boundary` means."""
    return next((at for at in range(len(text), start, -1) if is_boundary(text, at)), -1)


@given(st.text(max_size=30), st.integers(-2, 32))
def test_in_any_script_the_last_boundary_is_what_each_place_says(text: str, start: int) -> None:
    assert last_boundary(text, start) == asked_place_by_place(text, start)


#: Plain to `last_boundary`, and what stands beside the ranges that are.
NEIGHBOURS = [
    *range(0x20, 0x380),
    *range(0x470, 0x540),
    *range(0x2000, 0x2080),
    *map(ord, "\t\n\r\x0b\x0c\x1c\x85дΩ中ก한🙂"),
]


@pytest.mark.parametrize(
    "around", ["{}", "a{}", "{}a", "a{}b", "3{}1", "3{}", "{}.5", "3.{}", "{} ", " {}", "{}\n"]
)
def test_each_sign_beside_what_matters(around: str) -> None:
    for sign in map(chr, NEIGHBOURS):
        text = around.format(sign)
        for start in range(-1, len(text) + 1):
            assert last_boundary(text, start) == asked_place_by_place(text, start), (text, start)


def test_the_last_boundary_of_the_whole_text() -> None:
    assert last_boundary("one two") == 3
    assert last_boundary("one") == -1
    assert last_boundary("\n") == 1
    assert last_boundary("one two", 3) == -1


def check_context(before: str, text: str) -> None:
    """From what is kept of `before` all boundaries behind it are found, and no others."""
    whole = before + text
    start = context_start(whole, len(before))
    assert len(before) - CONTEXT_CHARS - 1 <= start <= max(0, len(before) - CONTEXT_CHARS)
    for at in range(max(1, len(before)), len(whole) + 1):
        assert is_boundary(whole, at) == is_boundary(whole[start:], at - start)


@given(TEXTS, TEXTS)
def test_what_lies_far_behind_does_not_matter(before: str, text: str) -> None:
    """The gate remembers only so many characters of what has gone out."""
    check_context(before, text)


@pytest.mark.parametrize("halves", range(24))
def test_of_a_row_of_flags_it_must_be_known_which_half_is_which(halves: int) -> None:
    check_context(("🇩🇪" * 12)[:halves], "🇫🇷🇪🇸x")
    check_context("x" + ("🇩🇪" * 12)[:halves], "🇫🇷🇪🇸x")

"""The join: what is asked of the continuing model, and what of its answer is new."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from joins import joined, new
from pieces import cuts
from trooper.core.overlap import UNPROBED_ECHO_CHARS, is_periodic, said_again
from trooper.core.seam import Join, Prefill, prefill

#: Few signs, so that texts repeat themselves, and long enough to be an echo.
TEXTS = st.text(st.sampled_from("ab \t\n.é🚢"), max_size=60)


def is_tidy(given_text: str, rest: str) -> bool:
    """Whether honest text goes on like this: not with a lone blank or a second empty line at a line's start."""
    newlines = len(rest) - len(rest.lstrip("\n"))
    lone = re.match(r"\n* (?![ \t\n])", rest) is not None
    ended = len(given_text) - len(given_text.rstrip("\n"))
    return not given_text.endswith("\n") or not (lone or (newlines and ended + newlines > 2))


# The prefill


@pytest.mark.parametrize(
    ("given_text", "expected", "trimmed"),
    [
        ("", Prefill("", ""), Prefill("", "")),
        ("Hello", Prefill("Hello", ""), Prefill("Hello", "")),
        ("Hello ", Prefill("Hello", " "), Prefill("Hello", " ")),
        ("Hello \t ", Prefill("Hello", " \t "), Prefill("Hello", " \t ")),
        ("Hello\n", Prefill("Hello\n", ""), Prefill("Hello", "\n")),
        ("Hello \n", Prefill("Hello \n", ""), Prefill("Hello", " \n")),
        ("Hello\n  ", Prefill("Hello\n", "  "), Prefill("Hello", "\n  ")),
        ("  ", Prefill("", "  "), Prefill("", "  ")),
    ],
)
def test_blanks_are_not_shown_and_newlines_are(given_text: str, expected: Prefill, trimmed: Prefill) -> None:
    assert prefill(given_text) == expected
    assert prefill(given_text, trims=True) == trimmed


# A text cut and joined again


@given(TEXTS, st.booleans(), st.booleans(), st.data())
def test_a_text_that_is_cut_and_continued_is_the_same_text(
    text: str, trims: bool, echoes: bool, data: st.DataObject
) -> None:
    """The model goes on from what it was shown, and so says the withheld blanks again."""
    cut = data.draw(st.integers(0, len(text)))
    shown = prefill(text[:cut], trims=trims)
    assume(is_tidy(text[:cut], text[cut:]))
    rest = text[len(shown.text) :]
    assume(not (echoes and not rest))
    said = shown.text + rest if echoes else rest
    out = joined(Join(shown, echoes), data.draw(cuts(said)) if said else [])
    assert text[:cut] + out == text


def test_blanks_behind_an_echo_are_not_lost_where_nothing_follows() -> None:
    assert joined(Join(prefill("\n"), True), ["\n\n"]) == "\n"


@given(TEXTS, st.data())
def test_the_same_without_the_withheld_blanks(text: str, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(text)))
    rest = text[cut:]
    assume(not rest.startswith((" ", "\t")) and is_tidy(text[:cut], rest))
    out = joined(Join(prefill(text[:cut]), echoes=False), data.draw(cuts(rest)) if rest else [])
    assert text[:cut] + out == text


@given(TEXTS, st.data())
def test_the_same_where_nobody_knows_about_echoes(text: str, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(text)))
    shown = prefill(text[:cut])
    rest = text[len(shown.text) :]
    assume(is_tidy(text[:cut], text[cut:]))
    plausible = len(shown.text) >= UNPROBED_ECHO_CHARS and not is_periodic(shown.text)
    # Honest text does not begin with so long a repetition of all that was before.
    assume(not plausible or not rest.lstrip().startswith(shown.text))
    assume(said_again(shown.text, rest, final=True) == 0)
    out = joined(Join(shown), data.draw(cuts(rest)) if rest else [])
    assert text[:cut] + out == text
    if plausible and rest:
        echoed = joined(Join(shown), data.draw(cuts(shown.text + rest)))
        assert text[:cut] + echoed == text


@given(
    TEXTS,
    TEXTS,
    st.sampled_from([True, False, None]),
    st.lists(st.text(st.sampled_from("ab \n"), min_size=1, max_size=5)),
    st.data(),
)
def test_the_chunking_does_not_matter(
    given_text: str, said: str, echoes: bool | None, stop: list[str], data: st.DataObject
) -> None:
    assume(said)
    whole, pieces = (Join(prefill(given_text), echoes, stop) for _ in range(2))
    assert joined(pieces, data.draw(cuts(said))) == joined(whole, [said])
    assert pieces.stopped == whole.stopped


# The start of a line


@pytest.mark.parametrize(
    ("given_text", "said", "new_text"),
    [
        ("One.\n\n", " The", "The"),
        ("One.\n\n", "\nThe", "The"),
        ("One.\n\n", "\n\n The", "The"),
        ("One.\n", " The", "The"),
        ("One.\n", "\nThe", "\nThe"),
        ("One.\n", "\n\nThe", "\nThe"),
        ("One:\n", " - item", " - item"),
        ("One:\n", " 2. item", " 2. item"),
        ("One:\n", " 2nd", "2nd"),
        ("One:\n", " -1", "-1"),
        ("One:\n", "    code", "    code"),
        ("One.\n", " \nTwo", " \nTwo"),
        ("One", " two", " two"),
        ("One", "\n\n\nTwo", "\n\n\nTwo"),
        ("```\nif x:\n", " y", " y"),
        ("```\nx\n\n", "\ny", "\ny"),
        ("```\nx\n```\n\n", " This", "This"),
    ],
)
def test_nobody_wants_more_white_space_there(given_text: str, said: str, new_text: str) -> None:
    assert new(given_text, said) == new_text


def test_a_stop_sequence_of_newlines_still_stops() -> None:
    assert new("One.\n\n", "\nTwo", stop=["\n\n\n"]) == ""


# Blanks


@pytest.mark.parametrize(
    ("given_text", "said", "expected"),
    [
        ("is ", " Paris", "Paris"),
        ("is ", "Paris", "Paris"),
        ("is", " Paris", " Paris"),
        ("is  ", "  Paris", "Paris"),
        ("is  ", " Paris", "Paris"),
        ("is ", "  Paris", " Paris"),
        ("is\t", " Paris", " Paris"),
        ("is \t", " \tParis", "Paris"),
        ("is ", "\nParis", "\nParis"),
        ("is\n", "\nParis", "\nParis"),
        ("is ", " ", ""),
        ("is ", "", ""),
    ],
)
def test_leading_blanks_that_the_client_has(given_text: str, said: str, expected: str) -> None:
    assert new(given_text, said) == expected


def test_only_the_first_blanks_are_dropped() -> None:
    join = Join(prefill("a "), echoes=False)
    assert [join.feed(piece) for piece in (" ", "b", " ", " c")] == ["", "b", " ", " c"]
    assert join.finish() == ""


# Stop sequences


@pytest.mark.parametrize(
    ("given_text", "said", "stop", "expected"),
    [
        ("a\n", "\nEND b", ["\n\nEND"], ""),
        ("a\n\nEN", "D", ["\n\nEND"], ""),
        ("a\n\nEN", "Dash", ["\n\nEND"], ""),
        ("a EN", " D", ["EN D"], ""),
        ("a EN ", "D", ["EN D"], ""),
        ("a EN ", " D", ["EN D"], ""),
        ("abab", "c", ["ababc"], ""),
        ("ab", "abc", ["ababc"], ""),
        ("xab", "c", ["abd", "abc"], ""),
        ("xa", "bx", ["abc", "ab"], ""),
        ("aa", "ab", ["aaaab", "aab"], ""),
    ],
)
def test_a_stop_sequence_is_completed_across_the_join(
    given_text: str, said: str, stop: list[str], expected: str
) -> None:
    assert new(given_text, said, stop=stop) == expected
    join = Join(prefill(given_text), echoes=False, stop=stop)
    assert joined(join, [said]) == ""
    assert join.stopped
    assert join.feed("more") == ""
    assert join.finish() == ""


def test_stop_sequences_are_looked_for_up_to_a_length_of_all() -> None:
    """One of a megabyte, of which each beginning was compared, took for ever."""
    assert new("a EN", "D.", stop=["a" * 1_000_000, "END"]) == ""
    assert new("a" * 1_000_000, "ab", stop=["a" * 1_000_000 + "b"]) == "ab"
    assert new("a EN", "D.", stop=["x" * 8] * 128 + ["END"]) == "D."


@pytest.mark.parametrize(
    ("given_text", "said", "stop"),
    [
        ("a\n", "\nEN", ["\n\nEND"]),
        ("a\n", "\nENx", ["\n\nEND"]),
        ("a\n", "x\nEND", ["\n\nEND"]),
        ("a", "b", ["b"]),  # All of it on one side: that is the server's to see.
        ("ab", "c", ["ab"]),
        ("a", "b", [""]),
        ("a", "b", []),
    ],
)
def test_what_only_looks_like_a_stop_is_text(given_text: str, said: str, stop: list[str]) -> None:
    assert new(given_text, said, stop=stop) == said
    join = Join(prefill(given_text), echoes=False, stop=stop)
    joined(join, [said])
    assert not join.stopped


def test_what_may_become_a_stop_waits() -> None:
    join = Join(prefill("a\n"), echoes=False, stop=["\n\nEND"])
    assert [join.feed(piece) for piece in ("\n", "EN", "x")] == ["", "", "\nENx"]


def test_a_stop_behind_an_echo() -> None:
    assert new("abc EN", "abc END", echoes=True, stop=["END"]) == ""


@pytest.mark.parametrize("text", ["One", "One line.\n", "It was the best of times, it was the worst of"])
def test_what_decides_about_a_join_is_not_waited_for_without_end(text: str) -> None:
    join = Join(prefill(text), overlaps=True)
    out = "".join(join.feed("    ") for _ in range(20_000))
    assert len(join._pending) <= 16_384
    assert (out + join.feed("times") + join.finish()).endswith("times")

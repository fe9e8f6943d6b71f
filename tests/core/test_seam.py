"""The join: what is asked of the continuing model, and what of its answer is new."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pieces import cuts, singles
from trooper.core.seam import (
    UNPROBED_ECHO_CHARS,
    Join,
    Prefill,
    is_periodic,
    prefill,
    says_it_all,
)

LONG = "The keeper writes down every ship."
#: Few signs, so that texts repeat themselves, and long enough to be an echo.
TEXTS = st.text(st.sampled_from("ab \t\n.é🚢"), max_size=60)


def joined(join: Join, pieces: Sequence[str]) -> str:
    return "".join(join.feed(piece) for piece in pieces) + join.finish()


def new(given_text: str, said: str, *, echoes: bool | None = False, stop: Sequence[str] = ()) -> str:
    """What the client gets, whole or character by character."""
    whole, dribbled = (Join(prefill(given_text), echoes, stop) for _ in range(2))
    out = joined(whole, [said])
    assert joined(dribbled, singles(said)) == out
    assert dribbled.stopped == whole.stopped
    return out


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
    assume(not plausible or not rest.startswith(shown.text))
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


# Echoes


def test_a_known_echo_is_cut_exactly_once() -> None:
    assert new("ab", "abc", echoes=True) == "c"
    assert new("ab", "ababc", echoes=True) == "abc"
    assert new("ab ", "ab c", echoes=True) == "c"
    assert new("ab ", "abc", echoes=True) == "c"
    assert new("ab ", "ab abc", echoes=True) == "abc"


def test_where_an_echo_is_known_and_does_not_come_the_text_is_kept() -> None:
    assert new("abc", "abd", echoes=True) == "abd"
    assert new("abc", "x", echoes=True) == "x"


def test_no_echo_is_looked_for_where_none_comes() -> None:
    assert new(LONG, LONG + " Then", echoes=False) == LONG + " Then"


def test_an_unknown_echo_is_cut_when_it_is_long() -> None:
    assert new(LONG, LONG + " Then", echoes=None) == " Then"
    assert new(
        "x" + "y" * (UNPROBED_ECHO_CHARS - 1), "x" + "y" * (UNPROBED_ECHO_CHARS - 1) + "z", echoes=None
    )


@pytest.mark.parametrize(
    ("given_text", "cut"),
    [
        ("abcdefghijklmnopqrs", False),
        ("abcdefghijklmnopqrst", True),
        ("=" * 40, False),
        ("🚢" * 30, False),
        ("| --- | --- | --- | --- |", False),
    ],
)
def test_an_unknown_echo_may_be_honest_text(given_text: str, cut: bool) -> None:
    assert new(given_text, given_text + "!", echoes=None) == ("!" if cut else given_text + "!")


def test_no_overlap_is_trimmed() -> None:
    assert new("She said no, no", " no, no and left", echoes=None) == " no, no and left"
    assert new(LONG, "every ship. " + LONG, echoes=None) == "every ship. " + LONG


def test_a_server_that_only_repeats_says_nothing() -> None:
    for echoes in (True, None):
        assert new(LONG, LONG, echoes=echoes) == ""
    assert new(LONG, LONG, echoes=False) == LONG


def test_half_an_echo_is_cut_only_where_echoes_are_known() -> None:
    assert new(LONG, LONG[:-5], echoes=True) == ""
    assert new(LONG, LONG[:19], echoes=None) == LONG[:19]


def test_an_answer_that_starts_anew_is_not_used() -> None:
    for rest in ("", "another word", "and another end."):
        join = Join(prefill(LONG))
        said = [join.feed(piece) for piece in (LONG[:15], LONG[15:25], rest)]
        assert (said, join.finish(), join.anew) == (["", "", ""], "", True)


def test_what_begins_alike_is_no_new_start() -> None:
    periodic = "=" * 40 + " end of the line"
    assert new(periodic, periodic[:30] + "x", echoes=None) == periodic[:30] + "x"
    assert new(LONG, LONG[:25] + "x", echoes=False) == LONG[:25] + "x"


def test_repeated_last_words_are_cut_where_a_target_was_asked_to_go_on() -> None:
    given = "A lighthouse keeps its light in one place so that ships can find"
    for again in (given[-30:], given[-20:]):
        join = Join(prefill(given), overlaps=True)
        out = "".join(map(join.feed, [*again, *" theirs."]))
        assert out + join.finish() == " theirs."


def test_a_few_words_alike_are_honest() -> None:
    given = "A lighthouse keeps its light in one place so that ships can find"
    join = Join(prefill(given), overlaps=True)
    assert join.feed(" find") == ""
    assert join.feed(" it, find") == " find it, find"
    assert Join(prefill(given), overlaps=False).feed(given[-30:]) == given[-30:]


def test_nothing_goes_out_before_the_echo_is_decided() -> None:
    join = Join(prefill("abc"), echoes=True)
    assert [join.feed(piece) for piece in ("a", "b", "c", "d", "e")] == ["", "", "", "d", "e"]


def test_what_is_no_echo_goes_out_at_once() -> None:
    assert Join(prefill("abc"), echoes=True).feed("x") == "x"
    assert Join(prefill("abc"), echoes=True).feed("abd") == "abd"


def test_with_nothing_to_repeat_nothing_waits() -> None:
    assert Join(prefill(""), echoes=True).feed("x") == "x"
    assert Join(prefill("  "), echoes=True).feed("x") == "x"


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
    join.feed(said)
    assert join.stopped
    assert join.feed("more") == ""
    assert join.finish() == ""


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


# What is asked about texts


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", False),
        ("a", False),
        ("ab", False),
        ("aa", True),
        ("=====", True),
        ("abcabc", True),
        ("abcabcab", True),
        ("abcab", False),
        ("🚢🚢🚢", True),
        ("| --- | --- | --- |", True),
        (LONG, False),
    ],
)
def test_periodic(text: str, expected: bool) -> None:
    assert is_periodic(text) is expected


@pytest.mark.parametrize(
    "text",
    [
        "Done.",
        "Done!",
        "Really?",
        "Und so weiter…",
        "完了。",
        "真的!",
        "真的？",
        "हो गया।",
        "هل؟",
        'He said "yes."',
        "(All of it.)",
        "**Done.**",
        "`done.`",
        "Done. ",
        "a line\n",
        "a line\n\n",
        "```\ncode\n```",
        "```\ncode\n```  ",
        "~~~\ncode\n~~~",
        "text\n  ```\ncode\n  ```",
        '{"a": 1}\n',
        "[1, 2]\n",
        '{"a": "}"}',
        "[1, 2] ",
        "[Link](address). Done.",
        '["a"] and so on.',
        'The 5" disk [is full.',
    ],
)
def test_whole_as_it_stands(text: str) -> None:
    assert says_it_all(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\t",
        "Done",
        "Done,",
        "Done:",
        "Done (",
        '"',
        "```\ncode.",
        "```\ncode\n",
        "~~~\ncode\n",
        "```\na\n```\n```\nb.",
        '{"a": "Done."',
        '{"a": 1,\n',
        "[1, 2,\n",
        '[{"a": "b."}',
        '{"a": ["b."]',
        '{"a": "b.',
        '{"a": "\\"b.',
        "[Link](address) and",
        "{} {",
        '[a] says "so.',
        "use `code`",
    ],
)
def test_not_whole(text: str) -> None:
    assert says_it_all(text) is False


def test_a_fence_counts_at_the_beginning_of_a_line_only() -> None:
    assert says_it_all("Write ``` to open a fence.")
    assert says_it_all("    ``` is code.")

"""The join: what the continuing model repeats."""

from __future__ import annotations

import pytest

from joins import LONG, new
from trooper.core.overlap import UNPROBED_ECHO_CHARS
from trooper.core.seam import Join, prefill
from trooper.core.unfit import Unfit


def test_a_known_echo_is_cut_exactly_once() -> None:
    assert new("ab", "abc", echoes=True) == "c"
    assert new("ab", "ababc", echoes=True) == "abc"
    assert new("ab ", "ab c", echoes=True) == "c"
    assert new("ab ", "abc", echoes=True) == "c"
    assert new("ab ", "ab abc", echoes=True) == "abc"


def test_where_an_echo_is_known_and_does_not_come_the_text_is_kept() -> None:
    assert new("abc", "abd", echoes=True) == "abd"
    assert new("abc", "x", echoes=True) == "x"


@pytest.mark.parametrize("echoes", [True, None])
@pytest.mark.parametrize("tag", ["think", "thinking"])
def test_an_echo_that_begins_with_a_thought_is_none(tag: str, echoes: bool | None) -> None:
    """Some providers think in the text of their answers: an echo of it is one, and its end is the client's."""
    half = f"<{tag}>\nThe user asks about lighthouses"
    rest = f" and ships.\n</{tag}>\n\nThey shine."
    assert new(half, half + rest, echoes=echoes) == rest
    assert new(half, rest, echoes=echoes) == rest
    whole = half + rest
    assert new(whole, whole + " And so on.", echoes=echoes) == " And so on."
    # Behind the echo the model's own thought is none of the answer, as ever.
    assert new(whole, f"{whole}<{tag}>Hm.</{tag}> And so on.", echoes=True) == " And so on."


@pytest.mark.parametrize("echoes", [True, None, False])
@pytest.mark.parametrize(
    ("thought", "rest"),
    [
        # Thoughts about one question begin alike.
        ("<think>\nThe user asks about lighthouses, once more.\n</think>", " And so on."),
        ("<think>\nThe user", ""),
        ("<think>", ""),
        ("<think>\nThe user asks about something else, and on it goes", ""),
    ],
)
def test_a_thought_that_begins_like_the_answers_own_is_no_word(
    thought: str, rest: str, echoes: bool | None
) -> None:
    half = "<think>\nThe user asks about lighthouses and ships.\n</think>\n\nThey shine."
    assert new(half, thought + rest, echoes=echoes) == rest


def test_all_of_it_again_is_cut_also_where_no_echo_comes() -> None:
    assert new(LONG, LONG + " Then", echoes=False) == " Then"
    assert new(LONG, LONG + LONG + " Then", echoes=True) == " Then"


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
    for echoes in (True, None, False):
        assert new(LONG, LONG, echoes=echoes) == ""


def test_half_an_echo_is_cut_only_where_echoes_are_known() -> None:
    assert new(LONG, LONG[:-5], echoes=True) == ""
    assert new(LONG, LONG[:19], echoes=None) == LONG[:19]


def test_an_answer_that_starts_anew_is_not_used() -> None:
    for rest in ("", "another word", "and another end."):
        join = Join(prefill(LONG))
        said = [join.feed(piece) for piece in (LONG[:15], LONG[15:25], rest)]
        assert (said, join.finish(), join.unfit) == (["", "", ""], "", Unfit.STARTS_ANEW)


def test_what_begins_alike_is_no_new_start() -> None:
    periodic = "=" * 40 + " end of the line"
    assert new(periodic, periodic[:30] + "x", echoes=None) == periodic[:30] + "x"
    assert new(LONG, LONG[:25] + "x", echoes=False) == LONG[:25] + "x"


@pytest.mark.parametrize("echoes", [True, False, None])
@pytest.mark.parametrize("tag", ["<think>", "<thought>", "[THINK]", "◁think▷"])
def test_a_thought_whose_tag_was_cut_is_the_clients(tag: str, echoes: bool | None) -> None:
    """A cut inside the tag: the rest of it is text, and so are that thought and its end."""
    rest = f"They ask.{tag[0]}/{tag[1:]}They shine."
    for at in range(1, len(tag)):
        assert new(tag[:at], tag[at:] + rest, echoes=echoes) == tag[at:] + rest
        if echoes:
            assert new(tag[:at], tag + rest, echoes=True) == tag[at:] + rest
        # Who says something else has not gone on with the tag; his own thoughts are none of the answer.
        assert new(tag[:at], f"{tag}Hm.{tag[0]}/{tag[1:]}b>", echoes=False) == "b>"
        assert new(tag[:at], "b>bold", echoes=echoes) == "b>bold"


def test_what_may_be_a_tag_keeps_its_place_behind_an_echo() -> None:
    """Both the echo and the look for a thought's end make text wait."""
    join = Join(prefill("abc"), echoes=True)
    assert [join.feed(piece) for piece in ("abcx<", "y")] == ["x", "<y"]
    for half, said, left in (
        ("<", ["<thi"], "thi"),
        ("<", ["thin"], "thin"),
        ("<t", ["<", "thi", "n"], "hin"),
    ):
        join = Join(prefill(half), echoes=True)
        assert "".join(map(join.feed, said)) + join.finish() == left


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

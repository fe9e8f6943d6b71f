"""What a continuation says again, and the blanks where it begins."""

from __future__ import annotations

import pytest

from joins import LONG, joined
from pieces import singles
from trooper.core.blanks import with_blanks
from trooper.core.overlap import Lost, said_again
from trooper.core.seam import Join, Prefill, prefill
from trooper.core.unfit import Unfit

LET_ME = "Let me write that."


def new(
    given: str,
    said: str,
    *,
    fragment: str = "",
    call: bool = False,
    echoes: bool | None = False,
    asked: bool = False,
) -> str:
    """What the client gets, whole or character by character."""
    outs = set()
    for pieces in ([said], singles(said)):
        join = Join(prefill(given), echoes, overlaps=asked, lost=Lost(fragment, call))
        outs.add(joined(join, pieces))
    assert len(outs) == 1
    return outs.pop()


# What is said again


@pytest.mark.parametrize(
    "given", [LET_ME, LET_ME + " ", LET_ME + "\n\n", "Good. " + LET_ME + " ", "**" + LET_ME + "** "]
)
@pytest.mark.parametrize("blanks", ["", " ", "\n\n"])
@pytest.mark.parametrize("echoes", [False, True, None])
def test_a_sentence_before_a_lost_call_is_said_once(given: str, blanks: str, echoes: bool | None) -> None:
    """It was said twice: 18 characters, and 20 were asked for."""
    again = given.removeprefix("Good. ").rstrip()
    said = (given.rstrip(" ") if echoes else "") + blanks + again + " It is short."
    out = new(given, said, call=True, echoes=echoes)
    assert out.strip() == "It is short."


@pytest.mark.parametrize(
    "sentence", ["One moment.", "I will look.", "我来写这个文件。", "Sure, let me check that now:"]
)
def test_sentences_and_three_words_are_enough(sentence: str) -> None:
    assert new(f"Yes. {sentence} ", f"{sentence} Done", call=True).strip() == "Done"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("Yes.", " Yes. And"),
        ("Ha ha ha.", " Ha ha ha. And"),
        ("She said no, no", " no, no and left"),
        ("it goes on and on", " and on it goes"),
        ("=" * 40, "=" * 20),
        ("one two three", " one two threefold"),
        (LET_ME, " Let me write this."),
        ("```\ncall me now please\n", "call me now please\n"),
        ('{"a": "one two three', 'one two three"}'),
    ],
)
def test_what_may_be_honest_is_not_cut(given: str, said: str) -> None:
    assert new(given, said, call=True) == said


def test_a_line_may_be_a_refrain() -> None:
    """Nobody knows, and a line may be said twice."""
    for echoes in (False, None):
        half = LONG[:-5] + "\nAll of them, one by one.\n"
        assert new(half, "All of them, one by one.\n", echoes=echoes) == "All of them, one by one.\n"
        assert new(half, "All of them, one by one. So", echoes=echoes, call=True) == "So"


def test_what_is_said_again_needs_time_to_be_seen() -> None:
    assert said_again("a b c", "a b", final=False) is None
    assert said_again("a b c", "a b c", final=False) is None
    assert said_again("a b c", "a b c", final=True) == 5
    assert said_again("a b c", "  ", final=False) is None
    assert said_again("a b c", "x", final=False) == 0
    assert said_again("", " ", final=False) == 0
    assert said_again("a b c d. a b c", "a b c", final=False) is None
    assert said_again("a b c d. a b c", "a b c, ", final=False) == 5


# A target that was merely asked to go on


@pytest.mark.parametrize("given", ["A", "A gateway", "Der Wärter", "完了", "A gateway earns its keep"])
@pytest.mark.parametrize("blanks", ["", "\n", " "])
def test_who_was_asked_and_begins_with_all_of_it_repeats(given: str, blanks: str) -> None:
    """Below twenty characters all of it was appended."""
    assert new(given, f"{blanks}{given} goes on.", echoes=None, asked=True) == " goes on."
    assert new(given, f"{blanks}{given}", echoes=None, asked=True) == ""


def test_who_was_asked_and_begins_another_answer() -> None:
    for said in ("A gateway is a thing.", "A gateway is"):
        join = Join(prefill("A gateway earns"), overlaps=True)
        assert (joined(join, singles(said)), join.unfit) == ("", Unfit.STARTS_ANEW)


@pytest.mark.parametrize(
    ("given", "said"), [("no, no", " no and"), ("====", "===="), ("The", " keeper"), ("The keeper", "The")]
)
def test_who_was_asked_may_still_be_honest(given: str, said: str) -> None:
    assert new(given, said, echoes=None, asked=True) == said


# Blanks


@pytest.mark.parametrize("mark", [".", ",", "!", ")", '."', "…", "。", ";"])
@pytest.mark.parametrize("blanks", [" ", "  ", "\t"])
def test_no_blank_before_a_sign_that_had_none(mark: str, blanks: str) -> None:
    """It stood there: `still open . This`."""
    assert new("still open", f"{blanks}{mark} This", fragment=mark) == f"{mark} This"
    assert new("still open", f"{mark} This", fragment=mark) == f"{mark} This"


def test_nor_before_any_fragment_that_comes_again() -> None:
    assert new("a well", " -known man", fragment="-kn") == "-known man"
    assert new("東京", " 都は", fragment="都") == "都は"
    assert new("a well", " - and then", fragment="-kn") == " - and then"
    assert new("open", " This", fragment=".") == " This"
    assert new("open", " .", fragment='."') == "."


@pytest.mark.parametrize(
    ("given", "fragment", "said"),
    [
        ("p009", " p0", "Sure"),
        ("rapid", " in", "increase"),
        ("done.", " Th", "then"),
        ("p009", " ", "7 of"),
        ("(x)", " an", "and"),
        ("x", " =", "= 5"),
        ("he said", ' "', '"yes"'),
        ("it", " **", "**is**"),
        ("the end", " Sure", "Sure"),
        ("東京", " タワ", "タワー"),
        ('"a":', " 1", "12"),
    ],
)
def test_the_blank_that_was_lost_is_put_back(given: str, fragment: str, said: str) -> None:
    """`p009Sure`: the cloud's blank was dropped with the fragment, and the model brought none."""
    assert new(given, said, fragment=fragment) == " " + said
    assert new(given, " " + said, fragment=fragment) == " " + said


@pytest.mark.parametrize(
    ("given", "fragment", "said"),
    [
        ("rapid", " in", "ly growing"),  # An ending: it saw that the word could go on.
        ("Licht", " i", "strahlen"),
        ("word", " th", ", and"),
        ("word", " th", "\nNew"),
        ("word", " th", "'s"),
        ("foo", " =", "(x)"),
        ("東京", " タ", "都は"),
        ("word", "", "next"),
        ("word\n", " x", "next"),
        ("word ", " x", "next"),
    ],
)
def test_where_none_belongs_none_is_put(given: str, fragment: str, said: str) -> None:
    assert new(given, said, fragment=fragment) == said


@pytest.mark.parametrize("said", ["there", "ly"])
def test_who_did_not_see_the_end_of_the_word_begins_a_new_one(said: str) -> None:
    """Asked to go on, unprobed, or shown a newline behind it."""
    assert new("Hello", said, fragment=" wo", echoes=None) == " " + said
    assert new("Hello", said, fragment=" wo", asked=True) == " " + said
    added = Join(Prefill("Hello", "", "\n"), echoes=False, lost=Lost(" wo"))
    assert joined(added, [said]) == " " + said


def test_what_was_lost_may_complete_a_stop_sequence() -> None:
    join = Join(prefill("a EN"), echoes=None, stop=["EN D"], lost=Lost(" D"))
    assert joined(join, ["D b"]) == ""
    assert join.stopped


def test_without_a_text_there_is_nothing_to_part() -> None:
    assert with_blanks("", " x", "next", is_certain=False) == "next"
    assert with_blanks("a", " x", "", is_certain=False) == ""

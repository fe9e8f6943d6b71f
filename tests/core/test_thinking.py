"""A thinking block in the middle of an answer, cut at any character."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joins import LONG, joined
from pieces import cuts, singles
from trooper.core import thinking
from trooper.core.seam import Join, prefill
from trooper.core.thinking import LateEnd, Thoughts, speaks_of_thinking
from trooper.core.unfit import Unfit

GIVEN = "One day"


def new(said: str, given_text: str = GIVEN, *, about: bool = False) -> tuple[str, str]:
    """What the client gets and what is cut, whole or character by character."""
    whole, dribbled = (Join(prefill(given_text), False, speaks_of_thinking=about) for _ in range(2))
    out = joined(whole, [said])
    assert joined(dribbled, singles(said)) == out or dribbled.unfit
    if not dribbled.unfit:
        assert dribbled.cut == whole.cut
    return out, whole.cut


TAGS = [
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
]


@pytest.mark.parametrize(("opened", "closed"), TAGS)
@pytest.mark.parametrize("thought", ["", "\n\n", "Hm. He <may> go.", "a </thin b", "<think>"])
@pytest.mark.parametrize("before", ["", " ", "\n\n"])
def test_a_block_at_the_beginning_is_cut(opened: str, closed: str, thought: str, before: str) -> None:
    assert new(f"{before}{opened}{thought}{closed} he left.") == (" he left.", thought)


@pytest.mark.parametrize(("opened", "closed"), TAGS)
def test_every_tag_that_comes_late_tells_that_all_was_a_thought(opened: str, closed: str) -> None:
    join = Join(prefill(GIVEN), echoes=False)
    said = [join.feed(piece) for piece in ("Well, ", "I go on.", closed[:3], closed[3:], " he left.")]
    assert said == ["Well, ", "I go on.", "", "", ""]
    assert join.unfit is Unfit.THINKS_ALOUD


@pytest.mark.parametrize(
    ("behind", "expected"),
    [
        ("\n\n he", " he"),
        ("\n\nhe", "he"),
        ("\n\n    x = 1", "    x = 1"),
        ("\r\n\r\n he", " he"),
        (" he", " he"),
        ("", ""),
        ("\n\n", ""),
        ("<think></think>\n\n he", " he"),
    ],
)
def test_the_lines_behind_a_block_are_its_own(behind: str, expected: str) -> None:
    assert new(f"<think>hm</think>{behind}")[0] == expected


def test_a_thought_without_an_end_says_nothing() -> None:
    join = Join(prefill(GIVEN), echoes=False)
    assert joined(join, ["<th", "ink>", "He goes on", " and </thi"]) == ""
    assert join.says_nothing
    assert join.cut == "He goes on and </thi"


@pytest.mark.parametrize("behind", ["", "\n\n"])
def test_an_end_alone_where_the_prompt_had_begun_it(behind: str) -> None:
    assert new(f"</think>{behind} he left.") == (" he left.", "")
    join = Join(prefill(GIVEN), echoes=False)
    assert joined(join, [f"Okay, I go on.</think>{behind} he left."]) == " he left."


def test_an_end_that_comes_late_tells_that_all_was_a_thought() -> None:
    """The client has it: nobody can make that right, and the tag is never shown."""
    join = Join(prefill(GIVEN), echoes=False)
    said = [join.feed(piece) for piece in ("Well, ", "I go on.", "</thi", "nk>", " he left.")]
    assert said == ["Well, ", "I go on.", "", "", ""]
    assert join.unfit is Unfit.THINKS_ALOUD
    assert join.finish() == ""


@pytest.mark.parametrize(
    "said",
    [
        " he wrote <think> and </think> into it.",
        " he closed it by `</think>`.",
        " he wrote a < b </b> and <thinker>.",
        " x <",
        " x </thin",
    ],
)
def test_a_tag_further_on_is_text(said: str) -> None:
    assert new(said) == (said, "")


def test_an_answer_about_such_blocks_is_not_touched() -> None:
    code = "Templates write:\n```\n"
    assert new("<think>\n</think>\n```\n", code, about=True) == ("<think>\n</think>\n```\n", "")
    assert new("<think>` opens it", "The tag `<thinking>` or `") == ("<think>` opens it", "")
    assert new(" and then </think>.", "It begins with <think>")[0] == " and then </think>."
    # Nobody spoke about it, so even in code it is the model that thinks.
    assert new("<think>\n</think>\nx = 1\n", code) == ("x = 1\n", "\n")
    # In a sentence a tag stands behind a blank.
    assert new(" <think> and </think>.", "It stands between", about=True) == (" <think> and </think>.", "")
    assert new("</think>.", "Between `<think>` and ", about=True) == ("</think>.", "")
    # What the client's own provider had begun may be ended.
    assert new(" then.\n</think>\n\nNo.", "<think>\nHm, so") == (" then.\n</think>\n\nNo.", "")
    assert new("</think>\n\nNo.", "<think>\nHm.\n") == ("</think>\n\nNo.", "")
    # And outside of code a model that thinks does so, too.
    assert new("<think>hm</think> he", about=True) == (" he", "hm")


def test_who_speaks_about_it() -> None:
    assert speaks_of_thinking(["What is", "a </think> tag?"])
    assert not speaks_of_thinking(["I think so.", "<thinker>"])


@pytest.mark.parametrize("echoes", [False, None, True])
@pytest.mark.parametrize(
    "block", ["<think></think>", "<think>\n\n</think>\n\n", "\n<think>hm</think>", "</think>"]
)
def test_an_echo_behind_a_block_is_cut(block: str, echoes: bool | None) -> None:
    """Whatever the probe has said: it was made with another prompt."""
    for text in (LONG, "He"):
        for pieces in ([block + text + " then."], singles(block + text + " then.")):
            assert joined(Join(prefill(text), echoes), pieces) == " then."
            assert joined(Join(prefill(text), echoes), [*pieces[:-6], *pieces[-6:]]) == " then."


def test_a_block_behind_an_echo_is_cut() -> None:
    for pieces in ([LONG + "<think>hm</think> then."], singles(LONG + "<think>hm</think> then.")):
        assert joined(Join(prefill(LONG), echoes=True), pieces) == " then."


def test_a_new_answer_behind_a_block_is_of_no_use() -> None:
    join = Join(prefill(LONG), echoes=False)
    assert joined(join, singles("<think>hm</think>" + LONG[:25] + "else")) == ""
    assert join.unfit is Unfit.STARTS_ANEW


@given(st.text(st.sampled_from("<>/thinkg \n`a"), max_size=40), st.data())
def test_the_chunking_does_not_matter(said: str, data: st.DataObject) -> None:
    """But for an end alone: whether what it ends could be taken back depends on what was sent."""
    whole, pieces = (Thoughts(is_subject=True) for _ in range(2))
    out = whole.feed(said) + whole.finish()
    assert "".join(map(pieces.feed, data.draw(cuts(said)) if said else [])) + pieces.finish() == out
    assert (pieces.found, pieces.unclosed, pieces.cut) == (whole.found, whole.unclosed, whole.cut)


@given(st.text(st.sampled_from("<>/thinkg `a"), max_size=40), st.data())
def test_a_late_end_is_never_passed_on(said: str, data: st.DataObject) -> None:
    late = LateEnd()
    out = "".join(map(late.feed, data.draw(cuts(said)) if said else [])) + late.finish()
    if late.came:
        assert said.startswith(out)
        assert "</think>" not in out
    else:
        assert out == said


def test_of_a_long_conversation_the_latest_counts() -> None:
    filler = "x" * 4_000_000
    assert speaks_of_thinking([filler, "What does <think> mean?"])
    assert not speaks_of_thinking(["What does <think> mean?", filler])
    assert speaks_of_thinking(["What does <think> mean?", filler[1_000:]])


@pytest.mark.parametrize("before", ["", "<think>a</think>"], ids=["at the start", "behind a block"])
def test_blanks_without_end_are_looked_at_once(before: str) -> None:
    thoughts = Thoughts()
    thoughts.feed(before)
    out = "".join(thoughts.feed(" " * 10) for _ in range(20_000)) + thoughts.feed("Hello")
    assert out.endswith("Hello")
    assert len(thoughts._pending) < 20_000


def test_every_tag_is_found() -> None:
    for tag in (*thinking._OPEN, *thinking._CLOSE):
        assert speaks_of_thinking([f"a {tag} b"])
        assert not speaks_of_thinking([f"a {tag[1:]} b"])


def test_a_thought_that_is_longer_than_any_is_none() -> None:
    assert thinking.ends_in_thought("<think>" + "a" * 999_990)
    assert not thinking.ends_in_thought("<think>" + "a" * 1_000_000)

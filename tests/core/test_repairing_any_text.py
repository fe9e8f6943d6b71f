"""What no rule of a join may do, whatever is cut and said (`core.repairing`)."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from half_answers import KINDS
from honest_texts import KEPT
from joins import joined
from pieces import cuts, singles
from trooper.core.overlap import MOST_WAITING_CHARS, Lost, with_lone_blanks
from trooper.core.repair import ALL_REPAIRS, Repair
from trooper.core.seam import Join, prefill
from work import work_of

P = "f000 p001 p002 p003 p004 p005 p006 p007 p008 p009"
BLOCK = "Like this:\n\n```python\nimport os\n\n\ndef size(path):\n"

_TEXTS = [*KINDS.values(), *KEPT.values()]
_SAID = [
    "Sure, continuing: ",
    "Certainly! Here is the rest:\n\n",
    "Of course",
    "Continuing",
    "```python\n",
    "```",
    " ",
    "  ",
    "\n\n",
    "当然，",
    "again and again ",
    "x",
    ". ",
]


@st.composite
def seams(draw: st.DrawFn) -> tuple[str, str]:
    """A half answer, and what may come behind it: its rest, parts of itself, and all that models say."""
    text = draw(st.sampled_from(_TEXTS))
    half = text[: draw(st.integers(1, len(text)))]
    parts = st.one_of(
        st.sampled_from(_SAID),
        st.integers(0, len(half)).map(lambda at: half[at:]),
        st.integers(0, len(half)).map(lambda at: half[:at]),
        st.just(text[len(half) :]),
        st.text(st.sampled_from("ab .\n`"), max_size=100),
    )
    return half, "".join(draw(st.lists(parts, min_size=1, max_size=4)))


_HOWS = st.fixed_dictionaries(
    {
        "echoes": st.sampled_from([False, True, None]),
        "overlaps": st.booleans(),
        "lost": st.sampled_from([Lost(), Lost(" wo"), Lost("", True), Lost(".")]),
        "repairs": st.sets(st.sampled_from([*Repair])).map(frozenset) | st.just(ALL_REPAIRS),
    }
)


@given(seams(), _HOWS, st.data())
@settings(max_examples=200, deadline=None)
def test_the_pieces_do_not_matter(seam: tuple[str, str], how: dict[str, object], data: st.DataObject) -> None:
    half, said = seam
    if not said:
        return
    whole, pieces = (Join(prefill(half), **how) for _ in range(2))  # type: ignore[arg-type]
    expected = joined(whole, [said])
    assert (joined(pieces, data.draw(cuts(said))), pieces.unfit) == (expected, whole.unfit)


@given(seams(), _HOWS)
@settings(max_examples=200, deadline=None)
@example((P, "a" * 200), {"echoes": False, "overlaps": False})
@example((P, " " * 200), {"echoes": False, "overlaps": False})
@example((P + "\n", "\n" * 200), {"echoes": None, "overlaps": False})
@example((BLOCK, "```python" + "x" * 200), {"echoes": False, "overlaps": False})
def test_nothing_waits_for_more_than_eighty_characters(seam: tuple[str, str], how: dict[str, object]) -> None:
    """But for what the client has already."""
    half, said = seam
    join = Join(prefill(half), **how)  # type: ignore[arg-type]
    had, out, cut = with_lone_blanks(half), 0, 0
    for at, sign in enumerate(said, 1):
        out += len(join.feed(sign))
        if join.unfit or out:
            break
        cut, join.cut = cut + len(join.cut), ""
        waiting = said[cut:at]
        if how["echoes"]:
            # One that is known is as long as it is.
            waiting = waiting.lstrip().removeprefix(join.prefill.text.lstrip())
        is_had = with_lone_blanks(waiting) in had
        assert is_had or len(waiting) <= MOST_WAITING_CHARS + 1


@given(seams(), _HOWS)
@settings(max_examples=200, deadline=None)
def test_only_what_comes_first_is_ever_left_out(seam: tuple[str, str], how: dict[str, object]) -> None:
    half, said = seam
    join = Join(prefill(half), **how)  # type: ignore[arg-type]
    out = joined(join, [said])
    assert join.unfit or said.endswith((out, out.lstrip(" \n")))


@given(seams())
@settings(max_examples=200, deadline=None)
def test_what_is_left_out_is_what_the_client_has(seam: tuple[str, str]) -> None:
    """Or an announcement, or a fence: of words never more than the client has, once."""
    half, said = seam
    repairs = {Repair.ANEW, Repair.REPETITION}
    join = Join(prefill(half), False, repairs=repairs)
    out = joined(join, [said])
    if not join.unfit:
        left_out = with_lone_blanks(said[: len(said) - len(out.lstrip(" \n"))])
        had = with_lone_blanks(half)
        assert had.endswith((left_out, left_out[len(had) :].strip()))


def test_what_comes_again_of_any_length_is_looked_at_once() -> None:
    """A piece is not compared with all before it."""

    def again(words: int) -> int:
        half = " ".join(f"w{n} is it" for n in range(words))
        join = Join(prefill(half), False)
        pieces = [*re.findall(r"\S+\s*", half), " and so on"]
        return work_of(lambda: [join.feed(piece) for piece in pieces])

    assert again(8_000) < 5 * again(2_000)


@pytest.mark.parametrize("word", ["ab ", "one more line of it\n", "a", "`", "a?\n", "w is "])
def test_no_long_answer_takes_long(word: str) -> None:
    """Ten times the answer, and no more work than before at its end: only that is looked at again and again."""

    def end(times: int) -> int:
        half = word * times
        join = Join(prefill(half), False)
        return work_of(lambda: joined(join, singles(half[-200:] + half[:100])))

    assert end(20_000) < 2 * end(2_000) + 1_000

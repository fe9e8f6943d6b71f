"""
Past answers: whose they are, and that they are bounded.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trooper.store import Answers, Kept


def kept(owner: str = "1", size_bytes: int = 0) -> Kept:
    return Kept(owner, b"x" * size_bytes, b"{}", provider_knows=False)


def test_an_answer_is_its_owners() -> None:
    answers = Answers(10_000)
    answers.keep("a", kept(owner="1"))
    assert answers.find("a", "1") == kept(owner="1")
    assert answers.find("a", "2") is None
    assert not answers.forget("a", "2")
    assert answers.forget("a", "1")
    assert answers.find("a", "1") is None
    assert not answers.forget("a", "1")
    assert answers.held_bytes == 0


def test_the_oldest_goes_first_and_use_keeps_young() -> None:
    answers = Answers(3 * kept().size_bytes)
    for name in "abc":
        answers.keep(name, kept())
    assert answers.find("a", "1")
    answers.keep("d", kept())
    assert [name for name in "abcd" if answers.find(name, "1")] == ["a", "c", "d"]


def test_what_is_too_large_is_not_kept_and_forgets_nobody() -> None:
    answers = Answers(2 * kept().size_bytes)
    answers.keep("a", kept())
    answers.keep("b", kept(size_bytes=answers.max_bytes))
    assert (answers.find("a", "1"), answers.find("b", "1")) == (kept(), None)


def test_an_answer_without_a_name_is_not_kept() -> None:
    answers = Answers(10_000)
    answers.keep("", kept())
    assert len(answers) == 0


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 2_000))))
def test_the_bound_holds(steps: list[tuple[str, int]]) -> None:
    answers = Answers(4_000)
    for name, size_bytes in steps:
        answers.keep(name, kept(size_bytes=size_bytes))
        assert answers.held_bytes <= 4_000
        held = [found for other in "abcd" if (found := answers.find(other, "1"))]
        assert answers.held_bytes == sum(found.size_bytes for found in held)

"""
Past answers: whose they are, and that they are bounded.
"""

from __future__ import annotations

import gc
import tracemalloc

import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from trooper.config import Server
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
    bound = 2 * kept().size_bytes + 1_000
    answers = Answers(bound)
    for name, size_bytes in steps:
        answers.keep(name, kept(size_bytes=size_bytes))
        assert answers.held_bytes <= bound
        held = [found for other in "abcd" if (found := answers.find(other, "1"))]
        assert answers.held_bytes == sum(found.size_bytes for found in held)


def test_who_has_the_most_gives_the_oldest() -> None:
    answers = Answers(5 * kept().size_bytes)
    for name in "abc":
        answers.keep(name, kept(owner="greedy"))
    for name in "de":
        answers.keep(name, kept(owner="modest"))
    answers.keep("f", kept(owner="new"))
    assert [name for name in "abc" if answers.find(name, "greedy")] == ["b", "c"]
    # All but one have two now; whose oldest was used longest ago gives it.
    answers.keep("g", kept(owner="new"))
    assert [name for name in "de" if answers.find(name, "modest")] == ["e"]


def test_one_may_have_all_of_it_and_pushes_nobody_out() -> None:
    answers = Answers(100 * kept().size_bytes)
    answers.keep("mine", kept(owner="mine"))
    for at in range(1000):
        answers.keep(str(at), kept(owner="greedy"))
    assert len(answers) == 100
    assert answers.find("mine", "mine")
    assert not answers.find("900", "greedy")
    assert answers.find("901", "greedy")


def test_a_large_answer_is_at_its_owners_own_expense() -> None:
    """Also where nobody has as much: then it is not kept."""
    answers = Answers(10 * kept().size_bytes)
    for at in range(8):
        answers.keep(f"small {at}", kept(owner=f"owner {at}"))
    large = kept(owner="large", size_bytes=3 * kept().size_bytes)
    answers.keep("large", large)
    assert answers.find("large", "large") is None
    assert all(answers.find(f"small {at}", f"owner {at}") for at in range(8))


def test_an_id_is_its_owners() -> None:
    """A provider, or chance, may give two clients the same one."""
    answers = Answers(10_000)
    one = Kept("1", b"one", b"{}", provider_knows=False, part_ids=("part",))
    other = Kept("2", b"other", b"{}", provider_knows=False, part_ids=("part",))
    answers.keep("a", one)
    answers.keep("a", other)
    assert (answers.find("a", "1"), answers.find("a", "2")) == (one, other)
    assert (answers.find_by_part("part", "1"), answers.find_by_part("part", "2")) == (one, other)
    assert answers.forget("a", "1")
    assert answers.find_by_part("part", "1") is None
    assert answers.find_by_part("part", "2") == other


def test_a_part_that_two_answers_have_stays_while_one_of_them_does() -> None:
    answers = Answers(10_000)
    first, second = (Kept("1", b"", b, provider_knows=False, part_ids=("part",)) for b in (b"1", b"2"))
    answers.keep("a", first)
    answers.keep("b", second)
    answers.forget("a", "1")
    assert answers.find_by_part("part", "1") == second


@pytest.mark.parametrize("long", ["a" * 257, "a" * 1_000_000])
def test_an_id_that_is_longer_than_ids_are_is_not_kept(long: str) -> None:
    answers = Answers(10_000_000)
    answers.keep(long, kept())
    answers.keep("a", Kept("1", b"", b"", provider_knows=False, part_ids=(long, "part")))
    assert len(answers) == 1
    assert answers.find_by_part(long, "1") is None
    assert answers.find_by_part("part", "1")


@define
class Naive:
    """The same by looking at all of them each time."""

    max_bytes: int
    held: list[tuple[str, Kept]] = field(factory=list)

    def keep(self, name: str, new: Kept) -> None:
        self.held = [(other, old) for other, old in self.held if (other, old.owner) != (name, new.owner)]
        if new.size_bytes > self.max_bytes:
            return
        self.held.append((name, new))
        while sum(old.size_bytes for _, old in self.held) > self.max_bytes:
            most = max(self.bytes_of(old.owner) for _, old in self.held)
            self.held.remove(next(one for one in self.held if self.bytes_of(one[1].owner) == most))

    def bytes_of(self, owner: str) -> int:
        return sum(old.size_bytes for _, old in self.held if old.owner == owner)

    def use(self, name: str, owner: str) -> bool:
        found = [one for one in self.held if (one[0], one[1].owner) == (name, owner)]
        self.held = [one for one in self.held if one not in found] + found
        return bool(found)

    def forget(self, name: str, owner: str) -> None:
        self.held = [one for one in self.held if (one[0], one[1].owner) != (name, owner)]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["keep", "keep", "use", "forget"]),
            st.sampled_from("abcdef"),
            st.sampled_from("123"),
            st.sampled_from([0, 0, 500, 3_000, 9_000]),
        ),
        max_size=60,
    )
)
def test_it_is_what_looking_at_all_of_them_comes_to(steps: list[tuple[str, str, str, int]]) -> None:
    bound = 5 * kept().size_bytes
    answers, naive = Answers(bound), Naive(bound)
    for what, name, owner, size_bytes in steps:
        match what:
            case "keep":
                new = kept(owner, size_bytes)
                answers.keep(name, new)
                naive.keep(name, new)
            case "use":
                assert (answers.find(name, owner) is not None) == naive.use(name, owner)
            case _:
                answers.forget(name, owner)
                naive.forget(name, owner)
        assert answers.held_bytes == sum(old.size_bytes for _, old in naive.held)
        assert len(answers) == len(naive.held)
    for name, old in naive.held:
        assert answers.find(name, old.owner) == old
    for owner in "123":
        for name in "abcdef":
            answers.forget(name, owner)
    assert (answers.held_bytes, len(answers)) == (0, 0)


@pytest.mark.parametrize("owners", [1, 1000])
@pytest.mark.parametrize(("size_bytes", "parts"), [(0, 0), (0, 1), (0, 20), (5_000, 2), (100_000, 1)])
def test_what_is_kept_costs_no_more_than_is_counted(owners: int, size_bytes: int, parts: int) -> None:
    count = 1000 if size_bytes < 100_000 else 100
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        answers = Answers(1 << 40)
        for at in range(count):
            owner = f"{at % owners:064d}"
            ids = tuple(f"msg_{at:050d}_{part:05d}" for part in range(parts))
            answers.keep(
                f"resp_{at:055d}",
                Kept(
                    owner, bytes(size_bytes // 2), bytes(size_bytes // 2), provider_knows=True, part_ids=ids
                ),
            )
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(answers) == count
    assert after - before <= answers.held_bytes
    # Nor is much more counted than it costs: an answer of nothing twice, a real one exactly.
    assert answers.held_bytes <= 3.5 * (after - before)
    assert size_bytes < 100_000 or answers.held_bytes <= 1.05 * (after - before)


def test_by_default_they_have_half_of_what_a_large_request_may_have() -> None:
    assert Server().remember_bytes == 32 << 20

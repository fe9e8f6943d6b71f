"""
The seam bench's cuts and its judge.
"""

from __future__ import annotations

from collections import Counter

import pytest

from trooper.bench.seam.cuts import Kind, choose, places, prompts
from trooper.bench.seam.judge import Verdict, judge

PROMPTS = prompts()
WORDS = {
    "the",
    "lamp",
    "must",
    "never",
    "go",
    "out",
    "ship",
    "ships",
    "is",
    "a",
    "light",
    "number",
    "print",
    "even",
    "total",
    "first",
    "second",
    "sun",
    "it",
    "ing",
}


def verdict(before: str, after: str, rest: str = "\x00") -> Verdict:
    return judge(before, after, rest, WORDS.__contains__)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("The lamp", " must never"),
        ("The la", "mp must"),
        ("The sun", "'s light"),
        ("The lamp must", ", never"),
        ("It is 20", "km away"),
        ("The lamp.", " The ship"),
        ("The lamp.\n", "The ship"),
        ("The lamp:\n\n", "  - the ship"),
        ("```python\ndef is", "Even(number):"),
        ("```python\nif total:\n", "    print(first)"),
        ("```python\ntotal = first.", "second"),
        ("```python\ntotal\n\n", "\nprint"),
    ],
)
def test_clean_seams(before: str, after: str) -> None:
    assert verdict(before, after) is Verdict.CLEAN


@pytest.mark.parametrize(
    ("before", "after", "seen"),
    [
        ("The lam", "must", Verdict.BROKEN_WORD),
        ("The l", "ship", Verdict.BROKEN_WORD),
        ("the", "ship is", Verdict.MISSING_BLANK),
        ("The lamp.", "The ship", Verdict.MISSING_BLANK),
        ("The lamp,", "the ship", Verdict.MISSING_BLANK),
        ("The lamp ", " must", Verdict.DOUBLED_BLANK),
        ("The lamp.\n\n", "\nThe ship", Verdict.DOUBLED_BLANK),
        ("The lamp.\n", "\n\nThe ship", Verdict.DOUBLED_BLANK),
        ("The lamp.\n\n", " The ship", Verdict.DOUBLED_BLANK),
        ("The lamp", "", Verdict.EMPTY),
        ("The lamp must never go out.", "The lamp must never go out.", Verdict.MISSING_BLANK),
        ("it is. The lamp must", "The lamp must", Verdict.MISSING_BLANK),
        ("It is; the lamp must", " the lamp must", Verdict.REPEATED),
    ],
)
def test_what_a_reader_sees(before: str, after: str, seen: Verdict) -> None:
    assert verdict(before, after) is seen
    assert seen.is_defect is (seen not in (Verdict.EMPTY, Verdict.REPEATED))


def test_what_the_true_rest_shows_too_is_not_counted() -> None:
    assert verdict("The lamp ", " must", rest="  ship") is Verdict.CLEAN
    assert verdict("The qu", "zz", rest="xx") is Verdict.CLEAN
    assert verdict("The qu", "zz", rest=" the") is Verdict.BROKEN_WORD


def test_every_place_is_what_it_is_called() -> None:
    for prompt in PROMPTS:
        for kind, at in places(prompt.answer):
            before, after = prompt.answer[:at], prompt.answer[at:]
            fenced = before.count("```") % 2 == 1
            assert fenced is (kind is Kind.IN_FENCE)
            match kind:
                case Kind.MID_WORD:
                    assert before[-2:].isalpha()
                    assert after[:2].isalpha()
                case Kind.AFTER_BLANK:
                    assert before.endswith(" ")
                case Kind.AFTER_NEWLINE:
                    assert before.endswith("\n")
                case Kind.AFTER_SENTENCE:
                    assert before[-1] in ".!?"
                    assert after[0].isspace()
                case _:
                    assert "\n" in after


def test_there_are_enough_cuts_of_each_kind() -> None:
    cuts = choose(PROMPTS, 52, seed=1)

    assert len(cuts) == len(set(cuts)) >= 250
    assert min(Counter(cut.kind for cut in cuts).values()) >= 45
    assert [(c.prompt, c.at) for c in cuts] == sorted((c.prompt, c.at) for c in cuts)
    assert choose(PROMPTS, 52, seed=1) == cuts
    assert choose(PROMPTS, 52, seed=2) != cuts

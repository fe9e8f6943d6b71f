"""The demo: its proof finds what is wrong."""

from __future__ import annotations

import re

import pytest

from demo_stream import EVENTS, GOOD, SEAM
from trooper.demo.proof import Claim, prove
from trooper.testing import DEFAULT_ANSWER
from trooper.testing.client import Heard


def heard(*events: bytes) -> list[Heard]:
    return [Heard(raw, float(at)) for at, raw in enumerate(events)]


def failing(claims: list[Claim]) -> list[str]:
    return [claim.name for claim in claims if not claim.holds]


def test_the_proof_holds_for_one_answer() -> None:
    claims = prove(heard(*GOOD), b"".join(EVENTS[:20]), DEFAULT_ANSWER)

    assert failing(claims) == []
    assert claims[-1].found == f"all {len(DEFAULT_ANSWER)} characters of the answer"


def with_text(event: bytes, text: str) -> bytes:
    return re.sub(rb'"content":"[^"]*"', f'"content":"{text}"'.encode(), event)


BROKEN = {
    "another id": (
        [*GOOD[:30], GOOD[30].replace(b"chatcmpl-", b"chatcmpl-other-"), *GOOD[31:]],
        ["one id"],
    ),
    "another model": ([*GOOD[:30], GOOD[30].replace(b"gpt-4o", b"qwen"), *GOOD[31:]], ["one id"]),
    "the role again": (
        [*GOOD[:30], GOOD[30].replace(b'"delta":{', b'"delta":{"role":"assistant",'), *GOOD[31:]],
        ["one role"],
    ),
    "no seam": (EVENTS, ["one seam", "untouched"]),
    "two seams": ([*GOOD[:40], SEAM, *GOOD[40:]], ["one seam"]),
    "no finish": ([*GOOD[:-2], GOOD[-1]], ["one finish"]),
    "two finishes": ([*GOOD[:-1], GOOD[-2], GOOD[-1]], ["one finish"]),
    "a finish that is an error": (
        [*GOOD[:-2], GOOD[-2].replace(b'"stop"', b'"error"'), GOOD[-1]],
        ["one finish"],
    ),
    "no terminator": (GOOD[:-1], ["one [DONE]"]),
    "something behind the terminator": ([*GOOD, SEAM.replace(b"seam", b"keep-alive")], ["one [DONE]"]),
    "an error": ([*GOOD[:-2], b'data: {"error":{"message":"lost"}}\n\n'], ["one finish", "one [DONE]"]),
    "a word twice": ([*GOOD[:30], GOOD[30], *GOOD[30:]], ["nothing lost, nothing twice"]),
    "a word lost": ([*GOOD[:30], *GOOD[31:]], ["nothing lost, nothing twice"]),
    "a changed event before the seam": (
        [*GOOD[:5], GOOD[5].replace(b'"logprobs":null,', b""), *GOOD[6:]],
        ["untouched"],
    ),
    "a changed word before the seam": (
        [*GOOD[:5], with_text(GOOD[5], " other"), *GOOD[6:]],
        ["untouched", "nothing lost, nothing twice"],
    ),
    "nothing": (
        [],
        ["one id", "one role", "one seam", "one finish", "one [DONE]", "nothing lost, nothing twice"],
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_the_proof_finds_what_is_wrong(case: str) -> None:
    events, wrong = BROKEN[case]

    assert failing(prove(heard(*events), b"".join(EVENTS[:20]), DEFAULT_ANSWER)) == wrong


def test_a_model_of_its_own_words_is_judged_by_form_alone() -> None:
    own = [with_text(event, " own") if b'"content":"' in event else event for event in GOOD[21:]]

    assert failing(prove(heard(*GOOD[:21], *own), b"".join(EVENTS[:20]), None)) == []
    assert failing(prove(heard(*GOOD[:21], *GOOD[-2:]), b"".join(EVENTS[:20]), None)) == ["goes on"]

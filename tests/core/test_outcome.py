"""How a leg ended, as a value: stable words, and no secrets in them."""

from __future__ import annotations

import re

from trooper.core.conversation import ImagePart, Message, Role, TextPart, UnknownPart
from trooper.core.outcome import PASSING, Failed, FailureKind, Phase
from trooper.core.unfit import Unfit


def test_only_what_another_target_would_answer_the_same_passes() -> None:
    assert {kind.value for kind in PASSING} == {
        "auth",
        "not_found",
        "context_length",
        "invalid_request",
        "content_filter",
    }


def test_the_words_are_enumerated_and_plain() -> None:
    """They stand in logs, headers and comments as they are."""
    for word in [member.value for words in (FailureKind, Phase, Unfit) for member in words]:
        assert re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", word)


def test_a_failure_says_no_more_than_it_knows() -> None:
    assert Failed(FailureKind.STALL) == Failed(FailureKind.STALL, None, b"", None, None)
    assert Failed(FailureKind.STALL).prompt_tokens is None
    assert Failed(FailureKind.STALL).window_tokens is None


def test_the_text_of_a_message_is_all_its_text() -> None:
    parts = (TextPart("a"), ImagePart(url="https://example.org"), TextPart("b"), UnknownPart("audio"))
    assert Message(Role.USER, parts).text == "ab"
    assert Message(Role.USER).text == ""

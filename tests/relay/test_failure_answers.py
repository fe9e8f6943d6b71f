"""How a request ends when nobody could finish it: status, headers, words."""

from __future__ import annotations

import pytest
from attrs import evolve

from trooper.core.outcome import Answer, Failed, FailureKind, Phase
from trooper.core.unfit import Unfit
from trooper.relay.failure_answers import http_answer, seam_words, trouble

OURS = b'{"ours": true}'
JSON = (b"content-type", b"application/json")
GIVEN = Answer(
    429, ((b"content-type", b"text/plain"), (b"retry-after", b"7"), (b"set-cookie", b"a=b")), b"their words"
)


@pytest.mark.parametrize("kind", FailureKind)
def test_each_kind_has_words_and_a_status_of_its_own(kind: FailureKind) -> None:
    told = trouble(Failed(kind), "cloud", midway=False)
    assert (told.kind, told.message.startswith("cloud "), told.message.endswith(".")) == (kind, True, True)
    answer = http_answer(Failed(kind), OURS, own=False)
    assert 400 <= answer.status < 600
    assert (answer.headers, answer.body) == ((JSON,), OURS)


def test_the_words_say_how_far_the_answer_had_got() -> None:
    stall = Failed(FailureKind.STALL)
    assert trouble(stall, "cloud", midway=False).message == (
        "cloud fell silent, and no other target could answer."
    )
    assert trouble(stall, "cloud", midway=True).message == (
        "cloud fell silent, and no other target could go on from here."
    )


def test_the_reason_is_told_in_its_enumerated_word() -> None:
    unfit = Failed(FailureKind.UNFIT, unfit_reason=Unfit.VISION)
    assert trouble(unfit, "a", midway=False).message.startswith("a cannot take this request (vision), ")


def test_counts_are_told_where_they_are_known() -> None:
    long = Failed(FailureKind.CONTEXT_LENGTH, window_tokens=4096)
    assert "(too many tokens for 4096)" in trouble(long, "a", midway=False).message
    assert "(5000 tokens for 4096)" in trouble(evolve(long, prompt_tokens=5000), "a", midway=False).message


def test_a_providers_answer_is_handed_on_as_it_is() -> None:
    answer = http_answer(Failed(FailureKind.RATE_LIMIT, GIVEN), OURS, own=False)
    assert (answer.status, answer.body) == (429, b"their words")
    assert set(answer.headers) == {
        (b"retry-after", b"7"),
        (b"content-type", b"text/plain"),
        (b"x-content-type-options", b"nosniff"),
    }


def test_without_a_type_it_is_bytes() -> None:
    answer = http_answer(Failed(FailureKind.RATE_LIMIT, Answer(429, (), b"?")), OURS, own=False)
    assert (b"content-type", b"application/octet-stream") in answer.headers


@pytest.mark.parametrize("byte", [*range(0x20), *range(0x7F, 256)])
def test_a_type_that_is_more_than_printable_ascii_is_none(byte: int) -> None:
    odd = b"text/plain" + bytes((byte,))
    given = Answer(429, ((b"content-type", odd), (b"x-request-id", odd), (b"retry-after", odd)), b"?")
    answer = http_answer(Failed(FailureKind.RATE_LIMIT, given), OURS, own=False)
    assert answer.headers == (
        (b"content-type", b"application/octet-stream"),
        (b"x-content-type-options", b"nosniff"),
    )


def test_of_an_answer_in_another_wire_only_the_status_is_true() -> None:
    answer = http_answer(Failed(FailureKind.RATE_LIMIT, evolve(GIVEN, is_foreign=True)), OURS, own=True)
    assert (answer.status, answer.headers, answer.body) == (429, (JSON, (b"retry-after", b"7")), OURS)


@pytest.mark.parametrize(
    ("given", "own", "status"),
    [
        # An SDK would take it for a success.
        (Answer(200, (JSON,), b'{"error": 1}'), False, 502),
        (Answer(200, (JSON,), b'{"error": 1}'), True, 200),
        # Never followed, and never handed on.
        (Answer(302, ((b"location", b"http://elsewhere"),), b""), True, 502),
        (Answer(200, (), b"", is_foreign=True), True, 502),
        (None, True, 502),
    ],
)
def test_what_is_no_answer_is_answered_by_us(given: Answer | None, own: bool, status: int) -> None:
    answer = http_answer(Failed(FailureKind.IN_BAND_ERROR, given), OURS, own=own)
    assert (answer.status, answer.body == OURS) == (status, status == 502)


def test_the_wish_for_a_pause_is_handed_on() -> None:
    answer = http_answer(Failed(FailureKind.RATE_LIMIT, retry_after_s=6.6), OURS, own=False)
    assert answer.headers == (JSON, (b"retry-after", b"7"))


@pytest.mark.parametrize(
    ("left_s", "told"),
    [
        *((0.0004, b"1"), (0.2, b"1"), (1.0, b"1"), (1.01, b"2"), (30.00000000000004, b"30"), (60.0, b"60")),
        *((61.0, b"61"), (7200.0, b"7200"), (86_400.0, b"86400"), (1e300, b"86400")),
    ],
)
def test_who_is_to_be_left_alone_is_told_of_with_the_time_that_is_left(left_s: float, told: bytes) -> None:
    """Rounded up: who comes back a moment too early is refused again. SDKs wait for a minute at most."""
    failed = Failed(FailureKind.RATE_LIMIT, retry_after_s=left_s, unfit_reason=Unfit.COOLING_DOWN)
    answer = http_answer(failed, OURS, own=False)
    wait = (b"retry-after", told)
    futile = () if left_s <= 60 else ((b"x-should-retry", b"false"),)
    assert (answer.status, answer.headers) == (429, (JSON, wait, *futile))
    assert trouble(failed, "cloud", midway=False).message == (
        f"cloud is not to be asked for another {told.decode()} s (cooling_down), and no other target could answer."
    )


def test_a_wait_that_a_provider_names_as_none_is_none() -> None:
    answer = http_answer(Failed(FailureKind.RATE_LIMIT, retry_after_s=0), OURS, own=False)
    assert answer.headers == (JSON, (b"retry-after", b"0"))


def test_the_seam_in_enumerated_words() -> None:
    assert (
        seam_words("a", "b", FailureKind.STALL, Phase.TEXT)
        == "trooper seam from=a to=b reason=stall phase=text"
    )

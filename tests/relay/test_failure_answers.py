"""How a request ends when nobody could finish it: status, headers, words."""

from __future__ import annotations

import pytest
from attrs import evolve

from scenes import configured
from trooper.config import Target
from trooper.core.outcome import Answer, Failed, FailureKind, Phase, Unreached
from trooper.core.tally import LegTally, Tally
from trooper.core.unfit import Unfit
from trooper.relay.failure_answers import (
    http_answer,
    seam_after,
    seam_words,
    to_mend,
    trouble,
    why_failed,
    why_unfit,
)
from trooper.telemetry.report import How, LegReport
from trooper.wires import LLAMA_SERVER

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


# Why the others could not

OLLAMA, CLOUD = configured().target("ollama"), configured().target("openai")
LLAMA = Target("llama", LLAMA_SERVER.wire, "http://127.0.0.1:8080")
OWN = Target("own", LLAMA_SERVER.wire, "", gguf="m.gguf")
TOO_LONG = Failed(FailureKind.CONTEXT_LENGTH, prompt_tokens=23_512, window_tokens=4_096)


@pytest.mark.parametrize(
    ("failed", "target", "said"),
    [
        (TOO_LONG, OLLAMA, "ollama: 23,512 tokens do not fit its window of 4,096; set num_ctx"),
        (
            evolve(TOO_LONG, prompt_tokens=None),
            OWN,
            "own: the conversation does not fit its window of 4,096; set num_ctx",
        ),
        (
            TOO_LONG,
            LLAMA,
            "llama: 23,512 tokens do not fit its window of 4,096; start it with a larger window",
        ),
        (TOO_LONG, CLOUD, "openai: 23,512 tokens do not fit its window of 4,096"),
        (
            Failed(FailureKind.CONTEXT_LENGTH),
            CLOUD,
            "openai says that the conversation does not fit its window (context_length)",
        ),
        (
            Failed(FailureKind.UNFIT, unfit_reason=Unfit.TOOLS_RAW),
            OLLAMA,
            "ollama: the model goes on only from a raw prompt, and that takes no tools (tools_raw)",
        ),
        (Failed(FailureKind.STALL), CLOUD, "openai fell silent (stall)"),
        (
            Failed(FailureKind.CONNECT, unreached=Unreached.NAME_NOT_FOUND),
            CLOUD,
            "openai could not be reached: its name is not known (DNS) (connect)",
        ),
    ],
)
def test_each_says_why_in_words_of_ours(failed: Failed, target: Target, said: str) -> None:
    assert why_failed(failed, target) == said


@pytest.mark.parametrize("kind", FailureKind)
def test_every_kind_can_be_anothers(kind: FailureKind) -> None:
    assert why_failed(Failed(kind), CLOUD).startswith("openai ")


@pytest.mark.parametrize("reason", [*Unfit, *Unreached])
def test_words_for_a_header_are_ascii(reason: Unfit | Unreached) -> None:
    assert reason.meaning.isascii()


@pytest.mark.parametrize("reason", Unfit)
def test_every_reason_can_be_told_of_one_who_was_not_asked(reason: Unfit) -> None:
    said = why_unfit("second", reason)
    assert said.startswith("second: ")
    assert said.endswith(f" ({reason.value})")


def test_the_others_stand_behind_the_first_and_are_bounded() -> None:
    reset = Failed(FailureKind.CONN_RESET)
    first = "a reset the connection, and no other target could answer"
    assert trouble(reset, "a", midway=False, others=("b c", "d e")).message == f"{first}. b c. d e."
    many = trouble(reset, "a", midway=False, others=[f"{number} is none" for number in range(11)])
    assert many.message.startswith(f"{first}. 0 is none. 1 is none. ")
    assert many.message.endswith("7 is none. So it was with 3 more.")


def test_why_there_was_no_connection() -> None:
    refused = Failed(FailureKind.CONNECT, unreached=Unreached.REFUSED)
    assert trouble(refused, "a", midway=False).message == (
        "a could not be reached: the connection was refused, and no other target could answer."
    )


def test_what_would_have_helped_the_one_that_is_told_first() -> None:
    assert to_mend(TOO_LONG, OLLAMA) == ("For ollama: set num_ctx",)
    assert to_mend(TOO_LONG, LLAMA) == ("For llama: start it with a larger window",)
    assert to_mend(TOO_LONG, CLOUD) == to_mend(Failed(FailureKind.STALL), OLLAMA) == ()


def test_a_header_says_it_beside_a_providers_own_words() -> None:
    others = [f"{number} is none" for number in range(11)]
    answer = http_answer(Failed(FailureKind.RATE_LIMIT, GIVEN), OURS, own=False, others=others)
    (said,) = (value for header, value in answer.headers if header == b"x-trooper-others")
    assert (said[:22], said[-9:], answer.body) == (b"0 is none. 1 is none. ", b"7 is none", b"their words")
    ours = http_answer(Failed(FailureKind.STALL), OURS, own=False, others=("a",))
    assert ours.headers == (JSON,)


# Who spoke last


def leg(target: str, outcome: FailureKind, phase: Phase = Phase.TEXT) -> LegReport:
    return LegReport(target, "m", How.CONTINUE, outcome, phase, 0, None, 0, 0, estimated=True)


def tally(*spoke: bool | None) -> Tally:
    """Who has spoken; `None`: it has, and what it said was dropped."""
    legs = [LegTally(str(number), "m") for number in range(len(spoke))]
    for told, said in zip(legs, spoke, strict=True):
        told.spoke, told.dropped = said is not False, said is None
    return Tally(legs)


RESET = leg("a", FailureKind.CONN_RESET)
GONE = leg("b", FailureKind.CONNECT)


@pytest.mark.parametrize(
    ("legs", "spoke", "expected"),
    [
        ((), (), ""),
        ((RESET,), (True,), "from=a to=z reason=conn_reset"),
        ((RESET, GONE), (True, False), "from=a to=z reason=conn_reset"),
        ((RESET, GONE), (True, True), "from=b to=z reason=connect"),
        ((RESET, GONE), (False, False), "from=a to=z reason=conn_reset"),
        ((RESET, GONE), (None, False), "from=a to=z reason=conn_reset"),
        ((GONE, RESET, GONE), (None, True, False), "from=a to=z reason=conn_reset"),
    ],
)
def test_a_seam_is_between_those_who_speak(
    legs: tuple[LegReport, ...], spoke: tuple[bool | None, ...], expected: str
) -> None:
    # The one that is about to speak has its line in the tally.
    found = seam_after(legs, tally(*spoke, False), "z")
    assert found == (f"trooper seam {expected} phase=text" if expected else "")

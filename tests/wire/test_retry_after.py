"""How long a failed answer asks to wait (`wire.faults`)."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trooper.core.outcome import Answer, Failed, FailureKind
from trooper.wire.faults import find_error, read_answer, retry_after_s

K = FailureKind


def error(**fields: object) -> dict[str, object]:
    return {"error": fields}


NOW = 1_790_000_000.0  # Mon, 21 Sep 2026 14:13:20 GMT


def waits(*headers: tuple[bytes, bytes]) -> float | None:
    return retry_after_s(headers, NOW)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"7", 7.0),
        (b"0", 0.0),
        (b" 1.5 ", 1.5),
        (b"86400", 86400.0),
        (b"-1", None),
        (b"inf", None),
        (b"-inf", None),
        (b"nan", None),
        (b"1e400", None),
        (b"", None),
        (b"soon", None),
        (b"\xff", None),
        (b"Mon, 21 Sep 2026 14:13:30 GMT", 10.0),
        (b"Mon, 21 Sep 2026 14:13:20 GMT", 0.0),
        (b"Mon, 21 Sep 2026 14:13:10 GMT", None),
        (b"Monday, 21-Sep-26 14:13:30 GMT", 10.0),
        (b"Mon, 01 Jan 99999 00:00:00 GMT", None),
        (b"Mon, 21 Sep 2026 14:13:30 +99999999999999999999", None),
    ],
)
def test_retry_after(value: bytes, expected: float | None) -> None:
    assert waits((b"retry-after", value)) == expected
    assert waits((b"x", b"1"), (b"Retry-After", value)) == expected


def test_milliseconds_are_preferred() -> None:
    assert waits((b"retry-after", b"7"), (b"retry-after-ms", b"250")) == 0.25
    assert waits((b"retry-after", b"7"), (b"retry-after-ms", b"soon")) == 7.0
    assert waits((b"retry-after", b"7"), (b"retry-after-ms", b"-1")) == 7.0
    assert waits() is None


@given(st.binary(max_size=40), st.sampled_from([b"retry-after", b"retry-after-ms"]))
def test_no_wait_is_made_up(value: bytes, name: bytes) -> None:
    seconds = waits((name, value))
    assert seconds is None or 0 <= seconds < 1e308


@pytest.mark.parametrize(
    ("details", "expected"),
    [
        ([{"@type": "x"}, {"@type": "RetryInfo", "retryDelay": "43s"}], 43.0),
        ([{"retryDelay": "1.5s"}], 1.5),
        ([{"retryDelay": "1m"}], None),
        ([{"retryDelay": 43}], None),
        ([{"retryDelay": "9" * 400 + "s"}], None),
        ([{"retryDelay": "-1s"}], None),
        (["43s"], None),
        ({"retryDelay": "43s"}, None),
        (None, None),
    ],
)
def test_google_puts_the_wait_into_the_body(details: object, expected: float | None) -> None:
    value = error(code=429, details=details)
    failed = find_error(value)
    assert failed == Failed(K.RATE_LIMIT, retry_after_s=expected)
    body = json.dumps(value).encode()
    assert read_answer(Answer(429, body=body), NOW).retry_after_s == expected
    header = ((b"retry-after", b"0"),)
    assert read_answer(Answer(429, header, body), NOW).retry_after_s == 0.0

"""Which HTTP answers are failures, and of what kind (`wire.faults`)."""

from __future__ import annotations

import json

import pytest

from trooper.core.outcome import Answer, Failed, FailureKind
from trooper.testing import FAULTS, Fault, Status, chat_events
from trooper.wire.faults import kind_of_status, read_answer

K = FailureKind


def error(**fields: object) -> dict[str, object]:
    return {"error": fields}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((s, K.INVALID_REQUEST) for s in (400, 405, 406, 415, 422, 499)),
        *((s, K.AUTH) for s in (401, 403)),
        (402, K.QUOTA),
        (404, K.NOT_FOUND),
        (413, K.CONTEXT_LENGTH),
        (429, K.RATE_LIMIT),
        *((s, K.OVERLOADED) for s in (498, 503, 529)),
        *((s, K.SERVER_ERROR) for s in (408, 409, 424, 500, 501, 502, 504, 520, 522, 524, 599)),
    ],
)
def test_statuses(status: int, kind: FailureKind) -> None:
    assert kind_of_status(status) is kind
    for body in (b"", b"<html>busy</html>", b'{"detail": "x"}', b'{"error": "x"}', b"\xff"):
        answer = Answer(status, ((b"server", b"x"),), body)
        assert read_answer(answer, 0.0) == Failed(kind, answer=answer)


def answered(status: int, body: object) -> FailureKind:
    return read_answer(Answer(status, body=json.dumps(body).encode()), 0.0).kind


@pytest.mark.parametrize(
    ("status", "fields", "kind"),
    [
        # The body knows better …
        (429, {"code": "insufficient_quota"}, K.QUOTA),
        (400, {"type": "invalid_request_error", "message": "Your credit balance is too low"}, K.QUOTA),
        (500, {"code": 429}, K.RATE_LIMIT),
        (403, {"message": "x", "type": "context_length_exceeded"}, K.CONTEXT_LENGTH),
        (400, {"type": "invalid_request_error", "message": "prompt is too long"}, K.CONTEXT_LENGTH),
        (400, {"code": "content_filter"}, K.CONTENT_FILTER),
        (503, {"type": "invalid_request_error", "message": "Service tier capacity exceeded"}, K.OVERLOADED),
        (500, {"type": "authentication_error"}, K.AUTH),
        # … but a rate limit vetoes what looks like a window,
        (429, {"type": "invalid_request_error", "message": "maximum context length"}, K.RATE_LIMIT),
        (429, {"code": "context_length_exceeded"}, K.RATE_LIMIT),
        (503, {"type": "invalid_request_error"}, K.OVERLOADED),
        # and a vague word does not unsay a clear status.
        (401, {"type": "invalid_request_error"}, K.AUTH),
        (403, {"type": "api_error"}, K.AUTH),
        (404, {"type": "invalid_request_error"}, K.NOT_FOUND),
        (400, {"type": "api_error"}, K.SERVER_ERROR),
    ],
)
def test_body_first_then_status(status: int, fields: dict[str, object], kind: FailureKind) -> None:
    assert answered(status, {"error": fields}) is kind


def test_a_success_that_is_none() -> None:
    assert answered(200, error(code="server_error")) is K.SERVER_ERROR
    assert answered(200, {"error": "x"}) is K.IN_BAND_ERROR
    assert answered(200, {"choices": []}) is K.BAD_FRAME
    assert answered(302, {}) is K.BAD_FRAME


def test_the_numbers_travel_with_the_answer() -> None:
    body = json.dumps(error(type="exceed_context_size_error", n_prompt_tokens=9, n_ctx=4)).encode()
    failed = read_answer(Answer(400, body=body), 0.0)
    assert (failed.prompt_tokens, failed.window_tokens) == (9, 4)


def statuses() -> list[tuple[str, Fault, Status]]:
    """The rows of the failure table that are one HTTP answer."""
    scripts = ((fault, fault.build(chat_events(), "start")) for fault in FAULTS.values())
    steps = ((fault, script.steps[0]) for fault, script in scripts)
    return [
        (fault.name, fault, step) for fault, step in steps if isinstance(step, Status) and step.code >= 400
    ]


@pytest.mark.parametrize(("name", "fault", "status"), statuses())
def test_the_failure_table(name: str, fault: Fault, status: Status) -> None:
    headers = tuple((key.lower().encode(), value.encode()) for key, value in status.headers)
    failed = read_answer(Answer(status.code, headers, status.body), 1_790_000_000.0)
    assert failed.kind.value == (fault.kind_before or fault.kind)

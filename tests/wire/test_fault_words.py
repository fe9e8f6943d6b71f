"""Which answers are failures, and of what kind (`wire.faults`)."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trooper.core.outcome import Answer, Failed, FailureKind
from trooper.testing import FAULTS, Fault, Status, chat_events
from trooper.wire.faults import ERROR_FINISHES, find_error, kind_of_status, read_answer, retry_after_s

K = FailureKind
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.sampled_from(
        ["error", "response.failed", "429", '{"error": "x"}', '[{"error": {"code": 429}}]', "5s"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *(
                        "error",
                        "object",
                        "type",
                        "x_groq",
                        "response",
                        "message",
                        "code",
                        "metadata",
                        "details",
                    ),
                    *("error_type", "error_code", "status", "n_ctx", "n_prompt_tokens", "retryDelay"),
                    *("throttlingException", "raw_status_code", "other"),
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def kind_of(value: object, name: str = "") -> FailureKind | None:
    failed = find_error(value, name)
    return None if failed is None else failed.kind


def error(**fields: object) -> dict[str, object]:
    return {"error": fields}


def deep(levels: int) -> object:
    value: object = {"error": "x"}
    for _ in range(levels):
        value = [value]
    return value


# Every place where an error can stand


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(error(message="m", type="server_error", code=None), id="object"),
        pytest.param(error(message="m", type=None, code="server_error"), id="code"),
        pytest.param({"error": error(code="server_error")["error"], "choices": []}, id="in a chunk"),
        pytest.param(
            {"object": "error", "message": "m", "type": "InternalServerError", "code": 500}, id="flat object"
        ),
        pytest.param({"type": "error", "code": "server_error", "message": "m"}, id="flat type"),
        pytest.param({"type": "error", "error": {"type": "api_error", "message": "m"}}, id="nested type"),
        pytest.param(
            {"type": "response.failed", "response": {"error": {"code": "server_error"}}}, id="response.failed"
        ),
        pytest.param([error(code=500, status="INTERNAL")], id="list"),
        pytest.param([error(code=500), {"choices": []}], id="list of more"),
        pytest.param({"x_groq": error(type="server_error")}, id="x_groq object"),
        pytest.param({"error": '{"error": {"type": "server_error"}}'}, id="JSON in a string"),
        pytest.param({"error": '{"type": "server_error"}'}, id="bare object in a string"),
        pytest.param(error(message='{"error": {"code": 500}}', code=None), id="JSON in the message"),
        pytest.param(error(message='[{"error": {"code": 500}}]', code=429), id="a list in the message"),
        pytest.param({"modelStreamErrorException": {"message": "m"}}, id="Bedrock member"),
    ],
)
def test_shapes(value: object) -> None:
    assert kind_of(value) is K.SERVER_ERROR


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ({"error": "upstream went away"}, ""),
        ({"error": True}, ""),
        ({"error": 7}, ""),
        ({"error": ["overloaded"]}, ""),
        ({"error": {}, "type": "error"}, ""),
        ({"message": "Model unloaded."}, "error"),
        ({"error": "Model crashed", "message": "m"}, "error"),
        ({}, "error"),
        ([], "error"),
        ("text", "error"),
        (None, "error"),
        (["text"], "error"),
        ({"x_groq": {"id": "r", "error": "over capacity"}}, ""),
        (error(message="m"), ""),
        (error(message=["m"], code=True, type=7), ""),
        ({"type": "response.failed", "response": {}}, ""),
        (error(message="{not JSON"), ""),
        (error(message='{"no": "error"}'), ""),
    ],
)
def test_errors_that_do_not_say_of_what_kind(value: object, name: str) -> None:
    assert kind_of(value, name) is K.IN_BAND_ERROR


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ({}, ""),
        ({"choices": []}, ""),
        ({"error": None}, ""),
        ({"error": {}}, ""),
        ({"error": ""}, ""),
        ({"error": False}, "message"),
        ({"x_groq": {"id": "r"}}, ""),
        ({"x_groq": "r"}, ""),
        ({"object": "chat.completion.chunk", "type": "x"}, ""),
        ({"type": "response.failed"}, ""),
        ([], ""),
        ([{}], ""),
        ([{}, {"error": "x"}], ""),
        ("error", ""),
        (None, ""),
        (7, "ping"),
    ],
)
def test_no_error(value: object, name: str) -> None:
    assert find_error(value, name) is None


def test_a_list_in_a_list_is_no_error_and_no_crash() -> None:
    for levels in (2, 900, 5000):
        assert find_error(deep(levels)) is None
        assert kind_of({"error": deep(levels)}) is K.IN_BAND_ERROR


# What the words mean


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("insufficient_quota", K.QUOTA),
        ("credit_balance_exhausted", K.QUOTA),
        ("organization_spend_limit_exceeded", K.QUOTA),
        ("project_spend_limit_exceeded", K.QUOTA),
        ("organization_usage_limit_exceeded", K.QUOTA),
        ("usage_not_included", K.QUOTA),
        ("billing_error", K.QUOTA),
        ("enforced_spend_limit_reached", K.QUOTA),
        ("contract_spend_limit_reached", K.QUOTA),
        ("payment_required", K.QUOTA),
        ("rate_limit_exceeded", K.RATE_LIMIT),
        ("rate_limit_error", K.RATE_LIMIT),
        ("rate_limited", K.RATE_LIMIT),
        ("slow_down", K.RATE_LIMIT),
        ("RESOURCE_EXHAUSTED", K.RATE_LIMIT),
        ("ThrottlingException", K.RATE_LIMIT),
        ("server_is_overloaded", K.OVERLOADED),
        ("service_unavailable_error", K.OVERLOADED),
        ("capacity_exceeded", K.OVERLOADED),
        ("overloaded_error", K.OVERLOADED),
        ("provider_overloaded", K.OVERLOADED),
        ("provider_unavailable", K.OVERLOADED),
        ("UNAVAILABLE", K.OVERLOADED),
        ("ServiceUnavailableException", K.OVERLOADED),
        ("unavailable_error", K.OVERLOADED),
        ("server_error", K.SERVER_ERROR),
        ("internal_server_error", K.SERVER_ERROR),
        ("InternalServerError", K.SERVER_ERROR),
        ("api_error", K.SERVER_ERROR),
        ("timeout_error", K.SERVER_ERROR),
        ("conflict_error", K.SERVER_ERROR),
        ("server", K.SERVER_ERROR),
        ("timeout", K.SERVER_ERROR),
        ("INTERNAL", K.SERVER_ERROR),
        ("DEADLINE_EXCEEDED", K.SERVER_ERROR),
        ("ModelStreamErrorException", K.SERVER_ERROR),
        ("ModelTimeoutException", K.SERVER_ERROR),
        ("InternalServerException", K.SERVER_ERROR),
        ("invalid_api_key", K.AUTH),
        ("authentication_error", K.AUTH),
        ("permission_error", K.AUTH),
        ("authentication", K.AUTH),
        ("permission_denied", K.AUTH),
        ("AccessDeniedException", K.AUTH),
        ("not_found_error", K.NOT_FOUND),
        ("model_not_found", K.NOT_FOUND),
        ("not_found", K.NOT_FOUND),
        ("context_length_exceeded", K.CONTEXT_LENGTH),
        ("max_tokens_exceeded", K.CONTEXT_LENGTH),
        ("token_limit_exceeded", K.CONTEXT_LENGTH),
        ("string_too_long", K.CONTEXT_LENGTH),
        ("request_too_large", K.CONTEXT_LENGTH),
        ("payload_too_large", K.CONTEXT_LENGTH),
        ("exceed_context_size_error", K.CONTEXT_LENGTH),
        ("content_filter", K.CONTENT_FILTER),
        ("content_policy_violation", K.CONTENT_FILTER),
        ("refusal", K.CONTENT_FILTER),
        ("invalid_request_error", K.INVALID_REQUEST),
        ("BadRequestError", K.INVALID_REQUEST),
        ("tool_use_failed", K.INVALID_REQUEST),
        ("invalid_request", K.INVALID_REQUEST),
        ("invalid_prompt", K.INVALID_REQUEST),
        ("precondition_failed", K.INVALID_REQUEST),
        ("unprocessable", K.INVALID_REQUEST),
        ("INVALID_ARGUMENT", K.INVALID_REQUEST),
        ("FAILED_PRECONDITION", K.INVALID_REQUEST),
        ("ValidationException", K.INVALID_REQUEST),
        ("429", K.RATE_LIMIT),
        ("502", K.SERVER_ERROR),
        ("1300", K.IN_BAND_ERROR),
        ("²²²", K.IN_BAND_ERROR),
        ("٤٢٩", K.RATE_LIMIT),
        ("unmapped", K.IN_BAND_ERROR),
    ],
)
def test_words(word: str, kind: FailureKind) -> None:
    assert kind_of(error(code=word)) is kind
    assert kind_of(error(type=word)) is kind
    assert kind_of({"type": "response.failed", "response": error(code=word)}) is kind


@pytest.mark.parametrize(
    ("member", "kind"),
    [
        ("throttlingException", K.RATE_LIMIT),
        ("modelStreamErrorException", K.SERVER_ERROR),
        ("modelTimeoutException", K.SERVER_ERROR),
        ("internalServerException", K.SERVER_ERROR),
        ("serviceUnavailableException", K.OVERLOADED),
        ("validationException", K.INVALID_REQUEST),
    ],
)
@pytest.mark.parametrize("body", [{"message": "m"}, {}, None])
def test_bedrock_members(member: str, kind: FailureKind, body: object) -> None:
    assert kind_of({member: body}) is kind


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (429, K.RATE_LIMIT),
        (502, K.SERVER_ERROR),
        (400, K.INVALID_REQUEST),
        (399, K.IN_BAND_ERROR),
        (0, K.IN_BAND_ERROR),
        (True, K.IN_BAND_ERROR),
        (4.5, K.IN_BAND_ERROR),
    ],
)
def test_numbers(code: object, kind: FailureKind) -> None:
    assert kind_of(error(code=code)) is kind


def test_the_most_telling_word_decides() -> None:
    words: dict[str, object] = {
        "metadata": {"error_type": "provider_overloaded"},
        "code": "rate_limit_exceeded",
        "details": {"error_code": "enforced_spend_limit_reached"},
        "type": "not_found_error",
        "status": "UNAUTHENTICATED",
        "raw_status_code": 500,
    }
    expected = [K.OVERLOADED, K.RATE_LIMIT, K.QUOTA, K.NOT_FOUND, K.SERVER_ERROR]
    found = []
    for name in ("metadata", "code", "details", "type", "raw_status_code"):
        found.append(kind_of({"error": words}))
        words.pop(name)
        words.pop("status", None) if name == "type" else None
    assert found == expected
    assert kind_of(error(metadata="x", details="y", status="INTERNAL")) is K.SERVER_ERROR


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Your credit balance is too low to access the API.", K.QUOTA),
        ("Insufficient Balance", K.QUOTA),
        ("You have reached your specified API usage limits.", K.QUOTA),
        ("Spend limit reached", K.QUOTA),
        ("Your spending limit", K.QUOTA),
        ("insufficient_quota", K.QUOTA),
        ("Service tier capacity exceeded for this model.", K.OVERLOADED),
        ("This model's maximum context length is 8192 tokens.", K.CONTEXT_LENGTH),
        ("prompt is too long: 200001 tokens", K.CONTEXT_LENGTH),
        ("exceeds the context window", K.CONTEXT_LENGTH),
        ("exceed the available context", K.CONTEXT_LENGTH),
        ("longer than the context size", K.CONTEXT_LENGTH),
        ("Unknown parameter.", K.INVALID_REQUEST),
    ],
)
def test_text_is_looked_at_where_the_code_lies(text: str, kind: FailureKind) -> None:
    assert kind_of(error(type="invalid_request_error", message=text)) is kind


def test_text_does_not_overrule_a_code_that_says_more() -> None:
    assert kind_of(error(code="rate_limit_exceeded", message="maximum context length")) is K.RATE_LIMIT
    assert kind_of(error(message="maximum context length")) is K.CONTEXT_LENGTH
    assert kind_of({"error": "Insufficient Balance"}) is K.QUOTA
    assert kind_of({"error": "prompt is too long: 200001 tokens"}) is K.CONTEXT_LENGTH


def test_a_bad_requests_number_says_less_than_any_word() -> None:
    assert kind_of(error(code=400, type="exceed_context_size_error")) is K.CONTEXT_LENGTH
    assert kind_of(error(code=422, status="UNAVAILABLE")) is K.OVERLOADED
    assert kind_of(error(code=402, status="RESOURCE_EXHAUSTED")) is K.QUOTA
    assert kind_of(error(code=429, type="invalid_request_error")) is K.RATE_LIMIT
    assert kind_of(error(code=400)) is K.INVALID_REQUEST


def test_the_two_numbers_of_a_full_window() -> None:
    """Ollama wraps its runner's JSON in a string."""
    inner = error(code=400, type="exceed_context_size_error", n_prompt_tokens=663, n_ctx=512)
    for value in (inner, {"error": json.dumps(inner)}):
        failed = find_error(value)
        assert failed == Failed(K.CONTEXT_LENGTH, prompt_tokens=663, window_tokens=512)
    assert find_error(error(code=400, n_ctx="512", n_prompt_tokens=None)) == Failed(K.INVALID_REQUEST)


@given(JSON, st.sampled_from(["", "error", "ping"]))
def test_no_json_is_a_crash(value: object, name: str) -> None:
    failed = find_error(value, name)
    assert failed is None or isinstance(failed.kind, FailureKind)
    read_answer(Answer(500, body=json.dumps(value).encode()), 0.0)


@given(st.binary(), st.integers(100, 599))
def test_no_body_is_a_crash(body: bytes, status: int) -> None:
    failed = read_answer(Answer(status, body=body), 0.0)
    assert failed.answer == Answer(status, body=body)


# HTTP answers


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


# Retry-After


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


def test_finish_reasons_that_mean_failure() -> None:
    assert {"error", "insufficient_system_resource", "abort"} == ERROR_FINISHES

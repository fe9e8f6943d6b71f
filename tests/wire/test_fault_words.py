"""What kind of failure the words of an error mean (`wire.faults`)."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trooper.core.outcome import Answer, Failed, FailureKind
from trooper.wire.faults import find_error, read_answer
from trooper.wire.finishes import is_error_finish

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
        ("exceeded_current_quota_error", K.QUOTA),
        ("rate_limit_reached_error", K.RATE_LIMIT),
        ("engine_overloaded_error", K.OVERLOADED),
        ("data_inspection_failed", K.CONTENT_FILTER),
        ("DataInspectionFailed", K.CONTENT_FILTER),
        ("ResponsibleAIPolicyViolation", K.CONTENT_FILTER),
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
        (True, K.IN_BAND_ERROR),
        (4.5, K.IN_BAND_ERROR),
    ],
)
def test_numbers(code: object, kind: FailureKind) -> None:
    assert kind_of(error(code=code)) is kind


@pytest.mark.parametrize("error", [None, False, 0, "", {}, [], {"code": 0}, {"message": "", "code": None}])
def test_an_error_that_says_nothing_is_none(error: object) -> None:
    """Some providers have the field in every chunk, and zero for "no error"."""
    assert find_error({"error": error, "choices": []}) is None
    assert find_error({"x_groq": {"error": error}}) is None


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


@pytest.mark.parametrize(
    "word",
    [
        "error",
        "ERROR",
        "insufficient_system_resource",
        "abort",
        "network_error",
        "TIMEOUT",
        "cancelled",
        "failed",
    ],
)
def test_finish_reasons_that_mean_failure(word: str) -> None:
    assert is_error_finish(word)


@pytest.mark.parametrize("word", ["", "stop", "STOP", "length", "eos_token", "time_limit", "normal"])
def test_finish_reasons_that_mean_none(word: str) -> None:
    assert not is_error_finish(word)

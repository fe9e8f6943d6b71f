"""Reads an OpenAI chat stream: errors inside the answer."""

from __future__ import annotations

import pytest

from chat_chunks import DONE, HELLO, ROLE, STOP, WHOLE, K, chunk, outcome_of, read, sse
from trooper.core.outcome import Failed, FailureKind

ERRORS = [
    pytest.param(sse({"error": {"message": "m", "type": "server_error"}}), K.SERVER_ERROR, id="object"),
    pytest.param(sse({"error": "went away"}), K.IN_BAND_ERROR, id="string"),
    pytest.param(sse({"object": "error", "message": "m", "code": 500}), K.SERVER_ERROR, id="flat"),
    pytest.param(chunk({}, None, object="error"), K.IN_BAND_ERROR, id="a chunk that calls itself error"),
    pytest.param(sse({"message": "m"}, "error"), K.IN_BAND_ERROR, id="event name"),
    pytest.param(sse({"choices": []}, "error"), K.IN_BAND_ERROR, id="event name of a chunk"),
    pytest.param(sse({"error": {"type": "overloaded_error"}}, "error"), K.OVERLOADED, id="event"),
    pytest.param(b"event: error\ndata: upstream died\n\n", K.IN_BAND_ERROR, id="event of plain text"),
    pytest.param(b"event: error\ndata: {\n\n", K.IN_BAND_ERROR, id="event of half JSON"),
    pytest.param(b'event: error\ndata: {"choices": 7, {\n\n', K.IN_BAND_ERROR, id="event of bad JSON"),
    pytest.param(b"event: error\ndata:\n\n", K.IN_BAND_ERROR, id="event of nothing"),
    pytest.param(sse([{"error": {"code": 503}}]), K.OVERLOADED, id="list"),
    pytest.param(chunk({}, None, x_groq={"error": "over"}), K.IN_BAND_ERROR, id="x_groq"),
    pytest.param(chunk({"content": ""}, "error", error={"code": 502}), K.SERVER_ERROR, id="OpenRouter"),
    pytest.param(sse({"throttlingException": {}}), K.RATE_LIMIT, id="Bedrock"),
    pytest.param(b'data: {"error": {"code": 429, "x": NaN}}\n\n', K.RATE_LIMIT, id="lenient JSON"),
    pytest.param(
        sse({"error": {"code": "context_length_exceeded", "n_ctx": 4, "n_prompt_tokens": 9}}),
        K.CONTEXT_LENGTH,
        id="window",
    ),
]


@pytest.mark.parametrize(("error", "kind"), ERRORS)
@pytest.mark.parametrize("before", [[], [ROLE], [ROLE, HELLO]])
def test_errors(error: bytes, kind: FailureKind, before: list[bytes]) -> None:
    for after in ([], [DONE], [STOP, DONE]):
        result = read([*before, error, *after])
        assert isinstance(result.outcome, Failed)
        assert result.outcome.kind is kind
        assert result.outcome.raw == error
        assert result.raw == b"".join(before)
        assert not result.finished


@pytest.mark.parametrize(("error", "kind"), ERRORS)
def test_an_error_behind_the_finish_is_too_late(error: bytes, kind: FailureKind) -> None:
    result = read([ROLE, HELLO, STOP, error, DONE])
    assert result.outcome == WHOLE
    assert result.raw == ROLE + HELLO + STOP


def test_what_an_error_says_of_itself_is_kept() -> None:
    error = {
        "code": "rate_limit_exceeded",
        "details": [{"retryDelay": "4s"}],
        "n_ctx": 4,
        "n_prompt_tokens": 9,
    }
    raw = sse({"error": error})
    assert outcome_of(ROLE, raw) == Failed(
        K.RATE_LIMIT, raw=raw, retry_after_s=4.0, prompt_tokens=9, window_tokens=4
    )

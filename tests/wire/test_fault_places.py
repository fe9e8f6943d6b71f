"""Every place where an error can stand (`wire.faults`)."""

from __future__ import annotations

import pytest

from trooper.core.outcome import FailureKind
from trooper.wire.faults import find_error

K = FailureKind


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
        ({"type": "response.failed"}, ""),
        ({}, "response.failed"),
        ({"type": "response.cancelled", "response": {"status": "cancelled"}}, ""),
        ({"type": "response.error", "message": "x"}, ""),
        ({"type": "response.completed", "response": {"status": "failed", "error": None}}, ""),
        ({"type": "response.done", "response": {"status": "cancelled"}}, ""),
        ({"message": "x"}, "exception"),
        ({"type": "exception", "message": "x"}, ""),
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

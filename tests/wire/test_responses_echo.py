"""What a response of Trooper's own repeats of its request: all of it, if that is not very large."""

from __future__ import annotations

import json

import pytest

from trooper.wire.client_side import Naming
from trooper.wire.openai_responses.response import begun

NAMING = Naming("1", 7, "model")
LONG = "x" * 300_000


def test_an_agents_request_is_repeated() -> None:
    asked = {
        "instructions": "Be an agent. " * 5_000,
        "tools": [{"type": "function", "name": f"tool_{n}", "description": "d" * 900} for n in range(60)],
        "metadata": {"session": "1"},
        "user": "somebody",
        "temperature": 0.5,
    }
    response = begun(NAMING, json.dumps({**asked, "model": "m", "input": "?"}).encode())

    assert {key: response[key] for key in asked} == asked


@pytest.mark.parametrize("key", ["instructions", "user", "metadata", "tools", "text", "service_tier"])
def test_what_is_very_large_is_left_out_and_the_rest_is_not(key: str) -> None:
    plain = begun(NAMING, b"{}")
    value: object = {"a": LONG} if key in {"metadata", "text"} else [LONG] if key == "tools" else LONG
    response = begun(NAMING, json.dumps({key: value, "top_p": 0.25}).encode())

    assert response[key] == plain[key]
    assert response["top_p"] == 0.25


def test_so_is_what_is_very_large_together() -> None:
    half = "x" * 150_000
    body = json.dumps({"instructions": half, "user": half, "metadata": {"a": half}, "truncation": "auto"})
    response = begun(NAMING, body.encode())

    assert len(json.dumps(response)) < 200_000
    assert response["instructions"] == half
    assert response["truncation"] == "auto"

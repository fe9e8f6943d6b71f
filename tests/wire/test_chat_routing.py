"""Reads and writes what an OpenAI chat request says about its way: model, stream, counts."""

from __future__ import annotations

import json

import pytest

from trooper.core.unfit import Unfit
from trooper.wire.client_side import Routing, Unreadable
from trooper.wire.decoding import with_model
from trooper.wire.routing import read_routing


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"model": "m"}, Routing("m", stream=False, include_usage=False)),
        ({"model": "m", "stream": True}, Routing("m", stream=True, include_usage=False)),
        ({"stream": None}, Routing("", stream=False, include_usage=False)),
        ({"n": 3}, Routing("", stream=False, choices=3)),
        ({"n": -1}, Routing("", stream=False)),
        ({"n": None}, Routing("", stream=False)),
        ({"n": "3"}, Routing("", stream=False)),
        (
            {"model": "m", "stream": True, "stream_options": {"include_usage": True, "x": 1}},
            Routing("m", stream=True, include_usage=True),
        ),
        ({"stream_options": None}, Routing("", stream=False, include_usage=False)),
        ({"stream_options": {"include_usage": None}}, Routing("", stream=False, include_usage=False)),
        ({"messages": 7, "x": [None]}, Routing("", stream=False, include_usage=False)),
    ],
)
def test_routing(fields: dict[str, object], expected: Routing) -> None:
    assert read_routing(json.dumps(fields).encode()) == expected


def test_a_name_that_is_none_is_not_looked_at() -> None:
    body = json.dumps({"model": "m" * 5_000, "stream": True}).encode()
    assert read_routing(body) == Routing("", stream=True)
    assert read_routing(json.dumps({"model": "m" * 4_000}).encode()) == Routing("m" * 4_000, stream=False)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", Unfit.NOT_JSON),
        (b"{", Unfit.NOT_JSON),
        (b'{"x": ' + b"[" * 5000, Unfit.NOT_JSON),
        (b"[]", Unfit.UNEXPECTED_SHAPE),
        (b'"text"', Unfit.UNEXPECTED_SHAPE),
    ],
)
def test_a_request_that_only_its_provider_can_judge(body: bytes, reason: Unfit) -> None:
    assert read_routing(body) == Unreadable(reason)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"stream": true, "model": "m", "x": "\\ud83d"}', Routing("m", stream=True, include_usage=False)),
        (b'{"stream": true, "model": "m\xff"}', Routing("m\ufffd", stream=True, include_usage=False)),
        (b'{"stream": true, "model": 7}', Routing("", stream=True, include_usage=False)),
        (b'{"stream": "yes"}', Routing("", stream=True, include_usage=False)),
        (b'{"stream": true, "n": 2, "x": "\\ud83d"}', Routing("", stream=True, choices=2)),
        (b'{"n": ' + b"9" * 100_000 + b"}", Routing("", stream=False)),
        (b'{"stream": true, "stream_options": []}', Routing("", stream=True, include_usage=False)),
        (
            b'{"stream": 1, "stream_options": {"include_usage": 1}}',
            Routing("", stream=True, include_usage=True),
        ),
    ],
)
def test_whether_it_streams_is_read_from_almost_anything(body: bytes, expected: Routing) -> None:
    assert read_routing(body) == expected


def test_another_model_and_all_else_as_it_was() -> None:
    body = b'{"z": [1, 1.5, "\xc3\xa9", null], "model": "a", "x": {"y": true, "n": 123456789012345678901}}'
    changed = with_model(body, "b")
    value, expected = json.loads(changed), json.loads(body) | {"model": "b"}
    assert value == expected
    assert list(value) == list(expected)
    assert json.loads(with_model(b"{}", "b")) == {"model": "b"}


def test_numbers_and_texts_stay_as_they_were_written() -> None:
    body = b'{"model": "a", "x": [1.0, 1e400, 0.10, "\\u00e9\\/"], "model": "a"}'
    assert with_model(body, "b") == b'{"model":"b","x":[1.0, 1e400, 0.10, "\\u00e9\\/"]}'


@pytest.mark.parametrize("other", [b'"\xff"', b'[{"a": "\xc3"}]'])
def test_a_body_that_is_json_only_at_first_sight(other: bytes) -> None:
    """Nobody looks at the other fields, whoever gets them; their provider is to judge them."""
    body = b'{"model": "a", "x": ' + other + b"}"
    assert read_routing(body) == Routing("a", stream=False, include_usage=False)
    assert with_model(body, "b") == b'{"model":"b","x":' + other + b"}"

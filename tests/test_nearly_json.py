"""
Requests that are nearly JSON: their provider gets the very bytes, and the net
is there all the same. Clients cut strings inside an emoji and leave half a
surrogate pair, write a byte order mark, and say `NaN`.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from scenes import WIRES, configured, dies, stage, with_target
from trooper.testing import DEFAULT_ANSWER
from trooper.wire.decoding import decoded, strict

#: What is added to a good request, and what is left of it for others; `%` is the rest of the request.
ODD = {
    "half a surrogate pair": rb'{"user":"a \ud83d b",%',
    "the other half": rb'{"user":"\ude00",%',
    "both the wrong way": rb'{"user":"\ude00\ud83d",%',
    "a mark in front": b"\xef\xbb\xbf{%",
    "no numbers": b'{"temperature":NaN,"top_p":Infinity,"seed":-Infinity,%',
    "a line break in a string": b'{"user":"a\nb\tc",%',
    "no UTF-8": b'{"user":"a\xff\xfe\xc3",%',
    "a surrogate as bytes": b'{"user":"\xed\xa0\xbd",%',
    "a key twice": b'{"model":"other","user":"a","user":"b",%',
}


def request(odd: str, wire: str) -> bytes:
    plain = json.dumps({"model": "gpt-4o", **WIRES[wire].asks, "stream": True}, separators=(",", ":"))
    return ODD[odd].replace(b"%", plain.encode()[1:])


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("wire", WIRES)
async def test_its_provider_gets_the_very_bytes(wire: str, odd: str, autojump_clock: Any) -> None:
    async with stage() as s:
        x = await s.ask(wire=wire, body=request(odd, wire))
        assert s.cloud.requests[-1].body == request(odd, wire)
        assert x.told().text == DEFAULT_ANSWER


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("wire", WIRES)
async def test_others_go_on(wire: str, odd: str, autojump_clock: Any) -> None:
    async with stage(dies()) as s:
        x = await s.ask(wire=wire, body=request(odd, wire))
        assert x.told().text == DEFAULT_ANSWER
        assert [leg["target"] for leg in x.report["legs"]][-1] == "ollama"


@pytest.mark.parametrize("odd", ODD)
async def test_another_model_is_asked_for_all_the_same(odd: str, autojump_clock: Any) -> None:
    """What is changed is said well; the rest of it is what it was."""
    async with stage(config=with_target(configured(), "openai", models={"gpt-4o": "gpt-5"})) as s:
        await s.ask(body=request(odd, "chat"))
        asked = s.cloud.requests[-1].json()
        assert (asked["model"], asked["messages"]) == ("gpt-5", WIRES["chat"].asks["messages"])


async def test_a_thought_is_taken_out_of_one(autojump_clock: Any) -> None:
    thought = {"type": "thinking", "thinking": "x", "signature": ""}
    messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": [thought]}]
    body = b"\xef\xbb\xbf" + json.dumps({"model": "claude", "max_tokens": 9, "messages": messages}).encode()
    async with stage() as s:
        await s.ask(wire="messages", body=body)
        assert [message["role"] for message in s.cloud.requests[-1].json()["messages"]] == ["user"]


async def test_a_past_answer_is_found_by_one(autojump_clock: Any) -> None:
    async with stage(dies()) as s:
        first = await s.ask(wire="responses", owner="me")
        answer_id = first.told().id
        s.cloud.script = None
        odd = {"model": "gpt-4o", "previous_response_id": answer_id, "input": "More.", "stream": True}
        await s.ask(wire="responses", owner="me", body=b"\xef\xbb\xbf" + json.dumps(odd).encode())
        assert len(s.cloud.requests[-1].json()["input"]) == 3


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (rb'{"a":"x \ud83d y"}', {"a": "x \ufffd y"}),
        (rb'{"a":"\ud83d\ude00 \ude00\ud83d"}', {"a": "\U0001f600 \ufffd\ufffd"}),
        (rb'{"\ud83d":1}', {"\ufffd": 1}),
        (b"\xef\xbb\xbf[1]", [1]),
        ('{"a":"\u00e9"}'.encode("utf-16"), {"a": "\u00e9"}),
        (b'{"a":[NaN,-Infinity]}', {"a": [None, None]}),
        (b'{"a":"x\ny"}', {"a": "x\ny"}),
        (b'{"a":"\xff"}', {"a": "\ufffd"}),
        (b'{"a":1,"a":2}', {"a": 2}),
    ],
)
def test_said_well(body: bytes, value: object) -> None:
    assert decoded(strict(body)) == value
    assert strict(strict(body)) == strict(body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"nonsense",
        b"\xff",
        b'{"a":1} x',
        b'{"a":1,}',
        b'{"a":1e999}',
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":' * 5000,
        b"\xef\xbb\xbf{",
        b"\xef\xbb\xbf\xef\xbb\xbf{}",
        b'{"a":"\\ud83d\\ude00"}',
        '{"a":"\U0001f600"}'.encode(),
    ],
)
def test_everything_else_is_left_alone(body: bytes) -> None:
    """What is good, and what is no JSON at all."""
    assert strict(body) is body

"""
What is large and healthy is nobody's attack: it passes to the byte, and keeps its net.
"""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from floods import END, HELLO, call, event, item, message, responses, whole
from scenes import WIRES, Stage, configured, dies, stage, with_second
from trooper.testing import Script, ScriptedProvider, Status
from trooper.wire.read_aside import is_large

STREAM = (("content-type", "text/event-stream"),)
PLAIN = (("content-type", "application/json"),)
TOP = {"token": " the", "logprob": -0.1, "bytes": [32, 116, 104, 101]}


def logprobs(count: int) -> list[dict[str, Any]]:
    """As many tokens, each with the twenty that are asked for at most."""
    return [{**TOP, "top_logprobs": [TOP] * 20}] * count


def picture(size: int) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "iVBORw0K" * (size // 8)}}


def drawn(size: int) -> bytes:
    value = {
        "type": "image_generation_call",
        "id": "ig",
        "status": "completed",
        "result": "iVBO" * (size // 4),
    }
    return message("response.output_item.added", output_index=0, item={**value, "result": None}) + message(
        "response.output_item.done", output_index=0, item=value
    )


def with_logprobs(count: int) -> bytes:
    text = {"type": "output_text", "text": "the " * count, "annotations": [], "logprobs": logprobs(count)}
    said = {"type": "message", "id": "m", "role": "assistant", "content": [text], "status": "completed"}
    added = message("response.output_item.added", output_index=0, item={**said, "content": []})
    delta = message("response.output_text.delta", item_id="m", output_index=0, delta="the " * count)
    done = message("response.output_item.done", output_index=0, item=said)
    return responses(added + delta + done, said).body


STREAMS = {
    "a picture in an event": ("chat", lambda: HELLO + event({"choices": [{"index": 0, "delta": {"images": [picture(900_000)]}}]}) + END),
    "a picture in many pieces": ("responses", lambda: responses(drawn(3_000_000)).body),
    "log probabilities": ("responses", lambda: with_logprobs(600)),
    "two hundred calls": ("responses", lambda: responses(b"".join(item(i, "{}") for i in range(200))).body),
    "a long call in one event": ("chat", lambda: HELLO + call(0, json.dumps({"a": "{[,]}" * 60_000})) + END),
    "a word a token": ("chat", lambda: (HELLO + event({"choices": [{"index": 0, "delta": {"content": " word"}}]}) * 8_000 + END)),
}  # fmt: skip


@pytest.mark.parametrize("name", STREAMS)
async def test_a_large_stream_passes_to_the_byte(autojump_clock: Any, name: str) -> None:
    wire, body = STREAMS[name][0], STREAMS[name][1]()
    async with stage(ScriptedProvider(script=Script((Status(200, body, STREAM),)))) as s:
        x = await s.ask(wire=wire)
    assert bytes(x.body) == body
    assert x.legs == [(WIRES[wire].target, "completed")]


WHOLES = {
    "pictures": lambda: whole({"content": "", "images": [picture(3_000_000)] * 4}).body,
    "log probabilities": lambda: (
        whole({"content": "the " * 2_000}, logprobs={"content": logprobs(2_000)}).body
    ),
}


@pytest.mark.parametrize("name", WHOLES)
async def test_a_large_whole_answer_passes_to_the_byte(autojump_clock: Any, name: str) -> None:
    body = WHOLES[name]()
    async with stage(ScriptedProvider(script=Script((Status(200, body, PLAIN),)))) as s:
        x = await s.ask(stream=False)
    assert bytes(x.body) == body
    assert x.legs == [("openai", "completed")]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("method", "path", "answer"),
    [
        ("POST", "/v1/embeddings", {"data": [{"embedding": [n / 7 for n in range(100_000)]}]}),
        ("GET", "/v1/files/f/content", [{"custom_id": f"r{n}", "response": {"status": 200}} for n in range(60_000)]),
    ],
)  # fmt: skip
async def test_what_asks_for_no_answer(
    autojump_clock: Any, method: str, path: str, answer: Any, *, packed: bool
) -> None:
    body = json.dumps(answer).encode()
    sent = (
        Status(200, gzip.compress(body), (*PLAIN, ("content-encoding", "gzip")))
        if packed
        else Status(200, body, PLAIN)
    )
    async with stage(ScriptedProvider(elsewhere=Script((sent,)))) as s:
        x = await s.ask(method=method, path=path, body=b"[" + b"0.5," * 500_000 + b"0]")
    assert bytes(x.body) == body


def histories() -> dict[str, dict[str, Any]]:
    described = {"type": "string", "description": "A name, a path, or nothing at all", "enum": ["a", "b"]}
    schema = {"type": "object", "properties": {f"field_{n}": described for n in range(30)}}
    tools = [
        {"type": "function", "function": {"name": f"tool_{n}", "parameters": schema}} for n in range(200)
    ]
    code = {"role": "user", "content": "f(a, b, c); // x\n" * 40_000}
    turns: list[dict[str, Any]] = []
    for n in range(1_000):
        made = {"id": f"c{n}", "type": "function", "function": {"name": "look", "arguments": '{"a": [1, 2]}'}}
        turns += [{"role": "user", "content": f"Turn {n}."}, {"role": "assistant", "tool_calls": [made]}]
        turns += [{"role": "tool", "tool_call_id": f"c{n}", "content": "It is lit."}]
    last = {"role": "user", "content": "And now?"}
    return {
        "two hundred tools": {"messages": [last], "tools": tools},
        "a megabyte of code": {"messages": [code, last]},
        "a thousand turns": {"messages": [*turns, last]},
    }


async def answered(s: Stage, fields: dict[str, Any]) -> None:
    body = s.request(**fields).body
    x = await s.ask(body=body)
    assert s.cloud.chats[-1].body == body
    assert (x.chat().error, x.legs[-1]) == (None, ("second", "completed"))


@pytest.mark.parametrize("name", ["two hundred tools", "a megabyte of code", "a thousand turns"])
async def test_a_large_request_keeps_its_net(autojump_clock: Any, name: str) -> None:
    fields = histories()[name]
    async with stage(dies(), config=with_second(configured(), "messages")) as s:
        assert is_large(s.request(**fields).body) or name == "a thousand turns"
        await answered(s, fields)

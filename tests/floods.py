"""
Answers that are small and cost much, for whoever reads them carelessly.

Each is larger than what a step may hold, and goes round nothing that a provider can send.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping
from typing import Any

from attrs import frozen


@frozen
class Flood:
    """A body, how it comes, and what the client asked for. `chunk_bytes`: in chunks of that size."""

    body: bytes
    headers: bytes = b"content-type: text/event-stream\r\n"
    chunk_bytes: int = 65_536
    wire: str = "chat"
    streams: bool = True
    #: Whether the client gets all of it as it came.
    passes: bool = True


def event(value: object, name: str = "") -> bytes:
    said = json.dumps(value, separators=(",", ":")).encode()
    return (f"event: {name}\n".encode() if name else b"") + b"data: " + said + b"\n\n"


def chunk(delta: Mapping[str, Any], finish: str | None = None) -> bytes:
    return event({"id": "a", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


def call(index: int, arguments: str, name: str = "f", call_id: str | None = None) -> bytes:
    call_id = f"c{index}" if call_id is None else call_id
    function = {"name": name, "arguments": arguments}
    return chunk({"tool_calls": [{"index": index, "id": call_id, "function": function}]})


HELLO = chunk({"role": "assistant", "content": "Hello there"})
END = chunk({}, "stop") + b"data: [DONE]\n\n"


def chat(said: bytes, **options: Any) -> Flood:
    return Flood(HELLO + said + END, **options)


def whole(message: Mapping[str, Any], **more: Any) -> Flood:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop"}
    body = json.dumps({"id": "a", "choices": [choice], "usage": {"completion_tokens": 1}, **more}).encode()
    return Flood(body, b"content-type: application/json\r\n", streams=False)


def message(kind: str, **fields: Any) -> bytes:
    return event({"type": kind, **fields}, kind)


def messages(said: bytes) -> Flood:
    begun = message("message_start", message={"id": "a", "role": "assistant", "content": [], "model": "m"})
    ended = message("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 1})
    return Flood(begun + said + ended + message("message_stop"), wire="messages")


def responses(said: bytes, *output: Mapping[str, Any]) -> Flood:
    response = {"id": "r", "object": "response", "created_at": 1, "model": "m", "output": []}
    begun = message("response.created", response={**response, "status": "in_progress"})
    over = {**response, "status": "completed", "output": output, "usage": {"output_tokens": 1}}
    return Flood(begun + said + message("response.completed", response=over), wire="responses")


def item(index: int, arguments: str = "", *, place: int | None = None) -> bytes:
    value = {"type": "function_call", "id": f"i{index}", "call_id": f"c{index}", "name": "f"}
    at = index if place is None else place
    return message("response.output_item.added", output_index=at, item={**value, "arguments": arguments})


def block(index: int, place: int | None = None) -> bytes:
    tool = {"type": "tool_use", "id": f"t{index}", "name": "f", "input": {}}
    at = index if place is None else place
    return message("content_block_start", index=at, content_block=tool)


ITEM = {"type": "message", "id": "m", "content": [{"type": "output_text", "text": "x"}]}
MANY = 2_000

FLOODS: dict[str, Callable[[], Flood]] = {
    "events without anything": lambda: chat(b"data: \n\n" * 10_000),
    "comments": lambda: chat(b":\n\n" * 15_000),
    "lines of a comment": lambda: chat(b":\n" * 60_000),
    "empty lines": lambda: chat(b"\n" * 200_000),
    "carriage returns": lambda: chat(b"\r" * 200_000),
    "pairs of both": lambda: chat(b"\r\n" * 100_000),
    "numbers": lambda: chat(b"data: 1\n\n" * 5_000),
    "no JSON": lambda: chat(b"data: x\n\n" * 5_000),
    "no fields": lambda: chat(b"x\n" * 60_000 + b"\n"),
    "data in many lines": lambda: chat(b"data: {\n" * 20_000 + b"\n"),
    "as many lines as are read": lambda: chat(b"data: {\n" * 4_000 + b"\n"),
    "as many without a field": lambda: chat(b"x\n" * 4_000 + b"\n"),
    "as many events in one": lambda: chat(b"data: {}\n" * 16_000 + b"\n", chunk_bytes=1_048_576),
    "a value over as many": lambda: chat(b'data: {"x": [\n' + b"data: 0,\n" * 4_000 + b"data: 0]}\n\n"),
    "brackets in a text": lambda: chat(call(0, json.dumps({"a": [{}] * 120_000}))),
    "a text that does not end": lambda: chat(b'data: {"a": "' + b'\\"{' * 120_000 + b"\n\n"),
    "an event in each line": lambda: chat(b"data: {}\n" * 5_000),
    "the same, in pieces": lambda: chat(b"data: {\ndata: 1\n" * 1_000, chunk_bytes=8),
    "pieces of a byte": lambda: chat(chunk({"content": " word"}) * 100, chunk_bytes=1),
    "words": lambda: chat(chunk({"content": " word"}) * MANY),
    "one word": lambda: chat(chunk({"content": "x"}) * MANY),
    "open calls": lambda: chat(b"".join(call(i, "{") for i in range(MANY))),
    "whole calls": lambda: chat(b"".join(call(i, "{}") for i in range(MANY))),
    "empty calls": lambda: chat(b"".join(call(i, "") for i in range(MANY))),
    "pieces of a call": lambda: chat(call(0, '{"a":"') + call(0, "x", "", "") * MANY),
    "names in pieces": lambda: chat(call(0, "") * MANY),
    "a call again and again": lambda: chat(call(0, json.dumps({"a": "x" * 50_000})) + call(0, "x") * MANY),
    "many calls in one event": lambda: chat(
        chunk({"tool_calls": [{"index": i, "function": {"name": "f"}} for i in range(20_000)]})
    ),
    "brackets in a call": lambda: chat(call(0, "{" * 500_000)),
    "many choices": lambda: chat(event({"choices": [{"index": i, "delta": {}} for i in range(20_000)]})),
    "many parts": lambda: chat(chunk({"content": [{"type": "text", "text": "x"}] * 20_000})),
    "many unknown parts": lambda: chat(chunk({"content": [{"type": "z", "z": "x"}] * 20_000})),
    "many keys": lambda: chat(chunk({f"k{i}": "x" for i in range(40_000)})),
    "zeros beside an error": lambda: chat(event({"error": {"code": 0, "x": [0] * 200_000}})),
    "an endless event": lambda: chat(b'data: {"a":"' + b"x" * 3_000_000 + b'"}\n\n'),
    "an endless event of values": lambda: chat(b"data: " + b'{"a":[1,2,' * 200_000 + b"\n\n"),
    "an endless event of quotes": lambda: chat(b"data: " + b'"' * 2_000_000 + b"\n\n"),
    "an endless line": lambda: chat(b"x" * 2_000_000 + b"\n\n"),
    "deep lists": lambda: chat(b"data: " + b"[" * 500_000 + b"\n\n"),
    "huge numbers": lambda: chat(b'data: {"usage":{"prompt_tokens":' + b"9" * 500_000 + b"}}\n\n"),
    "halves of pairs": lambda: chat(
        b'data: {"choices":[{"delta":{"content":"' + b"\\ud800" * 50_000 + b'"}}]}\n\n'
    ),
    "a whole answer of parts": lambda: whole({"content": [{"type": "text", "text": "x"}] * 20_000}),
    "a whole answer of calls": lambda: whole({"tool_calls": [{"function": {"name": "f"}}] * 20_000}),
    "a whole answer of numbers": lambda: whole({"content": "a"}, x=[0] * 500_000),
    "a large whole answer": lambda: whole({"content": "word " * 2_000_000}),
    "open blocks": lambda: messages(b"".join(block(i) for i in range(MANY))),
    "blocks at one place": lambda: messages(b"".join(block(i, 0) for i in range(MANY))),
    "open items": lambda: responses(b"".join(item(i) for i in range(MANY))),
    "items at one place": lambda: responses(b"".join(item(i, place=0) for i in range(MANY))),
    "calls that come at the end": lambda: responses(b"", *[{"type": "function_call", "name": "f"}] * 9_000),
    "messages that come at the end": lambda: responses(b"", *[ITEM] * 9_000),
    "gzip of empty lines": lambda: Flood(
        gzip.compress(HELLO + b"\n" * 30_000_000 + END),
        b"content-type: text/event-stream\r\ncontent-encoding: gzip\r\n",
        passes=False,
    ),
    "gzip of nothing": lambda: Flood(
        gzip.compress(HELLO) + gzip.compress(b"") * 20_000,
        b"content-type: text/event-stream\r\ncontent-encoding: gzip\r\n",
        passes=False,
    ),
}


def in_pieces(text: str, say: Callable[[str], bytes], size: int = 400_000) -> bytes:
    """As few events as there may be."""
    return b"".join(say(text[at : at + size]) for at in range(0, len(text), size))


#: What is hard to look through, by what is looked for in it.
HARD_TEXTS = {
    "lines": "\n",
    "fences": "```\n",
    "tildes": "~~~\n",
    "beginnings of tags": "<",
    "tags": "<think>",
    "ends of tags": "</think>",
    "objects": '{"a":',
    "lists": "[",
    "empty lists": "[],",
    "quotes": '"',
    "escaped quotes": '\\"',
    "backslashes": "\\",
    "codes": "\\u0041",
    "one letter": "a",
    "blanks": " ",
    "words": "the lamp of the keeper ",
    "flags": "🇩🇪",
}


def hard(name: str, size: int) -> str:
    """Text of that kind, of so many characters."""
    piece = HARD_TEXTS[name]
    return (piece * (size // len(piece) + 1))[:size]

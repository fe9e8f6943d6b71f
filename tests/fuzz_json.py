"""
Requests whose JSON has gone wrong: grown from good ones of every wire by
mutations that hypothesis draws.
"""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable, Sequence
from typing import Any

from attrs import field, frozen
from hypothesis import strategies as st

from fuzz_values import (
    GOOD_ODD_VALUES,
    NAMES,
    ODD_VALUES,
    Pairs,
    Shown,
    Value,
    changed,
    found,
    grown,
    paths,
    written,
)

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "get_weather", "arguments": '{"city": "Bern"}'},
}
_SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
_CHAT_TOOL = {
    "type": "function",
    "function": {"name": "get_weather", "description": "?", "parameters": _SCHEMA},
}
_ASK = {"role": "user", "content": "What does a lighthouse teach?"}
_PNG = "data:image/png;base64,iVBORw0KGgo="

CHAT: tuple[dict[str, Any], ...] = (
    {"model": "m", "stream": True, "messages": [_ASK]},
    {"model": "m", "messages": [_ASK], "max_tokens": 300, "stop": ["xyz"], "n": 1, "temperature": 0.2},
    {
        "model": "m",
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": [{"role": "system", "content": "Be brief."}, _ASK],
        "tools": [_CHAT_TOOL],
        "tool_choice": "auto",
    },
    {
        "model": "m",
        "stream": True,
        "messages": [
            _ASK,
            {"role": "assistant", "content": None, "tool_calls": [_CALL]},
            {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "Rain."}]},
            {
                "role": "user",
                "content": [{"type": "text", "text": "?"}, {"type": "image_url", "image_url": {"url": _PNG}}],
            },
        ],
    },
    {
        "model": "m",
        "stream": True,
        "messages": [_ASK, {"role": "assistant", "content": "It"}],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "x", "schema": _SCHEMA, "strict": True},
        },
    },
)
MESSAGES: tuple[dict[str, Any], ...] = (
    {"model": "m", "max_tokens": 300, "stream": True, "messages": [_ASK]},
    {"model": "m", "max_tokens": 300, "system": [{"type": "text", "text": "Be brief."}], "messages": [_ASK]},
    {
        "model": "m",
        "max_tokens": 300,
        "stream": True,
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "tools": [{"name": "get_weather", "input_schema": _SCHEMA}],
        "messages": [
            _ASK,
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
                    {"type": "text", "text": "Let me look."},
                    {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Bern"}},
                ],
            },
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "Rain."}],
            },
        ],
    },
    {
        "model": "m",
        "max_tokens": 300,
        "stream": True,
        "stop_sequences": ["xyz"],
        "messages": [
            {
                "role": "user",
                "content": [
                    {
                        "type": "image",
                        "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="},
                    }
                ],
            },
            {"role": "assistant", "content": "A"},
        ],
    },
)
RESPONSES: tuple[dict[str, Any], ...] = (
    {"model": "m", "stream": True, "input": "What does a lighthouse teach?"},
    {"model": "m", "input": [_ASK], "instructions": "Be brief.", "store": False, "max_output_tokens": 300},
    {
        "model": "m",
        "stream": True,
        "input": [
            {
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": "?"}, {"type": "input_image", "image_url": _PNG}],
            },
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]},
            {
                "type": "function_call",
                "id": "fc_1",
                "call_id": "call_1",
                "name": "get_weather",
                "arguments": "{}",
            },
            {"type": "function_call_output", "call_id": "call_1", "output": "Rain."},
            {"type": "item_reference", "id": "msg_1"},
        ],
        "tools": [{"type": "function", "name": "get_weather", "parameters": _SCHEMA}],
    },
    {
        "model": "m",
        "stream": True,
        "input": "And?",
        "previous_response_id": "resp_1",
        "reasoning": {"effort": "low"},
    },
    {
        "model": "m",
        "stream": True,
        "input": "?",
        "text": {"format": {"type": "json_schema", "name": "x", "schema": _SCHEMA}},
    },
)
#: Path → good requests. The first three make answers, and each is a wire.
GOOD: dict[str, tuple[dict[str, Any], ...]] = {
    "/v1/chat/completions": CHAT,
    "/v1/messages": MESSAGES,
    "/v1/responses": RESPONSES,
    "/v1/messages/count_tokens": MESSAGES,
    "/v1/embeddings": ({"model": "m", "input": ["a", "b"]},),
    "/v1/completions": ({"model": "m", "prompt": "Once", "stream": True},),
    "/api/chat": ({"model": "m", "messages": [_ASK]},),
    "/v1/responses/resp_1/cancel": ({},),
    "/v1/models": ({},),
}
WIRES = tuple(GOOD)[:3]


@frozen
class JsonRequest(Shown):
    """What is posted, and what is done to its bytes on the way."""

    path: str
    body: bytes = field(
        repr=lambda body: repr(body) if len(body) < 1_200 else f"{body[:900]!r}…{body[-200:]!r}"
    )
    headers: dict[str, str]


@st.composite
def values(draw: st.DrawFn, good: tuple[dict[str, Any], ...]) -> Value:
    """A good request after a few mutations."""
    value = grown(draw(st.sampled_from(good)))
    # Where the text is no JSON any more, nobody looks at the rest: mostly it stays JSON.
    odd = ODD_VALUES if draw(st.integers(0, 5)) == 0 else GOOD_ODD_VALUES
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 2, 4]))):
        value = draw(_mutated(value, odd))
    return value


@st.composite
def _mutated(draw: st.DrawFn, value: Value, odd_values: Sequence[Value]) -> Value:
    if isinstance(value, Pairs) and draw(st.booleans()):
        # A field that means something, with a value that does not.
        name, odd = draw(st.sampled_from(NAMES)), draw(st.sampled_from(odd_values))
        return Pairs((*(pair for pair in value.pairs if pair[0] != name), (name, odd)))
    places = list(paths(value))
    path = draw(st.sampled_from(places))
    match draw(st.integers(0, 8)):
        case 0 | 1 | 2:
            odd = draw(st.sampled_from(odd_values))
            return changed(value, path, lambda name, _: [(name, odd)])
        case 3:
            return changed(value, path, lambda _, __: [])
        case 4:
            times = draw(st.sampled_from([2, 2, 3, 300]))
            return changed(value, path, lambda name, inner: [(name, inner)] * times)
        case 5:
            odd = draw(st.sampled_from(odd_values))
            return changed(value, path, lambda name, inner: [(name, inner), (name, odd)])
        case 6:
            other = found(value, draw(st.sampled_from(places)))
            return changed(value, path, lambda name, _: [(name, other)])
        case 7:
            another = draw(st.sampled_from(NAMES))
            return changed(value, path, lambda _, inner: [(another, inner)])
        case _:
            wraps: list[Callable[[Value], Value]] = [lambda v: [v], lambda v: Pairs((("x", v),)), written]
            wrap = draw(st.sampled_from(wraps))
            return changed(value, path, lambda name, inner: [(name, wrap(inner))])


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


_ENCODINGS: tuple[Callable[[str], bytes], ...] = (
    *[_bytes] * 60,
    lambda text: b"\xef\xbb\xbf" + _bytes(text),
    lambda text: text.encode("utf-16", "surrogatepass"),
    lambda text: text.encode("utf-32-be", "surrogatepass"),
    lambda text: text.encode("latin-1", "replace"),
    lambda text: _bytes(text) + b"\x00",
    lambda text: _bytes(text) + b" {}",
    lambda text: b" \r\n\t" + _bytes(text) + b"\n",
    lambda text: _bytes(text)[: len(text) // 2],
)
_PACKED: dict[str, Callable[[bytes], bytes]] = {
    "": lambda data: data,
    "gzip": lambda data: gzip.compress(data, 1),
    "zstd": lambda data: zstd.compress(data, 1),
}


@st.composite
def json_requests(draw: st.DrawFn) -> JsonRequest:
    """A request with JSON that is nearly good, on some path."""
    path = draw(st.sampled_from((*WIRES, *WIRES, *WIRES, *GOOD)))
    body = draw(st.sampled_from(_ENCODINGS))(written(draw(values(GOOD[path]))))
    if draw(st.integers(0, 9)) == 0:
        at, bad = draw(st.integers(0, len(body))), draw(st.binary(min_size=1, max_size=4))
        body = body[:at] + bad + body[at:]
    packed = draw(st.sampled_from(["", "", "", "", "", *_PACKED]))
    headers = {"content-type": "application/json"}
    headers |= {"content-encoding": packed} if packed else {}
    return JsonRequest(path, _PACKED[packed](body), headers)

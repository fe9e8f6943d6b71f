"""What is told of JSON without reading it: never too little of what would hold up others, and nothing of texts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenes import WIRES
from trooper.core.events import Finish, Other, Text, ToolCallDelta
from trooper.wire.llama_server.reader import LlamaReader
from trooper.wire.ollama_chat.reader import OllamaReader
from trooper.wire.weight import has_more_lines_than, has_more_than, is_dense, is_heavy, is_intricate, is_light

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)
#: A file that a model writes: 300 kB, as much of it braces and commas as of few.
CODE = json.dumps({"path": "a.json", "content": '{[\\n],},"' * 33_000})


def count(value: object) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(map(count, inner))


def depth(value: object) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + max(map(depth, inner), default=0)


@given(values)
def test_no_body_has_more_values_than_are_counted(value: object) -> None:
    """But for those that are only nested: a list of one has no comma."""
    body = json.dumps(value).encode()
    commas = body.count(b",")
    assert count(value) <= (commas + 1) * depth(value)
    assert has_more_than(body, commas - 1) or commas == 0 or len(body) <= commas - 1
    assert not has_more_than(body, commas)


def test_what_is_light_and_what_is_dense() -> None:
    assert is_light(b"{}")
    assert not is_light(b"x" * (1 + (32 << 20)))
    # Code in one text, and as many commas between numbers, or between texts.
    assert is_light(b'{"a": "' + b"f(a, b);" * 200_000 + b'"}')
    assert is_light(b"[" + b"0," * 250_000 + b"0]")
    assert not is_light(b"[" + b'"",' * 250_000 + b"0]")
    assert not is_light(b"[" + b'"\\\\",' * 250_000 + b"0]")
    assert not is_light(b"[" + b"0," * 350_000 + b"0]")
    assert is_dense(b"0," * 2_000_001 + b"0")
    assert not is_dense(b"0," * 1_999_999 + b"0")
    assert not is_dense(b"x" * 6_000_000)


@pytest.mark.parametrize(
    ("data", "is_too_much"),
    [
        (b'{"a": [' + b"{}," * 16_000 + b"{}]}", False),
        (b'{"a": [' + b"{}," * 17_000 + b"{}]}", True),
        (b'{"a": [' + b"0," * 130_000 + b"0]}", False),
        (b'{"a": [' + b"0," * 132_000 + b"0]}", True),
        # Texts, with quotes in them, and one that never ends.
        (json.dumps({"a": CODE}).encode(), False),
        (b'{"a": "' + b"{[,]}" * 50_000 + b'"}', False),
        (b'{"a": "' + b"\\\\" * 9 + b'", "b": "' + b"{[,]}" * 50_000, False),
        (b'{"a": "' + b'\\"{' * 120_000, False),
        (b'{"a": "' + b'\\"{' * 120_000 + b"\\", False),
        (b"{" * 17_000 + b'"' + b'\\"' * 600_000, True),
        (b'data: "\ndata: {"a": [' + b"{}," * 17_000 + b"{}]}\n\n", True),
        (b'data: "\\\r\ndata: {"a": [' + b"{}," * 17_000 + b"{}]}\r\n\r\n", True),
        # Too many, or too long, to be told apart in a moment; also where JSON may be looked for in a text.
        (b'{"a": "' + b'\\"' * 131_000 + b'"}', False),
        (b'{"a": "' + b'\\"' * 132_000 + b'"}', True),
        (b"[" + b'"[{",' * 70_000 + b"0]", True),
        (b'{"a": "' + b"{[,]}" * 70_000 + b'"}', True),
        (b'{"a": "' + b"," * 2_500_000 + b'"}', True),
    ],
)
def test_what_is_intricate(data: bytes, *, is_too_much: bool) -> None:
    assert is_intricate(data) is is_too_much


@pytest.mark.parametrize(
    ("text", "size", "is_too_much"),
    [
        ("word ", 4_000_000, False),
        ("word ", 4_300_000, True),
        # One character makes four bytes of each other one.
        ("\N{GRINNING FACE}", 1_000_000, False),
        ("\N{GRINNING FACE}", 1_100_000, True),
        ("\N{SNOWMAN}", 4_000_000, False),
    ],
)
@pytest.mark.parametrize("escaped", [False, True])
def test_what_is_heavy(text: str, size: int, *, is_too_much: bool, escaped: bool) -> None:
    answer = json.dumps({"a": "y" * (size - 40), "b": text}, ensure_ascii=escaped).encode()
    assert is_heavy(answer) is is_too_much


def test_on_the_slow_road_each_field_counts() -> None:
    fields = json.dumps({f"f{n}": n for n in range(6_000)}).encode()
    assert not is_intricate(fields)
    assert is_intricate(fields, slowly=True)
    assert not is_intricate(json.dumps({"a": CODE}).encode(), slowly=True)


def test_what_has_many_lines() -> None:
    assert has_more_lines_than(b"data: 1\r\n" * 11, 10)
    assert not has_more_lines_than(b"data: 1\r\n" * 10, 10)
    assert not has_more_lines_than(b"\r\n" * 100, 10)


def said(events: Any) -> str:
    return "".join(event.arguments for event in events if isinstance(event, ToolCallDelta))


def test_a_long_call_full_of_braces_in_one_event_keeps_its_net() -> None:
    function = {"name": "write", "arguments": CODE}
    delta = {"tool_calls": [{"index": 0, "id": "c", "function": function}]}
    chunk = {"choices": [{"index": 0, "delta": delta, "finish_reason": "tool_calls"}]}
    raw = b"data: " + json.dumps(chunk).encode() + b"\n\n"
    (item,) = WIRES["chat"].target_side.reader(1 << 20).feed(raw)
    assert (item.raw, said(item.events)) == (raw, CODE)
    assert Other(continuable=False) not in item.events


def test_so_does_that_of_a_local_model() -> None:
    function = {"name": "write", "arguments": json.loads(CODE)}
    line = {"message": {"content": "", "tool_calls": [{"function": function}]}, "done": False}
    ollama = OllamaReader(1 << 20)
    (item,) = ollama.feed(json.dumps(line).encode() + b"\n")
    assert (json.loads(said(item.events)), ollama.outcome) == (json.loads(CODE), None)
    llama = LlamaReader(1 << 20)
    (item,) = llama.feed(b"data: " + json.dumps({"content": CODE}).encode() + b"\n\n")
    assert (item.events, llama.outcome) == ((Text(CODE),), None)


def test_an_event_over_thousands_of_lines_is_one() -> None:
    delta = {"content": "word"}
    chunk = {"choices": [{"index": 0, "delta": delta, "finish_reason": "stop"}], "usage": {"x": [0] * 4_000}}
    lines = json.dumps(chunk, indent=1).splitlines()
    raw = b"".join(b"data: %s\n" % line.encode() for line in lines) + b"\n"
    (item,) = WIRES["chat"].target_side.reader(1 << 20).feed(raw)
    assert Text("word") in item.events
    assert any(isinstance(event, Finish) for event in item.events)
    assert Other(continuable=False) not in item.events

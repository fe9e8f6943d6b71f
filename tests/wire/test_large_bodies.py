"""What is found of a large body without making values of it."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trooper.core.conversation import (
    Conversation,
    ImagePart,
    Message,
    Role,
    TextPart,
    Tool,
    ToolCall,
    UnknownPart,
)
from trooper.core.unfit import Unfit
from trooper.wire import read_aside
from trooper.wire.client_side import PastQuestion, Routing
from trooper.wire.decoding import (
    field_of,
    is_strict,
    may_have,
    mended,
    strict_steps,
    top_level,
    with_field,
    with_model,
)
from trooper.wire.openai_chat.read_request import read_conversation
from trooper.wire.openai_responses.past_answers import is_to_be_kept, reply
from trooper.wire.routing import read_routing

MANY = b"0," * 5_000_001 + b"0"
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=5), values, max_size=4), st.text(max_size=5), values)
def test_one_field_changes_and_all_else_stays(fields: dict[str, object], name: str, value: object) -> None:
    body = json.dumps(fields, indent=1).encode()
    changed = with_field(body, name, value)
    assert json.loads(changed) == {**fields, name: value}
    assert list(json.loads(changed)) == list({**fields, name: value})
    for other, raw in top_level(changed).items():
        if other != name:
            assert bytes(raw) == bytes(top_level(body)[other])


def test_fields_are_read_one_by_one() -> None:
    body = b'{"a": {"b": [1, 2]}, "c": null}'
    assert field_of(body, "a") == {"b": [1, 2]}
    assert field_of(body, "c") is field_of(body, "d") is field_of(b"[1]", "a") is field_of(b"{", "a") is None
    assert with_field(b"[1]", "a", 1) == b"[1]"
    assert field_of(b'{"a": 1, "b": [' + MANY + b"]}", "a") is None
    some = b"0," * 400_000 + b"0"
    assert field_of(b'{"a": false, "b": [' + some + b"]}", "a") is False
    assert field_of(b'{"a": false, "b": [' + some + b"]}", "b") is None


def test_a_dense_one_keeps_its_model() -> None:
    dense = b'{"model": "a", "x": [' + MANY + b"]}"
    assert with_model(dense, "b") == dense


@pytest.mark.parametrize("at", range(-3, 4))
def test_letters_across_two_slices_are_whole(at: int) -> None:
    head = b'{"a": "'
    body = head + b"x" * ((1 << 20) - len(head) + at) + "🗼".encode() + b'"}'
    assert is_strict(body)
    assert not is_strict(body[:-3] + b'"}')


def test_a_long_text_is_looked_at_in_steps() -> None:
    body = b'{"a": "' + "漢".encode() * (5 << 20) + b'"}'
    assert len(list(strict_steps(body))) == 16
    assert is_strict(body)


def test_a_long_body_is_not_searched_for_a_name() -> None:
    """Of its last letter alone, that took ten times as long as to find all fields."""
    assert may_have(b'{"id": 1}', b"id")
    assert not may_have(b'{"idea": 1}' + b"g" * (1 << 20), b"id")
    assert may_have(b"g" * (1 + (4 << 20)), b"thinking")


def test_what_cannot_be_mended_is_not_handed_back() -> None:
    assert mended(b"[" * 100_000) == ""
    assert mended(b"no JSON") == ""
    assert mended(b'{"a": NaN}') == '{"a":null}'


def test_a_glance_finds_what_stands_at_either_end() -> None:
    filler = b'"x": [' + MANY + b"]"
    in_front = read_routing(b'{"model": "a\\"b", "stream" : true, ' + filler + b"}")
    assert in_front == Routing('a"b', stream=True)
    behind = read_routing(b"{" + filler + b', "model": "a", "stream": true}')
    assert behind == Routing("a", stream=True)
    in_a_text = read_routing(b'{"text": "\\"model\\": \\"b\\", \\"stream\\": true", ' + filler + b"}")
    assert in_a_text == Routing("", stream=False)


def test_a_conversation_comes_back_as_it_was() -> None:
    told = Conversation(
        messages=(
            Message(Role.SYSTEM, (TextPart("s"),)),
            Message(
                Role.USER,
                (TextPart("a"), ImagePart("image/png", "AAAA"), ImagePart(url="u"), UnknownPart("f")),
            ),
            Message(Role.ASSISTANT, (), (ToolCall("c", "look", "{}"),)),
            Message(Role.TOOL, (TextPart("é"),), tool_call_id="c"),
        ),
        tools=(Tool("look", "d", {"type": "object", "x": 10**30}, strict=True),),
        json_schema={"type": "object"},
        unsaid=(Unfit.LOGPROBS,),
    )
    came = msgspec.json.decode(msgspec.json.encode(read_aside.Read(told)), type=read_aside.Read)
    assert came == read_aside.Read(told)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"messages": 1}, Unfit.UNEXPECTED_SHAPE),
        (
            {"messages": [], "tools": [{"function": {"name": f"t{n}"}} for n in range(50_000)]},
            Unfit.TOO_LARGE,
        ),
        ({"messages": [], "stop": ["a"] * 110_000}, Unfit.TOO_LARGE),
        ({"messages": [{"role": "user", "content": [{"type": "text"}] * 11_000}]}, Unfit.TOO_LARGE),
    ],
)
def test_why_one_does_not_come_back(fields: dict[str, object], reason: Unfit) -> None:
    read = read_aside.read_bounded(
        json.dumps(fields).encode(), read_conversation.__module__, read_conversation.__name__
    )
    assert read == read_aside.Read(None, reason)


def test_what_is_to_be_forgotten_is_not_kept_however_large() -> None:
    some = b'"input": [' + b"0," * 400_000 + b"0]"
    assert not is_to_be_kept(b'{"store": false, ' + some + b"}")
    assert is_to_be_kept(b"{" + some + b', "store": true}')
    assert not is_to_be_kept(b'{"input": [' + MANY + b"]}")


def test_a_large_past_request_is_not_told_as_an_empty_one() -> None:
    some = b'{"input": [' + b"0," * 400_000 + b"0]}"
    assert reply(PastQuestion("GET", "resp_1", "input_items", some, b"{}")) is None


def test_two_hundred_tools_with_large_schemas_come_back() -> None:
    described = {"type": "string", "description": "A name, a path, or nothing", "enum": ["a", "b"]}
    schema = {"type": "object", "properties": {f"field_{n}": described for n in range(30)}}
    tools = [{"type": "function", "function": {"name": f"t{n}", "parameters": schema}} for n in range(200)]
    body = json.dumps({"messages": [{"role": "user", "content": "?"}], "tools": tools}).encode()
    read = read_aside.read_bounded(body, read_conversation.__module__, read_conversation.__name__)
    assert read_aside.is_large(body)
    assert read.conversation is not None
    assert len(read.conversation.tools) == 200

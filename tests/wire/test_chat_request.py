"""Reads OpenAI chat requests: their messages, and all else they say."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trooper.core.conversation import (
    Conversation,
    ImagePart,
    Message,
    Part,
    Role,
    Sampling,
    TextPart,
    Tool,
    ToolCall,
    UnknownPart,
)
from trooper.core.unfit import Unfit
from trooper.wire.client_side import Routing, Unreadable
from trooper.wire.openai_chat.read_request import read_conversation, read_tool_call
from trooper.wire.routing import read_routing


def conversation(**fields: object) -> Conversation:
    read = read_conversation(json.dumps({"model": "m", "messages": []} | fields).encode())
    assert isinstance(read, Conversation), read
    return read


def message(**fields: object) -> Message:
    (read,) = conversation(messages=[{"role": "user"} | fields]).messages
    return read


# Messages


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        ("system", Role.SYSTEM),
        ("developer", Role.SYSTEM),
        ("user", Role.USER),
        ("assistant", Role.ASSISTANT),
        ("tool", Role.TOOL),
        ("function", Role.TOOL),
    ],
)
def test_roles(role: str, expected: Role) -> None:
    assert message(role=role, content="a") == Message(expected, (TextPart("a"),))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a", (TextPart("a"),)),
        ("", ()),
        (None, ()),
        ([], ()),
        (["a", {"type": "text", "text": "b"}], (TextPart("a"), TextPart("b"))),
        (
            [{"type": "input_text", "text": "a"}, {"type": "output_text", "text": "b"}],
            (TextPart("a"), TextPart("b")),
        ),
        ([{"type": "text"}], (TextPart(""),)),
        ([{"type": "refusal", "refusal": "no"}, {"type": "refusal"}], (TextPart("no"), TextPart(""))),
        (
            [{"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD", "detail": "low"}}],
            (ImagePart("image/png", "QUJD"),),
        ),
        (
            [{"type": "image_url", "image_url": {"url": "data:image/png;charset=x;base64,QUJD"}}],
            (ImagePart("image/png", "QUJD"),),
        ),
        ([{"type": "image_url", "image_url": "https://x/y"}], (ImagePart(url="https://x/y"),)),
        ([{"type": "image_url", "image_url": {"url": "data:text,x"}}], (ImagePart(url="data:text,x"),)),
        (
            [{"type": "image_url", "image_url": "https://x/;base64,y"}],
            (ImagePart(url="https://x/;base64,y"),),
        ),
        ([{"type": "input_audio", "input_audio": {}}], (UnknownPart("input_audio"),)),
        ([{}], (UnknownPart("None"),)),
    ],
)
def test_contents(content: object, expected: tuple[Part, ...]) -> None:
    assert message(content=content).parts == expected


def test_tool_calls_and_results() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    asked = message(role="assistant", content=None, tool_calls=[call], reasoning_content="hm")
    assert asked == Message(Role.ASSISTANT, tool_calls=(ToolCall("c1", "f", '{"a":1}'),))
    assert message(role="tool", content="42", tool_call_id="c1") == Message(
        Role.TOOL, (TextPart("42"),), tool_call_id="c1"
    )
    assert message(tool_calls=None).tool_calls == ()


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ({"name": "f", "arguments": "{"}, ToolCall("", "f", "{")),
        ({"name": "f", "arguments": {"a": "é"}}, ToolCall("", "f", '{"a":"é"}')),
        ({"name": "f", "arguments": None}, ToolCall("", "f", "{}")),
        ({"name": "f"}, ToolCall("", "f", "{}")),
        ({"name": "f", "arguments": []}, ToolCall("", "f", "[]")),
    ],
)
def test_arguments_become_text(function: object, expected: ToolCall) -> None:
    assert read_tool_call({"function": function}) == expected


@pytest.mark.parametrize("raw", [7, None, {}, {"function": "f"}])
def test_what_is_no_call(raw: object) -> None:
    with pytest.raises(TypeError, match="tool call"):
        read_tool_call(raw)


# The rest of the request


def test_a_request_that_says_nothing_more() -> None:
    assert conversation() == Conversation(())


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, Sampling()),
        ({"max_tokens": 5}, Sampling(max_tokens=5)),
        ({"max_completion_tokens": 4, "max_tokens": 5}, Sampling(max_tokens=4)),
        ({"max_tokens": "5"}, Sampling()),
        ({"temperature": 0, "top_p": 0.5}, Sampling(temperature=0.0, top_p=0.5)),
        ({"temperature": True, "top_p": "1"}, Sampling()),
        (
            {"seed": 7, "frequency_penalty": 1, "presence_penalty": -1.5},
            Sampling(seed=7, frequency_penalty=1.0, presence_penalty=-1.5),
        ),
        ({"seed": "7"}, Sampling()),
        ({"stop": "END"}, Sampling(stop=("END",))),
        ({"stop": ["a", "b"]}, Sampling(stop=("a", "b"))),
        ({"stop": None}, Sampling()),
    ],
)
def test_sampling(fields: dict[str, object], expected: Sampling) -> None:
    assert conversation(**fields).sampling == expected


def test_tools() -> None:
    tools = [
        {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}},
        {"function": {"name": "g", "description": None, "parameters": None}},
        {"type": "hologram", "hologram": {"name": "h"}},
    ]
    read = conversation(tools=tools)
    assert read.tools == (Tool("f", "d", {"type": "object"}), Tool("g"))
    assert (read.unsaid, read.left_out_tools) == ((Unfit.SERVER_TOOLS,), ("hologram",))
    assert conversation(tools=None).tools == ()
    assert conversation(tools=tools[:2]).unsaid == ()


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, "auto"),
        ("none", "none"),
        ("required", "required"),
        ({"type": "function", "function": {"name": "f"}}, "tool:f"),
        ({"type": "allowed_tools"}, "required"),
    ],
)
def test_tool_choice(choice: object, expected: str) -> None:
    assert conversation(tool_choice=choice).tool_choice == expected


@pytest.mark.parametrize(
    ("response_format", "json_mode", "schema"),
    [
        (None, False, None),
        ({"type": "text"}, False, None),
        ({"type": "json_object"}, True, None),
        (
            {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
            False,
            {"type": "object"},
        ),
        ({"type": "json_schema", "json_schema": {"name": "n"}}, False, {}),
        ({"type": "json_schema"}, False, {}),
        ({"json_schema": {"schema": {"type": "object"}}}, False, None),
    ],
)
def test_response_format(response_format: object, json_mode: bool, schema: object) -> None:
    read = conversation(response_format=response_format)
    assert (read.json_mode, read.json_schema) == (json_mode, schema)


def test_choices() -> None:
    assert conversation(n=3, stream=True, stream_options={"include_usage": True}).choices == 3
    assert conversation(n=None, stream=None, stream_options=None).choices == 1


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"logprobs": True}, (Unfit.LOGPROBS,)),
        ({"logprobs": False, "logit_bias": {}, "functions": [], "modalities": ["text"]}, ()),
        ({"audio": {"voice": "x"}}, (Unfit.AUDIO,)),
        ({"modalities": ["text", "audio"]}, (Unfit.AUDIO,)),
        ({"modalities": "audio"}, ()),
        ({"logit_bias": {"5": 1}}, (Unfit.LOGIT_BIAS,)),
        ({"functions": [{"name": "f"}]}, (Unfit.FUNCTIONS,)),
        ({"web_search_options": {"x": 1}}, (Unfit.WEB_SEARCH,)),
        ({"logprobs": True, "logit_bias": {"5": 1}}, (Unfit.LOGPROBS, Unfit.LOGIT_BIAS)),
    ],
)
def test_what_no_other_wire_can_say(fields: dict[str, object], expected: tuple[Unfit, ...]) -> None:
    assert conversation(**fields).unsaid == expected


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": None},
        {"messages": [7]},
        {"messages": [{"role": "robot"}]},
        {"messages": [{"content": "a"}]},
        {"messages": [{"role": "user", "content": 7}]},
        {"messages": [{"role": "user", "content": {"type": "text", "text": "a"}}]},
        {"messages": [{"role": "user", "content": [7]}]},
        {"messages": [{"role": "assistant", "tool_calls": {"0": 1}}]},
        {"messages": [{"role": "assistant", "tool_calls": [{"function": {}}]}]},
        {"tools": {"0": 1}},
        {"tools": [7]},
        {"tools": [{"function": {}}]},
        {"stop": 7},
        {"n": "many"},
        {"n": [1]},
        {"n": -1},
        {"n": 129},
        {"n": 1e300},
        {"n": "9" * 40},
        {"response_format": "json"},
        {"response_format": {"type": "json_schema", "json_schema": [1]}},
        {"stream_options": [1]},
        {"tool_choice": {"function": {}}},
    ],
)
def test_unexpected_shapes(fields: dict[str, object]) -> None:
    body = json.dumps({"model": "m", "messages": []} | fields).encode()
    assert read_conversation(body) == Unreadable(Unfit.UNEXPECTED_SHAPE)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"messages": ' + b"[" * 5000])
def test_not_json(body: bytes) -> None:
    assert read_conversation(body) == Unreadable(Unfit.NOT_JSON)


@pytest.mark.parametrize("body", [b"{}", b"[]", b"7", b"null"])
def test_no_request(body: bytes) -> None:
    assert read_conversation(body) == Unreadable(Unfit.UNEXPECTED_SHAPE)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=4)
    | st.sampled_from(["user", "text", "function"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *(
                        "role",
                        "content",
                        "type",
                        "text",
                        "tool_calls",
                        "function",
                        "name",
                        "arguments",
                        "image_url",
                    ),
                    *("url", "schema", "json_schema", "include_usage", "refusal", "parameters"),
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    [
        *(
            "model",
            "messages",
            "tools",
            "tool_choice",
            "stop",
            "n",
            "response_format",
            "stream_options",
            "stream",
        ),
        *("max_tokens", "temperature", "modalities", "logprobs", "seed"),
    ]
)


@given(st.dictionaries(FIELDS, JSON) | JSON)
def test_no_json_is_a_crash(value: object) -> None:
    body = json.dumps(value).encode()
    assert isinstance(read_conversation(body), Conversation | Unreadable)
    assert isinstance(read_routing(body), Routing | Unreadable)


@given(st.binary())
def test_no_bytes_are_a_crash(body: bytes) -> None:
    read_conversation(body)
    read_routing(body)


@pytest.mark.parametrize(
    ("last", "fields", "continues"),
    [
        ({}, {}, False),
        ({"prefix": True}, {}, True),
        ({"prefix": False}, {}, False),
        ({"prefix": "true"}, {}, False),
        ({}, {"continue_final_message": True}, True),
        ({}, {"continue_final_message": None}, False),
    ],
)
def test_whether_the_last_message_begins_the_answer(
    last: dict[str, object], fields: dict[str, object], continues: bool
) -> None:
    asked = {"model": "m", "messages": [{"role": "assistant", "content": "{", **last}], **fields}
    read = read_conversation(json.dumps(asked).encode())
    assert isinstance(read, Conversation)
    assert read.continues_prefill is continues

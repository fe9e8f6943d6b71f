"""Requests of the two wires beside chat: what routes them, and what nobody can read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from scenes import WIRES, Spoken
from trooper.core.conversation import Conversation, ImagePart, Role, TextPart, UnknownPart
from trooper.core.unfit import Unfit
from trooper.wire.client_side import Routing, Unreadable

OTHERS = ("messages", "responses")
USER = {"role": "user", "content": "Hi"}


def wire_of(name: str) -> Spoken:
    return WIRES[name]


def read(name: str, **fields: Any) -> Conversation | Unreadable:
    return wire_of(name).client_side.read_conversation(json.dumps(fields).encode())


def whole(name: str, **fields: Any) -> Conversation:
    conversation = read(name, **fields)
    assert isinstance(conversation, Conversation), conversation
    return conversation


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize(
    ("body", "routing"),
    [
        (b'{"model": "m", "stream": true}', Routing("m", stream=True)),
        (b'{"model": "m"}', Routing("m", stream=False)),
        (b'{"model": "m", "stream": null}', Routing("m", stream=False)),
        (b'{"model": 5, "stream": 1}', Routing("", stream=True)),
        # A string that was cut inside an emoji; whether it streams has to be known all the same.
        (b'{"model": "m", "stream": true, "x": "\\ud83d"}', Routing("m", stream=True)),
        (b'{"model": "m\xff", "stream": true}', Routing("m\ufffd", stream=True)),
        (b"nothing", Unreadable(Unfit.NOT_JSON)),
        (b"[1]", Unreadable(Unfit.UNEXPECTED_SHAPE)),
    ],
)
def test_routing(name: str, body: bytes, routing: Routing | Unreadable) -> None:
    assert wire_of(name).client_side.read_routing(body) == routing


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("messages", {}),
        ("messages", {"messages": 5}),
        ("messages", {"messages": [{"role": "nobody", "content": "x"}]}),
        ("messages", {"messages": [{"role": "user", "content": 5}]}),
        ("messages", {"messages": [USER], "tools": 5}),
        ("messages", {"messages": [USER], "tools": [{"description": "no name"}]}),
        ("messages", {"messages": [USER], "tool_choice": {"type": "sometimes"}}),
        ("responses", {"input": [{"role": "nobody", "content": "x"}]}),
        ("responses", {"input": [{"role": "user", "content": [5]}]}),
        ("responses", {"input": [USER], "tools": 5}),
        ("responses", {"input": [USER], "tools": [{"type": "function"}]}),
        ("responses", {"input": [{"type": "function_call", "name": "f"}]}),
    ],
)
def test_what_only_its_provider_can_judge(name: str, fields: dict[str, Any]) -> None:
    assert read(name, **fields) == Unreadable(Unfit.UNEXPECTED_SHAPE)
    assert wire_of(name).client_side.read_conversation(b"nope") == Unreadable(Unfit.NOT_JSON)


@pytest.mark.parametrize(
    ("choice", "meaning"),
    [
        (None, "auto"),
        ({"type": "auto"}, "auto"),
        ({"type": "any"}, "required"),
        ({"type": "none"}, "none"),
        ({"type": "tool", "name": "f"}, "tool:f"),
    ],
)
def test_choices_of_messages(choice: Any, meaning: str) -> None:
    assert whole("messages", messages=[USER], tool_choice=choice).tool_choice == meaning


@pytest.mark.parametrize(
    ("choice", "meaning"),
    [
        (None, "auto"),
        ("required", "required"),
        ({"type": "function", "name": "f"}, "tool:f"),
        ({"type": "web_search"}, "required"),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]},
            "required",
        ),
    ],
)
def test_choices_of_responses(choice: Any, meaning: str) -> None:
    tools = [{"type": "function", "name": name} for name in ("f", "g")]
    conversation = whole("responses", input=[USER], tools=tools, tool_choice=choice)
    assert conversation.tool_choice == meaning
    allowed = isinstance(choice, dict) and choice["type"] == "allowed_tools"
    assert [tool.name for tool in conversation.tools] == (["f"] if allowed else ["f", "g"])


@pytest.mark.parametrize(
    ("block", "part"),
    [
        (
            {"type": "image", "source": {"type": "url", "url": "https://a/b.png"}},
            ImagePart(url="https://a/b.png"),
        ),
        ({"type": "document", "source": {"type": "text", "data": "words"}}, TextPart("words")),
        ({"type": "document", "source": {"type": "base64", "data": "JVBE"}}, UnknownPart("document")),
        (
            {"type": "search_result", "title": "Light", "content": [{"type": "text", "text": "On."}]},
            TextPart("[search result] title: Light\nOn.\n"),
        ),
        ({"type": "container_upload", "file_id": "file_1"}, UnknownPart("container_upload")),
        ("plain", TextPart("plain")),
    ],
)
def test_blocks_of_messages(block: Any, part: object) -> None:
    conversation = whole("messages", messages=[{"role": "user", "content": [block]}])
    assert conversation.messages[0].parts == (part,)


@pytest.mark.parametrize(
    ("raw", "part"),
    [
        ({"type": "input_image", "image_url": "https://a/b.png"}, ImagePart(url="https://a/b.png")),
        ({"type": "input_image", "image_url": {"url": "https://a/b.png"}}, ImagePart(url="https://a/b.png")),
        ({"type": "input_image", "file_id": "file_1"}, UnknownPart("image_file")),
        ({"type": "input_file", "file_id": "file_1"}, UnknownPart("input_file")),
        ({"type": "refusal", "refusal": "No."}, TextPart("No.")),
        ("plain", TextPart("plain")),
    ],
)
def test_parts_of_responses(raw: Any, part: object) -> None:
    conversation = whole("responses", input=[{"role": "user", "content": [raw]}])
    assert conversation.messages[0].parts == (part,)


def test_what_messages_alone_can_say() -> None:
    tools = [{"type": "web_fetch_20250910", "name": "web_fetch"}, {"name": "f", "strict": True}]
    conversation = whole("messages", messages=[USER], tools=tools, mcp_servers=[{}], container="c")
    assert conversation.unsaid == (Unfit.SERVER_TOOLS, Unfit.MCP_SERVERS, Unfit.CONTAINER)
    assert [(tool.name, tool.strict) for tool in conversation.tools] == [("f", True)]
    turns = [
        {"role": "system", "content": "Be kind."},
        {"role": "assistant", "content": [{"type": "redacted_thinking"}]},
    ]
    assert [m.role for m in whole("messages", messages=turns).messages] == [Role.SYSTEM, Role.ASSISTANT]
    old = {"type": "json_schema", "schema": {"type": "object"}}
    assert whole("messages", messages=[USER], output_format=old).json_schema == {"type": "object"}
    assert whole("messages", messages=[USER], top_k=5, stop_sequences=["a"]).sampling.top_k == 5


@pytest.mark.parametrize(
    ("fields", "unsaid"),
    [
        ({"previous_response_id": "r"}, Unfit.PREVIOUS_RESPONSE),
        ({"conversation": "c"}, Unfit.CONVERSATION),
        ({"prompt": {"id": "p"}}, Unfit.PROMPT),
        ({"background": True}, Unfit.BACKGROUND),
        ({"tools": [{"type": "web_search"}]}, Unfit.SERVER_TOOLS),
        ({"top_logprobs": 3}, Unfit.LOGPROBS),
        ({"include": ["message.output_text.logprobs"]}, Unfit.LOGPROBS),
    ],
)
def test_what_responses_alone_can_say(fields: dict[str, Any], unsaid: Unfit) -> None:
    assert whole("responses", input="Hi", **fields).unsaid == (unsaid,)


def test_items_of_all_kinds() -> None:
    items = [
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm"}]},
        {"type": "message", "role": "assistant", "content": "I look."},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": {"a": 1}},
        {"type": "function_call_output", "call_id": "c1", "output": {"b": 2}},
        {"type": "hologram", "id": "h_1"},
        {"type": "hologram_output", "call_id": "c2", "output": {}},
    ]
    messages = whole("responses", input=items).messages
    assert [m.role for m in messages] == [Role.ASSISTANT, Role.TOOL, Role.ASSISTANT, Role.USER]
    assert messages[0].text == "I look."
    assert messages[0].tool_calls[0].arguments == '{"a":1}'
    assert messages[1].text == '{"b":2}'
    assert messages[2].parts == (UnknownPart("hologram"),)

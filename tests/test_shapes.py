"""
Requests as real frameworks send them (`tests/shapes`, made by
`tests/record_shapes`): each is read without loss, and asked again on every
other wire and of both local servers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from scenes import WIRES
from trooper.core import local_model
from trooper.core.conversation import Conversation, ImagePart, Message, Role
from trooper.core.local_model import LocalModel
from trooper.surfaces import SURFACES
from trooper.wire import Unreadable
from trooper.wire.llama_server.request import LlamaAsking
from trooper.wire.ollama_chat.request import Loading, OllamaAsking

SHAPES = sorted((Path(__file__).parent / "shapes").glob("*.json"))
MODEL = LocalModel("m", capabilities=frozenset({"completion", "tools", "vision"}), window_tokens=8192)


#: Those that only name what they were given: that is found in what Trooper remembers.
NAMING = {path for path in SHAPES if '"item_reference"' in path.read_text(encoding="utf-8")}
WHOLE = [path for path in SHAPES if path not in NAMING]


def shape(path: Path) -> tuple[str, dict[str, Any]]:
    kept = json.loads(path.read_text(encoding="utf-8"))
    return kept["path"], kept["body"]


def read(path: str, body: dict[str, Any]) -> Conversation:
    conversation = SURFACES[path].spoken.read_conversation(json.dumps(body).encode())
    assert not isinstance(conversation, Unreadable), conversation
    return conversation


def texts_in(value: Any, key: str = "") -> Iterator[str]:
    """Every text that somebody says in a request of any wire."""
    match value:
        case {"type": "thinking" | "reasoning" | "redacted_thinking"}:
            # Sealed, or of no use to anybody else.
            return
        case dict():
            for name, item in value.items():
                yield from texts_in(item, name)
        case list():
            for item in value:
                yield from texts_in(item, key)
        case str() if key in ("content", "text", "output", "instructions", "system", "input"):
            yield value
        case _:
            pass


def calls_in(value: Any) -> Iterator[tuple[str, str, Any]]:
    """Every call: its id, its name, its arguments."""
    match value:
        case {"type": "tool_use", "id": call_id, "name": name, **rest}:
            yield call_id, name, rest.get("input") or {}
        case {"type": "function_call", "call_id": call_id, "name": name, **rest}:
            yield call_id, name, json.loads(str(rest["arguments"]))
        case {"id": call_id, "function": {"name": name, "arguments": arguments}}:
            yield call_id, name, json.loads(arguments)
        case dict():
            for item in value.values():
                yield from calls_in(item)
        case list():
            for item in value:
                yield from calls_in(item)
        case _:
            pass


def said_by(conversation: Conversation) -> str:
    return "\n".join(message.text for message in conversation.messages)


def calls_of(conversation: Conversation) -> list[tuple[str, str, Any]]:
    return [
        (call.id, call.name, json.loads(call.arguments or "{}"))
        for message in conversation.messages
        for call in message.tool_calls
    ]


def results_of(messages: tuple[Message, ...]) -> dict[str, str]:
    return {message.tool_call_id: message.text for message in messages if message.role is Role.TOOL}


def images_of(conversation: Conversation) -> int:
    return sum(isinstance(part, ImagePart) for message in conversation.messages for part in message.parts)


@pytest.mark.parametrize("path", sorted(NAMING), ids=lambda path: path.stem)
def test_what_is_only_named_is_said_to_be_missing(path: Path) -> None:
    assert read(*shape(path)).unsaid == ("item_reference",)


def test_there_are_enough() -> None:
    kinds = {path.name.rpartition("-")[0] for path in SHAPES}
    assert len(SHAPES) >= 50
    assert len(kinds) >= 17


@pytest.mark.parametrize("path", WHOLE, ids=lambda path: path.stem)
def test_it_is_read_without_loss(path: Path) -> None:
    surface, body = shape(path)
    conversation = read(surface, body)
    turns = body.get("messages", body.get("input"))
    said = said_by(conversation)
    for text in (*texts_in(turns, "content"), *texts_in(body.get("system"), "system")):
        assert text in said
    assert calls_of(conversation) == list(calls_in(turns))
    assert json.dumps(turns).count("data:image") + json.dumps(turns).count('"media_type"') == images_of(
        conversation
    )
    # Each call has its result, and each result its call.
    made = {call_id for call_id, _, _ in calls_of(conversation)}
    assert set(results_of(conversation.messages)) == made
    offered = [tool.get("function", tool).get("name") for tool in body.get("tools") or ()]
    assert [tool.name for tool in conversation.tools] == [name for name in offered if name]
    assert conversation.unsaid == ()
    wants_document = any(word in json.dumps(body) for word in ('"json_schema"', '"json_object"'))
    assert conversation.is_structured == wants_document
    assert conversation.stream == bool(body.get("stream"))


@pytest.mark.parametrize("path", WHOLE, ids=lambda path: path.stem)
@pytest.mark.parametrize("other", WIRES)
def test_it_is_asked_on_every_wire(path: Path, other: str) -> None:
    conversation = read(*shape(path))
    spoken = SURFACES[WIRES[other].path].spoken
    assert spoken.unfit(conversation) in ("", "stop", "json_mode")
    if spoken.unfit(conversation) == "json_mode":
        conversation = evolve(conversation, json_mode=False)
    conversation = evolve(conversation, sampling=evolve(conversation.sampling, stop=()))
    limit = conversation.sampling.max_tokens
    asked = spoken.read_conversation(spoken.ask(conversation, model="m", max_tokens=limit))
    assert not isinstance(asked, Unreadable)
    for message in conversation.messages:
        assert message.text.strip() in said_by(asked)
    assert calls_of(asked) == calls_of(conversation)
    assert results_of(asked.messages) == results_of(conversation.messages)
    assert images_of(asked) == images_of(conversation)
    assert [(t.name, t.description) for t in asked.tools] == [
        (t.name, t.description) for t in conversation.tools
    ]
    assert asked.tool_choice == conversation.tool_choice
    assert asked.json_schema == conversation.json_schema
    # Results come right behind the turn that called.
    roles = [message.role for message in asked.messages]
    for at, message in enumerate(asked.messages):
        assert roles[at + 1 : at + 1 + len(message.tool_calls)] == [Role.TOOL] * len(message.tool_calls)


@pytest.mark.parametrize("path", WHOLE, ids=lambda path: path.stem)
def test_it_is_asked_of_a_local_model(path: Path) -> None:
    conversation = read(*shape(path))
    reason = local_model.unfit(MODEL, conversation)
    # A tool that must be called: no local server forces one.
    assert reason == ("tool_choice" if conversation.tool_choice not in ("auto", "none") else "")
    for asking in (OllamaAsking(MODEL, Loading(None, "30m")), LlamaAsking(MODEL)):
        post = asking.chat(conversation, max_tokens=conversation.sampling.max_tokens)
        told = json.loads(post.body)["messages"]
        for message in conversation.messages:
            assert message.text.strip() in "\n".join(str(m["content"]) for m in told).replace("\\n", "\n")
        assert len([m for m in told if m["role"] == "tool"]) == len(results_of(conversation.messages))
        assert [m["role"] for m in told].count("system") <= 1


# Shapes that no recorded request has


CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
USE = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}


def roles(conversation: Conversation) -> list[str]:
    return [message.role.value for message in conversation.messages]


def test_results_before_the_users_text() -> None:
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "ok"}
    words = {"type": "text", "text": "And now?"}
    for content in ([result, words], [words, result]):
        messages = [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": [USE]},
            {"role": "user", "content": content},
        ]
        conversation = read("/v1/messages", {"messages": messages})
        assert roles(conversation) == ["user", "assistant", "tool", "user"]
        assert conversation.messages[-1].text == "And now?"


@pytest.mark.parametrize("arguments", ["{}", {}, None, ""])
def test_arguments_of_all_kinds(arguments: Any) -> None:
    call = {**CALL, "function": {"name": "f", "arguments": arguments}}
    messages = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
    ]
    conversation = read("/v1/chat/completions", {"messages": messages})
    assert json.loads(conversation.messages[1].tool_calls[0].arguments or "{}") == {}
    item = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": arguments}
    conversation = read("/v1/responses", {"input": [item]})
    assert json.loads(conversation.messages[0].tool_calls[0].arguments or "{}") == {}


@pytest.mark.parametrize("content", [None, "", [], [{"type": "text", "text": ""}]])
def test_empty_content(content: Any) -> None:
    """Nobody is asked for an answer to an empty turn in a form that the API refuses."""
    messages = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": content, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c1", "content": content},
    ]
    conversation = read("/v1/chat/completions", {"messages": messages})
    for name, spoken in WIRES.items():
        asked = json.loads(SURFACES[spoken.path].spoken.ask(conversation, model="m"))
        assert '"text": ""' not in json.dumps(asked), name


@pytest.mark.parametrize("target", WIRES)
def test_a_result_without_a_call_and_a_call_without_a_result(target: str) -> None:
    """Compacted and interrupted turns: said in words, since a cloud refuses them otherwise."""
    messages = [
        {"role": "tool", "tool_call_id": "gone", "content": "An old result."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "I look.", "tool_calls": [CALL]},
        {"role": "user", "content": "Stop. And now?"},
    ]
    spoken = SURFACES[WIRES[target].path].spoken
    conversation = read("/v1/chat/completions", {"messages": messages})
    asked = spoken.read_conversation(spoken.ask(conversation, model="m"))
    assert not isinstance(asked, Unreadable)
    assert all(not message.tool_calls and message.role is not Role.TOOL for message in asked.messages)
    for text in ("An old result.", "f({})", "Stop. And now?"):
        assert text in said_by(asked)
    post = OllamaAsking(MODEL, Loading(None, "30m")).chat(conversation)
    assert b"An old result." in post.body


@pytest.mark.parametrize("target", WIRES)
def test_results_out_of_order_and_late(target: str) -> None:
    calls = [CALL, {**CALL, "id": "c2"}]
    messages = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "c2", "content": "two"},
        {"role": "user", "content": "Wait."},
        {"role": "tool", "tool_call_id": "c1", "content": "one"},
    ]
    spoken = SURFACES[WIRES[target].path].spoken
    conversation = read("/v1/chat/completions", {"messages": messages})
    asked = spoken.read_conversation(spoken.ask(conversation, model="m"))
    assert not isinstance(asked, Unreadable)
    assert roles(asked) == ["user", "assistant", "tool", "tool", "user"]
    assert results_of(asked.messages) == {"c1": "one", "c2": "two"}


def test_developers_and_systems_are_one() -> None:
    messages = [
        {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
        {"role": "user", "content": "Hi"},
    ]
    assert roles(read("/v1/chat/completions", {"messages": messages})) == ["system", "user"]
    assert roles(read("/v1/responses", {"input": messages, "instructions": "Be terse."})) == [
        "system",
        "system",
        "user",
    ]

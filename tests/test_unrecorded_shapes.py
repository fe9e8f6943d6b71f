"""Requests in shapes that no recorded one of `tests/shapes` has."""

from __future__ import annotations

import json
from typing import Any

import pytest

from read_shapes import calls_of, images_of, read, results_of, roles, said_by
from scenes import WIRES
from trooper.core.conversation import Role
from trooper.core.local_model import LocalModel
from trooper.wire.client_side import Unreadable
from trooper.wire.ollama_chat.ask import Loading, OllamaAsking

MODEL = LocalModel("m", capabilities=frozenset({"completion", "tools", "vision"}), window_tokens=8192)
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
USE = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
URL = "data:image/png;base64,QUJD"
IMAGE_URL = {"type": "image_url", "image_url": {"url": URL}}
INPUT_IMAGE = {"type": "input_image", "image_url": URL}
BLOCK = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QUJD"}}


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
        asked = json.loads(spoken.target_side.ask(conversation, model="m"))
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
    spoken = WIRES[target]
    conversation = read("/v1/chat/completions", {"messages": messages})
    asked = spoken.client_side.read_conversation(spoken.target_side.ask(conversation, model="m"))
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
    spoken = WIRES[target]
    conversation = read("/v1/chat/completions", {"messages": messages})
    asked = spoken.client_side.read_conversation(spoken.target_side.ask(conversation, model="m"))
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


RESULTS: dict[str, list[dict[str, Any]]] = {
    "chat": [
        {"role": "user", "content": ["H", {"type": "text", "text": "i"}]},
        {"role": "assistant", "content": [], "tool_calls": [CALL, {**CALL, "id": "c2"}]},
        {"role": "tool", "tool_call_id": "c2", "content": [IMAGE_URL]},
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "See:"}, IMAGE_URL]},
        {"role": "user", "content": "And now?"},
    ],
    "messages": [
        {"role": "user", "content": ["H", {"type": "text", "text": "i"}]},
        {"role": "assistant", "content": [{**USE, "id": "c1"}, {**USE, "id": "c2"}]},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "And now?"},
                {"type": "tool_result", "tool_use_id": "c2", "content": [BLOCK]},
                {"type": "tool_result", "tool_use_id": "c1", "content": ["See:", BLOCK]},
            ],
        },
    ],
    "responses": [
        {"role": "user", "content": ["H", {"type": "input_text", "text": "i"}]},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "function_call", "call_id": "c2", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c2", "output": [INPUT_IMAGE]},
        {"type": "function_call_output", "call_id": "c1", "output": ["See:", INPUT_IMAGE]},
        {"role": "user", "content": "And now?"},
    ],
}


@pytest.mark.parametrize("target", WIRES)
@pytest.mark.parametrize("source", RESULTS)
def test_results_that_are_pictures_out_of_order(source: str, target: str) -> None:
    field = "input" if source == "responses" else "messages"
    conversation = read(WIRES[source].path, {field: RESULTS[source]})
    assert roles(conversation) == ["user", "assistant", "tool", "tool", "user"]
    assert [m.text for m in conversation.messages] == ["Hi", "", "", "See:", "And now?"]
    spoken = WIRES[target]
    asked = spoken.client_side.read_conversation(spoken.target_side.ask(conversation, model="m"))
    assert not isinstance(asked, Unreadable)
    assert list(results_of(asked.messages).items()) == [("c1", "See:"), ("c2", "")]
    assert images_of(asked) == 2
    # One wire has no pictures in results: a user shows them right behind.
    shown = ["user", "user"] if target == "chat" else ["user"]
    assert roles(asked) == ["user", "assistant", "tool", "tool", *shown]
    assert asked.messages[-1].text == "And now?"


@pytest.mark.parametrize("given", [{}, {"input": {}}, {"input": None}])
def test_a_use_without_input(given: dict[str, Any]) -> None:
    use = {"type": "tool_use", "id": "toolu_1", "name": "f", **given}
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": [use]}]
    assert calls_of(read("/v1/messages", {"messages": messages})) == [("toolu_1", "f", {})]

"""
Odd histories, some of them sent by real frameworks: nothing of them is lost, and
what cannot be read is said to be missing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scenes import WIRES
from trooper.core.conversation import Conversation, Role
from trooper.core.local_model import LocalModel
from trooper.core.unfit import Unfit
from trooper.wire.client_side import Unreadable
from trooper.wire.llama_server.ask import LlamaAsking
from trooper.wires import SURFACES

SHAPES = Path(__file__).parents[1] / "shapes"
FUNCTION = {"name": "f", "parameters": {"type": "object", "properties": {}}}
USER = {"role": "user", "content": "Hi"}


def call(call_id: str, arguments: str = "{}") -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": "f", "arguments": arguments}}


def kept(name: str) -> tuple[str, dict[str, Any]]:
    value = json.loads((SHAPES / f"{name}.json").read_text(encoding="utf-8"))
    return value["path"], value["body"]


def read(path: str, body: dict[str, Any]) -> Conversation:
    conversation = SURFACES[path].spoken.read_conversation(json.dumps(body).encode())
    assert not isinstance(conversation, Unreadable), conversation
    return conversation


def again(conversation: Conversation, target: str) -> Conversation:
    spoken = SURFACES[WIRES[target].path].spoken
    asked = spoken.read_conversation(spoken.ask(conversation, model="m"))
    assert not isinstance(asked, Unreadable)
    return asked


def results(conversation: Conversation) -> list[str]:
    return [m.text for m in conversation.messages if m.role is Role.TOOL]


def test_a_thread_that_goes_on_is_said_to_be_missing() -> None:
    assert read(*kept("anthropic-sdk-messages-runner")).unsaid


@pytest.mark.parametrize("name", ["openai-sdk-chat-refused", "openai-agents-chat-refused"])
def test_a_refusal_beside_the_content(name: str) -> None:
    said = "\n".join(m.text for m in read(*kept(name)).messages)
    assert "I can't say that." in said


@pytest.mark.parametrize("target", WIRES)
def test_call_ids_that_come_again_in_a_later_turn(target: str) -> None:
    turns: list[Any] = []
    for said in ("one", "two"):
        turns += [
            USER,
            {"role": "assistant", "tool_calls": [call("c0")]},
            {"role": "tool", "tool_call_id": "c0", "content": said},
        ]
    assert results(again(read("/v1/chat/completions", {"messages": turns}), target)) == ["one", "two"]


@pytest.mark.parametrize("target", WIRES)
def test_call_ids_that_are_empty(target: str) -> None:
    turns = [
        USER,
        {"role": "assistant", "tool_calls": [call(""), call("")]},
        {"role": "tool", "tool_call_id": "", "content": "one"},
        {"role": "tool", "tool_call_id": "", "content": "two"},
    ]
    assert results(again(read("/v1/chat/completions", {"messages": turns}), target)) == ["one", "two"]


def test_allowed_tools_that_may_be_called() -> None:
    assert read(*kept("ai-responses-allowed")).tool_choice == "auto"


def test_allowed_tools_that_may_be_called_on_chat() -> None:
    allowed = {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]}
    body = {
        "messages": [USER],
        "tools": [{"type": "function", "function": FUNCTION}],
        "tool_choice": {"type": "allowed_tools", "allowed_tools": allowed},
    }
    assert read("/v1/chat/completions", body).tool_choice == "auto"


def test_a_custom_call_in_a_chat_history_is_read() -> None:
    custom = {"id": "c1", "type": "custom", "custom": {"name": "g", "input": "x"}}
    turns = [
        USER,
        {"role": "assistant", "tool_calls": [custom]},
        {"role": "tool", "tool_call_id": "c1", "content": "ok"},
    ]
    read("/v1/chat/completions", {"messages": turns})


def test_a_reference_without_a_type() -> None:
    body = {"input": [USER, {"id": "msg_1"}, USER]}
    assert read("/v1/responses", body).unsaid == (Unfit.ITEM_REFERENCE,)


def test_a_call_of_the_old_kind_is_not_lost() -> None:
    turns = [
        USER,
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "ok"},
    ]
    conversation = read("/v1/chat/completions", {"messages": turns})
    assert conversation.unsaid or conversation.messages[1].tool_calls


def test_strict_tools_stay_strict() -> None:
    body = {"messages": [USER], "tools": [{"type": "function", "function": {**FUNCTION, "strict": True}}]}
    conversation = read("/v1/chat/completions", body)
    assert [tool.strict for tool in again(conversation, "messages").tools] == [True]


def test_a_result_whose_call_is_said_in_words_is_no_result_locally() -> None:
    turns = [
        USER,
        {"role": "assistant", "tool_calls": [call("c1", '{"a')]},
        {"role": "tool", "tool_call_id": "c1", "content": "Not JSON."},
    ]
    conversation = read("/v1/chat/completions", {"messages": turns})
    told = json.loads(LlamaAsking(LocalModel("m")).chat(conversation).body)["messages"]
    assert [message["role"] for message in told] == ["user", "assistant", "user"]


@pytest.mark.parametrize("target", WIRES)
def test_two_results_of_one_call(target: str) -> None:
    turns = [
        USER,
        {"role": "assistant", "tool_calls": [call("c1")]},
        {"role": "tool", "tool_call_id": "c1", "content": "one"},
        {"role": "tool", "tool_call_id": "c1", "content": "two"},
    ]
    asked = again(read("/v1/chat/completions", {"messages": turns}), target)
    said = "\n".join(message.text for message in asked.messages)
    assert "one" in said
    assert "two" in said

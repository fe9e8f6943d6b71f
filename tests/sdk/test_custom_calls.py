"""
A custom call, and one in a namespace, that a local model has made: the official SDK of OpenAI reads
them as its provider's own, streamed and whole, on both wires that have such calls.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from deployed import IMPATIENT, WAYS, Deployed, deployed, fake
from foreign import CHAT, PATCH, RESPONSES

#: The cloud fails before its first word.
MODEL = "fault/status-503/start"
ASKED: dict[str, Any] = {"model": MODEL, "input": "Patch it.", "tools": RESPONSES}
ENV = {**IMPATIENT, "TROOPER_BREAKER": "off"}
CALLS = {
    "patch": {"name": "apply_patch", "arguments": {"input": PATCH}},
    "wait": {"name": "multi_agent_v1__wait_agent", "arguments": {"targets": ["a"]}},
}


@pytest.fixture(scope="module", params=list(CALLS))
def calling(
    request: pytest.FixtureRequest, cloud: Any, tmp_path_factory: Any
) -> Iterator[tuple[str, Deployed]]:
    name, folder = request.param, tmp_path_factory.mktemp("cwd")
    with (
        fake("ollama", "--call", json.dumps(CALLS[name])) as local,
        deployed(next(iter(WAYS)), cloud.url, local.url, folder, **ENV) as trooper,
    ):
        yield name, trooper


def client(trooper: Deployed) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{trooper.url}/v1", api_key="sk-test", max_retries=0)


def check_item(name: str, item: Any) -> None:
    if name == "patch":
        assert (item.type, item.name, item.input) == ("custom_tool_call", "apply_patch", PATCH)
    else:
        assert (item.type, item.name, item.namespace) == ("function_call", "wait_agent", "multi_agent_v1")
        assert json.loads(item.arguments) == {"targets": ["a"]}


def test_responses_streamed(calling: tuple[str, Deployed]) -> None:
    name, trooper = calling
    with client(trooper) as sdk:
        kinds, text = [], ""
        with sdk.responses.stream(**ASKED) as stream:
            for event in stream:
                kinds.append(event.type)
                if event.type == "response.custom_tool_call_input.delta":
                    text += event.delta
                if event.type == "response.custom_tool_call_input.done":
                    assert event.input == PATCH
            (item,) = stream.get_final_response().output
    check_item(name, item)
    assert text == (PATCH if name == "patch" else "")
    assert ("response.custom_tool_call_input.done" in kinds) is (name == "patch")


def test_responses_whole(calling: tuple[str, Deployed]) -> None:
    name, trooper = calling
    with client(trooper) as sdk:
        (item,) = sdk.responses.create(**ASKED).output
    check_item(name, item)


@pytest.mark.parametrize("calling", ["patch"], indirect=True)
def test_chat(calling: tuple[str, Deployed]) -> None:
    _, trooper = calling
    asked: dict[str, Any] = {
        "model": MODEL,
        "messages": [{"role": "user", "content": "Patch it."}],
        "tools": CHAT[:2],
    }
    with client(trooper) as sdk:
        (choice,) = sdk.chat.completions.create(**asked).choices
        (call,) = choice.message.tool_calls or []
        assert call.type == "custom"
        assert (call.custom.name, call.custom.input, choice.finish_reason) == (
            "apply_patch",
            PATCH,
            "tool_calls",
        )
        text, named = "", []
        for chunk in sdk.chat.completions.create(**asked, stream=True):
            for piece in chunk.choices[0].delta.tool_calls or ():
                # Its types know no pieces of custom calls; they are kept as they come.
                custom = piece.model_dump()["custom"]
                named += [custom["name"]] if "name" in custom else []
                text += custom["input"]
        assert (text, named) == (PATCH, ["apply_patch"])

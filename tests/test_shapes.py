"""
Requests as real frameworks send them (`tests/shapes`, made by
`tests/record_shapes`): each is read without loss, and asked again on every
other wire and of both local servers.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from read_shapes import calls_of, images_of, read, results_of, roles, said_by
from scenes import WIRES
from shapes.walking import calls_in, results_in, schemas_in, texts_in
from trooper.core import local_model
from trooper.core.conversation import Conversation, Role
from trooper.core.local_model import LocalModel
from trooper.core.unfit import Unfit
from trooper.wire.client_side import Routing, Unreadable
from trooper.wire.llama_server.ask import LlamaAsking
from trooper.wire.ollama_chat.ask import Loading, OllamaAsking
from trooper.wire.routing import read_routing

SHAPES = sorted((Path(__file__).parent / "shapes").glob("*.json"))
MODEL = LocalModel("m", capabilities=frozenset({"completion", "tools", "vision"}), window_tokens=8192)
#: Those that only name what they were given. Items are found in what Trooper remembers.
MISSING = {
    '"item_reference"': Unfit.ITEM_REFERENCE,
    '"previous_message_id"': Unfit.THREAD,
    '"type": "web_search"': Unfit.SERVER_TOOLS,
}
NAMING = {
    path: reason
    for path in SHAPES
    for sign, reason in MISSING.items()
    if sign in path.read_text(encoding="utf-8")
}
#: Those with a call whose arguments are no JSON, as LangChain keeps them.
BROKEN = [
    path for path in SHAPES if path.stem in {f"langchain-{w}-broken-call" for w in ("chat", "responses")}
]
WHOLE = [path for path in SHAPES if path not in NAMING and path not in BROKEN]
SEEN = '{"city": "Zü'
#: What the wire has no words for, by rule.
UNSAID = {
    "chat": ("top_k",),
    "messages": ("seed", "frequency_penalty", "presence_penalty"),
    "responses": ("seed", "frequency_penalty", "presence_penalty", "top_k"),
}
SAMPLING = ("temperature", "top_p", "top_k", "seed", "frequency_penalty", "presence_penalty")
ASKINGS = (OllamaAsking(MODEL, Loading(None, "30m")), LlamaAsking(MODEL))


def shape(path: Path) -> tuple[str, dict[str, Any]]:
    kept = json.loads(path.read_text(encoding="utf-8"))
    return kept["path"], kept["body"]


def system_of(conversation: Conversation) -> str:
    return "\n\n".join(m.text for m in conversation.messages if m.role is Role.SYSTEM)


@pytest.mark.parametrize("path", sorted(NAMING), ids=lambda path: path.stem)
def test_what_is_only_named_is_said_to_be_missing(path: Path) -> None:
    assert read(*shape(path)).unsaid == (NAMING[path],)


def test_there_are_enough() -> None:
    kinds = {re.split(r"(?<=-chat)-|(?<=-messages)-|(?<=-responses)-", path.stem)[0] for path in SHAPES}
    assert len(SHAPES) >= 130
    assert len(kinds) >= 18


@pytest.mark.parametrize("path", WHOLE, ids=lambda path: path.stem)
def test_it_is_read_without_loss(path: Path) -> None:
    wire, body = shape(path)
    conversation = read(wire, body)
    turns = body.get("messages", body.get("input"))
    said = said_by(conversation)
    for text in texts_in(turns, "content"):
        assert text in said
    for text in texts_in([body.get("system"), body.get("instructions")], "content"):
        assert text in system_of(conversation)
    assert calls_of(conversation) == list(calls_in(turns))
    assert json.dumps(turns).count("data:image") + json.dumps(turns).count('"media_type"') == images_of(
        conversation
    )
    # Each call has its result, and each result its call.
    made = {call_id for call_id, _, _ in calls_of(conversation)}
    assert set(results_of(conversation.messages)) == made
    assert list(results_of(conversation.messages)) == list(results_in(turns))
    known: set[str] = set()
    for message in conversation.messages:
        assert message.role is not Role.TOOL or message.tool_call_id in known
        known |= {call.id for call in message.tool_calls}
    assert [(tool.name, tool.parameters) for tool in conversation.tools] == schemas_in(body)
    assert conversation.unsaid == ()
    wants_document = any(word in json.dumps(body) for word in ('"json_schema"', '"json_object"'))
    assert conversation.is_structured == wants_document
    routing = read_routing(json.dumps(body).encode())
    assert isinstance(routing, Routing)
    assert routing.stream == bool(body.get("stream"))


@pytest.mark.parametrize("path", WHOLE, ids=lambda path: path.stem)
def test_its_limits_are_read(path: Path) -> None:
    _, body = shape(path)
    conversation = read(*shape(path))
    limits = ("max_tokens", "max_completion_tokens", "max_output_tokens")
    wanted = next((body[name] for name in limits if name in body), None)
    assert conversation.sampling.max_tokens == wanted
    for name in SAMPLING:
        assert getattr(conversation.sampling, name) == body.get(name)
    choice = body.get("tool_choice")
    one = body.get("parallel_tool_calls") is False
    one = one or (isinstance(choice, dict) and choice.get("disable_parallel_tool_use") is True)
    assert (conversation.parallel_tool_calls is False) == one
    must = choice == "required" or (isinstance(choice, dict) and "any" in choice.values())
    assert (conversation.tool_choice == "required") == must
    named = choice.get("function", choice).get("name") if isinstance(choice, dict) else None
    assert (conversation.tool_choice == f"tool:{named}") == (named is not None)


@pytest.mark.parametrize("path", WHOLE, ids=lambda path: path.stem)
@pytest.mark.parametrize("other", WIRES)
def test_it_is_asked_on_every_wire(path: Path, other: str) -> None:
    conversation = read(*shape(path))
    spoken = WIRES[other]
    assert spoken.target_side.unfit(conversation) in (None, Unfit.STOP, Unfit.JSON_MODE)
    if spoken.target_side.unfit(conversation) is Unfit.JSON_MODE:
        conversation = evolve(conversation, json_mode=False)
    conversation = evolve(conversation, sampling=evolve(conversation.sampling, stop=()))
    limit = conversation.sampling.max_tokens
    asked = spoken.client_side.read_conversation(
        spoken.target_side.ask(conversation, model="m", max_tokens=limit)
    )
    assert not isinstance(asked, Unreadable)
    for message in conversation.messages:
        assert message.text.strip() in said_by(asked)
    assert calls_of(asked) == calls_of(conversation)
    assert results_of(asked.messages) == results_of(conversation.messages)
    assert list(results_of(asked.messages)) == [call_id for call_id, _, _ in calls_of(asked)]
    assert system_of(asked) == system_of(conversation)
    assert images_of(asked) == images_of(conversation)
    assert [(t.name, t.description, t.parameters) for t in asked.tools] == [
        (t.name, t.description, t.parameters) for t in conversation.tools
    ]
    unsaid: dict[str, Any] = dict.fromkeys(UNSAID[other])
    said = evolve(conversation.sampling, **unsaid)
    # One wire has to be told a limit.
    assert asked.sampling == evolve(said, max_tokens=limit or asked.sampling.max_tokens)
    assert (asked.parallel_tool_calls is False) == (conversation.parallel_tool_calls is False)
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
    assert reason is (Unfit.TOOL_CHOICE if conversation.tool_choice not in ("auto", "none") else None)
    for asking in ASKINGS:
        post = asking.chat(conversation, max_tokens=conversation.sampling.max_tokens)
        body = json.loads(post.body)
        told = body["messages"]
        said = [words_of(message["content"]) for message in told]
        for message in conversation.messages:
            assert message.text.strip() in "\n".join(said)
        calls = [call for message in told for call in message.get("tool_calls", ())]
        assert [local_call(call) for call in calls] == calls_of(conversation)
        results = {m["tool_call_id"]: words_of(m["content"]) for m in told if m["role"] == "tool"}
        assert results == results_of(conversation.messages)
        pictures = sum(len(m.get("images", ())) + str(m["content"]).count("data:image") for m in told)
        assert pictures == images_of(conversation)
        offered = conversation.tools if conversation.tool_choice != "none" else ()
        functions = [tool["function"] for tool in body.get("tools", ())]
        assert [(f["name"], f["parameters"]) for f in functions] == [(t.name, t.parameters) for t in offered]
        assert [m["role"] for m in told].count("system") <= 1


def words_of(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def local_call(call: dict[str, Any]) -> tuple[str, str, Any]:
    arguments = call["function"]["arguments"]
    return (
        call["id"],
        call["function"]["name"],
        json.loads(arguments) if isinstance(arguments, str) else arguments,
    )


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_a_call_that_is_no_json_is_said_in_words(path: Path) -> None:
    conversation = read(*shape(path))
    assert [call.arguments for m in conversation.messages for call in m.tool_calls] == [SEEN]
    for wire in WIRES.values():
        asked = wire.client_side.read_conversation(wire.target_side.ask(conversation, model="m"))
        assert not isinstance(asked, Unreadable)
        assert roles(asked) == ["system", "user", "assistant", "user"]
        assert [m.text for m in asked.messages[2:]] == [f"get_weather({SEEN})", "Not JSON."]

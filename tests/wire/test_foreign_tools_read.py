"""What of a request's tools others are offered, under which names, and what is left out."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from foreign import CHAT, CUSTOM, GRAMMAR, LEFT_OUT, MESSAGES, NAMESPACE, PATCH, RESPONSES
from scenes import WIRES
from trooper.core.conversation import Conversation, Tool
from trooper.core.freeform import PARAMETERS, as_arguments
from trooper.core.names import joined, kinds_shown
from trooper.core.unfit import Unfit
from trooper.wire.client_side import Unreadable

USER = {"role": "user", "content": "Go."}
EVERYWHERE = re.compile(r"[A-Za-z0-9_-]{1,64}")


def read(wire: str, **fields: Any) -> Conversation:
    asks = {"input": [USER]} if wire == "responses" else {"messages": [USER]}
    conversation = WIRES[wire].client_side.read_conversation(json.dumps({**asks, **fields}).encode())
    assert isinstance(conversation, Conversation)
    return conversation


def names(conversation: Conversation) -> list[str]:
    return [tool.name for tool in conversation.tools]


# -- Responses ------------------------------------------------------------------------------------------


def test_what_codex_offers() -> None:
    conversation = read("responses", tools=RESPONSES)
    weather, patch, wait, note = conversation.tools
    assert weather.is_plain
    assert (patch.name, patch.parameters, patch.is_freeform, patch.is_plain) == (
        "apply_patch",
        PARAMETERS,
        True,
        False,
    )
    assert patch.description.endswith(f"The text has to follow this lark grammar:\n{GRAMMAR}")
    assert (wait.name, wait.namespace, wait.own_name) == (
        "multi_agent_v1__wait_agent",
        "multi_agent_v1",
        "wait_agent",
    )
    assert (note.name, note.is_freeform, note.namespace) == ("multi_agent_v1__note", True, "multi_agent_v1")
    assert list(conversation.left_out_tools) == LEFT_OUT
    assert conversation.unsaid == (Unfit.SERVER_TOOLS,)
    assert conversation.without_foreign_tools().unsaid == ()


@pytest.mark.parametrize(
    ("namespace", "name"),
    [
        ("mcp__lights", "on"),
        ("mcp__lights__", "on"),
        ("mcp__" + "l" * 60, "on"),
        ("a.b/c", "ü"),
        ("n", "x" * 90),
    ],
)
def test_joined_names_are_valid_everywhere(namespace: str, name: str) -> None:
    """And the same each time: the history and the answer name the tool as it was offered."""
    said = joined(namespace, name)
    assert EVERYWHERE.fullmatch(said)
    assert said == joined(namespace, name)
    assert said != joined(namespace, name + "2")
    assert EVERYWHERE.fullmatch(joined(namespace, name, [said]))
    assert joined(namespace, name, [said]) != said or len(f"{namespace}__{name}") > 64 or "." in namespace
    assert joined("", name) == name


def test_no_two_have_one_name() -> None:
    plain = {"type": "function", "name": "n__f"}
    spaces = [
        {"type": "namespace", "name": n, "tools": [{"type": "function", "name": f}]}
        for n, f in [("n", "f"), ("n__f", "")]
    ]
    found = names(read("responses", tools=[plain, *spaces[:1]]))
    assert found[0] == "n__f"
    assert len(set(found)) == 2


def test_the_history_names_them_as_they_are_offered() -> None:
    items = [
        USER,
        {"type": "custom_tool_call", "call_id": "c1", "name": "apply_patch", "input": PATCH},
        {"type": "custom_tool_call_output", "call_id": "c1", "output": "Done!"},
        {
            "type": "function_call",
            "call_id": "c2",
            "namespace": "multi_agent_v1",
            "name": "wait_agent",
            "arguments": "{}",
        },
        {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "ok"}]},
    ]
    messages = read("responses", input=items, tools=RESPONSES).messages
    calls = [call for message in messages for call in message.tool_calls]
    assert [(c.id, c.name, c.arguments) for c in calls] == [
        ("c1", "apply_patch", as_arguments(PATCH)),
        ("c2", "multi_agent_v1__wait_agent", "{}"),
    ]
    assert [(m.tool_call_id, m.text) for m in messages if m.tool_call_id] == [("c1", "Done!"), ("c2", "ok")]


def test_tools_in_the_input() -> None:
    """What an agent adds there, and what a search of tools has found."""
    extra = {"type": "additional_tools", "role": "developer", "tools": [CUSTOM, {"type": "web_search"}]}
    found = {"type": "tool_search_output", "execution": "client", "call_id": "s", "tools": [NAMESPACE]}
    conversation = read("responses", input=[extra, USER, found])
    assert names(conversation) == ["apply_patch", "multi_agent_v1__wait_agent", "multi_agent_v1__note"]
    assert conversation.left_out_tools == ("web_search",)
    assert names(read("responses", input=[extra, USER], tools=[CUSTOM])) == ["apply_patch"]


def test_one_that_is_to_be_loaded_is_offered_once_it_was_found() -> None:
    late = {"type": "function", "name": "late", "defer_loading": True}
    before = read("responses", tools=[late])
    assert (names(before), before.left_out_tools) == ([], ("deferred",))
    found = {"type": "tool_search_output", "tools": [late]}
    assert names(read("responses", tools=[late], input=[USER, found])) == ["late"]


def test_a_choice_among_them() -> None:
    def choice(value: Any) -> tuple[str, list[str], bool]:
        conversation = read("responses", tools=RESPONSES, tool_choice=value)
        return conversation.tool_choice, names(conversation), conversation.forces_foreign

    offered = names(read("responses", tools=RESPONSES))
    assert choice({"type": "custom", "name": "apply_patch"}) == ("tool:apply_patch", offered, False)
    assert choice({"type": "function", "name": "wait_agent"}) == (
        "tool:multi_agent_v1__wait_agent",
        offered,
        False,
    )
    named = {"type": "function", "name": "wait_agent", "namespace": "multi_agent_v1"}
    assert choice(named)[0] == "tool:multi_agent_v1__wait_agent"
    assert choice("required") == ("required", offered, False)

    def allowed(mode: str, *tools: Any) -> tuple[str, list[str], bool]:
        return choice({"type": "allowed_tools", "mode": mode, "tools": list(tools)})

    search = {"type": "web_search"}
    assert allowed("required", {"type": "custom", "name": "apply_patch"}, search) == (
        "required",
        ["apply_patch"],
        False,
    )
    assert allowed("auto", {"type": "namespace", "name": "multi_agent_v1"})[1] == offered[2:]
    assert allowed("auto", search) == ("auto", [], False)
    assert allowed("required", search) == ("required", [], True)
    assert choice({"type": "mcp", "server_label": "x"}) == ("required", offered, True)


def test_a_forced_one_stays_unfit() -> None:
    conversation = read("responses", tools=RESPONSES, tool_choice={"type": "web_search"})
    assert conversation.without_foreign_tools().unsaid == (Unfit.FORCED_TOOL,)
    # Also where the request does not offer it.
    conversation = read("responses", tool_choice={"type": "web_search"})
    assert conversation.without_foreign_tools().unsaid == (Unfit.FORCED_TOOL,)


@pytest.mark.parametrize(
    "tools", [[{"type": "namespace", "name": "n", "tools": 7}], [{"type": "custom"}], [7]]
)
def test_what_is_no_offer_is_its_providers_to_refuse(tools: Any) -> None:
    body = json.dumps({"input": [USER], "tools": tools}).encode()
    assert WIRES["responses"].client_side.read_conversation(body) == Unreadable(Unfit.UNEXPECTED_SHAPE)


def space(name: str, *tools: dict[str, Any]) -> dict[str, Any]:
    return {"type": "namespace", "name": name, "tools": list(tools)}


F: dict[str, Any] = {"type": "function", "name": "f"}
LATE: dict[str, Any] = {**F, "name": "late", "defer_loading": True}


def test_one_that_is_to_be_loaded_and_is_forced_is_offered() -> None:
    def forced(tools: list[Any], **choice: str) -> tuple[str, list[str], bool, tuple[str, ...]]:
        read_ = read("responses", tools=tools, tool_choice={"type": "function", **choice})
        return read_.tool_choice, names(read_), read_.forces_foreign, read_.left_out_tools

    assert forced([F, LATE], name="late") == ("tool:late", ["f", "late"], False, ())
    other = {**LATE, "name": "later"}
    assert forced([LATE, other], name="late") == ("tool:late", ["late"], False, ("deferred",))
    both = [space("a", LATE), space("b", LATE)]
    assert forced(both, name="late", namespace="b") == ("tool:b__late", ["b__late"], False, ("deferred",))
    assert forced(both[:1], name="late") == ("tool:a__late", ["a__late"], False, ())
    assert forced(both[:1], name="a__late") == ("tool:a__late", ["a__late"], False, ())
    # The one that is called by this name alone comes before one of a namespace.
    assert forced([space("a", F), {**F, "defer_loading": True}], name="f")[:2] == ("tool:f", ["a__f", "f"])


def test_one_that_is_forced_and_not_offered_is_foreign() -> None:
    """A server of tools has names that only its provider knows."""

    def forces(tools: list[Any], **choice: str) -> bool:
        return read("responses", tools=tools, tool_choice={"type": "function", **choice}).forces_foreign

    mcp = {"type": "mcp", "server_label": "docs", "server_url": "https://x"}
    assert forces([F, mcp], name="search_docs")
    assert not forces([F, mcp], name="f")
    assert forces([space("a", F), mcp], name="f", namespace="b")
    # Nothing was left out: it is its provider's to refuse.
    assert not forces([F], name="search_docs")


def test_one_that_was_found_is_not_told_as_left_out() -> None:
    conversation = read(
        "responses", tools=[LATE], input=[USER, {"type": "tool_search_output", "tools": [LATE]}]
    )
    assert (names(conversation), conversation.left_out_tools, conversation.unsaid) == (["late"], (), ())


def test_those_that_are_allowed_are_of_their_namespace() -> None:
    def allowed(*tools: dict[str, str]) -> list[str]:
        choice = {"type": "allowed_tools", "mode": "required", "tools": tools}
        return names(read("responses", tools=[space("a", F), space("b", F), F], tool_choice=choice))

    named = {"type": "function", "name": "f"}
    assert allowed({**named, "namespace": "a"}) == ["a__f"]
    assert allowed({**named, "namespace": "a"}, {**named, "namespace": "b"}) == ["a__f", "b__f"]
    assert allowed(named) == ["f"]
    assert allowed({**named, "namespace": "c"}) == []
    assert allowed({"type": "namespace", "name": "b"}) == ["b__f"]
    assert allowed({"type": "namespace", "name": "f"}) == []


# -- chat -----------------------------------------------------------------------------------------------


def test_custom_tools_of_chat() -> None:
    conversation = read("chat", tools=CHAT)
    assert names(conversation) == ["get_weather", "apply_patch"]
    assert conversation.tools[1].is_freeform
    assert GRAMMAR in conversation.tools[1].description
    assert conversation.left_out_tools == ("hologram",)
    assert conversation.unsaid == (Unfit.SERVER_TOOLS,)
    assert read("chat", tools=CHAT[:2]).unsaid == ()


def test_a_search_of_the_providers_own() -> None:
    conversation = read("chat", web_search_options={"user_location": {"type": "approximate"}})
    assert (conversation.unsaid, conversation.left_out_tools) == (
        (Unfit.WEB_SEARCH,),
        ("web_search_options",),
    )
    assert conversation.without_foreign_tools().unsaid == ()
    both = read("chat", tools=CHAT, web_search_options={"x": 1}, logprobs=True)
    assert both.without_foreign_tools().unsaid == (Unfit.LOGPROBS,)


def test_a_choice_on_chat() -> None:
    def choice(value: Any) -> tuple[str, list[str], bool]:
        conversation = read("chat", tools=CHAT, tool_choice=value)
        return conversation.tool_choice, names(conversation), conversation.forces_foreign

    both = ["get_weather", "apply_patch"]
    assert choice({"type": "custom", "custom": {"name": "apply_patch"}}) == ("tool:apply_patch", both, False)
    assert choice({"type": "hologram"}) == ("required", both, True)
    assert choice({"type": "auto"}) == ("auto", both, False)
    allowed = {"mode": "required", "tools": [{"type": "custom", "custom": {"name": "apply_patch"}}]}
    assert choice({"type": "allowed_tools", "allowed_tools": allowed}) == ("required", ["apply_patch"], False)
    allowed = {"mode": "required", "tools": [{"type": "hologram"}]}
    assert choice({"type": "allowed_tools", "allowed_tools": allowed}) == ("required", [], True)


def test_a_forced_one_on_chat_that_is_not_offered() -> None:
    choice = {"type": "function", "function": {"name": "search"}}
    assert read("chat", tools=CHAT, tool_choice=choice).forces_foreign
    assert not read("chat", tools=CHAT[:2], tool_choice=choice).forces_foreign


def test_a_custom_call_in_a_chat_history() -> None:
    call = {"id": "c", "type": "custom", "custom": {"name": "apply_patch", "input": PATCH}}
    turns = [
        USER,
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "ok"},
    ]
    (said,) = read("chat", messages=turns).messages[1].tool_calls
    assert (said.name, said.arguments) == ("apply_patch", as_arguments(PATCH))


# -- Messages -------------------------------------------------------------------------------------------


def test_tools_that_anthropics_clients_run() -> None:
    """They come back as plain calls, so they are offered with the parameters that are documented for them."""
    conversation = read("messages", tools=MESSAGES)
    found = {tool.name: tool for tool in conversation.tools}
    assert list(found) == ["get_weather", "bash", "str_replace_based_edit_tool", "memory", "computer"]
    assert all(tool.is_plain for tool in found.values())
    assert set(found["bash"].parameters["properties"]) == {"command", "restart"}  # type: ignore[call-overload]
    assert found["str_replace_based_edit_tool"].parameters["required"] == ["command", "path"]
    assert "800 by 600 pixels" in found["computer"].description
    assert conversation.left_out_tools == ("code_execution", "mcp_toolset", "web_search")
    assert conversation.unsaid == (Unfit.SERVER_TOOLS,)
    assert read("messages", tools=MESSAGES[:5]).unsaid == ()


def test_what_anthropic_is_to_ask_and_to_keep() -> None:
    conversation = read("messages", mcp_servers=[{"type": "url", "url": "https://x"}], container="c")
    assert conversation.unsaid == (Unfit.MCP_SERVERS, Unfit.CONTAINER)
    assert conversation.left_out_tools == ("container", "mcp_servers")
    assert conversation.without_foreign_tools().unsaid == ()
    thread = read("messages", thread={"type": "continue", "id": "t"}, mcp_servers=[{}])
    assert thread.without_foreign_tools().unsaid == (Unfit.THREAD,)


def test_a_choice_on_messages() -> None:
    def forces(tools: Any, choice: Any) -> bool:
        return read("messages", tools=tools, tool_choice=choice).forces_foreign

    assert forces(MESSAGES, {"type": "tool", "name": "web_search"})
    assert not forces(MESSAGES, {"type": "tool", "name": "bash"})
    assert forces(MESSAGES[5:], {"type": "any"})
    assert not forces(MESSAGES, {"type": "any"})
    assert not forces(MESSAGES[5:], {"type": "auto"})


def test_a_forced_tool_of_a_server_on_messages() -> None:
    """The request has the name of its server alone."""
    choice = {"type": "tool", "name": "search_docs"}
    toolset = {"type": "mcp_toolset", "mcp_server_name": "docs"}
    conversation = read("messages", tools=[MESSAGES[0], toolset], tool_choice=choice)
    assert conversation.without_foreign_tools().unsaid == (Unfit.FORCED_TOOL,)
    assert read("messages", mcp_servers=[{"name": "docs"}], tool_choice=choice).forces_foreign
    assert not read("messages", tools=MESSAGES[:1], tool_choice=choice).forces_foreign


def test_tools_that_are_to_be_loaded_on_messages() -> None:
    late = {"name": "late", "input_schema": {}, "defer_loading": True}
    conversation = read("messages", tools=[late, MESSAGES[0]])
    assert (names(conversation), conversation.left_out_tools) == (["get_weather"], ("deferred",))
    found = {
        "type": "tool_search_tool_search_result",
        "tool_references": [{"type": "tool_reference", "tool_name": "late"}],
    }
    block = {"type": "tool_search_tool_result", "tool_use_id": "s", "content": found}
    turns = [USER, {"role": "assistant", "content": [block]}]
    assert names(read("messages", tools=[late], messages=turns)) == ["late"]
    assert names(read("messages", tools=[late], tool_choice={"type": "tool", "name": "late"})) == ["late"]


def test_what_is_told_of_them_is_enumerated() -> None:
    secret = "sk-live " + "x" * 40
    told = kinds_shown(["web_search", "web_search", secret, "Bearer", "x" * 49, "None"])
    assert told == ("other", "web_search")
    assert len(kinds_shown(f"kind_{n}" for n in range(100))) == 16
    assert read("responses", tools=[{"type": secret}]).left_out_tools == ("other",)
    assert read("responses", tools=[{"type": None}]).left_out_tools == ("other",)
    assert Tool("f").is_plain

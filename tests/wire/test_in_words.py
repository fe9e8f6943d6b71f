"""What a history has of tools that nobody else has, in words: what was asked and found, and no ids, seals or bytes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenes import WIRES
from trooper.core.conversation import Conversation, Role, TextPart, UnknownPart
from trooper.wire.in_words import clipped, in_words

SEAL = "gAAAAABm" + "x" * 600
USER = {"role": "user", "content": "Go."}


def read(wire: str, **body: Any) -> Conversation:
    conversation = WIRES[wire].client_side.read_conversation(json.dumps(body).encode())
    assert isinstance(conversation, Conversation)
    return conversation


ITEMS: list[tuple[dict[str, Any], str, Role]] = [
    (
        {
            "type": "web_search_call",
            "id": "ws_1",
            "status": "completed",
            "action": {
                "type": "search",
                "query": "lamps",
                "sources": [{"type": "url", "url": "https://a.example"}],
            },
        },
        "[web_search] search:\nquery: lamps\nurl: https://a.example",
        Role.ASSISTANT,
    ),
    (
        {
            "type": "web_search_call",
            "status": "failed",
            "action": {"type": "open_page", "url": "https://a.example"},
        },
        "[web_search] status: failed\nopen_page:\nurl: https://a.example",
        Role.ASSISTANT,
    ),
    (
        {
            "type": "file_search_call",
            "queries": ["lamp", "lens"],
            "results": [{"file_id": "file_1", "filename": "a.md", "score": 0.9, "text": "The lamp."}],
        },
        "[file_search] queries: lamp\nlens\nfilename: a.md\nThe lamp.",
        Role.ASSISTANT,
    ),
    (
        {
            "type": "code_interpreter_call",
            "code": "print(1)",
            "container_id": "cntr_1",
            "outputs": [
                {"type": "logs", "logs": "1\n"},
                {"type": "image", "url": "data:image/png;base64,QUJD"},
            ],
        },
        "[code_interpreter] code: print(1)\nlogs: 1\n\nimage:",
        Role.ASSISTANT,
    ),
    (
        {"type": "image_generation_call", "revised_prompt": "A lamp", "result": "iVBOR" + "w0KGgo" * 100},
        "[image_generation] revised_prompt: A lamp",
        Role.ASSISTANT,
    ),
    (
        {
            "type": "mcp_call",
            "server_label": "lights",
            "name": "on",
            "arguments": '{"n":1}',
            "output": "It is on.",
        },
        '[mcp] server_label: lights\nname: on\narguments: {"n":1}\nIt is on.',
        Role.ASSISTANT,
    ),
    (
        {
            "type": "mcp_list_tools",
            "server_label": "lights",
            "tools": [{"name": "on", "description": "Switches.", "input_schema": {"type": "object"}}],
        },
        "[mcp_list_tools] server_label: lights\nname: on\ndescription: Switches.",
        Role.ASSISTANT,
    ),
    (
        {
            "type": "mcp_approval_request",
            "id": "m_1",
            "server_label": "lights",
            "name": "on",
            "arguments": "{}",
        },
        "[mcp_approval_request] server_label: lights\nname: on\narguments: {}",
        Role.ASSISTANT,
    ),
    (
        {"type": "mcp_approval_response", "approval_request_id": "m_1", "approve": False},
        "[mcp_approval_response result] approve: false",
        Role.USER,
    ),
    (
        {
            "type": "computer_call",
            "call_id": "c",
            "action": {"type": "click", "x": 3, "y": 4, "button": "left"},
        },
        "[computer] click:\nx: 3\ny: 4\nbutton: left",
        Role.ASSISTANT,
    ),
    (
        {
            "type": "computer_call_output",
            "call_id": "c",
            "output": {"type": "computer_screenshot", "image_url": "data:image/png;base64,QUJD"},
        },
        "[computer result] computer_screenshot:",
        Role.USER,
    ),
    (
        {
            "type": "local_shell_call",
            "call_id": "c",
            "action": {
                "type": "exec",
                "command": ["git", "status"],
                "env": {"KEY": "secret"},
                "timeout_ms": 5,
            },
        },
        "[local_shell] command: git status",
        Role.ASSISTANT,
    ),
    (
        {"type": "local_shell_call_output", "id": "c", "output": "clean"},
        "[local_shell result] clean",
        Role.USER,
    ),
    (
        {"type": "shell_call", "call_id": "c", "action": {"commands": ["ls", "pwd"], "timeout_ms": 5}},
        "[shell] commands: ls\npwd",
        Role.ASSISTANT,
    ),
    (
        {
            "type": "shell_call_output",
            "call_id": "c",
            "output": [{"stdout": "a", "stderr": "", "outcome": {"type": "exit", "exit_code": 1}}],
        },
        "[shell result] stdout: a\nexit_code: 1",
        Role.USER,
    ),
    (
        {
            "type": "apply_patch_call",
            "call_id": "c",
            "operation": {"type": "update_file", "path": "a", "diff": "+b"},
        },
        "[apply_patch] update_file:\npath: a\ndiff: +b",
        Role.ASSISTANT,
    ),
    (
        {"type": "apply_patch_call_output", "call_id": "c", "status": "failed", "output": "no such file"},
        "[apply_patch result] status: failed\nno such file",
        Role.USER,
    ),
    (
        {"type": "tool_search_call", "execution": "client", "arguments": {"query": "lamps", "limit": 3}},
        "[tool_search] arguments: query: lamps\nlimit: 3",
        Role.ASSISTANT,
    ),
    (
        {"type": "tool_search_output", "execution": "server", "tools": [{"type": "function", "name": "on"}]},
        "[tool_search result] name: on",
        Role.ASSISTANT,
    ),
    (
        {"type": "hologram_call", "depth": 3, "of": "a lamp"},
        "[hologram] depth: 3\nof: a lamp",
        Role.ASSISTANT,
    ),
]


@pytest.mark.parametrize(("item", "told", "role"), ITEMS, ids=[str(item["type"]) for item, _, _ in ITEMS])
def test_items_of_tools_that_only_their_provider_has(item: dict[str, Any], told: str, role: Role) -> None:
    conversation = read("responses", input=[USER, item, USER])
    (said,) = [m for m in conversation.messages if m.text != "Go."]
    assert (said.text, said.role) == (told, role)
    assert conversation.unsaid == ()


@pytest.mark.parametrize(
    "item",
    [
        {"type": "compaction", "encrypted_content": SEAL},
        {"type": "context_compaction", "encrypted_content": SEAL},
        {"type": "compaction_summary", "encrypted_content": SEAL},
        {"type": "compaction_trigger"},
        {"type": "configuration_update", "instructions": "x"},
        {"type": "ghost_snapshot", "ghost_commit": {"id": "a"}},
        {"type": "web_search_call", "id": "ws_1", "status": "completed"},
        {"type": "reasoning", "encrypted_content": SEAL, "summary": []},
    ],
)
def test_what_is_sealed_is_left_out(item: dict[str, Any]) -> None:
    conversation = read("responses", input=[USER, item])
    assert [m.text for m in conversation.messages] == ["Go."]
    assert conversation.unsaid == ()


def test_sealed_parts_of_results_are_left_out_and_files_are_not() -> None:
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    parts = [{"type": "input_text", "text": "a"}, {"type": "encrypted_content", "encrypted_content": SEAL}]
    output = {"type": "function_call_output", "call_id": "c", "output": parts}
    assert read("responses", input=[call, output]).messages[1].parts == (TextPart("a"),)
    audio = {**output, "output": [{"type": "input_audio", "input_audio": {}}]}
    assert read("responses", input=[call, audio]).messages[1].parts == (UnknownPart("input_audio"),)
    nobodys = {"type": "function_call_output", "output": "late"}
    assert [(m.role, m.text) for m in read("responses", input=[nobodys]).messages] == [(Role.USER, "late")]


BLOCKS: list[tuple[dict[str, Any], str]] = [
    (
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "lamps"}},
        "[tool] name: web_search\nquery: lamps\n",
    ),
    (
        {
            "type": "web_search_tool_result",
            "tool_use_id": "srvtoolu_1",
            "content": [
                {
                    "type": "web_search_result",
                    "title": "Lamp",
                    "url": "https://a.example",
                    "encrypted_content": SEAL,
                }
            ],
        },
        "[web search result] title: Lamp\nurl: https://a.example\n",
    ),
    (
        {
            "type": "web_search_tool_result",
            "content": {"type": "web_search_tool_result_error", "error_code": "max_uses_exceeded"},
        },
        "[web search result] web_search_tool_result_error:\nerror_code: max_uses_exceeded\n",
    ),
    (
        {
            "type": "web_fetch_tool_result",
            "content": {
                "type": "web_fetch_result",
                "url": "https://a.example",
                "content": {
                    "type": "document",
                    "title": "Lamp",
                    "source": {"type": "text", "media_type": "text/plain", "data": "It is on."},
                },
            },
        },
        "[web fetch result] url: https://a.example\ntitle: Lamp\nIt is on.\n",
    ),
    (
        {
            "type": "bash_code_execution_tool_result",
            "content": {
                "type": "bash_code_execution_result",
                "stdout": "1",
                "stderr": "",
                "return_code": 2,
                "content": [],
            },
        },
        "[bash code execution result] bash_code_execution_result:\nstdout: 1\nreturn_code: 2\n",
    ),
    (
        {"type": "mcp_tool_use", "id": "m", "name": "on", "server_name": "lights", "input": {"n": 1}},
        "[tool] name: on\nserver_name: lights\nn: 1\n",
    ),
    (
        {"type": "mcp_tool_result", "is_error": True, "content": [{"type": "text", "text": "broken"}]},
        "[mcp result] is_error: true\nbroken\n",
    ),
    ({"type": "compaction", "content": "So far: lamps."}, "[compaction] So far: lamps.\n"),
]


@pytest.mark.parametrize(("block", "told"), BLOCKS, ids=[str(block["type"]) for block, _ in BLOCKS])
def test_blocks_of_tools_that_only_anthropic_has(block: dict[str, Any], told: str) -> None:
    turns = [USER, {"role": "assistant", "content": [block, {"type": "text", "text": "So."}]}]
    conversation = read("messages", messages=turns)
    assert conversation.messages[1].text == f"{told}So."
    assert conversation.unsaid == ()


def test_a_reference_to_a_tool_in_a_result() -> None:
    use = {"type": "tool_use", "id": "t", "name": "ToolSearch", "input": {"q": "lamp"}}
    found = {"type": "tool_reference", "tool_name": "switch"}
    turns = [
        {"role": "assistant", "content": [use]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": [found]}]},
    ]
    assert read("messages", messages=turns).messages[1].text == "[tool reference] tool_name: switch\n"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(
    st.dictionaries(st.sampled_from(["type", "action", "output", "content", "command", "status", "x"]), JSON)
)
def test_nothing_raises(value: dict[str, Any]) -> None:
    assert isinstance(in_words("tool", value), str)
    conversation = read("responses", input=[USER, {**value, "type": "hologram_call"}])
    assert conversation.messages[0].text == "Go."


def test_it_is_bounded() -> None:
    long = in_words("shell", {"output": "é" * 100_000 + "the end"})
    assert len(long) < 17_000
    assert long.endswith("the end")
    assert "[…]" in long
    many = in_words("mcp", {"tools": [{"name": f"tool_{n}"} for n in range(100_000)]})
    assert len(many) < 17_000
    deep: Any = "x"
    for _ in range(50):
        deep = {"content": deep}
    assert in_words("tool", deep) == ""
    assert clipped("abc", 3) == "abc"

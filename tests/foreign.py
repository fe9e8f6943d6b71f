"""
Requests with tools that only their provider has, and with tools that models know under another form.
"""

from __future__ import annotations

from typing import Any, Final

from attrs import evolve

from scenes import WIRES
from trooper.testing import Call, ChatAnswer
from trooper.testing.provider import WIRES as SPOKEN

GRAMMAR: Final = 'start: begin_patch hunk+ end_patch\nbegin_patch: "*** Begin Patch" LF'
PATCH: Final = (
    '*** Begin Patch\n*** Add File: lamp "1".txt\n+The lamp\tnever goes out – 灯台 🔦 \\o/\n*** End Patch'
)
PATCHES: Final = Call("apply_patch", PATCH, "call_patch_1", custom=True)
#: The same as models say it to whom it is a function.
WAITS: Final = Call("wait_agent", '{"targets": ["a"]}', "call_wait_1", namespace="multi_agent_v1")
FUNCTION: Final[dict[str, Any]] = {"type": "object", "properties": {"city": {"type": "string"}}}
NAMESPACE: Final[dict[str, Any]] = {
    "type": "namespace",
    "name": "multi_agent_v1",
    "description": "Tools for sub-agents.",
    "tools": [
        {"type": "function", "name": "wait_agent", "description": "Waits.", "parameters": {"type": "object"}},
        {"type": "custom", "name": "note", "description": "Notes."},
    ],
}
CUSTOM: Final[dict[str, Any]] = {
    "type": "custom",
    "name": "apply_patch",
    "description": "Edits files. This is a FREEFORM tool.",
    "format": {"type": "grammar", "syntax": "lark", "definition": GRAMMAR},
}
#: As Codex offers them: a function, its patch tool, a namespace, and what only OpenAI runs.
RESPONSES: Final[list[dict[str, Any]]] = [
    {"type": "function", "name": "get_weather", "parameters": FUNCTION},
    CUSTOM,
    NAMESPACE,
    {"type": "web_search", "external_web_access": True},
    {"type": "image_generation", "output_format": "png"},
    {"type": "tool_search", "execution": "client", "description": "Finds tools.", "parameters": {}},
]
LEFT_OUT: Final = ["image_generation", "tool_search", "web_search"]
CHAT: Final[list[dict[str, Any]]] = [
    {"type": "function", "function": {"name": "get_weather", "parameters": FUNCTION}},
    {
        "type": "custom",
        "custom": {
            "name": "apply_patch",
            "description": "Edits files.",
            "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": GRAMMAR}},
        },
    },
    {"type": "hologram", "hologram": {"depth": 3}},
]
MESSAGES: Final[list[dict[str, Any]]] = [
    {"name": "get_weather", "input_schema": FUNCTION},
    {"type": "bash_20250124", "name": "bash"},
    {"type": "text_editor_20250728", "name": "str_replace_based_edit_tool"},
    {"type": "memory_20250818", "name": "memory"},
    {"type": "computer_20251124", "name": "computer", "display_width_px": 800, "display_height_px": 600},
    {"type": "web_search_20250305", "name": "web_search", "max_uses": 5},
    {"type": "code_execution_20250825", "name": "code_execution"},
    {"type": "mcp_toolset", "mcp_server_name": "lights"},
]
TOOLS: Final[dict[str, list[dict[str, Any]]]] = {"chat": CHAT, "messages": MESSAGES, "responses": RESPONSES}


def sent(client: str, answer: ChatAnswer) -> bytes:
    """What the provider says to the first request."""
    spoken = SPOKEN[WIRES[client].path]
    return b"".join(spoken.events(evolve(answer, id=f"{spoken.id_prefix}scripted{0:012d}")))

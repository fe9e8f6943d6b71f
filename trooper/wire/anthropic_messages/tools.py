"""
The tools of a Messages request, as models of other wires are offered them.

    type                                  is
    ------------------------------------  -----------------------------------
    none, or custom                       a function
    one of Anthropic's that its client    a function with the parameters that
    runs (bash, text editor, …)           are documented for it
    any other                             left out: only Anthropic has it
    one that is to be loaded              left out, until the history names it
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from trooper.core.conversation import Tool, leaves_out
from trooper.core.names import kinds_shown
from trooper.wire.offered import Offered

_DATED: Final = re.compile(r"([a-z_]+?)_(20\d{6})")
#: What else of a request the provider is to do with a tool of its own.
_BESIDE: Final = ("mcp_servers", "container")
_TO_BE_LOADED: Final = "deferred"


def read_tools(value: Mapping[str, object]) -> Offered:
    """What a request offers."""
    given = value.get("tools") or []
    if not isinstance(given, list):
        raise TypeError("tools")
    choice = _choice(value.get("tool_choice"))
    loaded = {choice.removeprefix("tool:"), *_named_in(value.get("messages"))} if _any_deferred(given) else ()
    tools: list[Tool] = []
    foreign: list[str] = []
    for tool in given:
        read = _tool(tool)
        if read is None:
            foreign.append(_kind(tool))
        elif tool.get("defer_loading") and read.name not in loaded:
            foreign.append(_TO_BE_LOADED)
        else:
            tools.append(read)
    foreign += [name for name in _BESIDE if value.get(name)]
    # A server of tools has names that only its provider knows.
    forces = bool(foreign) and leaves_out(choice, tools)
    return Offered(tuple(tools), kinds_shown(foreign), choice, forces)


def _tool(tool: Mapping[str, object]) -> Tool | None:
    kind = tool.get("type")
    if kind in (None, "custom"):
        strict = tool.get("strict")
        return Tool(
            name=str(tool["name"]),
            description=str(tool.get("description") or ""),
            parameters=tool.get("input_schema") or {},  # type: ignore[arg-type]
            strict=strict if isinstance(strict, bool) else None,
        )
    dated = _DATED.fullmatch(str(kind))
    known = _OF_CLIENTS.get(dated[1]) if dated else None
    if known is None or dated is None:
        return None
    description, properties, required = known
    if dated[1] == "computer":
        size = f"{tool.get('display_width_px')} by {tool.get('display_height_px')} pixels"
        description = f"{description} The display has {size}."
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return Tool(str(tool["name"]), description, schema)


def _kind(tool: Mapping[str, object]) -> str:
    """The type of a tool without the day of its version."""
    kind = str(tool.get("type"))
    dated = _DATED.fullmatch(kind)
    return dated[1] if dated else kind


def _any_deferred(tools: list[Mapping[str, object]]) -> bool:
    return any(tool.get("defer_loading") for tool in tools)


def _named_in(value: object, depth: int = 0) -> Iterator[str]:
    """The tools that a search has found, somewhere in the messages."""
    if depth > _MOST_DEPTH:
        return
    if isinstance(value, list):
        for one in value:
            yield from _named_in(one, depth + 1)
    elif isinstance(value, dict):
        if value.get("type") == "tool_reference":
            yield str(value.get("tool_name"))
        for key in ("content", "tool_references"):
            yield from _named_in(value.get(key), depth + 1)


def _choice(choice: object) -> str:
    match choice:
        case None:
            return "auto"
        case {"type": "any"}:
            return "required"
        case {"type": "tool", "name": str(name)}:
            return f"tool:{name}"
        case {"type": "none" | "auto" as word}:
            return str(word)
        case _:
            raise ValueError("tool_choice")


def is_of_tools(kind: str) -> bool:
    """Whether a block is of a tool that Anthropic runs: what it was asked, or what came of it."""
    return kind in _OF_TOOLS or kind.endswith("_tool_result")


#: Messages, blocks, results, what was found.
_MOST_DEPTH: Final = 8
_OF_TOOLS: Final = frozenset({"server_tool_use", "mcp_tool_use", "compaction"})
_TEXT: Final[Mapping[str, object]] = {"type": "string"}
_PLACE: Final[Mapping[str, object]] = {"type": "array", "items": {"type": "integer"}}


def _one_of(*words: str) -> Mapping[str, object]:
    return {"type": "string", "enum": list(words)}


#: Anthropic's tools that its clients run: what they do, what they take, and what of that they need.
_OF_CLIENTS: Final[Mapping[str, tuple[str, Mapping[str, object], tuple[str, ...]]]] = {
    "bash": (
        "Runs a command in a bash session that stays open; `restart` begins a new one.",
        {"command": _TEXT, "restart": {"type": "boolean"}},
        (),
    ),
    "text_editor": (
        (
            "Shows and edits text files: `view` (`view_range`: first and last line), `create` (`file_text`),"
            " `str_replace` (`old_str`, found exactly once, by `new_str`), `insert` (`insert_text` behind line"
            " `insert_line`)."
        ),
        {
            "command": _one_of("view", "create", "str_replace", "insert"),
            "path": _TEXT,
            "view_range": _PLACE,
            "file_text": _TEXT,
            "old_str": _TEXT,
            "new_str": _TEXT,
            "insert_line": {"type": "integer"},
            "insert_text": _TEXT,
        },
        ("command", "path"),
    ),
    "memory": (
        (
            "Keeps files below /memories between conversations: `view`, `create` (`file_text`), `str_replace`"
            " (`old_str` by `new_str`), `insert` (`insert_text` behind line `insert_line`), `delete`, `rename`"
            " (`old_path` to `new_path`)."
        ),
        {
            "command": _one_of("view", "create", "str_replace", "insert", "delete", "rename"),
            "path": _TEXT,
            "view_range": _PLACE,
            "file_text": _TEXT,
            "old_str": _TEXT,
            "new_str": _TEXT,
            "insert_line": {"type": "integer"},
            "insert_text": _TEXT,
            "old_path": _TEXT,
            "new_path": _TEXT,
        },
        ("command",),
    ),
    "computer": (
        (
            "Uses a computer by its screen, mouse and keyboard; `coordinate` is x and y, `text` what is typed or"
            " which keys are pressed."
        ),
        {
            "action": _one_of(
                *("screenshot", "left_click", "right_click", "middle_click", "double_click", "triple_click"),
                *("left_click_drag", "left_mouse_down", "left_mouse_up", "mouse_move", "cursor_position"),
                *("scroll", "type", "key", "hold_key", "wait", "zoom"),
            ),
            "coordinate": _PLACE,
            "start_coordinate": _PLACE,
            "region": _PLACE,
            "text": _TEXT,
            "scroll_direction": _one_of("up", "down", "left", "right"),
            "scroll_amount": {"type": "integer"},
            "duration": {"type": "number"},
        },
        ("action",),
    ),
}

"""
The tools of a chat request, as models of other wires are offered them.

A function is one, and a custom tool is a function that takes one text
(`core.freeform`). All others, and a search of the provider's own, are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from trooper.core import freeform
from trooper.core.conversation import Tool, leaves_out
from trooper.core.names import kinds_shown
from trooper.wire.decoding import grammar_of
from trooper.wire.offered import Offered

#: What is searched with at the provider, and is no tool in the list.
SEARCH: Final = "web_search_options"


def read_tools(value: Mapping[str, object]) -> Offered:
    """What a request offers."""
    given = value.get("tools") or []
    if not isinstance(given, list):
        raise TypeError("tools")
    read = [(str(tool.get("type", "function")), _tool(tool)) for tool in given]
    foreign = [kind for kind, tool in read if tool is None]
    foreign += [SEARCH] if value.get(SEARCH) else []
    choice, allowed, is_foreign = _choice(value.get("tool_choice"))
    tools = tuple(t for _, t in read if t is not None and (allowed is None or t.name in allowed))
    forces = is_foreign or (bool(foreign) and leaves_out(choice, tools))
    return Offered(tools, kinds_shown(foreign), choice, forces)


def _tool(tool: Mapping[str, object]) -> Tool | None:
    match tool:
        case {"type": "custom", "custom": {"name": str(name), **told}}:
            description = freeform.described(
                str(told.get("description") or ""), *grammar_of(told.get("format"))
            )
            return Tool(name, description, freeform.PARAMETERS, is_freeform=True)
        case {"type": str(kind)} if kind != "function":
            return None
        case {"function": dict(function)}:
            strict = function.get("strict")
            return Tool(
                name=str(function["name"]),
                description=str(function.get("description") or ""),
                parameters=function.get("parameters") or {},
                strict=strict if isinstance(strict, bool) else None,
            )
        case _:
            raise TypeError("tool")


def _choice(choice: object) -> tuple[str, Sequence[str] | None, bool]:
    """What is to be called, which of the tools may be, and whether that is one that is left out."""
    match choice:
        case {"allowed_tools": {"tools": list(allowed), **more}}:
            return str(more.get("mode") or "auto"), [_name(one) for one in allowed], False
        case {"allowed_tools": dict(allowed)}:
            return str(allowed.get("mode") or "auto"), None, False
        case {"function": {"name": str(name)}} | {"custom": {"name": str(name)}}:
            return f"tool:{name}", None, False
        case {"function": _} | {"custom": _}:
            raise TypeError("tool_choice")
        case {"type": "auto" | "none" | "required" | "any" as word}:
            return "required" if word == "any" else word, None, False
        case dict():
            return "required", None, True
        case None:
            return "auto", None, False
        case _:
            return str(choice), None, False


def _name(allowed: object) -> str:
    match allowed:
        case {"function": {"name": str(name)}} | {"custom": {"name": str(name)}}:
            return name
        case _:
            return ""

"""What a request says, on any wire, as plain JSON: found by walking, not by Trooper's readers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any


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
        case str() if key in ("content", "text", "output", "refusal"):
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


def results_in(value: Any) -> Iterator[str]:
    """The call that each result belongs to."""
    match value:
        case (
            {"type": "tool_result", "tool_use_id": call_id}
            | {"type": "function_call_output", "call_id": call_id}
            | {"role": "tool", "tool_call_id": call_id}
        ):
            yield call_id
        case dict() | list():
            for item in value.values() if isinstance(value, dict) else value:
                yield from results_in(item)
        case _:
            pass


def schemas_in(body: dict[str, Any]) -> list[tuple[str, Any]]:
    functions = [tool.get("function", tool) for tool in body.get("tools") or ()]
    return [(f["name"], f["parameters"] if "parameters" in f else f["input_schema"]) for f in functions]

"""
Reads OpenAI Responses requests.

Dropped by rule, since no other wire has it and no answer hangs on it: `store`,
`metadata`, `reasoning`, `service_tier`, `user`, `truncation`, `include` (but
for logprobs), `prompt_cache_key`, `safety_identifier`, `text.verbosity`, and
the reasoning of earlier turns.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from trooper.core.conversation import (
    Conversation,
    Message,
    Part,
    Role,
    Sampling,
    TextPart,
    Tool,
    ToolCall,
    UnknownPart,
)
from trooper.core.json_text import NOT_JSON
from trooper.core.unfit import Unfit
from trooper.wire.client_side import Unreadable
from trooper.wire.decoding import arguments_text, image_at, number

_ROLES: Final = {
    "system": Role.SYSTEM,
    "developer": Role.SYSTEM,
    "user": Role.USER,
    "assistant": Role.ASSISTANT,
}
#: What only the provider can look up, or can do at its leisure.
_KEPT_ELSEWHERE: Final = {
    "previous_response_id": Unfit.PREVIOUS_RESPONSE,
    "conversation": Unfit.CONVERSATION,
    "prompt": Unfit.PROMPT,
    "background": Unfit.BACKGROUND,
}


def read_conversation(body: bytes) -> Conversation | Unreadable:
    """Read a whole request, leniently."""
    try:
        value = msgspec.json.decode(body)
        told = value.get("input")
        items = [{"role": "user", "content": told}] if isinstance(told, str) else told or []
        system = value.get("instructions")
        messages = [Message(Role.SYSTEM, (TextPart(system),))] if isinstance(system, str) and system else []
        format_ = (value.get("text") or {}).get("format") or {}
        kind = format_.get("type")
        parallel = value.get("parallel_tool_calls")
        return Conversation(
            messages=(*messages, *_messages(items)),
            tools=tuple(_tools(value)),
            tool_choice=_tool_choice(value.get("tool_choice")),
            sampling=_sampling(value),
            json_mode=kind == "json_object",
            json_schema=(format_.get("schema") or {}) if kind == "json_schema" else None,
            json_strict=bool(format_.get("strict")),
            parallel_tool_calls=parallel if isinstance(parallel, bool) else None,
            unsaid=_unsaid(value, items),
        )
    except NOT_JSON:
        return Unreadable(Unfit.NOT_JSON)
    except (KeyError, TypeError, ValueError, AttributeError):
        # Whatever does not have the shape of such a request is its provider's to refuse.
        return Unreadable(Unfit.UNEXPECTED_SHAPE)


def kind_of(item: Mapping[str, object]) -> str:
    """An item's type; a message may leave it out, and so may a reference."""
    return str(item.get("type") or ("message" if "role" in item else "item_reference"))


def _messages(items: list[Mapping[str, object]]) -> Iterator[Message]:
    """Items as turns: what the assistant says and the calls it makes are one turn."""
    turn: list[Message] = []
    for item in items:
        kind = kind_of(item)
        said = _item(kind, item)
        if said is None:
            continue
        if said.role is Role.ASSISTANT:
            turn.append(said)
            continue
        if turn:
            yield _joined(turn)
            turn = []
        yield said
    if turn:
        yield _joined(turn)


def _joined(turn: Sequence[Message]) -> Message:
    parts = tuple(part for said in turn for part in said.parts)
    return Message(Role.ASSISTANT, parts, tuple(call for said in turn for call in said.tool_calls))


def _item(kind: str, item: Mapping[str, object]) -> Message | None:
    match kind:
        case "message":
            return Message(_ROLES[str(item["role"])], _parts(item.get("content")))
        case "function_call":
            arguments = arguments_text(item.get("arguments"))
            call = ToolCall(str(item["call_id"]), str(item["name"]), arguments)
            return Message(Role.ASSISTANT, tool_calls=(call,))
        case "function_call_output":
            return Message(Role.TOOL, _parts(item.get("output")), tool_call_id=str(item["call_id"]))
        case "item_reference":
            # Named in `unsaid`.
            return None
        case "reasoning":
            return None
        case _:
            role = Role.USER if kind.endswith("_output") else Role.ASSISTANT
            return Message(role, (UnknownPart(kind),))


def _parts(content: object) -> tuple[Part, ...]:
    if content is None:
        return ()
    if isinstance(content, str):
        return (TextPart(content),) if content else ()
    if not isinstance(content, list):
        return (TextPart(msgspec.json.encode(content).decode()),)
    return tuple(_part(part) for part in content)


def _part(raw: object) -> Part:
    if isinstance(raw, str):
        return TextPart(raw)
    if not isinstance(raw, dict):
        raise TypeError("content part")
    kind = str(raw.get("type"))
    match kind:
        case "input_text" | "output_text" | "text":
            return TextPart(str(raw.get("text") or ""))
        case "refusal":
            return TextPart(str(raw.get("refusal") or ""))
        case "input_image" | "image_url":
            image = raw.get("image_url")
            url = str((image.get("url") if isinstance(image, dict) else image) or "")
            if not url:
                return UnknownPart("image_file")
            return image_at(url)
        case _:
            return UnknownPart(kind)


def _tools(value: Mapping[str, object]) -> Iterator[Tool]:
    tools = value.get("tools") or []
    if not isinstance(tools, list):
        raise TypeError("tools")
    allowed = _allowed(value.get("tool_choice"))
    for tool in tools:
        if tool.get("type") == "function" and (allowed is None or str(tool["name"]) in allowed):
            strict = tool.get("strict")
            yield Tool(
                name=str(tool["name"]),
                description=str(tool.get("description") or ""),
                parameters=tool.get("parameters") or {},
                strict=strict if isinstance(strict, bool) else None,
            )


def _allowed(choice: object) -> Container[str] | None:
    """The names of the tools that a choice allows; `None` where it allows all."""
    match choice:
        case {"type": "allowed_tools", "tools": list(allowed)}:
            return {str(tool.get("name")) for tool in allowed if isinstance(tool, dict)}
        case _:
            return None


def _tool_choice(choice: object) -> str:
    match choice:
        case None:
            return "auto"
        case {"type": "allowed_tools", "mode": str(mode)}:
            return mode
        case str(word):
            return word
        case {"type": "function", "name": str(name)}:
            return f"tool:{name}"
        case _:
            # One of the provider's own tools, or a list of allowed ones.
            return "required"


def _sampling(value: Mapping[str, object]) -> Sampling:
    limit = value.get("max_output_tokens")
    return Sampling(
        max_tokens=limit if isinstance(limit, int) else None,
        temperature=number(value.get("temperature")),
        top_p=number(value.get("top_p")),
    )


def _unsaid(value: Mapping[str, object], items: list[Mapping[str, object]]) -> tuple[Unfit, ...]:
    """What no other wire can say, and what must not be dropped silently."""
    unsaid: list[Unfit] = []
    unsaid += [reason for name, reason in _KEPT_ELSEWHERE.items() if value.get(name)]
    if any(kind_of(item) == "item_reference" for item in items):
        unsaid.append(Unfit.ITEM_REFERENCE)
    tools = value.get("tools")
    kinds = {str(tool.get("type")) for tool in tools} if isinstance(tools, list) else set()
    if "custom" in kinds:
        unsaid.append(Unfit.CUSTOM_TOOLS)
    if kinds - {"function", "custom"}:
        unsaid.append(Unfit.SERVER_TOOLS)
    include = value.get("include")
    if value.get("top_logprobs") or (isinstance(include, list) and "message.output_text.logprobs" in include):
        unsaid.append(Unfit.LOGPROBS)
    return tuple(unsaid)

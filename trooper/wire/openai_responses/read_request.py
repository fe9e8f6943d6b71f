"""
Reads OpenAI Responses requests.

Dropped by rule, since no other wire has it and no answer hangs on it: `store`,
`metadata`, `reasoning`, `service_tier`, `user`, `truncation`, `include` (but
for logprobs), `prompt_cache_key`, `safety_identifier`, `text.verbosity`, and
the reasoning of earlier turns. What earlier turns have of tools that only
their provider has is said in words, but for what is sealed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from trooper.core.conversation import (
    Conversation,
    Message,
    Part,
    Role,
    Sampling,
    TextPart,
    ToolCall,
    UnknownPart,
)
from trooper.core.freeform import as_arguments
from trooper.core.json_text import NOT_JSON
from trooper.core.unfit import Unfit
from trooper.wire.client_side import Unreadable
from trooper.wire.decoding import arguments_text, image_at, number
from trooper.wire.in_words import in_words
from trooper.wire.openai_responses.tools import Offered, read_tools

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
#: Items that say nothing to a model: it thinks anew, and what is named in `unsaid` or among the tools is no turn.
_SILENT: Final = frozenset(
    {
        *("reasoning", "item_reference", "additional_tools", "configuration_update", "compaction_trigger"),
        "ghost_snapshot",
    }
)
#: Items of tools that only their provider has, or whose results its own tool has given.
_OF_TOOLS: Final = re.compile(r"\w+_call(?:_output)?|tool_search_output|mcp_\w+|(?:context_)?compaction\w*")


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
        offered = read_tools(value, items)
        return Conversation(
            messages=(*messages, *_messages(items, offered)),
            tools=tuple(offered.tools),
            tool_choice=offered.choice,
            sampling=_sampling(value),
            json_mode=kind == "json_object",
            json_schema=(format_.get("schema") or {}) if kind == "json_schema" else None,
            json_strict=bool(format_.get("strict")),
            parallel_tool_calls=parallel if isinstance(parallel, bool) else None,
            unsaid=_unsaid(value, items, offered),
            left_out_tools=offered.left_out,
            forces_foreign=offered.forces_foreign,
        )
    except NOT_JSON:
        return Unreadable(Unfit.NOT_JSON)
    except (KeyError, TypeError, ValueError, AttributeError):
        # Whatever does not have the shape of such a request is its provider's to refuse.
        return Unreadable(Unfit.UNEXPECTED_SHAPE)


def kind_of(item: Mapping[str, object]) -> str:
    """An item's type; a message may leave it out, and so may a reference."""
    return str(item.get("type") or ("message" if "role" in item else "item_reference"))


def _messages(items: list[Mapping[str, object]], offered: Offered) -> Iterator[Message]:
    """Items as turns: what the assistant says and the calls it makes are one turn."""
    turn: list[Message] = []
    for item in items:
        kind = kind_of(item)
        said = _item(kind, item, offered)
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


def _item(kind: str, item: Mapping[str, object], offered: Offered) -> Message | None:
    match kind:
        case "message":
            return Message(_ROLES[str(item["role"])], _parts(item.get("content")))
        case "function_call":
            arguments = arguments_text(item.get("arguments"))
            call = ToolCall(str(item["call_id"]), offered.called(item), arguments)
            return Message(Role.ASSISTANT, tool_calls=(call,))
        case "custom_tool_call":
            arguments = as_arguments(str(item.get("input") or ""))
            call = ToolCall(str(item["call_id"]), offered.called(item), arguments)
            return Message(Role.ASSISTANT, tool_calls=(call,))
        case "function_call_output" | "custom_tool_call_output" if item.get("call_id"):
            return Message(Role.TOOL, _parts(item.get("output")), tool_call_id=str(item["call_id"]))
        case "function_call_output" | "custom_tool_call_output":
            # Whose it is nobody says.
            return Message(Role.USER, _parts(item.get("output")))
        case "agent_message":
            # Of another agent, to the one that is to answer.
            return Message(Role.USER, _parts(item.get("content")))
        case silent if silent in _SILENT:
            return None
        case _ if _OF_TOOLS.fullmatch(kind):
            return _worded(kind, item)
        case _:
            role = Role.USER if kind.endswith("_output") else Role.ASSISTANT
            return Message(role, (UnknownPart(kind),))


def _worded(kind: str, item: Mapping[str, object]) -> Message | None:
    """What a tool of the provider's was asked, or has found; nothing where it is sealed."""
    is_result = kind.endswith(("_output", "_response"))
    heading = kind.removesuffix("_output").removesuffix("_call") + (" result" if is_result else "")
    told = in_words(heading, item)
    if not told:
        return None
    # What a client's own machine has answered comes from the user; what the provider found itself does not.
    role = Role.USER if is_result and item.get("execution") != "server" else Role.ASSISTANT
    return Message(role, (TextPart(told),))


def _parts(content: object) -> tuple[Part, ...]:
    if content is None:
        return ()
    if isinstance(content, str):
        return (TextPart(content),) if content else ()
    if not isinstance(content, list):
        return (TextPart(msgspec.json.encode(content).decode()),)
    return tuple(said for part in content if (said := _part(part)) is not None)


def _part(raw: object) -> Part | None:
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
        case "encrypted_content":
            # Nobody but its provider can read it.
            return None
        case _:
            return UnknownPart(kind)


def _sampling(value: Mapping[str, object]) -> Sampling:
    limit = value.get("max_output_tokens")
    return Sampling(
        max_tokens=limit if isinstance(limit, int) else None,
        temperature=number(value.get("temperature")),
        top_p=number(value.get("top_p")),
    )


def _unsaid(
    value: Mapping[str, object], items: list[Mapping[str, object]], offered: Offered
) -> tuple[Unfit, ...]:
    """What no other wire can say, and what must not be dropped silently."""
    unsaid: list[Unfit] = []
    unsaid += [reason for name, reason in _KEPT_ELSEWHERE.items() if value.get(name)]
    if any(kind_of(item) == "item_reference" for item in items):
        unsaid.append(Unfit.ITEM_REFERENCE)
    if offered.foreign or offered.forces_foreign:
        unsaid.append(Unfit.SERVER_TOOLS)
    include = value.get("include")
    if value.get("top_logprobs") or (isinstance(include, list) and "message.output_text.logprobs" in include):
        unsaid.append(Unfit.LOGPROBS)
    return tuple(unsaid)

"""
Reads Anthropic Messages requests.

Dropped by rule, since no other wire has it and no answer hangs on it:
`cache_control`, `metadata`, `service_tier`, `thinking`, `output_config.effort`,
and the thinking of earlier turns. What earlier turns have of tools that only
Anthropic has is said in words, but for what is sealed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from trooper.core.conversation import (
    Conversation,
    ImagePart,
    Message,
    Part,
    Role,
    Sampling,
    TextPart,
    ToolCall,
    UnknownPart,
)
from trooper.core.json_text import NOT_JSON
from trooper.core.unfit import Unfit
from trooper.wire.anthropic_messages.tools import is_of_tools, read_tools
from trooper.wire.client_side import Unreadable
from trooper.wire.decoding import number
from trooper.wire.in_words import in_words
from trooper.wire.offered import Offered

#: Blocks that are no tool's, and can be said in words.
_WORDED: Final = ("search_result", "tool_reference")


def read_conversation(body: bytes) -> Conversation | Unreadable:
    """Read a whole request, leniently."""
    try:
        value = msgspec.json.decode(body)
        system = _parts(value.get("system"))
        messages = [Message(Role.SYSTEM, system)] if system else []
        for raw in value["messages"]:
            messages += _messages(raw)
        schema, offered = _schema(value), read_tools(value)
        return Conversation(
            messages=tuple(messages),
            tools=offered.tools,
            tool_choice=offered.choice,
            sampling=_sampling(value),
            json_schema=schema,
            json_strict=schema is not None,
            parallel_tool_calls=_parallel(value.get("tool_choice")),
            unsaid=_unsaid(value, offered),
            left_out_tools=offered.left_out,
            forces_foreign=offered.forces_foreign,
            # So the API has it.
            continues_prefill=True,
        )
    except NOT_JSON:
        return Unreadable(Unfit.NOT_JSON)
    except (KeyError, TypeError, ValueError, AttributeError):
        # Whatever does not have the shape of such a request is its provider's to refuse.
        return Unreadable(Unfit.UNEXPECTED_SHAPE)


def _messages(raw: Mapping[str, object]) -> Iterator[Message]:
    """One turn as it came; a user's turn with results in it becomes several."""
    role = raw["role"]
    blocks = _blocks(raw.get("content"))
    if role == "assistant":
        yield _assistant(blocks)
    elif role == "user":
        # The API wants results first; the user's own words come behind them.
        yield from (_result(b) for b in blocks if _kind(b) == "tool_result")
        said = _read([b for b in blocks if _kind(b) != "tool_result"])
        if said or not blocks:
            yield Message(Role.USER, said)
    elif role == "system":
        yield Message(Role.SYSTEM, _read(blocks))
    else:
        raise ValueError(role)


def _assistant(blocks: Iterable[Mapping[str, object]]) -> Message:
    parts: list[Part] = []
    calls: list[ToolCall] = []
    for block in blocks:
        match _kind(block):
            case "tool_use":
                arguments = msgspec.json.encode(block.get("input") or {}).decode()
                calls.append(ToolCall(str(block["id"]), str(block["name"]), arguments))
            case "thinking" | "redacted_thinking" | "fallback":
                pass
            case _:
                parts += _read([block])
    return Message(Role.ASSISTANT, tuple(parts), tuple(calls))


def _result(block: Mapping[str, object]) -> Message:
    parts = _parts(block.get("content"))
    if block.get("is_error"):
        # No other wire has a flag for it.
        parts = (TextPart("Error: "), *parts)
    return Message(Role.TOOL, parts, tool_call_id=str(block["tool_use_id"]))


def _parts(content: object) -> tuple[Part, ...]:
    return _read(_blocks(content))


def _read(blocks: Iterable[Mapping[str, object]]) -> tuple[Part, ...]:
    """What blocks say; what is sealed says nothing."""
    return tuple(part for block in blocks if (part := _part(block)) is not None)


def _blocks(content: object) -> list[Mapping[str, object]]:
    if content is None:
        return []
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    if not isinstance(content, list):
        raise TypeError("content")
    return [{"type": "text", "text": b} if isinstance(b, str) else b for b in content]


def _kind(block: Mapping[str, object]) -> str:
    return str(block.get("type"))


def _part(block: Mapping[str, object]) -> Part | None:
    source = block.get("source")
    match _kind(block), source:
        case "text", _:
            return TextPart(str(block.get("text") or ""))
        case "image", {"type": "base64", "media_type": str(kind), "data": str(data)}:
            return ImagePart(media_type=kind, base64=data)
        case "image", {"type": "url", "url": str(url)}:
            return ImagePart(url=url)
        case "document", {"type": "text", "data": str(text)}:
            return TextPart(text)
        case kind, _ if kind in _WORDED or is_of_tools(kind):
            told = in_words(_heading(kind, block), block)
            return TextPart(f"{told}\n") if told else None
        case kind, _:
            return UnknownPart(kind)


def _heading(kind: str, block: Mapping[str, object]) -> str:
    if kind in ("server_tool_use", "mcp_tool_use"):
        return "tool"
    return kind.replace("_tool_result", " result").replace("_", " ")


def _parallel(choice: object) -> bool | None:
    disabled = isinstance(choice, dict) and choice.get("disable_parallel_tool_use") is True
    return False if disabled else None


def _schema(value: Mapping[str, object]) -> Mapping[str, object] | None:
    config = value.get("output_config")
    wanted = config.get("format") if isinstance(config, dict) else None
    wanted = wanted or value.get("output_format")
    if not isinstance(wanted, dict) or wanted.get("type") != "json_schema":
        return None
    schema = wanted.get("schema")
    return schema if isinstance(schema, dict) else {}


def _sampling(value: Mapping[str, object]) -> Sampling:
    limit, top_k = value.get("max_tokens"), value.get("top_k")
    stop = value.get("stop_sequences") or ()
    return Sampling(
        max_tokens=limit if isinstance(limit, int) else None,
        temperature=number(value.get("temperature")),
        top_p=number(value.get("top_p")),
        top_k=top_k if isinstance(top_k, int) else None,
        stop=tuple(str(s) for s in stop) if isinstance(stop, list) else (),
    )


def _unsaid(value: Mapping[str, object], offered: Offered) -> tuple[Unfit, ...]:
    """What no other wire can say, and what must not be dropped silently."""
    unsaid: list[Unfit] = []
    beside = {Unfit.MCP_SERVERS.value, Unfit.CONTAINER.value}
    if offered.forces_foreign or set(offered.left_out) - beside:
        unsaid.append(Unfit.SERVER_TOOLS)
    thread = value.get("thread")
    if isinstance(thread, dict) and thread.get("type") != "create":
        # The history is with the provider; this is its last turn alone.
        unsaid.append(Unfit.THREAD)
    unsaid += [reason for reason in (Unfit.MCP_SERVERS, Unfit.CONTAINER) if value.get(reason.value)]
    return tuple(unsaid)

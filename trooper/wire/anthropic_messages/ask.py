"""
Writes Anthropic Messages requests for what was asked on another wire, or for
the rest of an answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, assert_never

import msgspec

from trooper.core.continuing import CloudWay, Half
from trooper.core.conversation import Conversation, ImagePart, Message, Part, Role, TextPart, UnknownPart
from trooper.core.history import paired
from trooper.core.unfit import Unfit

#: The API wants a limit; this one every current model can keep.
_DEFAULT_MAX_TOKENS: Final = 8192
#: The API refuses a conversation that the assistant begins.
_OPENING: Final = "(The conversation goes on.)"
_NOT_IN_IDS: Final = re.compile(r"[^a-zA-Z0-9_-]")


def unfit(conversation: Conversation) -> Unfit | None:
    """Why `conversation` cannot be said in this wire; `None` if it can."""
    if conversation.unsaid:
        return conversation.unsaid[0]
    if conversation.choices > 1:
        return Unfit.CHOICES
    if conversation.json_mode and not conversation.json_schema:
        return Unfit.JSON_MODE
    if any(isinstance(p, UnknownPart) for m in conversation.messages for p in m.parts):
        return Unfit.CONTENT_PART
    return None


def ask(
    conversation: Conversation, *, model: str, half: Half | None = None, max_tokens: int | None = None
) -> bytes:
    """
    A streaming request.

    Dropped by rule: `seed`, the two penalties, stop sequences of blanks alone
    (the API refuses those), and the reasoning of earlier turns, which is
    nothing without a signature of Anthropic's.
    """
    turns = _turns([m for m in conversation.messages if m.role is not Role.SYSTEM])
    if half is not None:
        turns += _half(half)
    system = "\n\n".join(m.text for m in conversation.messages if m.role is Role.SYSTEM and m.text)
    limit = max_tokens if max_tokens is not None else conversation.sampling.max_tokens
    fields: dict[str, object] = {
        "model": model,
        "max_tokens": max(1, limit) if limit is not None else _DEFAULT_MAX_TOKENS,
        "messages": turns,
        "stream": True,
        **_sampling(conversation),
    }
    if system:
        fields["system"] = system
    if conversation.tools:
        fields |= _tools(conversation)
    if conversation.json_schema and half is None:
        fields["output_config"] = {"format": {"type": "json_schema", "schema": conversation.json_schema}}
    return msgspec.json.encode(fields)


def _half(half: Half) -> list[dict[str, object]]:
    said: dict[str, object] = {"role": "assistant", "content": half.text}
    match half.way:
        case CloudWay.PREFILL:
            return [said]
        case CloudWay.INSTRUCTION:
            return [said, {"role": "user", "content": half.instruction}]
        case CloudWay.PREFIX | CloudWay.CONTINUE_FINAL | CloudWay.NONE:
            raise ValueError(half.way)
        case _ as never:
            assert_never(never)


def _turns(messages: Sequence[Message]) -> list[dict[str, object]]:
    """Turns of blocks: results first in a user's turn, neighbours of one role together, none empty."""
    turns: list[tuple[str, list[dict[str, object]]]] = []
    for message in paired(messages):
        blocks = _blocks(message)
        role = "assistant" if message.role is Role.ASSISTANT else "user"
        if turns and turns[-1][0] == role:
            turns[-1][1].extend(blocks)
        elif blocks:
            turns.append((role, blocks))
    if not turns or turns[0][0] == "assistant":
        turns.insert(0, ("user", [{"type": "text", "text": _OPENING}]))
    return [{"role": role, "content": blocks} for role, blocks in turns]


def _blocks(message: Message) -> list[dict[str, object]]:
    parts = [block for part in message.parts if (block := _part(part)) is not None]
    if message.role is Role.TOOL:
        result: dict[str, object] = {"type": "tool_result", "tool_use_id": _id(message.tool_call_id)}
        return [result | {"content": parts} if parts else result]
    calls = [
        {
            "type": "tool_use",
            "id": _id(call.id),
            "name": call.name,
            "input": msgspec.json.decode(call.arguments or "{}"),
        }
        for call in message.tool_calls
    ]
    return [*parts, *calls]


def _id(given: str) -> str:
    return _NOT_IN_IDS.sub("_", given) or "call"


def _part(part: Part) -> dict[str, object] | None:
    match part:
        case TextPart(text):
            # The API refuses a block of blanks.
            return {"type": "text", "text": text} if text and not text.isspace() else None
        case ImagePart(url=url) if url:
            return {"type": "image", "source": {"type": "url", "url": url}}
        case ImagePart(media_type=media_type, base64=data):
            return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}
        case UnknownPart(kind):
            # Such a request is unfit, so it never comes here.
            raise ValueError(kind)
        case _ as never:
            assert_never(never)


def _sampling(conversation: Conversation) -> Mapping[str, object]:
    wanted = conversation.sampling
    more: dict[str, object] = {
        # This wire's scale ends at 1; the others' at 2.
        "temperature": None if wanted.temperature is None else min(1.0, wanted.temperature),
        "top_p": wanted.top_p,
        "top_k": wanted.top_k,
        "stop_sequences": [stop for stop in wanted.stop if stop.strip()] or None,
    }
    return {key: value for key, value in more.items() if value is not None}


def _tools(conversation: Conversation) -> Mapping[str, object]:
    tools = [
        {
            "name": tool.name,
            "description": tool.description,
            "input_schema": tool.parameters or {"type": "object", "properties": {}},
            **({"strict": True} if tool.strict else {}),
        }
        for tool in conversation.tools
    ]
    choice: dict[str, object]
    match conversation.tool_choice:
        case "auto" | "none" as plain:
            choice = {"type": plain}
        case "required":
            choice = {"type": "any"}
        case named:
            choice = {"type": "tool", "name": named.removeprefix("tool:")}
    if conversation.parallel_tool_calls is False and choice["type"] != "none":
        choice["disable_parallel_tool_use"] = True
    return {"tools": tools, "tool_choice": choice}

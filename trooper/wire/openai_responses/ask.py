"""
Writes OpenAI Responses requests for what was asked on another wire, or for the
rest of an answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, assert_never

import msgspec

from trooper.core.continuing import CloudWay, Half
from trooper.core.conversation import Conversation, ImagePart, Message, Part, Role, TextPart, UnknownPart
from trooper.core.history import paired
from trooper.core.unfit import Unfit

#: The API takes no smaller limit.
_LEAST_TOKENS: Final = 16


def unfit(conversation: Conversation) -> Unfit | None:
    """Why `conversation` cannot be said in this wire; `None` if it can."""
    if conversation.unsaid:
        return conversation.unsaid[0]
    if conversation.choices > 1:
        return Unfit.CHOICES
    if conversation.sampling.stop:
        # The API has no stop sequences, and a client that sent some relies on them.
        return Unfit.STOP
    if any(isinstance(p, UnknownPart) for m in conversation.messages for p in m.parts):
        return Unfit.CONTENT_PART
    return None


def ask(conversation: Conversation, *, model: str, half: Half | None, max_tokens: int | None) -> bytes:
    """
    A streaming request that the provider is not to store.

    Dropped by rule: `seed`, `top_k`, the two penalties, and the reasoning of
    earlier turns.
    """
    messages = [m for m in conversation.messages if m.role is not Role.SYSTEM]
    instructions = "\n\n".join(m.text for m in conversation.messages if m.role is Role.SYSTEM and m.text)
    limit = max_tokens if max_tokens is not None else conversation.sampling.max_tokens
    fields: dict[str, object] = {
        "model": model,
        "input": [*_items(messages), *_half(half)],
        "stream": True,
        "store": False,
    }
    more: dict[str, object] = {
        "instructions": instructions or None,
        "max_output_tokens": None if limit is None else max(_LEAST_TOKENS, limit),
        "temperature": conversation.sampling.temperature,
        "top_p": conversation.sampling.top_p,
        "parallel_tool_calls": conversation.parallel_tool_calls,
    }
    fields |= {key: value for key, value in more.items() if value is not None}
    if conversation.tools:
        fields |= _tools(conversation)
    if conversation.is_structured and half is None:
        fields["text"] = {"format": _format(conversation)}
    return msgspec.json.encode(fields)


def _half(half: Half | None) -> Sequence[Mapping[str, object]]:
    if half is None:
        return ()
    said = _message("assistant", "output_text", half.text)
    match half.way:
        case CloudWay.PREFILL:
            return (said,)
        case CloudWay.INSTRUCTION:
            return (said, _message("user", "input_text", half.instruction))
        case CloudWay.PREFIX | CloudWay.CONTINUE_FINAL | CloudWay.NONE:
            raise ValueError(half.way)
        case _ as never:
            assert_never(never)


def _message(role: str, kind: str, text: str) -> Mapping[str, object]:
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}


def _items(messages: Sequence[Message]) -> Iterator[Mapping[str, object]]:
    for message in paired(messages):
        if message.role is Role.TOOL:
            images = any(isinstance(part, ImagePart) for part in message.parts)
            output = [_part(p, "input_text") for p in message.parts] if images else message.text
            yield {"type": "function_call_output", "call_id": message.tool_call_id, "output": output}
            continue
        is_answer = message.role is Role.ASSISTANT
        said = [part for part in message.parts if part != TextPart("")]
        if said:
            parts = [_part(part, "output_text" if is_answer else "input_text") for part in said]
            yield {"type": "message", "role": message.role.value, "content": parts}
        for call in message.tool_calls:
            yield {
                "type": "function_call",
                "call_id": call.id,
                "name": call.name,
                "arguments": call.arguments or "{}",
            }


def _part(part: Part, text_kind: str) -> Mapping[str, object]:
    match part:
        case TextPart(text):
            return {"type": text_kind, "text": text}
        case ImagePart(media_type=media_type, base64=data, url=url):
            shown = url or f"data:{media_type};base64,{data}"
            return {"type": "input_image", "image_url": shown, "detail": "auto"}
        case UnknownPart(kind):
            # Such a request is unfit, so it never comes here.
            raise ValueError(kind)
        case _ as never:
            assert_never(never)


def _tools(conversation: Conversation) -> Mapping[str, object]:
    tools = [
        {
            "type": "function",
            "name": tool.name,
            "description": tool.description,
            "parameters": tool.parameters or {"type": "object", "properties": {}},
            # The API's own default is true, and a schema must be made for that.
            "strict": bool(tool.strict),
        }
        for tool in conversation.tools
    ]
    name = conversation.tool_choice.removeprefix("tool:")
    named = {"type": "function", "name": name}
    return {"tools": tools, "tool_choice": named if name != conversation.tool_choice else name}


def _format(conversation: Conversation) -> Mapping[str, object]:
    if not conversation.json_schema:
        return {"type": "json_object"}
    return {
        "type": "json_schema",
        "name": "answer",
        "schema": conversation.json_schema,
        "strict": conversation.json_strict,
    }

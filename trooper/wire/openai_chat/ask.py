"""
Writes OpenAI chat requests for what was asked on another wire, or for the
rest of an answer.
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

#: OpenAI's reasoning models refuse `max_tokens`; most other servers of this
#: wire know no other name for it.
_NEW_LIMIT: Final = re.compile(r"(?:.*/)?(?:o\d|gpt-[5-9])")


def unfit(conversation: Conversation) -> Unfit | None:
    """Why `conversation` cannot be said in this wire; `None` if it can."""
    if conversation.unsaid:
        return conversation.unsaid[0]
    if any(isinstance(p, UnknownPart) for m in conversation.messages for p in m.parts):
        return Unfit.CONTENT_PART
    return None


def ask(conversation: Conversation, *, model: str, half: Half | None, max_tokens: int | None) -> bytes:
    """
    A streaming request.

    Dropped by rule: `top_k`, which this wire does not have, and the reasoning
    of earlier turns. The format of a structured answer is not asked for behind
    a half answer: it would describe the rest alone.
    """
    fields: dict[str, object] = {
        "model": model,
        "messages": [*_messages(conversation.messages), *_half(half)],
        "stream": True,
        **_sampling(conversation),
    }
    if half is None or half.way is not CloudWay.PREFIX:
        # Mistral counts without being asked, and refuses the question.
        fields["stream_options"] = {"include_usage": True}
    if max_tokens is not None:
        limit = "max_completion_tokens" if _NEW_LIMIT.match(model) else "max_tokens"
        fields[limit] = max(1, max_tokens)
    if conversation.tools:
        fields |= _tools(conversation)
    if half is None:
        fields |= _format(conversation)
    elif half.way is CloudWay.CONTINUE_FINAL:
        fields |= {"continue_final_message": True, "add_generation_prompt": False}
    return msgspec.json.encode(fields)


def _half(half: Half | None) -> Sequence[Mapping[str, object]]:
    if half is None:
        return ()
    said: dict[str, object] = {"role": "assistant", "content": half.text}
    match half.way:
        case CloudWay.PREFIX:
            return (said | {"prefix": True},)
        case CloudWay.INSTRUCTION:
            return (said, {"role": "user", "content": half.instruction})
        case CloudWay.PREFILL | CloudWay.CONTINUE_FINAL:
            return (said,)
        case CloudWay.NONE:
            raise ValueError(half.way)
        case _ as never:
            assert_never(never)


def _messages(messages: Sequence[Message]) -> list[dict[str, object]]:
    told: list[dict[str, object]] = []
    images: list[Part] = []
    for message in paired(messages):
        if message.role is not Role.TOOL and images:
            # The results of a turn stay together; only behind them may a user speak.
            told.append({"role": "user", "content": list(map(_part, images))})
            images = []
        told.append(_message(message))
        if message.role is Role.TOOL:
            images += [p for p in message.parts if isinstance(p, ImagePart)]
    if images:
        told.append({"role": "user", "content": list(map(_part, images))})
    return told


def _message(message: Message) -> dict[str, object]:
    shown = message.role is not Role.TOOL and any(isinstance(p, ImagePart) for p in message.parts)
    content = [_part(p) for p in message.parts] if shown else message.text
    told: dict[str, object] = {"role": message.role.value, "content": content}
    if message.tool_calls:
        told["content"] = content or None
        told["tool_calls"] = [
            {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments or "{}"}}
            for c in message.tool_calls
        ]
    if message.role is Role.TOOL:
        told["tool_call_id"] = message.tool_call_id
    return told


def _part(part: Part) -> dict[str, object]:
    match part:
        case TextPart(text):
            return {"type": "text", "text": text}
        case ImagePart(media_type=media_type, base64=data, url=url):
            return {"type": "image_url", "image_url": {"url": url or f"data:{media_type};base64,{data}"}}
        case UnknownPart(kind):
            # Such a request is unfit, so it never comes here.
            raise ValueError(kind)
        case _ as never:
            assert_never(never)


def _sampling(conversation: Conversation) -> Mapping[str, object]:
    wanted = conversation.sampling
    more: dict[str, object] = {
        "temperature": wanted.temperature,
        "top_p": wanted.top_p,
        "seed": wanted.seed,
        "frequency_penalty": wanted.frequency_penalty,
        "presence_penalty": wanted.presence_penalty,
        "stop": list(wanted.stop) or None,
        "n": conversation.choices if conversation.choices > 1 else None,
    }
    return {key: value for key, value in more.items() if value is not None}


def _tools(conversation: Conversation) -> Mapping[str, object]:
    tools = []
    for tool in conversation.tools:
        function: dict[str, object] = {
            "name": tool.name,
            "description": tool.description,
            "parameters": tool.parameters or {"type": "object", "properties": {}},
        }
        tools.append(
            {
                "type": "function",
                "function": function if tool.strict is None else function | {"strict": tool.strict},
            }
        )
    name = conversation.tool_choice.removeprefix("tool:")
    named = {"type": "function", "function": {"name": name}}
    more: dict[str, object] = {
        "tools": tools,
        "tool_choice": named if name != conversation.tool_choice else conversation.tool_choice,
    }
    if conversation.parallel_tool_calls is not None:
        more["parallel_tool_calls"] = conversation.parallel_tool_calls
    return more


def _format(conversation: Conversation) -> Mapping[str, object]:
    if conversation.json_schema:
        schema = {"name": "answer", "schema": conversation.json_schema, "strict": conversation.json_strict}
        return {"response_format": {"type": "json_schema", "json_schema": schema}}
    if conversation.json_mode or conversation.json_schema is not None:
        return {"response_format": {"type": "json_object"}}
    return {}

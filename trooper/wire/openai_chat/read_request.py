"""
Reads OpenAI chat requests, only when another wire has to say them.
"""

from __future__ import annotations

from collections.abc import Mapping
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
from trooper.wire.offered import Offered
from trooper.wire.openai_chat.tools import SEARCH, read_tools

#: As the API has it.
_MOST_CHOICES: Final = 128
_ROLES: Final = {
    "system": Role.SYSTEM,
    "developer": Role.SYSTEM,
    "user": Role.USER,
    "assistant": Role.ASSISTANT,
    "tool": Role.TOOL,
    "function": Role.TOOL,
}


def read_conversation(body: bytes) -> Conversation | Unreadable:
    """Read a whole request, leniently: agents send many shapes of the same thing."""
    try:
        value = msgspec.json.decode(body)
        messages = tuple(m for raw in value["messages"] if (m := _message(raw)) is not None)
        offered = read_tools(value)
        response_format = value.get("response_format") or {}
        schema = response_format.get("json_schema") or {}
        parallel = value.get("parallel_tool_calls")
        _check_stream_options(value.get("stream_options"))
        return Conversation(
            messages=messages,
            tools=offered.tools,
            tool_choice=offered.choice,
            sampling=_sampling(value),
            json_mode=response_format.get("type") == "json_object",
            json_schema=(schema.get("schema") or {})
            if response_format.get("type") == "json_schema"
            else None,
            json_strict=bool(schema.get("strict")),
            parallel_tool_calls=parallel if isinstance(parallel, bool) else None,
            choices=_choices(int(value.get("n") or 1)),
            unsaid=_unsaid(value, offered),
            continues_prefill=_continues(value),
            left_out_tools=offered.left_out,
            forces_foreign=offered.forces_foreign,
        )
    except NOT_JSON:
        return Unreadable(Unfit.NOT_JSON)
    except (KeyError, TypeError, ValueError, AttributeError):
        # One net under all field access: whatever does not have the shape of
        # a chat request is the provider's to refuse, not ours to guess at.
        return Unreadable(Unfit.UNEXPECTED_SHAPE)


def _choices(asked: int) -> int:
    """How many answers: a local model is asked for one after the other, so no number without an end."""
    if not 1 <= asked <= _MOST_CHOICES:
        raise ValueError("n")
    return asked


def _check_stream_options(options: object) -> None:
    """They are read when the request is routed; here it is only seen whether they have their shape."""
    if options and not isinstance(options, dict):
        raise TypeError("stream_options")


def _message(raw: Mapping[str, object]) -> Message | None:
    role = _ROLES.get(str(raw.get("role")))
    if role is None:
        raise ValueError(raw.get("role"))
    content = raw.get("content")
    if len(raw) == 2 and isinstance(content, str) and content:
        # Nearly all turns are no more than that, and a session has hundreds.
        return Message(role, (TextPart(content),))
    calls = raw.get("tool_calls") or ()
    if not isinstance(calls, list | tuple):
        raise TypeError("tool_calls")
    # What the assistant would not say stands beside the content.
    refusal = raw.get("refusal")
    refused = (TextPart(refusal),) if isinstance(refusal, str) and refusal else ()
    return Message(
        role=role,
        parts=(*_parts(content), *refused),
        tool_calls=tuple(read_tool_call(c) for c in calls),
        tool_call_id=str(raw.get("tool_call_id") or ""),
    )


def _parts(content: object) -> tuple[Part, ...]:
    if content is None:
        return ()
    if isinstance(content, str):
        return (TextPart(content),) if content else ()
    if not isinstance(content, list):
        raise TypeError("content")
    return tuple(_part(p) for p in content)


def _part(raw: object) -> Part:
    if isinstance(raw, str):
        return TextPart(raw)
    if not isinstance(raw, dict):
        raise TypeError("content part")
    kind = str(raw.get("type"))
    if kind in ("text", "input_text", "output_text"):
        return TextPart(str(raw.get("text") or ""))
    if kind == "refusal":
        return TextPart(str(raw.get("refusal") or ""))
    if kind == "image_url":
        image = raw.get("image_url")
        url = str(image.get("url") if isinstance(image, dict) else image)
        return image_at(url)
    return UnknownPart(kind)


def read_tool_call(raw: object) -> ToolCall:
    """One call, as it stands in a history or in a whole answer; arguments become text."""
    if isinstance(raw, dict) and isinstance(raw.get("custom"), dict):
        custom = raw["custom"]
        arguments = as_arguments(str(custom.get("input") or ""))
        return ToolCall(str(raw.get("id") or ""), str(custom["name"]), arguments)
    if not isinstance(raw, dict) or not isinstance(raw.get("function"), dict):
        raise TypeError("tool call")
    function = raw["function"]
    arguments = arguments_text(function.get("arguments"))
    return ToolCall(str(raw.get("id") or ""), str(function["name"]), arguments)


def _sampling(value: Mapping[str, object]) -> Sampling:
    stop = value.get("stop") or ()
    limit = value.get("max_completion_tokens") or value.get("max_tokens")
    return Sampling(
        max_tokens=limit if isinstance(limit, int) else None,
        temperature=number(value.get("temperature")),
        top_p=number(value.get("top_p")),
        seed=seed if isinstance(seed := value.get("seed"), int) else None,
        frequency_penalty=number(value.get("frequency_penalty")),
        presence_penalty=number(value.get("presence_penalty")),
        stop=(stop,) if isinstance(stop, str) else tuple(str(s) for s in stop),  # type: ignore[attr-defined]
    )


def _continues(value: Mapping[str, object]) -> bool:
    """Whether the client says that its last message is the beginning of the answer (vLLM, Mistral, DeepSeek)."""
    messages = value.get("messages")
    last = messages[-1] if isinstance(messages, list) and messages else None
    return value.get("continue_final_message") is True or (
        isinstance(last, dict) and last.get("prefix") is True
    )


def _unsaid(value: Mapping[str, object], offered: Offered) -> tuple[Unfit, ...]:
    """What no other wire can say, and what must not be dropped silently."""
    unsaid: list[Unfit] = []
    if value.get("logprobs"):
        unsaid.append(Unfit.LOGPROBS)
    modalities = value.get("modalities")
    if value.get("audio") or (isinstance(modalities, list) and "audio" in modalities):
        unsaid.append(Unfit.AUDIO)
    if value.get("logit_bias"):
        unsaid.append(Unfit.LOGIT_BIAS)
    if value.get("functions") or _has_old_calls(value.get("messages")):
        unsaid.append(Unfit.FUNCTIONS)
    if SEARCH in offered.left_out:
        unsaid.append(Unfit.WEB_SEARCH)
    if offered.forces_foreign or set(offered.left_out) - {SEARCH}:
        unsaid.append(Unfit.SERVER_TOOLS)
    return tuple(unsaid)


def _has_old_calls(messages: object) -> bool:
    turns = messages if isinstance(messages, list) else []
    return any(isinstance(m, dict) and (m.get("function_call") or m.get("role") == "function") for m in turns)

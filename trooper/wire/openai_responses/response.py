"""
The response object: as it begins and as it ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from trooper.core.events import FinishReason, Usage
from trooper.wire.client_side import Naming
from trooper.wire.decoding import decoded, top_level
from trooper.wire.weight import is_light

#: What a response repeats of its request, and what stands there when nothing was said.
_ECHOED: Final[Mapping[str, object]] = {
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "reasoning": {"effort": None, "summary": None},
    "service_tier": "default",
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}
#: They stand in the first two events and in the last one, which are written in one go. An agent's instructions
#: and tools fit; a field that does not, as a `user` of megabytes, is said as if it had not been.
_MOST_ECHOED_BYTES: Final = 262_144
_INCOMPLETE: Final[Mapping[FinishReason, str]] = {
    FinishReason.LENGTH: "max_output_tokens",
    FinishReason.CONTENT_FILTER: "content_filter",
}


def begun(naming: Naming, body: bytes) -> dict[str, object]:
    """The response as it begins; `body` is the client's request."""
    # Nobody reads the echo of a large one.
    asked = top_level(body) if is_light(body) else {}
    echoed, room_bytes = dict(_ECHOED), _MOST_ECHOED_BYTES
    for key in _ECHOED:
        raw = bytes(asked.get(key, b""))
        if 0 < len(raw) <= room_bytes:
            room_bytes -= len(raw)
            echoed[key] = decoded(raw)
    return {
        "id": f"resp_trooper_{naming.request_id}",
        "object": "response",
        "created_at": naming.created,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "model": naming.model,
        "output": [],
        "usage": None,
        **echoed,
    }


def ended(
    response: Mapping[str, object],
    output: Sequence[Mapping[str, object]],
    reason: FinishReason | None,
    usage: Usage,
) -> dict[str, object]:
    """The response as it ends."""
    word = _INCOMPLETE.get(reason) if reason is not None else None
    return {
        **response,
        "status": "incomplete" if word else "completed",
        "incomplete_details": {"reason": word} if word else None,
        "output": list(output),
        "usage": _usage(usage),
    }


def _usage(usage: Usage) -> dict[str, object]:
    body: dict[str, object] = {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }
    # An extra key, which SDKs keep and ignore: a guess must not pass for a count.
    return body | {"trooper_estimated": True} if usage.estimated else body

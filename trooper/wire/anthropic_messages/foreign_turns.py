"""
Takes out of a request what Anthropic would refuse: traces of another model in the history.

A thinking block carries a signature that only Anthropic can make. One of ours
has none, and a session with one in it gets a 400 at every turn from then on
(claude-code#10627). So those are taken out before the
request leaves. What cannot be recognised, a signature that is not theirs, is
healed by asking once more without any thinking; a call of Anthropic's own tools
that broke off before its result, by asking without it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container
from typing import Final

import msgspec

from trooper.wire.decoding import field_of, may_have, top_level, with_field

#: Message text is the only sign there is; it may change, and then the 400 is the client's.
_THINKING: Final = re.compile(rb"signature|thinking", re.IGNORECASE)
_MISSES_THINKING: Final = re.compile(rb"expected .{0,4}thinking", re.IGNORECASE)
#: A call that Anthropic began to run itself, and another model went on behind.
_OWN_TOOL: Final = re.compile(rb"srvtoolu_|mcptoolu_|server_tool_use|mcp_tool_use")
_OWN_CALLS: Final = ("server_tool_use", "mcp_tool_use")
_PREFILL: Final = re.compile(rb"prefill|must end with a user message", re.IGNORECASE)


def cleaned(body: bytes, _unknown: Container[str]) -> bytes:
    """
    The request without thinking that nobody has signed; the very bytes where there is none.

    Where that opens the turn of a tool call which is still being answered, the
    API wants thinking there or none at all: then it is switched off for this
    request.
    """
    if not (may_have(body, b"thinking") or may_have(body, b"fallback")):
        return body
    return _without(body, _is_ours)


def sanitised(body: bytes, refusal: bytes, instruction: str) -> bytes | None:
    """
    The request once more, without what the provider has refused; `None` if that is something else.

    Args:
        refusal: the body of the provider's 400.
        instruction: said by the user behind a trailing assistant turn, where
            the model takes no prefill.
    """
    if _PREFILL.search(refusal):
        return _with_instruction(body, instruction)
    if _OWN_TOOL.search(refusal):
        changed = _without(body, _without_result(body))
        return None if changed == body else changed
    if not _THINKING.search(refusal):
        return None
    changed = _without(body, _is_thinking)
    if _MISSES_THINKING.search(refusal):
        changed = _without_thinking_mode(changed)
    return None if changed == body else changed


def _is_ours(block: dict[str, object]) -> bool:
    match block.get("type"):
        case "thinking":
            return not block.get("signature")
        case "fallback":
            return True
        case _:
            return False


def _is_thinking(block: dict[str, object]) -> bool:
    return block.get("type") in ("thinking", "redacted_thinking")


def _without_result(body: bytes) -> Callable[[dict[str, object]], bool]:
    """Which blocks are calls of Anthropic's own tools whose results are nowhere."""
    messages = field_of(body, "messages")
    turns = [m.get("content") for m in messages if isinstance(m, dict)] if isinstance(messages, list) else []
    blocks = [b for content in turns if isinstance(content, list) for b in content if isinstance(b, dict)]
    answered = {str(block["tool_use_id"]) for block in blocks if "tool_use_id" in block}
    return lambda block: block.get("type") in _OWN_CALLS and str(block.get("id")) not in answered


def _without(body: bytes, unwanted: Callable[[dict[str, object]], bool]) -> bytes:
    messages = field_of(body, "messages")
    if not isinstance(messages, list):
        return body
    kept: list[object] = []
    changed = opened_calls = False
    for message in messages:
        content = message.get("content") if isinstance(message, dict) else None
        if not isinstance(content, list) or message.get("role") != "assistant":
            kept.append(message)
            continue
        blocks = [b for b in content if not (isinstance(b, dict) and unwanted(b))]
        if len(blocks) < len(content):
            changed = True
            opened_calls = any(isinstance(b, dict) and b.get("type") == "tool_use" for b in blocks)
        if blocks:
            # An empty turn is a 400 as well; its neighbours may stand side by side.
            kept.append({**message, "content": blocks})
    if not changed:
        return body
    cleaned_body = with_field(body, "messages", kept)
    mode = field_of(body, "thinking")
    needs_thinking = isinstance(mode, dict) and mode.get("type") == "enabled"
    return _without_thinking_mode(cleaned_body) if opened_calls and needs_thinking else cleaned_body


def _without_thinking_mode(body: bytes) -> bytes:
    fields = top_level(body)
    if "thinking" not in fields:
        return body
    return msgspec.json.encode({key: item for key, item in fields.items() if key != "thinking"})


def _with_instruction(body: bytes, instruction: str) -> bytes | None:
    messages = field_of(body, "messages")
    if not isinstance(messages, list) or not messages or not instruction:
        return None
    last = messages[-1]
    if not isinstance(last, dict) or last.get("role") != "assistant":
        return None
    asked = {"role": "user", "content": instruction}
    return with_field(body, "messages", [*messages, asked])

"""Streams of the chat wire, piece by piece, and whether they have passed untouched."""

from __future__ import annotations

import json
from typing import Any

from scenes import Exchange
from trooper.testing import Script, ScriptedProvider, chat_events
from trooper.testing.script import Step

KEEP_ALIVES = (b": trooper keep-alive\n\n", b'event: ping\ndata: {"type":"ping"}\n\n')
ROLE, FINISH, DONE = chat_events("")[0], chat_events("x")[-2], b"data: [DONE]\n\n"


def plays(*steps: Step) -> ScriptedProvider:
    return ScriptedProvider(script=Script(steps))


def chunk(delta: Any, finish: str | None = None, **beside: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    value = {"id": "c1", "object": "chat.completion.chunk", "created": 7, "model": "m", "choices": [choice]}
    return b"data: " + json.dumps({**value, **beside}).encode() + b"\n\n"


def usage(tokens: int) -> bytes:
    counts = {"prompt_tokens": 3, "completion_tokens": tokens, "total_tokens": 3 + tokens}
    value = {"id": "c1", "object": "chat.completion.chunk", "created": 7, "model": "m", "choices": []}
    return b"data: " + json.dumps({**value, "usage": counts}).encode() + b"\n\n"


def without_waiting(body: bytes) -> bytes:
    """Without what is said to keep a client waiting."""
    for alive in KEEP_ALIVES:
        body = body.replace(alive, b"")
    return body


def untouched(x: Exchange, sent: bytes) -> None:
    assert without_waiting(bytes(x.body)) == without_waiting(sent)
    assert x.status == 200
    assert x.ended
    assert [outcome for _, outcome in x.legs] == ["completed"]


def image(size: int) -> bytes:
    return chunk(
        {"images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * size}}]}
    )

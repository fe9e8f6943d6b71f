"""
A provider or a local model, as a process, that says of each request what it was
shown: `recalling.py provider` or `recalling.py ollama`. The provider does not
answer for the model `down`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any

import trio

from trooper.testing import (
    FAULTS,
    Ask,
    ChatAnswer,
    FakeOllama,
    FaultAt,
    Request,
    ScriptedProvider,
    Words,
    serve_tcp,
    tokens,
)


def words_of(content: Any) -> str:
    """The text of a message, in parts or in one piece."""
    parts = content if isinstance(content, list) else [{"text": content}]
    return "".join(part["text"] for part in parts)


def shown(by: str, messages: Iterable[Any], past: str = "") -> str:
    """What it says: who speaks, what was shown, and the answer that was only named."""
    said = [f"{message['role']}: {words_of(message['content'])}" for message in messages]
    return json.dumps({"by": by, "past": past, "shown": said})


def provider(request: Request) -> ChatAnswer | FaultAt:
    asked = request.json()
    if asked["model"] == "down":
        return FaultAt(FAULTS["status-503"], "start")
    items = (
        asked["input"] if isinstance(asked["input"], list) else [{"role": "user", "content": asked["input"]}]
    )
    told = shown("provider", items, asked.get("previous_response_id") or "")
    return ChatAnswer(tokens=tuple(tokens(told)))


def ollama(ask: Ask) -> Words:
    return Words(shown("local", ask.messages))


async def main(kind: str) -> None:
    fake = ScriptedProvider(script=provider) if kind == "provider" else FakeOllama(script=ollama)
    async with trio.open_nursery() as nursery:
        port = await serve_tcp(fake, nursery)
        sys.stdout.write(json.dumps({"url": f"http://127.0.0.1:{port}"}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    trio.run(main, sys.argv[1])

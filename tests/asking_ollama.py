"""Somebody who asks the imitation of Ollama; shared by its tests."""

from __future__ import annotations

import math
from typing import Any

import trio
from attrs import define, field

from raw_http import Client, Got
from trooper.testing import DEFAULT_ANSWER, FakeOllama, MemoryNetwork

NAME = "qwen2.5:3b"
USER = {"role": "user", "content": "Lighthouses?"}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
HALF = DEFAULT_ANSWER[: DEFAULT_ANSWER.index(" turns")]


@define
class Asking:
    """A fake and somebody who asks it."""

    ollama: FakeOllama
    client: Client
    gots: list[Got] = field(factory=list)

    async def chat(self, *messages: Any, **fields: Any) -> Got:
        asked = {"model": NAME, "messages": list(messages or [USER]), **fields}
        got = await self.client.post("/api/chat", asked)
        self.gots.append(got)
        return got

    async def continue_from(self, half: str, **fields: Any) -> Got:
        return await self.chat(USER, {"role": "assistant", "content": half}, think=False, **fields)


def asking(nursery: trio.Nursery, **settings: Any) -> Asking:
    ollama = FakeOllama(**settings)
    network = MemoryNetwork(nursery)
    network.listen("fake", 80, ollama.serve)
    return Asking(ollama, Client(network, read_timeout_s=math.inf))


def said(got: Got) -> str:
    return "".join(line.get("message", line).get("content", line.get("response", "")) for line in got.lines())

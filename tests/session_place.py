"""A running Trooper with a time of its own, for tests of sessions over HTTP."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from attrs import define

from asgi_server import Answer, running
from at_once import at_once
from edge import BEARER, Edge, asks
from opened import Opening, application
from scenes import configured
from stores import Clock
from trooper.aside.work import Aside
from trooper.services import Services
from trooper.store import MemoryStore
from trooper.testing import FakeOllama, ScriptedProvider

OTHER = (b"authorization", b"Bearer sk-other")
NAMED = (b"x-session-id", b"lighthouse")
CHAT = "/v1/chat/completions"
HISTORY = [
    {"role": "user", "content": "Mend the tests."},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "read", "arguments": '{"path":"a.py"}'}},
            {"id": "c2", "type": "function", "function": {"name": "run", "arguments": "{}"}},
        ],
    },
    {"role": "tool", "tool_call_id": "c1", "content": "import os"},
]


@define
class Place(Edge):
    """A running Trooper with a time of its own, and the services in it."""

    services: Services
    clock: Clock
    ollama: FakeOllama

    async def chat(self, *headers: tuple[bytes, bytes], **fields: Any) -> str:
        """One turn; the id of its session."""
        answer = await self.post(CHAT, *(headers or (BEARER, NAMED)), body=asks("chat", **fields))
        return (answer.header(b"x-trooper-session") or b"").decode()

    async def get(self, target: str, *headers: tuple[bytes, bytes]) -> Any:
        """What is told there."""
        path, _, query = target.partition("?")
        answer = await self.ask("GET", path, *(headers or (BEARER,)), query_string=query.encode())
        assert answer.status == 200, answer
        return json.loads(answer.body)

    async def refused(self, method: str, target: str, *headers: tuple[bytes, bytes], **more: Any) -> Answer:
        """A refusal."""
        answer = await self.ask(method, target, *(headers or (BEARER,)), **more)
        assert answer.status >= 400
        return answer


@asynccontextmanager
async def place(
    cloud: ScriptedProvider | None = None, ollama: FakeOllama | None = None, **server: Any
) -> AsyncIterator[Place]:
    cloud, ollama = cloud or ScriptedProvider(), ollama or FakeOllama()
    opening = Opening(cloud, ollama=ollama)
    app = application(opening, configured(**server))
    async with running(app):
        assert opening.services is not None
        services, clock = opening.services, Clock()
        services.now, store = clock, MemoryStore(now=clock)
        services.store = services.remembered.store = services.shared_turns.store = store
        services.aside = Aside(at_once)
        await services.standbys["ollama"].ready(None)
        yield Place(app, cloud, services, clock, ollama)


def code(answer: Answer) -> str:
    return str(json.loads(answer.body)["error"]["code"])

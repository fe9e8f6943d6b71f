"""Somebody who asks the scripted provider; shared by the tests of the fakes."""

from __future__ import annotations

import trio
import trio.testing

from raw_http import Client, Got
from trooper.testing import MemoryNetwork, ScriptedProvider, chat_events

ASK = {"model": "gpt-4o", "stream": True, "messages": [{"role": "user", "content": "Lighthouses?"}]}
WHOLE = ASK | {"stream": False}
EVENTS = chat_events()


def provider_on(nursery: trio.Nursery, provider: ScriptedProvider) -> Client:
    network = MemoryNetwork(nursery)
    network.listen("fake", 80, provider.serve)
    return Client(network)


async def chat(client: Client, value: object = ASK, **headers: str) -> Got:
    return await client.post("/v1/chat/completions", value, **headers)

"""
A provider that is one answer behind on each connection: nobody hears what was
said to somebody else, also where a key of ours, or none at all, is everybody's.
"""

from __future__ import annotations

import json
import re

import pytest
import trio

from floods import END, chunk
from scenes import CLOUD, LOCAL, Exchange, configured, stage, with_target
from trooper.config import Key

OWNERS = ("one", "two", "one", "three", "two")


MODEL = {"name": "m:latest", "digest": "d", "capabilities": ["completion"], "context_length": 8192}
#: What the standby asks.
LOOKED_AT = {
    b"/api/tags": {"models": [MODEL]},
    b"/api/ps": {"models": [MODEL]},
    b"/api/show": {"capabilities": ["completion"]},
    b"/api/version": {"version": "0.33.0"},
}


def said(asked: bytes, path: bytes) -> bytes:
    """The answer to a request: who asked, as the question has it."""
    who = re.search(rb"I am ([a-z]+)", asked)
    words = f"You are {who[1].decode() if who else 'nobody'}."
    if path in LOOKED_AT:
        body = json.dumps(LOOKED_AT[path]).encode()
    elif path.startswith(b"/api/"):
        lines = ({"message": {"content": words}}, {"done": True, "done_reason": "stop"})
        body = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    else:
        body = chunk({"role": "assistant", "content": words}) + END
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n"
    return head % len(body) + body


async def one_behind(stream: trio.abc.Stream) -> None:
    """Answers the first question, and each later one with the answer to the one before."""
    asked, before = b"", b""
    try:
        while came := await stream.receive_some():
            asked += came
            head, _, body = asked.partition(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            if head and len(body) >= int(length[1] if length else 0):
                now = said(body, head.split()[1])
                is_asked = b"I am " in body
                await stream.send_all(before if before and is_asked else now)
                asked, before = b"", now if is_asked else before
    except trio.BrokenResourceError:
        pass


async def unheard(stream: trio.abc.Stream) -> None:
    """A cloud that is not there."""
    await stream.aclose()


@pytest.mark.parametrize("place", ["a cloud with a key of ours", "a local server"])
async def test_nobody_hears_what_was_said_to_another(place: str) -> None:
    config = with_target(configured(), "openai", key=Key("value", "sk-ours"))
    config = with_target(config, "ollama", base_url="http://127.0.0.9:11434")
    async with stage(config=config, warm=False) as s:
        heard = []
        s.network.listen("127.0.0.9", LOCAL[1], one_behind)
        s.network.listen(*CLOUD, unheard if place == "a local server" else one_behind)
        await s.warm()
        for owner in OWNERS:
            exchange = Exchange()
            question = [{"role": "user", "content": f"I am {owner}."}]
            await s.play(exchange, owner=owner, messages=question)
            heard.append(re.findall(r"You are (\w+)", bytes(exchange.body).decode()))
    assert heard == [[owner] for owner in OWNERS]

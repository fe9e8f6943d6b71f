"""The local model of an agent, as a process: an Ollama as it is installed, that says what the turn needs."""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import trio

from agent_turns import turn_of
from trooper.testing import Ask, FakeOllama, Words, serve_tcp


def script(ask: Ask) -> Words:
    """The turn's answer; a probe has no tools and no question of the agent's."""
    turn = turn_of({"messages": ask.messages, "tools": ask.tools})
    print(json.dumps({"local": turn.name, "tools": len(ask.tools)}), flush=True)
    return turn.words


async def main() -> None:
    async with trio.open_nursery() as nursery:
        # A load takes its time, so that a window that grows too late is noticed.
        ollama = FakeOllama(script=script, load_s=0.2)
        port = await serve_tcp(ollama, nursery)
        print(json.dumps({"url": f"http://127.0.0.1:{port}"}), flush=True)


if __name__ == "__main__":
    trio.run(main)

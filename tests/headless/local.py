"""
The local model of an agent, as a process: an Ollama as it is installed, that says what the turn needs.
`local.py [LOAD_S READ_S]`: how long it takes to load anew, and to read an agent's prompt.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from typing import Any

import trio
from attrs import define

from agent_turns import turn_of
from trooper.testing import Ask, FakeOllama, Words, serve_tcp
from trooper.testing.ollama.models import Prompt
from trooper.testing.ollama.runner import Loaded, count

#: A probe has fewer words, and is read at once.
LONG_WORDS = 1_000


def script(ask: Ask) -> Words:
    """The turn's answer; a probe has no tools and no question of the agent's."""
    turn = turn_of({"messages": ask.messages, "tools": ask.tools})
    print(json.dumps({"local": turn.name, "tools": len(ask.tools)}), flush=True)
    return turn.words


@define(eq=False)
class SlowOllama(FakeOllama):
    """Reads any long prompt for `read_s`, and takes `reload_s` to load a model another time."""

    reload_s: float = 0.2
    read_s: float = 0.0

    async def _run(self, loaded: Loaded, ask: Ask, prompt: Prompt, *rest: Any) -> None:
        words = len(count(prompt.text))
        self.load_s = self.reload_s
        self.prefill_s = self.read_s / words if words >= LONG_WORDS else 0.0
        print(json.dumps({"reads": words}), flush=True)
        await super()._run(loaded, ask, prompt, *rest)


async def main() -> None:
    reload_s, read_s = map(float, sys.argv[1:] or ("0.2", "0"))
    async with trio.open_nursery() as nursery:
        # A load takes its time, so that a window that grows too late is noticed.
        ollama = SlowOllama(script=script, load_s=0.2, reload_s=reload_s, read_s=read_s)
        port = await serve_tcp(ollama, nursery)
        print(json.dumps({"url": f"http://127.0.0.1:{port}"}), flush=True)


if __name__ == "__main__":
    trio.run(main)

"""The local model of an agent, as a process: a llama.cpp server that says what the turn needs."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import trio
from attrs import define

from agent_turns import turn_of
from trooper.testing import FakeLlamaServer, Script, serve_tcp


@define(eq=False)
class Local(FakeLlamaServer):
    """Its answer is another one for each turn."""

    def _chat(self, asked: Mapping[str, Any]) -> Script:
        turn = turn_of(asked)
        self.answer, self.calls = turn.text, () if turn.call is None else (turn.call,)
        # A probe has no tools and no question of the agent's.
        print(json.dumps({"turn": turn.name}), flush=True)
        return super()._chat(asked)


async def main() -> None:
    async with trio.open_nursery() as nursery:
        port = await serve_tcp(Local(n_ctx=1_000_000), nursery)
        print(json.dumps({"url": f"http://127.0.0.1:{port}"}), flush=True)


if __name__ == "__main__":
    trio.run(main)

"""
The provider of all agents, as a process: `provider.py PLAN`. The file PLAN says, as
JSON, which turn is broken, by which fault, where: read anew for each request.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import trio

from agent_turns import Turn, turn_of
from trooper.testing import FAULTS, ChatAnswer, FaultAt, Request, ScriptedProvider, serve_tcp, tokens

#: The in-band error of each wire.
_IN_BAND = {
    "/v1/chat/completions": "error-object",
    "/v1/messages": "error-type-overloaded",
    "/v1/responses": "error-response-nested",
}


def answer_of(turn: Turn) -> ChatAnswer:
    """The turn as a provider gives it."""
    calls = () if turn.call is None else (turn.call,)
    return ChatAnswer(tokens=tuple(tokens(turn.text)), calls=calls, finish="tool_calls" if calls else "stop")


def script(request: Request) -> ChatAnswer | FaultAt:
    """The turn's answer, broken where the plan wants it."""
    asked = request.json()
    assert isinstance(asked, dict)
    turn = turn_of(asked)
    plan = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    print(json.dumps({"turn": turn.name, "path": request.path}), flush=True)
    if turn.name != plan["turn"]:
        return answer_of(turn)
    fault = _IN_BAND[request.path] if plan["fault"] == "in-band" else plan["fault"]
    return FaultAt(FAULTS[fault], plan["position"], answer_of(turn))


async def main() -> None:
    """Serve until it is stopped."""
    async with trio.open_nursery() as nursery:
        port = await serve_tcp(ScriptedProvider(script=script, pace_s=0.01), nursery)
        print(json.dumps({"url": f"http://127.0.0.1:{port}"}), flush=True)


if __name__ == "__main__":
    trio.run(main)

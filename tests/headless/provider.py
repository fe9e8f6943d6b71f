"""
The provider of all agents, as a process: `provider.py PLAN`. PLAN says, as JSON,
which turns are broken, by which fault, where.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import trio
from attrs import define, evolve

from agent_turns import turn_of
from trooper.testing import FAULTS, ChatAnswer, FaultAt, Request, Response, ScriptedProvider, serve_tcp

#: The in-band error of each wire.
_IN_BAND = {
    "/v1/chat/completions": "error-object",
    "/v1/messages": "error-type-overloaded",
    "/v1/responses": "error-response-nested",
}
#: What clients prove themselves with; in these suites it is nobody's.
_PROOFS = ("authorization", "x-api-key", "chatgpt-account-id", "anthropic-beta")
#: Faults that have longer names in the table.
_SHORT = {
    "early-end": "clean-eof",
    "429": "status-429",
    "529": "status-529",
    "closed": "closed-before-headers",
}


def named(asked: dict[str, Any]) -> list[str]:
    """The ids by which it names what was said before."""
    items = asked.get("input")
    ids = [item.get("id") for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    return [item_id for item_id in ids if isinstance(item_id, str)]


def script(request: Request) -> ChatAnswer | FaultAt:
    """The turn's answer, broken where the plan wants it."""
    asked = request.json()
    assert isinstance(asked, dict)
    turn = turn_of(asked)
    plan = json.loads(sys.argv[1])
    proofs = [request.header(name) for name in _PROOFS]
    told = {"turn": turn.name, "path": request.path, "proofs": proofs, "named": named(asked)}
    print(json.dumps(told), flush=True)
    if turn.name not in plan["turns"]:
        return turn.answer
    fault = _IN_BAND[request.path] if plan["fault"] == "in-band" else plan["fault"]
    return FaultAt(FAULTS[_SHORT.get(fault, fault)], plan["position"], turn.answer)


@define(eq=False)
class Provider(ScriptedProvider):
    """Also where ChatGPT plans are asked, which has another path."""

    async def _answer(self, request: Request, response: Response) -> None:
        print(json.dumps({"asked_at": request.path}), flush=True)
        path = request.path.replace("/backend-api/codex/", "/v1/")
        await super()._answer(evolve(request, path=path), response)


async def main() -> None:
    """Serve until it is stopped."""
    async with trio.open_nursery() as nursery:
        port = await serve_tcp(Provider(script=script, pace_s=0.01), nursery)
        print(json.dumps({"url": f"http://127.0.0.1:{port}"}), flush=True)


if __name__ == "__main__":
    trio.run(main)

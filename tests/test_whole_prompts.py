"""
What the four agents really send, whole, with nothing configured: their first turn
and the one behind a tool's result, to an Ollama with the window it is installed
with. However the provider fails, before an answer or in the middle of it, the
turn completes, and nothing of the prompt is left out.
"""

from __future__ import annotations

import gzip
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent_turns import Turn, turn_of
from scenes import WIRES, Exchange, stage
from shapes.walking import texts_in
from trooper.targets.standby.growing import GrowingStandby
from trooper.testing import FAULTS, Ask, FakeOllama, FaultAt, ScriptedProvider, Words
from wire_validator import ChatResult

PROMPTS = Path(__file__).parent / "prompts"
AGENTS = ("aider", "claude", "codex", "codex-classic", "opencode")
TURNS = ("first", "behind-a-result")
CUTS = ("reset", "clean-eof", "silence")
#: The in-band error of each wire.
IN_BAND = {
    "chat": "error-object",
    "messages": "error-type-overloaded",
    "responses": "error-response-nested",
}
REFUSALS = ("status-429", "status-529", "closed-before-headers")
#: More than any of these prompts takes; the machine that runs the tests has its own.
FREE_BYTES = 64 << 30


def prompt(name: str, turn: str) -> tuple[str, dict[str, Any]]:
    """The wire of a recorded request, and its body."""
    kept = json.loads(gzip.decompress((PROMPTS / f"{name}-{turn}.json.gz").read_bytes()))
    return next(wire for wire, spoken in WIRES.items() if spoken.path == kept["path"]), kept["body"]


def faults() -> Iterator[tuple[str, str]]:
    yield from itertools.product((*CUTS, "in-band"), ("start", "middle"))
    yield from ((fault, "start") for fault in REFUSALS)


def script(ask: Ask) -> Words:
    """The local model says what the turn needs."""
    return turn_of({"messages": ask.messages, "tools": ask.tools}).words


def told_by(exchange: Exchange, body: dict[str, Any]) -> ChatResult:
    """What the agent read, strictly."""
    if (body.get("stream_options") or {}).get("include_usage"):
        return exchange.chat(include_usage=True)
    return exchange.told()


def said(arguments: str) -> Any:
    """Arguments as their reader takes them: JSON whose blanks mean nothing, or any text."""
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments


def called(turn: Turn) -> list[tuple[str, Any]]:
    return [] if turn.call is None else [(turn.call.name, said(turn.call.arguments))]


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("name", AGENTS)
@pytest.mark.parametrize(("fault", "position"), list(faults()))
async def test_an_agents_turn_is_saved(
    name: str, turn: str, fault: str, position: str, autojump_clock: Any
) -> None:
    wire, body = prompt(name, turn)
    wanted = turn_of(body)
    failing = FAULTS[IN_BAND[wire] if fault == "in-band" else fault]
    cloud = ScriptedProvider(script=FaultAt(failing, position, wanted.answer), pace_s=0.1)
    async with stage(cloud, FakeOllama(script=script, load_s=3.0)) as s:
        standby = s.services.standbys["ollama"]
        assert isinstance(standby, GrowingStandby)
        standby.windows.free_bytes = lambda: FREE_BYTES
        exchange = await s.ask(wire=wire, body=json.dumps(body).encode())
        told = told_by(exchange, body)

        assert (told.error, told.text) == (None, wanted.text)
        assert [(seen.name, said(seen.arguments)) for seen in told.tool_calls] == called(wanted)
        assert exchange.report["outcome"] == "completed"
        assert exchange.legs[-1] == ("ollama", "completed")
        assert (s.ollama.truncations, s.ollama.mismatches) == ([], [])
        shown = s.ollama.generations[-1].prompt.text
        turns = body.get("messages", body.get("input"))
        assert [text for text in texts_in(turns, "content") if text.strip() not in shown] == []


def test_they_are_as_long_as_agents_prompts_are() -> None:
    """Whole ones, and none of a test's own size."""
    sizes = {name: len(json.dumps(prompt(name, "first")[1])) for name in AGENTS}
    assert sizes["claude"] > 70_000
    assert sizes["codex"] > 50_000
    assert min(sizes.values()) > 10_000

"""
Random cuts inside the arguments of tool calls: what the client has in the end
is a whole call, once, or an error.
"""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio
from attrs import define, evolve, field

from gbnf import Grammar
from scenes import WIRES, Stage, configured, stage
from trooper.config import Chain, Config, Target
from trooper.targets.standby import State
from trooper.testing import (
    Call,
    ChatAnswer,
    End,
    FakeLlamaServer,
    FakeOllama,
    Head,
    Reset,
    Script,
    Send,
    ToolUse,
)
from trooper.testing.provider import WIRES as SPOKEN
from trooper.wires import LLAMA_SERVER

NOTE = {
    "path": "src/ünï/灯台.py",
    "edits": [
        {"at": 12, "text": 'print("a\\tb") # 🚢\n\u2028', "flags": [True, False, None]},
        {"at": -3.5e-7, "text": "{not: json}", "more": {"deep": [[], {}, ["x"]]}},
    ],
    "why": "because \\ and / and \u0085",
}
ARGUMENTS = (
    json.dumps(NOTE, ensure_ascii=False),
    json.dumps({**NOTE, "second": "emoji \U0001f468\u200d\U0001f469"}),
)
CALLS = (
    Call("edit", ARGUMENTS[0], id="call_0000000000000000000001"),
    Call("look", ARGUMENTS[1], id="call_0000000000000000000002"),
)
USES = tuple(ToolUse(c.name, json.loads(c.arguments), id=f"call_local_{c.name}") for c in CALLS)
ANSWER = ChatAnswer(calls=CALLS, finish="tool_calls")
SCHEMA = {"type": "object", "required": ["path", "edits"], "properties": {"path": {"type": "string"}}}
TOOLS: dict[str, Any] = {
    "chat": [{"type": "function", "function": {"name": c.name, "parameters": SCHEMA}} for c in CALLS],
    "messages": [{"name": c.name, "input_schema": SCHEMA} for c in CALLS],
    "responses": [{"type": "function", "name": c.name, "parameters": SCHEMA} for c in CALLS],
}
WANTED = [(c.name, json.loads(c.arguments)) for c in CALLS]


@define
class Tally:
    """What has come of the cuts."""

    whole: int = 0
    raised: int = 0
    wrong: list[str] = field(factory=list)
    grammars: int = 0


async def llama_ready(s: Stage) -> None:
    """Wait until the standby of the llama.cpp server has looked at it."""
    standby = s.services.standbys["llama"]
    while standby.state is not State.READY:  # noqa: ASYNC110  # virtual time: costs nothing
        await trio.sleep(0.1)


def with_llama(wire: str, **server: Any) -> Config:
    """The client's provider, and a llama.cpp server behind it."""
    config = configured(**server)
    first = config.target(WIRES[wire].target)
    local = Target("llama", LLAMA_SERVER.wire, "http://127.0.0.1:8080")
    return evolve(config, targets=(first, local), chains=(Chain("*", (first.name, local.name)),))


@asynccontextmanager
async def opened(wire: str, calls: str) -> AsyncIterator[tuple[Stage, FakeLlamaServer]]:
    """With `hold` Ollama is behind the provider, with `stream` a server that takes a grammar."""
    llama = FakeLlamaServer(answer="", calls=CALLS)
    config = configured(tool_calls=calls) if calls == "hold" else with_llama(wire, tool_calls=calls)
    async with stage(config=config, ollama=FakeOllama(tool_calls=USES), llama=llama) as s:
        if calls == "stream":
            await llama_ready(s)
            llama.mismatches.clear()
        yield s, llama


async def cut_calls(wire: str, calls: str, count: int, seed: int) -> Tally:
    """Cut `count` times at random inside the calls."""
    chance, tally = random.Random(seed), Tally()
    events = SPOKEN[WIRES[wire].path].events(ANSWER)
    first = next(at for at, event in enumerate(events) if b"edit" in event)
    begin = len(b"".join(events[:first]))
    stream = b"".join(events)
    end = len(b"".join(events[:-2]))
    async with opened(wire, calls) as (s, llama):
        for _ in range(count):
            at, how = chance.randrange(begin, end), chance.choice((Reset(), End()))
            s.cloud.script = Script((Head(), Send(stream[:at]), how))
            x = await s.ask(wire=wire, tools=TOOLS[wire])
            _judge(tally, x, f"{wire}, {calls}, at {at}, {how}")
            _check_grammars(tally, llama)
            s.log.clear()
            for peer in (s.cloud, s.ollama, llama):
                peer.server.forget()
        tally.wrong += [f"given a half that is none: {half!r}" for half in llama.mismatches]
    return tally


def _judge(tally: Tally, x: Any, where: str) -> None:
    if x.status != 200:
        tally.wrong.append(f"{where}: status {x.status}")
        return
    result = x.told()
    if result.error is not None:
        # The client has been told; nothing that stands open is ever run.
        is_honest = not result.done and result.finish_reason is None
        tally.raised += is_honest
        tally.wrong += [] if is_honest else [f"{where}: {result}"]
        return
    made = [(call.name, json.loads(call.arguments)) for call in result.tool_calls]
    is_right = bool(made) and made == WANTED[: len(made)] and result.finish_reason == "tool_calls"
    tally.whole += is_right
    tally.wrong += [] if is_right else [f"{where}: {result}"]


def _check_grammars(tally: Tally, llama: FakeLlamaServer) -> None:
    """What the model was bound to lets it say exactly what is missing."""
    for request in llama.requests:
        if b'"grammar"' not in request.body:
            continue
        asked = request.json()
        assert isinstance(asked, dict)
        tally.grammars += 1
        half = str(asked["prompt"]).rpartition('"arguments": ')[2]
        rests = [a[len(half) :] for a in ARGUMENTS if a.startswith(half)]
        if not any(Grammar(asked["grammar"]).fits(rest) for rest in rests):
            tally.wrong.append(f"the grammar does not fit behind {half!r}")

"""
The two wires beside chat: every fault that is no matter of one wire's events,
and the in-band errors of each, through the whole of Trooper; what is healthy
arrives byte for byte.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from attrs import evolve

from scenes import WIRES, Exchange, Stage, configured, stage
from trooper.testing import (
    ANSWERS,
    FAULTS,
    ChatAnswer,
    FakeOllama,
    Fault,
    FaultAt,
    OllamaFault,
    ScriptedProvider,
    ToolUse,
    tokens,
)
from trooper.testing.faults import ON_EVERY_WIRE
from trooper.testing.provider import WIRES as PROVIDER_WIRES

ANSWER = (
    "A lighthouse keeps its light in one place – café, 灯台, 🚢 – so that ships find theirs.\n\nTrust it."
)
POSITIONS = ("start", 1, "middle", "end")
FORGETFUL = {"TROOPER_BREAKER": "off"}
OTHERS = ("messages", "responses")

_OWN = {
    "messages": ("error-type-overloaded", "error-event", "error-event-lmstudio"),
    "responses": ("error-response-nested", "error-response-failed", "error-event-flat-type"),
}
#: An event of this wire has a number, so the same one again and again is none of its own.
_NUMBERED = ("silence-empty-deltas",)
ROWS = [
    (wire, FAULTS[name])
    for wire in OTHERS
    for name in (*ON_EVERY_WIRE, *_OWN[wire])
    if wire != "responses" or name not in _NUMBERED
]


def events(wire: str, answer: str = ANSWER) -> list[bytes]:
    said = ChatAnswer(tokens=tuple(tokens(answer)))
    return PROVIDER_WIRES[WIRES[wire].path].events(said)


def positions(fault: Fault) -> tuple[int | str, ...]:
    return POSITIONS if fault.where == "both" else ("middle",)


def words_seen(wire: str, fault: Fault, position: int | str) -> int:
    """How many words the provider has said. The first waits at the gate: of one nobody has seen anything."""
    if fault.where == "before":
        return 0
    places = {"start": 0, "middle": len(events(wire)) // 2, "end": len(events(wire))}
    return places.get(str(position), 1) + fault.torn_is_whole


def without_id(x: Exchange) -> bytes:
    return re.sub(rb'(?:msg|resp)_scripted\d+|"created_at":\s*\d+', b"", bytes(x.body))


def assert_whole_answer(s: Stage, x: Exchange, kind: str, how: str) -> None:
    result = x.told()
    assert result.error is None
    assert (result.text, result.finish_reason, result.done) == (ANSWER, "stop", True)
    assert x.legs[0] == (WIRES[x.wire].target, kind)
    assert x.legs[-1] == ("ollama", "completed")
    assert x.report["legs"][-1]["how"] == how
    assert s.ollama.mismatches == []
    assert result.trooper is not None
    assert [leg["outcome"] for leg in result.trooper["legs"]] == [o for _, o in x.legs]
    assert any(
        f"trooper seam from={WIRES[x.wire].target} to=ollama reason={kind}" in c for c in result.comments
    )


@pytest.mark.parametrize(("wire", "fault"), ROWS, ids=lambda value: getattr(value, "name", value))
async def test_stream(autojump_clock: Any, wire: str, fault: Fault) -> None:
    async with stage(ScriptedProvider(ANSWER), FakeOllama(answer=ANSWER), configured(FORGETFUL)) as s:
        for position in positions(fault):
            kind, action = fault.expected(events(wire), position)
            s.cloud.script = FaultAt(fault, position)
            s.cloud.requests.clear()
            s.ollama.requests.clear()
            x = await s.ask(wire=wire)
            match action:
                case "restart" | "continue":
                    seen = words_seen(wire, fault, position)
                    assert_whole_answer(s, x, kind, action if seen > 1 else "restart")
                case "pass":
                    alone = await s.ask(wire=wire, headers=((b"x-trooper-failover", b"off"),))
                    assert x.status == alone.status
                    assert without_id(x) == without_id(alone)
                    assert [r.path for r in s.ollama.requests] == []
                case _:
                    assert (x.told().text, x.told().finish_reason) == (ANSWER, "stop")
                    assert x.legs == [(WIRES[wire].target, "completed")]


@pytest.mark.parametrize(
    ("wire", "fault"),
    [(wire, fault) for wire, fault in ROWS if fault.whole is not None],
    ids=lambda value: getattr(value, "name", value),
)
async def test_whole(autojump_clock: Any, wire: str, fault: Fault) -> None:
    cloud = ScriptedProvider(ANSWER, script=FaultAt(fault, "middle"))
    async with stage(cloud, FakeOllama(answer=ANSWER), configured(FORGETFUL)) as s:
        x = await s.ask(wire=wire, stream=False)
        if fault.fails:
            result = x.told_whole()
            assert (x.status, result.text, result.finish_reason) == (200, ANSWER, "stop")
            assert x.legs[-1] == ("ollama", "completed")
            assert x.headers[b"content-length"] == str(len(x.body)).encode()
            assert x.headers[b"content-type"] == b"application/json"
        else:
            alone = await s.ask(wire=wire, stream=False, headers=((b"x-trooper-failover", b"off"),))
            assert (x.status, without_id(x)) == (alone.status, without_id(alone))
            assert [r.path for r in s.ollama.requests] == []


@pytest.mark.parametrize(
    ("wire", "fault"),
    [(wire, fault) for wire, fault in ROWS if fault.fails],
    ids=lambda value: getattr(value, "name", value),
)
async def test_local_dies_too(autojump_clock: Any, wire: str, fault: Fault) -> None:
    """A double failure is an error: the cloud's own before content, in-band after it."""
    async with stage(ScriptedProvider(ANSWER), config=configured(FORGETFUL)) as s:
        s.ollama.fault = OllamaFault("status", status=500)
        for position in positions(fault):
            kind, action = fault.expected(events(wire), position)
            s.cloud.script = FaultAt(fault, position)
            if action not in ("restart", "continue"):
                continue
            x = await s.ask(wire=wire)
            assert x.legs[0] == (WIRES[wire].target, kind)
            if x.status == 200:
                result = x.told()
                assert result.error is not None
                assert (result.error.code, result.done, result.finish_reason) == (kind, False, None)
                assert ANSWER.startswith(result.text)
            else:
                assert x.status is not None
                assert x.status >= 400
                assert words_seen(wire, fault, position) <= 1
            if action == "continue" and words_seen(wire, fault, position) > 1:
                assert x.status == 200


@pytest.mark.parametrize("wire", OTHERS)
@pytest.mark.parametrize("answer", [name for name in ANSWERS if name != "empty"])
@pytest.mark.parametrize("gate", [True, False])
async def test_every_byte_arrives(autojump_clock: Any, wire: str, answer: str, gate: bool) -> None:
    """What the client gets is what the provider sent, byte for byte."""
    spoken = PROVIDER_WIRES[WIRES[wire].path]
    cloud = ScriptedProvider(answer=ANSWERS[answer], pace_s=0.02)
    async with stage(cloud, config=configured(gate=gate)) as s:
        x = await s.ask(wire=wire)
        said = evolve(ANSWERS[answer], id=f"{spoken.id_prefix}scripted000000000000")
        assert bytes(x.body) == b"".join(spoken.events(said))
        assert x.ended
        whole = await s.ask(wire=wire, stream=False)
        said = evolve(said, id=f"{spoken.id_prefix}scripted000000000001", created=said.created + 1)
        assert bytes(whole.body) == spoken.body(said)


USES = (
    ToolUse("get_weather", {"city": "Zürich", "days": [1, 2, 3], "note": 'a "b" {c}'}, id="call_local1"),
    ToolUse("get_time", {"zone": "Europe/Zurich"}, id="call_local2"),
)
TOOLS: dict[str, list[dict[str, Any]]] = {
    "chat": [
        {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}
        for name in ("get_weather", "get_time")
    ],
    "messages": [
        {"name": name, "input_schema": {"type": "object", "properties": {}}}
        for name in ("get_weather", "get_time")
    ],
    "responses": [
        {"type": "function", "name": name, "parameters": {"type": "object", "properties": {}}}
        for name in ("get_weather", "get_time")
    ],
}


def called(result: Any) -> list[tuple[str, Any]]:
    return [(call.name, json.loads(call.arguments)) for call in result.tool_calls]


CALLS = [(use.name, use.arguments) for use in USES]


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("position", ["start", 1, 4, 9, "middle", 14, "end"])
async def test_calls(autojump_clock: Any, wire: str, position: int | str) -> None:
    """Whole calls end the turn; with none whole, the local model makes them."""
    cloud = ScriptedProvider(script=FaultAt(FAULTS["reset"], position, ANSWERS["tools"]))
    async with stage(cloud, FakeOllama(tool_calls=USES)) as s:
        x = await s.ask(wire=wire, tools=TOOLS[wire])
        result = x.told()
        assert (result.error, result.text, result.finish_reason) == (None, "", "tool_calls")
        assert called(result) in (CALLS, CALLS[:1])


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("position", ["start", 1, 3, "middle", "end"])
async def test_thought(autojump_clock: Any, wire: str, position: int | str) -> None:
    """Half a thought may stay half; the answer is whole, in a part of its own."""
    cloud = ScriptedProvider(script=FaultAt(FAULTS["reset"], position, ANSWERS["reasoning"]))
    async with stage(cloud) as s:
        x = await s.ask(wire=wire)
        result = x.told()
        assert (result.error, result.finish_reason) == (None, "stop")
        assert result.text == "".join(ANSWERS["reasoning"].tokens)
        assert "".join(ANSWERS["reasoning"].reasoning).startswith(result.reasoning)

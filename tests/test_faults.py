"""
Every row of the failure table, at several places, through the whole of
Trooper: what the client gets, what the log says, who was asked how often.

`docs/failures.md` is generated from the same table.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from scenes import Exchange, Stage, configured, stage
from trooper.testing import (
    FAULTS,
    FakeOllama,
    Fault,
    FaultAt,
    OllamaFault,
    ScriptedProvider,
    chat_events,
)
from wire_validator import validate_whole

#: Short, since it is said more than a thousand times; with all kinds of characters.
ANSWER = (
    "A lighthouse keeps its light in one place – café, 灯台, 🚢 – so that ships find theirs.\n\nTrust it."
)
POSITIONS = ("start", 1, "middle", "end")
EVENTS = chat_events(ANSWER)


def words_seen(fault: Fault, position: int | str) -> int:
    """How many words the provider has said. The first waits at the gate: of one nobody has seen anything."""
    if fault.where == "before":
        return 0
    places = {"start": 0, "middle": len(EVENTS) // 2, "end": len(EVENTS)}
    return places.get(str(position), 1) + fault.torn_is_whole


def script(fault: Fault, position: int | str) -> ScriptedProvider:
    return ScriptedProvider(ANSWER, script=FaultAt(fault, position))


async def provider_alone(fault: Fault, position: int | str, **fields: Any) -> Exchange:
    """What the client gets when nobody may take over: the provider's own answer."""
    async with stage(script(fault, position)) as alone:
        return await alone.ask(headers=((b"x-trooper-failover", b"off"),), **fields)


def assert_whole_answer(s: Stage, x: Exchange, kind: str, how: str) -> None:
    """One answer, exact, and the log tells how it came about."""
    result = x.chat()
    assert result.error is None
    assert result.text == ANSWER
    assert result.finish_reason == "stop"
    assert result.done
    assert x.legs[0] == ("openai", kind)
    assert x.legs[-1] == ("ollama", "completed")
    assert x.report["legs"][-1]["how"] == how
    assert x.report["outcome"] == "completed"
    assert s.ollama.mismatches == []
    assert len(s.cloud.chats) == (2 if kind == "empty_200" else 1)
    assert result.trooper is not None
    assert [leg["outcome"] for leg in result.trooper["legs"]] == [o for _, o in x.legs]
    # The status and the preamble may have gone before the switch; a comment then marks it.
    assert any(
        c.strip().startswith(f"trooper seam from=openai to=ollama reason={kind}") for c in result.comments
    )


def positions(fault: Fault) -> tuple[int | str, ...]:
    return POSITIONS if fault.where == "both" else ("middle",)


#: A target that asked to be left alone would be, for the rest of a test.
FORGETFUL = {"TROOPER_BREAKER": "off"}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=lambda fault: fault.name)
async def test_stream(autojump_clock: Any, fault: Fault) -> None:
    """The client of a stream gets what the table says, wherever the fault strikes."""
    config = configured(FORGETFUL)
    async with stage(ScriptedProvider(ANSWER), FakeOllama(answer=ANSWER), config) as s:
        for position in positions(fault):
            kind, action = fault.expected(EVENTS, position)
            s.cloud.script = FaultAt(fault, position)
            s.cloud.requests.clear()
            s.ollama.requests.clear()
            x = await s.ask()
            match action:
                case "restart" | "continue":
                    assert_whole_answer(s, x, kind, action if words_seen(fault, position) > 1 else "restart")
                case "finish":
                    assert x.chat().text == ANSWER
                    assert x.chat().finish_reason == "stop"
                    assert x.legs == [("openai", "completed")]
                case "pass":
                    alone = await s.ask(headers=((b"x-trooper-failover", b"off"),))
                    assert x.status == alone.status
                    assert without_id(x) == without_id(alone)
                    assert x.legs == [("openai", kind or "completed")]
            if action in ("finish", "pass"):
                assert [r.path for r in s.ollama.requests] == []


def without_id(x: Exchange) -> bytes:
    """The body, but for what the scripted provider changes with each of its answers."""
    return re.sub(rb'chatcmpl-scripted\d+|"created":\s*\d+', b"", bytes(x.body))


@pytest.mark.parametrize(
    "fault", [f for f in FAULTS.values() if f.whole is not None], ids=lambda fault: fault.name
)
async def test_whole(autojump_clock: Any, fault: Fault) -> None:
    """The client that asked for one piece gets one piece, and the same rules hold."""
    async with stage(script(fault, "middle"), FakeOllama(answer=ANSWER)) as s:
        x = await s.ask(stream=False)
        if fault.fails:
            result = validate_whole(bytes(x.body))
            assert (x.status, result.text, result.finish_reason) == (200, ANSWER, "stop")
            assert x.legs[-1] == ("ollama", "completed")
            assert x.headers[b"content-length"] == str(len(x.body)).encode()
            assert x.headers[b"content-type"] == b"application/json"
        else:
            alone = await provider_alone(fault, "middle", stream=False)
            assert (x.status, bytes(x.body)) == (alone.status, bytes(alone.body))
            assert [r.path for r in s.ollama.requests] == []


@pytest.mark.parametrize("fault", [f for f in FAULTS.values() if f.fails], ids=lambda fault: fault.name)
async def test_local_dies_too(autojump_clock: Any, fault: Fault) -> None:
    """A double failure is an error: the cloud's own before content, in-band after it."""
    async with stage(ScriptedProvider(ANSWER), config=configured(FORGETFUL)) as s:
        s.ollama.fault = OllamaFault("status", status=500)
        for position in positions(fault):
            kind, action = fault.expected(EVENTS, position)
            s.cloud.script = FaultAt(fault, position)
            x = await s.ask()
            if words_seen(fault, position) == 0:
                assert x.status is not None
                assert x.status >= 400 or not x.chat().done
                if x.status == 200:
                    assert x.chat().error is not None
                assert x.legs[0] == ("openai", kind)
            elif action == "continue" and words_seen(fault, position) > 1:
                result = x.chat()
                assert result.error is not None
                assert result.error.code == kind
                assert not result.done
                assert result.finish_reason is None
                assert ANSWER.startswith(result.text)
                assert x.report["outcome"] == "failed"


async def test_failover_off_passes_the_providers_failure(autojump_clock: Any) -> None:
    """`x-trooper-failover: off`: status, body and Retry-After are the provider's own."""
    fault = FAULTS["status-429-retry-after"]
    async with stage(script(fault, "start")) as s:
        x = await s.ask(headers=((b"x-trooper-failover", b"off"),))
        assert x.status == 429
        assert x.headers[b"retry-after"]
        assert x.report["outcome"] == "passed_on"


async def test_gate_off(autojump_clock: Any) -> None:
    """Without the gate the cut may be inside a word; the text is exact all the same."""
    provider = ScriptedProvider(ANSWER, script=FaultAt(FAULTS["reset"], 9), token_chars=3)
    async with stage(provider, FakeOllama(answer=ANSWER), configured(gate=False)) as s:
        assert (await s.ask()).chat().text == ANSWER

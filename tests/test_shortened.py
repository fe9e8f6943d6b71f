"""
A conversation that no window holds, whole requests: what the local model is shown of it, and what the client is told.

The window is a number of the user's, so it cannot grow.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from scenes import WIRES, Exchange, Stage, configured, dies, stage, with_target
from trooper.core.tokens import tokens_at_most
from trooper.testing import DEFAULT_ANSWER, FAULTS, FakeOllama, FaultAt, ScriptedProvider

WINDOW = 4096
FIRST = "I am Ada Quill, I keep the lighthouse at Skerry 7. Please repair its log book."
LAST = "Now write the last entry."
PARAGRAPH = "The keeper of the lamp writes down what he sees, hour after hour. " * 12
FACTS = (
    "The lamp listens on port 48213.",
    "We have decided to use SQLite and not Postgres.",
    "Never touch /srv/lamp/seal.key.",
)


def turns(wire: str, *, facts: bool = True) -> dict[str, Any]:
    """An hour of work, in which each fact is said once."""
    said: list[dict[str, Any]] = [{"role": "user", "content": FIRST}]
    for number in range(60):
        fact = FACTS[number // 15 - 1] if facts and number in (15, 30, 45) else ""
        said.append({"role": "assistant", "content": f"Entry {number}: {PARAGRAPH}"})
        said.append({"role": "user", "content": f"Go on with the next one. {fact}"})
    said.append({"role": "user", "content": LAST})
    return {"input" if wire == "responses" else "messages": said}


def fixed(**changes: Any) -> Any:
    return with_target(configured(**changes), "ollama", num_ctx=WINDOW)


def shown(s: Stage) -> str:
    """What the local model was asked with last."""
    asked = [json.loads(r.body) for r in s.ollama.requests if r.path in ("/api/chat", "/api/generate")]
    last = next(
        body
        for body in reversed(asked)
        if body.get("stream") and (body.get("messages") or body.get("prompt"))
    )
    return (
        "\n\n".join(m["content"] for m in last["messages"]) if last.get("messages") else str(last["prompt"])
    )


def noted(x: Exchange) -> dict[str, Any]:
    """What the client is told of the last leg."""
    line = next(line for line in bytes(x.body).split(b"\n") if b'"trooper":' in line)
    legs: list[dict[str, Any]] = json.loads(line.removeprefix(b"data: "))["trooper"]["legs"]
    return legs[-1]


@pytest.mark.parametrize("position", ["start", "middle"])
@pytest.mark.parametrize("wire", WIRES)
async def test_the_work_can_be_gone_on_with(wire: str, position: str, autojump_clock: Any) -> None:
    fault = FAULTS["status-429" if position == "start" else "reset"]
    async with stage(ScriptedProvider(script=FaultAt(fault, position)), config=fixed()) as s:
        x = await s.ask(wire=wire, **turns(wire))
        told = x.told()
        assert (told.text, told.error) == (DEFAULT_ANSWER, None)
        prompt = shown(s)
        assert prompt.count(FIRST) == 1
        assert LAST in prompt
        for value in ("48213", "SQLite", "/srv/lamp/seal.key"):
            assert value in prompt
        assert s.ollama.truncations == []
        assert tokens_at_most(prompt) > WINDOW / 2
        shortened = x.report["legs"][-1]["shortened"]
        assert shortened["turns"] > 50
        # Where the status had gone out, nobody knew.
        header = x.headers.get(b"x-trooper-shortened")
        assert (header is None) is (position == "middle")
        if header is not None:
            assert header.decode() == ", ".join(f"{name}={number}" for name, number in shortened.items())
        assert noted(x)["shortened"] == shortened


@pytest.mark.parametrize("wire", WIRES)
async def test_what_fits_is_shown_whole_and_nothing_is_told(wire: str, autojump_clock: Any) -> None:
    async with stage(dies(), config=fixed()) as s:
        x = await s.ask(wire=wire)
        assert x.told().text == DEFAULT_ANSWER
        assert "shortened" not in x.report["legs"][-1]
        assert "shortened" not in noted(x)
        assert b"x-trooper-shortened" not in x.headers


@pytest.mark.parametrize("report", ["rules", "none"])
async def test_without_a_report_there_is_a_note(report: str, autojump_clock: Any) -> None:
    async with stage(dies(), config=fixed(report=report)) as s:
        assert (await s.ask(**turns("chat"))).chat().text == DEFAULT_ANSWER
        assert ("Earlier messages of this conversation are left out here" in shown(s)) is (report == "none")
        assert ("48213" in shown(s)) is (report == "rules")


@pytest.mark.parametrize("wire", WIRES)
async def test_a_half_answer_longer_than_the_window_goes_on(wire: str, autojump_clock: Any) -> None:
    """Twelve thousand tokens of it; the model is shown its end, and the client gets each word once."""
    answer = "\n\n".join(f"Hour {number}. {PARAGRAPH}" for number in range(92))
    assert tokens_at_most(answer) > 12_000
    cloud = ScriptedProvider(answer=answer, script=FaultAt(FAULTS["reset"], 14_100))
    async with stage(cloud, FakeOllama(answer=answer), fixed()) as s:
        limit = {"max_tokens": 60_000} if wire == "messages" else {}
        x = await s.ask(wire=wire, **turns(wire, facts=False), **limit)
        told = x.told()
        assert told.error is None
        assert told.text == answer
        assert x.report["legs"][-1]["shortened"]["answer_chars"] > 20_000
        assert FIRST in shown(s)
        assert LAST in shown(s)


async def test_what_must_stay_and_does_not_fit_is_told_with_both_numbers(autojump_clock: Any) -> None:
    async with stage(dies(position="start"), config=fixed()) as s:
        x = await s.ask(
            messages=[{"role": "user", "content": FIRST}, {"role": "user", "content": "word " * 9000}]
        )
        assert x.status != 200
        message = x.whole()["error"]["message"]
        assert "9,374 tokens do not fit its window of 4,096; set num_ctx" in message

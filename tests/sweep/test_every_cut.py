"""
Every cut: golden streams, cut at each event's end and two bytes either side,
and inside every multi-byte character, continued through the whole of Trooper.

The client's bytes are read by the strict validator, which shares no code with
the voice. The text is exact, or the error is one that the SDK raises.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from attrs import define, evolve

from scenes import Stage, configured, stage
from trooper.testing import (
    ANSWERS,
    FAULTS,
    ChatAnswer,
    FakeOllama,
    FaultAt,
    ScriptedProvider,
    ToolUse,
    tokens,
)

TEXT = (
    "Ein Leuchtturm steht fest – auch bei Sturm. 灯台は光を一つの場所に置く。 แสงไม่ดับ\n\n"
    "1. The lamp: 3.14 W\u2028and a line that is none\u0085\n"
    "2. A family 👩‍👩‍👧‍👦, a flag 🇨🇭🇩🇪, a wave 👋🏽, e\u0301\n\n"
    "```python\nprint('don\\'t {\"go\": out}')\n```\n"
    "See https://example.org/a?b=c&d=QUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJD== now. Done."
)
TOOLS = [
    {
        "type": "function",
        "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}},
    }
]


def pieces(text: str, size: int) -> tuple[str, ...]:
    return tuple(text[at : at + size] for at in range(0, len(text), size))


GOLDEN: dict[str, tuple[ChatAnswer, dict[str, Any]]] = {
    "words": (ChatAnswer(tokens=tuple(tokens(TEXT))), {}),
    "characters in threes": (ChatAnswer(tokens=pieces(TEXT, 3)), {}),
    "big pieces": (ChatAnswer(tokens=pieces(TEXT, 40)), {}),
    "reasoning": (ChatAnswer(tokens=tuple(tokens(TEXT)), reasoning=tuple(tokens("Let me think. 🤔"))), {}),
    "text then tool": (ANSWERS["text-tools"], {"tools": TOOLS}),
    "parallel tools": (ANSWERS["tools"], {"tools": TOOLS}),
    "refusal": (ChatAnswer(refusal=tuple(tokens("I cannot help with that – sorry."))), {}),
    "json": (ANSWERS["json"], {"response_format": {"type": "json_object"}}),
    "usage": (ChatAnswer(tokens=tuple(tokens(TEXT[:80]))), {"stream_options": {"include_usage": True}}),
}


def cuts(stream: bytes) -> Iterator[int]:
    """Each event's end and two bytes either side, and the inside of every multi-byte character."""
    ends = itertools.accumulate(len(e) + 2 for e in stream.split(b"\n\n")[:-1])
    near = {end + d for end in ends for d in (-2, -1, 0, 1, 2)}
    inside = {at for at, byte in enumerate(stream) if byte & 0xC0 == 0x80}
    yield from sorted(at for at in near | inside if 0 < at < len(stream))


@define
class Score:
    checked: int = 0
    completed: int = 0
    errors: int = 0


async def check(
    s: Stage, golden: ChatAnswer, fields: dict[str, Any], fault: str, at: int, score: Score
) -> None:
    s.cloud.play_next(FaultAt(FAULTS[fault], f"b{at}", golden))
    x = await s.ask(**fields)
    # A violation of the wire raises here.
    result = x.chat(include_usage="stream_options" in fields)
    score.checked += 1
    text = "".join(golden.tokens)
    if result.error is not None:
        score.errors += 1
        assert text.startswith(result.text)
        assert not result.done
        return
    score.completed += 1
    assert result.done
    wanted = {c.arguments for c in golden.calls} | {'{"city":"Bern"}'}
    assert {c.arguments for c in result.tool_calls} <= wanted
    assert len({(c.name, c.arguments) for c in result.tool_calls}) == len(result.tool_calls)
    if not golden.calls and not golden.refusal and "response_format" not in fields:
        assert result.text == text, (fault, at)
    if result.tool_calls:
        assert result.finish_reason == "tool_calls"


#: Where nobody can continue, an error is the right answer.
NO_CONTINUATION = {"refusal", "json"}


@pytest.mark.parametrize("gate", [True, False], ids=["gate on", "gate off"])
@pytest.mark.parametrize("name", GOLDEN)
async def test_every_cut(autojump_clock: Any, record_property: Any, name: str, gate: bool) -> None:
    golden, fields = GOLDEN[name]
    score = Score()
    ollama = FakeOllama(
        answer="".join(golden.tokens) or "Nothing.",
        tool_calls=(ToolUse("get_weather", {"city": "Bern"}, id="call_local"),) if golden.calls else (),
        json_answer='{"from": "the start"}',
    )
    async with stage(ScriptedProvider(), ollama, configured(gate=gate)) as s:
        stream = b"".join(evolve(golden, usage="stream_options" in fields).events())
        assert len(stream) >= 700
        for fault in ("reset", "clean-eof"):
            for at in cuts(stream):
                await check(s, golden, fields, fault, at, score)
    share = score.completed / score.checked
    print(
        f"\n{name}, gate {gate}: {score.checked} cuts, {share:.1%} completed, {score.errors} honest errors, 0 violations"
    )
    if name not in NO_CONTINUATION:
        # What is left over: cuts behind the last word, where the model has
        # nothing to add and the text does not end like a whole one.
        assert share >= 0.95

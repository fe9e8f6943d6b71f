"""
Every cut of every golden stream, through the whole of Trooper.

Each stream is cut at every event boundary, two bytes to either side of it and
inside every character of more than one byte, by a reset and by a clean end,
with the gate and without. What the client has then is read by a validator
that shares no code with Trooper: the text is exact, or there is an honest
error; never a third thing.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import pytest
from attrs import Factory, define, evolve, field, frozen

from pieces import places_that_hurt
from scenes import Exchange, Stage, configured, stage
from sweep_share import part_of
from trooper.testing import (
    Call,
    ChatAnswer,
    End,
    FakeOllama,
    Head,
    Model,
    Reset,
    Script,
    Send,
    ToolUse,
    tokens,
)
from wire_validator import CallSeen, ChatResult, WireViolation

TEXT = (
    "Zürich says “grüezi” 🇨🇭: 3.14, 10,000 and don't 👩‍👩‍👧‍👦 👍🏽.\r\n\r\n"
    "灯台は光を一か所に保つ。船がそれを見つける。 ภาษาไทยไม่มีช่องว่าง\r\n"
    "Cafe\u0301, न\u0940ला, ` code `, \ttabs; https://example.com/a?b=c&d=e#f\r\n"
    "A\u2028line that is none, nor\u0085this.\n\n```python\nprint('don\\'t {\"go\": out}')\n```\n"
    "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJz ends."
)
SHORT = "Zürich 🇨🇭 👍🏽 don't 灯台 3.14.\r\nEnds."
QUESTION = "The user asks about lighthouses – kurz 思考 🧐."
LOOK = "Let me look, s'il vous plaît 🔦: it is dark."
WEATHER = Call("get_weather", '{"city": "Zürich 🇨🇭", "days": [1, 2, 3], "note": "a \\"b\\" {c}"}')
CLOCK = Call("get_time", '{"zone": "Europe/Zurich"}', id="call_0000000000000000000002")
USES = (
    ToolUse("get_weather", {"city": "Zürich 🇨🇭", "days": [1, 2, 3], "note": 'a "b" {c}'}, id="call_local1"),
    ToolUse("get_time", {"zone": "Europe/Zurich"}, id="call_local2"),
)
TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}
    for name in ("get_weather", "get_time")
]
JSON = '{"city": "Zürich 🇨🇭", "days": [1, 2, 3], "名": "灯台"}'
SORRY = "I'm sorry, désolé 🙏, but I can't help with that."

Verdict = Callable[[ChatResult], bool]


def named(calls: Iterable[Call | CallSeen]) -> list[tuple[str, Any]]:
    return [(call.name, json.loads(call.arguments)) for call in calls]


CALLS = named((WEATHER, CLOCK))


def says(text: str) -> Verdict:
    def is_it(result: ChatResult) -> bool:
        return (result.text, result.finish_reason, result.tool_calls) == (text, "stop", ())

    return is_it


is_text = says(TEXT)


def is_calls(result: ChatResult) -> bool:
    """All of them, or those that were whole: the agent runs these and asks again."""
    seen = named(result.tool_calls)
    return result.text == "" and result.finish_reason == "tool_calls" and seen in (CALLS, CALLS[:1])


def is_look(result: ChatResult) -> bool:
    """The text with its call; or, when that was cut, what the local model says in its place."""
    match result.finish_reason:
        case "tool_calls":
            return result.text == LOOK and named(result.tool_calls) == CALLS[:1]
        case "stop":
            return result.text == LOOK + " Nothing." and result.tool_calls == ()
        case _:
            return False


def is_thought(result: ChatResult) -> bool:
    """Half a thought may stay half; the answer is whole."""
    return is_text(evolve(result, reasoning="")) and QUESTION.startswith(result.reasoning)


def is_refusal(result: ChatResult) -> bool:
    return (result.text, result.refusal, result.finish_reason) == ("", SORRY, "stop") or is_text(result)


@frozen
class Golden:
    """
    A stream as the provider sends it.

    Attributes:
        begun: the text that an honest error may break off; empty where every
            stream can be completed.
        every_byte: cut everywhere, and not only where it is likely to hurt.
    """

    name: str
    answer: ChatAnswer
    is_whole: Verdict
    ollama: FakeOllama
    asked: Mapping[str, Any] = Factory(dict)
    begun: str | None = None
    every_byte: bool = False
    line_end: bytes = b"\n"

    def events(self, *, usage: bool) -> list[bytes]:
        events = evolve(self.answer, usage=usage).events()
        return [event.replace(b"\n", self.line_end) for event in events]

    def is_honest(self, result: ChatResult) -> bool:
        """An error, and nothing that looks like an end; what had come is right."""
        ended = result.done or result.finish_reason is not None
        begun = self.begun is not None and self.begun.startswith(result.text + result.refusal)
        return result.error is not None and begun and not ended


def goldens() -> Iterator[Golden]:
    words, pieces, lumps = (tuple(tokens(TEXT, size)) for size in (None, 3, 40))
    yield Golden("text in words", ChatAnswer(tokens=words), is_text, FakeOllama(answer=TEXT))
    yield Golden("text in pieces", ChatAnswer(tokens=pieces), is_text, FakeOllama(answer=TEXT))
    yield Golden("text in lumps", ChatAnswer(tokens=lumps), is_text, FakeOllama(answer=TEXT))
    yield Golden(
        "short, every byte",
        ChatAnswer(tokens=tuple(tokens(SHORT))),
        says(SHORT),
        FakeOllama(answer=SHORT),
        every_byte=True,
    )
    yield Golden("text, CRLF", ChatAnswer(tokens=words), is_text, FakeOllama(answer=TEXT), line_end=b"\r\n")
    yield Golden(
        "tool calls",
        ChatAnswer(calls=(WEATHER, CLOCK), finish="tool_calls"),
        is_calls,
        FakeOllama(tool_calls=USES),
        {"tools": TOOLS},
    )
    yield Golden(
        "text, then a tool call",
        ChatAnswer(tokens=tuple(tokens(LOOK)), calls=(WEATHER,), finish="tool_calls"),
        is_look,
        FakeOllama(answer=LOOK + " Nothing.", tool_calls=USES[:1], before_calls=LOOK),
        {"tools": TOOLS},
    )
    yield Golden(
        "reasoning, then text",
        ChatAnswer(tokens=words, reasoning=tuple(tokens(QUESTION))),
        is_thought,
        FakeOllama(answer=TEXT),
    )
    yield Golden(
        "refusal",
        ChatAnswer(refusal=tuple(tokens(SORRY))),
        is_refusal,
        FakeOllama(answer=TEXT),
        begun=SORRY,
    )
    yield Golden(
        "JSON",
        ChatAnswer(tokens=tuple(tokens(JSON, 4))),
        says(JSON),
        FakeOllama(answer=JSON, json_answer=JSON),
        {"response_format": {"type": "json_object"}},
        begun=JSON,
    )


@define
class Tally:
    """What has come of all the cuts."""

    whole: int = 0
    honest: int = 0
    wrong: list[str] = field(factory=list)
    endings: Counter[str] = field(factory=Counter)

    @property
    def checked(self) -> int:
        return self.whole + self.honest + len(self.wrong)

    def take(self, golden: Golden, where: str, exchange: Exchange, *, usage: bool) -> None:
        if exchange.status != 200:
            self.wrong.append(f"{where}: status {exchange.status}")
            return
        try:
            result = exchange.chat(include_usage=usage)
        except WireViolation as violation:
            self.wrong.append(f"{where}: {violation}")
            return
        if result.error is None and result.done and golden.is_whole(result):
            self.whole += 1
        elif golden.is_honest(result):
            self.honest += 1
        else:
            self.wrong.append(f"{where}: {result}")
        self.endings["+".join(outcome for _, outcome in exchange.legs)] += 1


async def play_all(s: Stage, golden: Golden, tally: Tally, column: str) -> None:
    for usage in (False, True):
        events = golden.events(usage=usage)
        stream = b"".join(events)
        places = range(len(stream) + 1) if golden.every_byte else places_that_hurt(events)
        asked = {**golden.asked, "stream_options": {"include_usage": True}} if usage else golden.asked
        for at in part_of(places, f"{golden.name}, {column}, {usage}"):
            for end in (Reset(), End()):
                # Also for the second try: a body without a byte is asked for once more.
                s.cloud.script = Script((Head(), Send(stream[:at]), end) if at else (Head(), end))
                exchange = await s.ask(**asked)
                tally.take(golden, f"{golden.name} at {at}, {end}", exchange, usage=usage)
                s.log.clear()
                s.cloud.server.forget()
                s.ollama.server.forget()


@pytest.mark.parametrize("gate", [True, False], ids=["gate", "no gate"])
@pytest.mark.parametrize("golden", list(goldens()), ids=lambda golden: golden.name)
async def test_every_cut(autojump_clock: Any, golden: Golden, gate: bool, tallies: Any) -> None:
    tally = Tally()
    async with stage(ollama=golden.ollama, config=configured(gate=gate)) as s:
        await play_all(s, golden, tally, "gate" if gate else "no gate")
    tallies.add(golden.name, gate, tally)
    assert tally.wrong == []


#: How a local model may take a half answer; each has a way of its own to go on from it.
MODELS = {
    "A, no echo": Model(echoes=False),
    "A, closes the turn": Model(turn="closes"),
    "A, trims": Model(turn="trims"),
    "B": Model(path="B"),
    "B, closes the turn": Model(path="B", turn="closes"),
    "C": Model(path="C"),
    "C, trims, adds a newline": Model(path="C", turn="newline"),
    "C, old server": Model(path="C", renders=False),
    "B, old server, closes": Model(path="B", turn="closes", renders=False),
}


@pytest.mark.parametrize("name", MODELS)
async def test_every_way_to_go_on(autojump_clock: Any, name: str, tallies: Any) -> None:
    tally = Tally()
    golden = Golden(name, ChatAnswer(tokens=tuple(tokens(TEXT))), is_text, FakeOllama(), begun=TEXT)
    async with stage(ollama=FakeOllama(answer=TEXT, models=(MODELS[name],))) as s:
        await play_all(s, golden, tally, name)
    tallies.add(name, True, tally)
    assert tally.wrong == []

"""
Every client wire before every target wire: golden streams of 4 KiB and more,
cut at every event boundary, two bytes to either side of it and inside every
character of more than one byte; with the gate and without, with tool calls
held and streamed.

The provider of the client's wire is cut; the target goes on. The strict
validator of the client's wire finds nothing, and the content is exact, or
there is an error on which the SDKs raise.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
from attrs import define, field, frozen

from clouds import GoingOn, going_on
from half_calls import llama_ready, with_llama
from pieces import places_that_hurt
from scenes import WIRES, Exchange, Stage, configured, stage, with_second
from sweep_share import part_of
from trooper.config import Config
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
    tokens,
)
from trooper.testing.provider import WIRES as SPOKEN
from wire_validator import ChatResult, WireViolation

#: What is asked to go on: a cloud of each wire by the way that suits it, and the two local wires.
TARGETS: Mapping[str, str] = {
    "chat": "prefix",
    "messages": "prefill",
    "responses": "instruction",
    "ollama": "",
    "llama-server": "",
}
LEAST_BYTES = 4096

PLAIN = (
    "A lighthouse keeps its light in one place, so that ships can find theirs. The keeper climbs the"
    " stairs at dusk, trims the wick, and writes down what passes: two schooners, one steamer, fog.\n\n"
)
LAMP = (
    "Lamps were first fed with whale oil, later with paraffin; today a bulb no bigger than a thumb does"
    " the work, and nobody climbs the stairs but the painters – in May, when the sea is calm."
)
UNICODE = (
    "Zürich says “grüezi” 🇨🇭: 3.14 and don't 👩‍👩‍👧‍👦 👍🏽.\r\n\r\n灯台は光を一か所に保つ。ภาษาไทย\r\n"
    "Cafe\u0301, न\u0940ला, \ttabs;\r\nA\u2028line that is none, nor\u0085this.\n\n```python\nprint('ok')\n```\n"
)
THOUGHT = "The user asks about lighthouses – kurz 思考 🧐."
LOOK = "Let me look, s'il vous plaît 🔦: it is dark."
#: Ollama's template knows no call behind a half answer: its model ends the turn in words.
OTHERWISE = " Nothing."
SORRY = (
    "I'm sorry, désolé 🙏, but I can't help with that: lamps of this kind are not mine to describe, and"
    " neither is the way up to them, not even for one evening in May. Ask the keeper, who knows them all."
)
NOTE = {"city": "Zürich 🇨🇭", "days": list(range(60)), "note": 'a "b" {c} \\ ' + "d\u2028é" * 12}
WEATHER = Call("get_weather", json.dumps(NOTE, ensure_ascii=False))
CLOCK = Call("get_time", json.dumps({"zone": "Europe/Zurich"}), id="call_0000000000000000000002")
USES = (
    ToolUse("get_weather", NOTE, id="call_local1"),
    ToolUse("get_time", {"zone": "Europe/Zurich"}, id="call_local2"),
)
DOCUMENT = json.dumps({"city": "Zürich 🇨🇭", "days": list(range(120)), "名": "灯台"}, ensure_ascii=False)
SCHEMA = {"type": "object", "required": ["city", "days"], "properties": {"city": {"type": "string"}}}
FUNCTIONS = ("get_weather", "get_time")
NO_PARAMETERS = {"type": "object", "properties": {}}


def asks(wire: str, *, tools: bool, structured: bool) -> Mapping[str, Any]:
    """The same wish as clients of `wire` have it."""
    strict = {"name": "a", "schema": SCHEMA, "strict": True}
    match wire:
        case "chat":
            functions = [{"name": name, "parameters": NO_PARAMETERS} for name in FUNCTIONS]
            offered: Any = [{"type": "function", "function": function} for function in functions]
            wanted = {"response_format": {"type": "json_schema", "json_schema": strict}}
        case "messages":
            offered = [{"name": name, "input_schema": NO_PARAMETERS} for name in FUNCTIONS]
            wanted = {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}
        case _:
            offered = [{"type": "function", "name": n, "parameters": NO_PARAMETERS} for n in FUNCTIONS]
            wanted = {"text": {"format": {"type": "json_schema", **strict}}}
    return ({"tools": offered} if tools else {}) | (wanted if structured else {})


@frozen
class Golden:
    """
    An answer of the provider.

    Attributes:
        begun: the text that an honest error may break off.
    """

    name: str
    answer: ChatAnswer
    before_calls: str = ""
    structured: bool = False

    @property
    def text(self) -> str:
        return "".join(self.answer.tokens)

    def is_whole(self, result: ChatResult) -> bool:
        """Exact; or ended where the agent can go on by itself: with those calls that were whole."""
        if self.answer.refusal:
            return SORRY in (result.refusal, result.text)
        calls = [(call.name, json.loads(call.arguments)) for call in result.tool_calls]
        wanted = [(call.name, json.loads(call.arguments)) for call in self.answer.calls]
        ended = "tool_calls" if calls else "stop"
        some = bool(calls) and calls == wanted[: len(calls)]
        return (
            result.text == self.text + ("" if calls == wanted or some else OTHERWISE)
            and (some or calls == wanted or (bool(self.before_calls) and not calls))
            and result.finish_reason == ended
            and "".join(self.answer.reasoning).startswith(result.reasoning)
        )

    def is_honest(self, result: ChatResult) -> bool:
        """An error, and nothing that looks like an end; what had come is right."""
        said = result.text + result.refusal
        begun = (self.text + "".join(self.answer.refusal)).startswith(said)
        return result.error is not None and begun and not result.done and result.finish_reason is None


def said(text: str, **more: Any) -> ChatAnswer:
    return ChatAnswer(tokens=tuple(tokens(text)), **more)


GOLDENS = (
    Golden("text", said(PLAIN + LAMP)),
    Golden("unicode", said(UNICODE + LAMP)),
    Golden("tool call", ChatAnswer(calls=(WEATHER,), finish="tool_calls")),
    Golden("parallel calls", ChatAnswer(calls=(WEATHER, CLOCK), finish="tool_calls")),
    Golden("text then tool", said(LOOK, calls=(WEATHER,), finish="tool_calls"), before_calls=LOOK),
    Golden("reasoning", said(PLAIN, reasoning=tuple(tokens(THOUGHT)))),
    Golden("JSON", said(DOCUMENT), structured=True),
    Golden("refusal", ChatAnswer(refusal=tuple(tokens(SORRY)))),
)


def stream_of(wire: str, golden: Golden) -> list[bytes]:
    """What the provider sends; as much as the sweep is worth."""
    events = SPOKEN[WIRES[wire].path].events(golden.answer)
    assert sum(map(len, events)) >= LEAST_BYTES, sum(map(len, events))
    return events


@define
class Tally:
    """What has come of all the cuts."""

    whole: int = 0
    honest: int = 0
    wrong: list[str] = field(factory=list)
    endings: Counter[str] = field(factory=Counter)
    fit: int = 0
    fit_whole: int = 0

    @property
    def checked(self) -> int:
        return self.whole + self.honest + len(self.wrong)

    def take(self, golden: Golden, where: str, exchange: Exchange) -> None:
        if exchange.status != 200:
            self.wrong.append(f"{where}: status {exchange.status} {bytes(exchange.body)[:200]!r}")
            return
        try:
            result = exchange.told()
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


def configuration(client: str, target: str, **server: Any) -> Config:
    if target == "llama-server":
        return with_llama(client, **server)
    config = configured(**server)
    return config if target == "ollama" else with_second(config, target, continues=TARGETS[target])


@asynccontextmanager
async def opened(client: str, target: str, golden: Golden, **server: Any) -> Any:
    """A stage on which `target` can give the golden answer, whole or from anywhere on."""
    answer = golden.answer
    text = golden.text + OTHERWISE if golden.before_calls else golden.text or SORRY
    uses = USES[: len(answer.calls)]
    ollama = FakeOllama(
        answer=text, tool_calls=uses, before_calls=golden.before_calls, json_answer=golden.text
    )
    spoken = golden.text or ("" if uses else SORRY)
    llama = FakeLlamaServer(answer=spoken, calls=answer.calls, json_answer=golden.text)
    second = going_on(said(SORRY) if answer.refusal else answer)
    config = configuration(client, target, **server)
    async with stage(config=config, ollama=ollama, llama=llama, second=second) as s:
        if target == "llama-server":
            await llama_ready(s)
            llama.mismatches.clear()
        yield s


async def play(s: Stage, client: str, golden: Golden, tally: Tally, column: str) -> None:
    asked = asks(client, tools=bool(golden.answer.calls), structured=golden.structured)
    events = stream_of(client, golden)
    stream = b"".join(events)
    for number, at in enumerate(part_of(places_that_hurt(events), f"{client}, {golden.name}, {column}")):
        end = (Reset(), End())[number % 2]
        s.cloud.script = Script((Head(), Send(stream[:at]), end) if at else (Head(), end))
        exchange = await s.ask(wire=client, **asked)
        tally.take(golden, f"{client}, {golden.name} at {at}, {end}", exchange)
        s.log.clear()
        for peer in (s.cloud, s.ollama, s.second):
            peer.server.forget()
    if isinstance(s.second.script, GoingOn):
        tally.wrong += [f"given a half that is none: {half!r}" for half in s.second.script.mismatches]


def is_fit(target: str, golden: Golden, calls: str) -> bool:
    """
    Whether `target` can complete the answer from anywhere: nobody may finish a
    refusal, a document cannot be gone on with by an instruction, and a streamed
    call only by a model that a grammar binds.
    """
    if golden.answer.refusal or (golden.structured and TARGETS[target] == "instruction"):
        return False
    return calls == "hold" or target == "llama-server"


def settings() -> Iterator[Any]:
    for gate in (True, False):
        for calls in ("hold", "stream"):
            yield pytest.param(gate, calls, id=f"{'gate' if gate else 'no gate'}, {calls}")


@pytest.mark.parametrize(("gate", "calls"), list(settings()))
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("client", WIRES)
async def test_every_wire(
    autojump_clock: Any, client: str, target: str, gate: bool, calls: str, tallies: Any
) -> None:
    tally = Tally()
    for golden in GOLDENS:
        if calls == "stream" and not golden.answer.calls:
            # It makes no difference to answers without calls.
            continue
        one = Tally()
        async with opened(client, target, golden, gate=gate, tool_calls=calls) as s:
            await play(s, client, golden, one, f"{target}, {gate}, {calls}")
        if is_fit(target, golden, calls):
            tally.fit += one.checked
            tally.fit_whole += one.whole
            assert one.whole / one.checked >= 0.95, (golden.name, one.whole, one.honest, one.wrong[:3])
        tally.whole += one.whole
        tally.honest += one.honest
        tally.wrong += one.wrong
    tallies.add(f"{client} → {target}, {calls}", gate, tally)
    assert tally.wrong == []

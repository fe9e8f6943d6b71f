"""
What the clients of a soak ask, and what the fakes say to it.

Each question carries what its answer has to be, so that the cloud, the local
model and the client know it without a word between them. Every answer is
another one: a piece of somebody else's would be seen.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import evolve, field, frozen

from trooper.testing import ANSWERS, FAULTS, FakeOllama, FaultAt, Request, ScriptedProvider, ToolUse, tokens
from trooper.testing.chat import ChatAnswer
from trooper.testing.faults import ON_EVERY_WIRE
from trooper.testing.http import Response
from trooper.testing.provider import Plan

PATHS = {"chat": "/v1/chat/completions", "messages": "/v1/messages", "responses": "/v1/responses"}
WIRES = tuple(PATHS)
#: Of all requests.
FAULTY = 0.01
#: Of those that are faulty: the local model fails as well, and an error is the one honest end.
BOTH_FAIL = 0.1
#: Of those that are not.
LEAVING, ODD, CALLING = 0.05, 0.01, 0.08
#: Different ones. The few come again and again, and go on from their own answers.
CREDENTIALS, FEW_CREDENTIALS, MODELS = 3_000, 20, 997
#: Between two words of a fake, so that there is a middle to leave in.
PACE_S = 0.004

_SLOW = frozenset({"silence", "silence-comments", "no-headers", "headers-only"})
#: Answers that pass as they are where nobody else can answer, and no strict reader takes.
_NOT_STRICT = {"finish-no-content", "silence-empty-deltas"}
_FAILING = tuple(
    f.name for f in FAULTS.values() if f.fails and f.where != "after" and f.name not in _NOT_STRICT
)
_FAULTS = {
    "chat": _FAILING,
    "messages": tuple(name for name in _FAILING if name in ON_EVERY_WIRE),
    "responses": tuple(name for name in _FAILING if name in ON_EVERY_WIRE),
}
_ODD = tuple(f.name for f in FAULTS.values() if f.where == "after")
_WORDS = ("light", "lens", "storm", "keeper", "fog", "café", "灯台", "ship", "🚢", "tower", "beam", "horn")
_BETWEEN = (*[" "] * 9, ".\n\n", ", ", "! ")
_TAG = re.compile(r"\[soak (\d+) words (\d+) kind ([a-z]+) cloud ([a-z0-9@-]*) local ([a-z]+)\]")
_TOOL = {
    "description": "The weather of a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}


@frozen
class Turn:
    """
    One request, and what becomes of it.

    Attributes:
        kind: `text`, or tool `calls`.
        fault: of the cloud, `name@position`; empty for none.
        local_fails: the local model's connection is cut as well.
        leaves_after: the client goes away after so many pieces.
        goes_on: from its own last answer, by `previous_response_id`.
        request_bytes: how long the conversation in front of the question is.
    """

    number: int
    wire: str = "chat"
    streams: bool = True
    words: int = 20
    kind: str = "text"
    fault: str = ""
    local_fails: bool = False
    leaves_after: int | None = None
    goes_on: bool = False
    encoding: str = ""
    request_bytes: int = 0
    credential: str = ""
    model: str = "model"

    @property
    def question(self) -> str:
        local = "fails" if self.local_fails else "answers"
        tag = f"[soak {self.number} words {self.words} kind {self.kind} cloud {self.fault} local {local}]"
        return f"What does a lighthouse teach? {tag}"

    @property
    def text(self) -> str:
        """What it is answered."""
        if self.kind == "calls":
            return ""
        chance = random.Random(self.number)
        # No blank begins a line: at a seam it would be taken out.
        said = [chance.choice(_WORDS) + chance.choice(_BETWEEN) for _ in range(self.words)]
        return f"Answer {self.number}: " + "".join(said) + f"and that is {self.number}."

    @property
    def may_fail(self) -> bool:
        """
        Whether an error is an honest end: nobody is left, a call was cut behind another one, or what it goes on
        from has been forgotten since.
        """
        return bool(self.fault) and (self.local_fails or self.goes_on or self.kind == "calls")

    @classmethod
    def found_in(cls, text: str) -> Turn | None:
        """The last one that is asked in `text`."""
        found = _TAG.findall(text)
        if not found:
            return None
        number, words, kind, fault, local = found[-1]
        return cls(int(number), words=int(words), kind=kind, fault=fault, local_fails=local == "fails")

    def body(self, past: str | None = None) -> dict[str, Any]:
        """The request's JSON; `past` is the id of the answer that it goes on from."""
        turns: list[dict[str, Any]] = [{"role": "user", "content": self.question}]
        if self.request_bytes:
            filler = "The keeper wrote down what the night had brought. " * (self.request_bytes // 500)
            for _ in range(5):
                turns[:0] = [{"role": "user", "content": filler}, {"role": "assistant", "content": filler}]
        asked: dict[str, Any] = {"model": self.model, "stream": self.streams}
        match self.wire:
            case "chat":
                asked["messages"] = turns
                if self.streams and self.number % 2:
                    asked["stream_options"] = {"include_usage": True}
                tool: dict[str, Any] = {"type": "function", "function": {"name": "get_weather", **_TOOL}}
            case "messages":
                asked |= {"messages": turns, "max_tokens": 20_000}
                schema = _TOOL["parameters"]
                tool = {"name": "get_weather", "description": "?", "input_schema": schema}
            case _:
                asked["input"] = turns
                if past is not None:
                    asked["previous_response_id"] = past
                tool = {"type": "function", "name": "get_weather", **_TOOL}
        if self.kind == "calls":
            asked["tools"] = [tool]
        return asked


@frozen
class Mix:
    """Draws the turns: mostly small and healthy ones."""

    chance: random.Random = field(factory=lambda: random.Random(20261127))

    def draw(self, number: int) -> Turn:
        """The next request."""
        chance = self.chance
        wire = chance.choice(WIRES)
        size = chance.random()
        words = chance.randrange(5, 60) if size < 0.9 else chance.randrange(100, 600)
        turn = Turn(
            number,
            wire,
            streams=chance.random() < 0.75,
            words=words if size < 0.997 else 1_500,
            encoding=chance.choice(["", "", "", "", "", "", "gzip", "zstd"]),
            credential=f"sk-soak-{FEW_CREDENTIALS + chance.randrange(CREDENTIALS)}",
            model=chance.choice(["model", "two"]) + f"-{chance.randrange(MODELS)}",
        )
        if wire == "responses" and chance.random() < 0.5:
            turn = evolve(turn, goes_on=True, credential=f"sk-soak-{chance.randrange(FEW_CREDENTIALS)}")
        if chance.random() < CALLING:
            turn = evolve(turn, kind="calls")
        if chance.random() < 0.02:
            turn = evolve(turn, request_bytes=chance.choice([20_000, 200_000]))
        what = chance.random()
        if what < FAULTY:
            return self._faulty(turn)
        if what < FAULTY + ODD and turn.wire == "chat":
            return evolve(turn, fault=f"{chance.choice(_ODD)}@end", streams=True, kind="text")
        if what < FAULTY + ODD + LEAVING:
            return evolve(turn, leaves_after=chance.randrange(12))
        return turn

    def _faulty(self, turn: Turn) -> Turn:
        chance = self.chance
        name = chance.choice(_FAULTS[turn.wire])
        if name in _SLOW and chance.random() < 0.5:
            name = "reset"
        places = ["start", "middle", "end", str(chance.randrange(1, 40)), f"b{chance.randrange(4_000)}"]
        fails = chance.random() < BOTH_FAIL
        return evolve(turn, fault=f"{name}@{chance.choice(places)}", local_fails=fails)


def is_odd(turn: Turn) -> bool:
    """Whether the cloud's answer is a strange one, which passes as it came."""
    return turn.fault.partition("@")[0] in _ODD


def first_429s(count: int) -> list[Turn]:
    """
    So many clients whom a provider tells to wait for a day.

    Trooper remembers a bounded number of them: with these it is at its bound before anything is measured.
    """
    fault = "status-429-retry-after-day@start"
    return [
        Turn(number, streams=False, words=5, fault=fault, credential=f"sk-waits-{number}")
        for number in range(count)
    ]


def _asked(request: Request) -> Turn:
    turn = Turn.found_in(json.dumps(request.json(), ensure_ascii=False))
    assert turn is not None, "a request that nobody here has made"
    return turn


def _answer(turn: Turn, prefill: str = "") -> ChatAnswer:
    if turn.kind == "calls":
        return ANSWERS["tools"]
    text = turn.text
    assert text.startswith(prefill), (turn, prefill)
    return ChatAnswer(tokens=tuple(tokens(text[len(prefill) :], (None, 4, 11)[turn.number % 3])))


def _first(request: Request) -> Plan:
    turn = _asked(request)
    if not turn.fault:
        return _answer(turn)
    return evolve(FaultAt.parse(turn.fault), answer=_answer(turn))


def _second(request: Request) -> Plan:
    turn = _asked(request)
    last: Mapping[str, Any] = request.json()["messages"][-1]
    return _answer(turn, str(last.get("content") or "") if last["role"] == "assistant" else "")


def _local_text(question: str) -> str:
    turn = Turn.found_in(question)
    # Its standby warms it up with questions of its own.
    return "" if turn is None else turn.text


@frozen
class Fakes:
    """The first cloud, which fails now and then; a second one, which does not; and the local model."""

    cloud: ScriptedProvider = field(factory=lambda: ScriptedProvider(script=_first, pace_s=PACE_S))
    second: ScriptedProvider = field(factory=lambda: ScriptedProvider(script=_second, pace_s=PACE_S))
    local: FakeOllama = field(
        factory=lambda: FakeOllama(
            answer=_local_text,
            parallel=8,
            token_s=PACE_S,
            tool_calls=(ToolUse("get_weather", {"city": "Bern"}),),
        )
    )

    def __attrs_post_init__(self) -> None:
        answers = self.local.server.handler

        async def sometimes(request: Request, response: Response) -> None:
            turn = Turn.found_in(request.body.decode()) if request.path == "/api/chat" else None
            if turn is not None and turn.local_fails:
                await response.reset()
            else:
                await answers(request, response)

        self.local.server.handler = sometimes

    @property
    def all(self) -> Sequence[ScriptedProvider | FakeOllama]:
        return self.cloud, self.second, self.local

    def forget(self) -> None:
        """Let go what they have noted: it is their memory, and not what is measured."""
        for fake in self.all:
            fake.server.forget()
        self.local.generations.clear()

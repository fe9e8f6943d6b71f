"""
What clients get, byte for byte: recorded on one tree, compared on another.

    python tests/record_streams.py write before.json
    python tests/record_streams.py compare before.json

Run by hand for the time of a change that may not change a byte. `--tests DIR`
plays on another checkout's `scenes`; start it with that checkout's Python.
Only `scenes`, its neighbours and `trooper.testing` are imported, so that it
runs on both sides of a move.

Every stream is played on a stage of its own, on virtual time. The request's id
and the moment of creation, which differ by nature, are replaced in what was
recorded. Trio runs tasks that are ready at one moment in an order that it draws
by lot; a few streams depend on it (whether the status has gone out when its
provider dies). So `write` plays each in four orders and keeps what differs, and
`compare` asks for one of these.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import trio
import trio.testing
from attrs import Factory, evolve, frozen

#: `--tests DIR`: whose `scenes` are played. Before they are imported.
if "--tests" in sys.argv:
    sys.path.insert(0, sys.argv[sys.argv.index("--tests") + 1])

import conftest  # noqa: F401  # an environment that says nothing
from clouds import going_on
from half_calls import llama_ready, with_llama
from scenes import WIRES, Exchange, configured, stage, with_second
from trooper.testing import (
    FAULTS,
    Call,
    ChatAnswer,
    End,
    FakeLlamaServer,
    FakeOllama,
    FaultAt,
    Head,
    OllamaFault,
    Reset,
    Script,
    ScriptedProvider,
    Send,
    ToolUse,
    tokens,
)
from trooper.testing.provider import WIRES as SPOKEN

#: Who goes on, and how a cloud among them is asked to.
GOES_ON: Mapping[str, tuple[str, ...]] = {
    "ollama": ("",),
    "llama-server": ("",),
    "chat": ("prefix", "continue_final_message", "instruction"),
    "messages": ("prefill", "instruction"),
    "responses": ("instruction",),
}
POSITIONS: tuple[int | str, ...] = ("start", 1, 2, "middle", "end", "b700")
NOTE = {"city": "Zürich 🇨🇭", "days": [1, 2, 3], "note": 'a "b" {c} \\ d\u2028é'}
WEATHER = Call("get_weather", json.dumps(NOTE, ensure_ascii=False))
CLOCK = Call("get_time", json.dumps({"zone": "Europe/Zurich"}), id="call_0000000000000000000002")
USES = (
    ToolUse("get_weather", NOTE, id="call_local1"),
    ToolUse("get_time", {"zone": "Europe/Zurich"}, id="call_local2"),
)
SCHEMA = {"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}}
_STRICT = {"name": "a", "schema": SCHEMA, "strict": True}
_PLAIN = {"type": "object", "properties": {}}
_NAMES = ("get_weather", "get_time")
TOOLS: Mapping[str, Any] = {
    "chat": [{"type": "function", "function": {"name": n, "parameters": _PLAIN}} for n in _NAMES],
    "messages": [{"name": n, "input_schema": _PLAIN} for n in _NAMES],
    "responses": [{"type": "function", "name": n, "parameters": _PLAIN} for n in _NAMES],
}
STRUCTURED: Mapping[str, Any] = {
    "chat": {"response_format": {"type": "json_schema", "json_schema": _STRICT}},
    "messages": {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
    "responses": {"text": {"format": {"type": "json_schema", **_STRICT}}},
}


def said(text: str, size: int | None = None, **more: Any) -> ChatAnswer:
    return ChatAnswer(tokens=tuple(tokens(text, size)), **more)


TEXT = (
    "A lighthouse – café, 灯台, 👩‍👩‍👧‍👦 👍🏽 – keeps its light in one place: 3.14, don't.\r\n\r\n"
    "A\u2028line that is none, nor\u0085this. ภาษาไทย, Cafe\u0301\n```python\nprint('ok')\n```\nTrust it."
)
LOOK = "Let me look, s'il vous plaît 🔦: it is dark."
SORRY = "I'm sorry, désolé 🙏, but I can't help with that."
DOCUMENT = json.dumps({"city": "Zürich 🇨🇭", "days": list(range(20)), "名": "灯台"}, ensure_ascii=False)
THOUGHT = tuple(tokens("The user asks about lighthouses – kurz 思考 🧐."))
ANSWERS: Mapping[str, ChatAnswer] = {
    "text": said(TEXT),
    "pieces": said(TEXT, 3),
    "tool": ChatAnswer(calls=(WEATHER,), finish="tool_calls"),
    "tools": ChatAnswer(calls=(WEATHER, CLOCK), finish="tool_calls"),
    "text-tool": said(LOOK, calls=(WEATHER,), finish="tool_calls"),
    "reasoning": said(TEXT, reasoning=THOUGHT),
    "json": said(DOCUMENT, 4),
    "refusal": ChatAnswer(refusal=tuple(tokens(SORRY))),
    "length": said(TEXT, finish="length"),
    "empty": ChatAnswer(),
}


#: Name of a stream → what its client got, in one way or in several.
Record: TypeAlias = dict[str, list[dict[str, Any]]]


@frozen
class Take:
    """One stream: who asks, what the provider does, who goes on, and how it is configured."""

    wire: str
    answer: str
    plan: Any
    plan_name: str
    goes_on: str = "ollama"
    way: str = ""
    stream: bool = True
    usage: bool = False
    headers: tuple[tuple[bytes, bytes], ...] = ()
    local_fails: bool = False
    server: Mapping[str, Any] = Factory(dict)

    @property
    def name(self) -> str:
        how = f"{self.goes_on} {self.way}".strip()
        more = [f"{k}={v}" for k, v in self.server.items()]
        more += [word for word in ("usage", "local_fails") if getattr(self, word)]
        more += ["" if self.stream else "whole", "off" if self.headers else ""]
        return " | ".join([self.wire, self.answer, self.plan_name, how, *filter(None, more)])

    @property
    def asks(self) -> Mapping[str, Any]:
        asked: dict[str, Any] = {}
        if ANSWERS[self.answer].calls:
            asked["tools"] = TOOLS[self.wire]
        if self.answer == "json":
            asked |= STRUCTURED[self.wire]
        if self.usage:
            asked["stream_options"] = {"include_usage": True}
        return asked

    async def play(self) -> Exchange:
        answer = ANSWERS[self.answer]
        text = "".join(answer.tokens)
        # Behind half an answer that ends in a call, Ollama's model says something else.
        local = text + " Nothing." if text and answer.calls else text or SORRY
        ollama = FakeOllama(
            answer=local,
            tool_calls=USES[: len(answer.calls)],
            before_calls=text if answer.calls else "",
            json_answer=text,
        )
        if self.local_fails:
            ollama.fault = OllamaFault("status", status=500)
        spoken = text or ("" if answer.calls else SORRY)
        llama = FakeLlamaServer(answer=spoken, calls=answer.calls, json_answer=text)
        cloud = ScriptedProvider(answer, script=self.plan)
        second = going_on(said(SORRY) if answer.refusal else answer)
        if self.goes_on == "llama-server":
            config = with_llama(self.wire, **self.server)
        else:
            config = configured(**self.server)
            if self.goes_on != "ollama":
                config = with_second(config, self.goes_on, continues=self.way)
        async with stage(cloud, ollama, config, llama=llama, second=second) as s:
            if self.goes_on == "llama-server":
                await llama_ready(s)
            return await s.ask(wire=self.wire, stream=self.stream, headers=self.headers, **self.asks)


def healthy(wire: str) -> Iterator[Take]:
    for answer in ANSWERS:
        for stream in (True, False):
            for gate in (True, False):
                for usage in (True, False) if wire == "chat" and stream else (False,):
                    server = {} if gate else {"gate": False}
                    yield Take(wire, answer, None, "healthy", stream=stream, usage=usage, server=server)
            # Another wire's provider, from the first word on.
            gone = FaultAt(FAULTS["status-503"])
            for goes_on, ways in GOES_ON.items():
                yield Take(wire, answer, gone, "status-503", goes_on, ways[0], stream=stream)


def faulty(wire: str) -> Iterator[Take]:
    events = SPOKEN[WIRES[wire].path].events(ANSWERS["text"])
    for fault in FAULTS.values():
        try:
            fault.build(events, "middle")
        except (KeyError, IndexError, ValueError):
            continue  # It is made of another wire's events.
        for position in POSITIONS if fault.where == "both" else ("middle",):
            take = Take(wire, "text", FaultAt(fault, position), f"{fault.name}@{position}")
            for goes_on, ways in GOES_ON.items():
                yield evolve(take, goes_on=goes_on, way=ways[0])
            yield evolve(take, server={"gate": False})
            yield evolve(take, headers=((b"x-trooper-failover", b"off"),))
            yield evolve(take, local_fails=True)
            if wire == "chat":
                yield evolve(take, usage=True)
        yield evolve(take, stream=False)


def cut(wire: str) -> Iterator[Take]:
    """Every kind of answer, cut by a reset or an end at many places of its bytes."""
    for answer in ("text", "pieces", "tool", "tools", "text-tool", "reasoning", "json", "refusal"):
        stream = b"".join(SPOKEN[WIRES[wire].path].events(ANSWERS[answer]))
        for number, at in enumerate(range(1, len(stream), max(1, len(stream) // 12) | 1)):
            end = (Reset(), End())[number % 2]
            plan = Script((Head(), Send(stream[:at]), end))
            take = Take(wire, answer, plan, f"{type(end).__name__}@{at}")
            for goes_on, ways in GOES_ON.items():
                for way in ways:
                    yield from _settings(evolve(take, goes_on=goes_on, way=way))
            yield evolve(take, server={"gate": False})
            yield evolve(take, local_fails=True)


def _settings(take: Take) -> Iterator[Take]:
    yield take
    if ANSWERS[take.answer].calls:
        yield evolve(take, server={"tool_calls": "stream"})
        yield evolve(take, server={"tool_calls": "stream", "gate": False})
    if take.answer == "json":
        yield evolve(take, server={"structured": "hold"})


def takes() -> Iterator[Take]:
    for wire in WIRES:
        for part in (healthy, faulty, cut):
            yield from part(wire)


def normal(x: Exchange) -> dict[str, Any]:
    """What the client got, without what differs from one run to the next."""
    name = x.headers.get(b"x-trooper-request-id", b"")
    body = bytes(x.body).replace(name, b"<request id>") if name else bytes(x.body)
    # The fakes' answers were made in 2026; Trooper's are made now.
    now = str(int(time.time()))[:4].encode()
    body = re.sub(rb'("(?:created|created_at|completed_at)":\s*)' + now + rb"\d{6}\b", rb"\1<now>", body)
    headers = [[k.decode(), v.decode()] for k, v in x.headers.items() if k != b"x-trooper-request-id"]
    headers.append(["x-trooper-request-id", "<request id>" if name else ""])
    return {"status": x.status, "headers": headers, "body": body.decode("utf-8", "backslashreplace")}


@frozen
class InOrder:
    """In place of Trio's chance: tasks run in the order of their beginning, or in the other."""

    backwards: bool

    def shuffle(self, batch: list[Any]) -> None:
        if self.backwards:
            batch.reverse()

    def random(self) -> float:
        return 1.0


def orders() -> tuple[Any, ...]:
    return (InOrder(False), InOrder(True), random.Random(1), random.Random(2))


async def heard(take: Take, order: Any) -> dict[str, Any]:
    trio._core._run._r = order
    trio._core._run._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]
    try:
        return normal(await take.play())
    except Exception as error:
        return {"status": None, "headers": [], "body": f"raised {type(error).__name__}"}


async def write(only: str) -> Record:
    record: Record = {}
    for take in takes():
        if only in take.name:
            assert take.name not in record, take.name
            ways: list[dict[str, Any]] = []
            for order in orders():
                found = await heard(take, order)
                ways += [found] if found not in ways else []
            record[take.name] = ways
    return record


async def compare(before: Record, only: str, most: int) -> int:
    """How many streams are not as they were; the first `most` are shown."""
    count, differ = 0, 0
    for take in takes():
        if only not in take.name:
            continue
        count += 1
        known = before.pop(take.name, [])
        for order in orders():
            found = await heard(take, order)
            if found in known:
                break
        else:
            differ += 1
            if differ <= most:
                show(take.name, known[0] if known else None, found)
    for name in before:
        if only in name:
            print(f"\n== {name}: not played")
            differ += 1
    print(f"\n{count} streams played, {differ} differ")
    return differ


def show(name: str, before: dict[str, Any] | None, after: dict[str, Any]) -> None:
    print(f"\n== {name}")
    if before is None:
        print("   was not recorded")
        return
    for what in ("status", "headers"):
        if before[what] != after[what]:
            print(f"   {what}\n   - {before[what]}\n   + {after[what]}")
    one, other = before["body"], after["body"]
    if one != other:
        pairs = enumerate(zip(one, other, strict=False))
        at = next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))
        start = max(0, at - 120)
        print(f"   body, from character {at} of {len(one)} and {len(other)}")
        print(f"   - …{one[start : at + 240]!r}\n   + …{other[start : at + 240]!r}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=["write", "compare"])
    parser.add_argument("file", type=Path)
    parser.add_argument("--tests", type=Path, help="another checkout's tests")
    parser.add_argument("--only", default="", help="only streams with this in their name")
    parser.add_argument("--most", type=int, default=20, help="how many differences are shown")
    told = parser.parse_args()
    clock = trio.testing.MockClock(autojump_threshold=0)
    if told.what == "compare":
        before = json.loads(told.file.read_text())
        return 1 if trio.run(compare, before, told.only, told.most, clock=clock) else 0
    record = trio.run(write, told.only, clock=clock)
    statuses = Counter(str(ways[0]["status"]) for ways in record.values())
    several = sum(len(ways) > 1 for ways in record.values())
    print(f"{len(record)} streams, {several} of them in several ways; by status: {dict(statuses)}")
    told.file.write_text(json.dumps(record, ensure_ascii=False, indent=0) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""
Answers in one piece, and refusals, of every dialect: byte for byte to clients of its own wire, and with the same
words and calls to those of the others.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from dialect_columns import called, forget
from odd_stream import Called, as_text, words
from scenes import WIRES, Exchange, Stage
from test_cross_wire import TOOLS
from trooper.testing import Script, Status
from trooper.testing.dialects import DIALECTS, Golden, Refusal, Then
from wire_validator import WireViolation, json_object

#: Statuses that are about the provider, or an empty purse, and not about the request: somebody else answers.
ITS_OWN = {402, 408, 409, 424, 425, 429, 498}


def words_of(whole: Golden) -> tuple[str, tuple[Called, ...]]:
    """What is said in an answer in one piece, and what is called."""
    value = json_object(whole.body.decode())
    texts, calls = [], list[Called]()
    for choice in value.get("choices") or ():
        message = choice.get("message") or {}
        texts.append(words(message.get("content")))
        functions = [call["function"] for call in message.get("tool_calls") or ()]
        calls += [(one["name"], as_text(one.get("arguments") or {})) for one in functions]
    for block in value.get("content") or ():
        texts.append(words(block))
        calls += [(block["name"], as_text(block["input"]))] if block["type"] == "tool_use" else []
    for item in value.get("output") or ():
        texts.append(words(item.get("content")) if item["type"] == "message" else "")
        calls += [(item["name"], as_text(item["arguments"]))] if item["type"] == "function_call" else []
        custom = item["type"] == "custom_tool_call" and not item["name"].startswith("x_")
        calls += [(item["name"], json.dumps({"input": item["input"]}))] if custom else []
    return "".join(texts), tuple(calls)


async def wrong_whole(s: Stage, whole: Golden, wire: str) -> list[str]:
    """Play an answer in one piece to a client of its own wire; what is wrong."""
    s.cloud.script = Script((Status(200, whole.body),))
    x = await s.ask(wire=wire, stream=False)
    forget(s)
    if x.legs == [(WIRES[wire].target, "completed")] and bytes(x.body) == whole.body:
        return []
    return [f"{whole.dialect}/{whole.kind}, whole: {x.status} {x.legs}, {bytes(x.body)[:300]!r}"]


async def wrong_whole_elsewhere(s: Stage, whole: Golden, client: str, *, stream: bool) -> list[str]:
    """The same to a client of another wire, or to one that asked for a stream."""
    text, calls = words_of(whole)
    s.second.script = Script((Status(200, whole.body),))
    x = await s.ask(wire=client, stream=stream, **({"tools": TOOLS[client]} if calls else {}))
    forget(s)
    streamed = DIALECTS[whole.dialect].goldens.get(whole.kind)
    shows = b'"image_generation_call"' in whole.body
    if x.legs == [("second", "unfit")] and (shows or (streamed is not None and streamed.then is Then.ERROR)):
        # It holds what no other wire has words for, and says so.
        return [] if x.status != 200 else [f"{whole.dialect}/{whole.kind} to {client}: a success with a hole"]
    return [
        f"{whole.dialect}/{whole.kind} to {client}: {why}" for why in _not_told(x, text, calls, stream=stream)
    ]


def _not_told(x: Exchange, text: str, calls: tuple[Called, ...], *, stream: bool) -> Iterator[str]:
    try:
        told = x.told() if stream else x.told_whole()
    except (AssertionError, LookupError, TypeError) as violation:
        yield f"{x.status} {x.legs}: {violation!r}"
        return
    heard = called((call.name, call.arguments) for call in told.tool_calls)
    if (told.text, heard) != (text, called(calls)):
        yield f"{told.text!r} and {heard}, and not {text!r} and {called(calls)}"
    if told.finish_reason not in ("length", "content_filter") and bool(calls) != (
        told.finish_reason == "tool_calls"
    ):
        yield f"ended by {told.finish_reason}"


async def wrong_refusal(s: Stage, refusal: Refusal, wire: str) -> list[str]:
    """A status instead of an answer: the provider's own trouble is somebody else's chance, the client's is told."""
    s.cloud.script = Script((Status(refusal.code, refusal.body, refusal.headers, refusal.content_type),))
    x = await s.ask(wire=wire)
    forget(s)
    about = f"{refusal.code} {refusal.body[:80]!r}: {x.status} {x.legs}"
    if x.legs[-1] == ("ollama", "completed"):
        try:
            told: Any = x.told()
        except WireViolation as violation:
            return [f"{about}: {violation}"]
        wrong = told.error is not None or not told.done
        return [f"{about}: {told}"] if wrong or not (refusal.code in ITS_OWN or refusal.code >= 500) else []
    return [] if (x.status, bytes(x.body)) == (refusal.code, refusal.body) and refusal.code < 500 else [about]

"""
Every answer in the table of dialects as one of a target: told to clients of other wires, gone on behind where
it fails by itself, and what of a continued one goes home with the next turn.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from dialect_columns import Column, called, forget
from odd_stream import blocks_in, objects_in, seen, words
from scenes import QUESTION, Exchange, Stage
from test_cross_wire import TOOLS
from trooper.testing import End, Head, Pause, Reset, Script, Send
from trooper.testing.dialects import Then

ASK: Final = {"role": "user", "content": "Go on."}

# -- as a target of another wire -------------------------------------------------------------------


def thought_of(column: Column) -> str:
    """All that is thought in an answer, under whichever of its names."""
    said: list[str] = []
    for value in objects_in(column.body):
        match value:
            case {"choices": list(choices)}:
                deltas = [choice.get("delta") or {} for choice in choices]
                said += [_thought_in(delta) for delta in deltas]
            case {"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": text}}:
                said.append(text)
            case {"type": "response.reasoning_summary_text.delta" | "response.reasoning_text.delta"}:
                said.append(value["delta"])
    return "".join(said)


def _thought_in(delta: dict[str, Any]) -> str:
    names = ("reasoning_content", "reasoning", "reasoning_text", "cot_summary")
    told = next((delta[name] for name in names if delta.get(name)), "")
    content = delta.get("content")
    parts: list[dict[str, Any]] = content if isinstance(content, list) else []
    thought = [words(part.get("thinking")) for part in parts if part.get("type") == "thinking"]
    summed = [item for part in parts if part.get("type") == "reasoning" for item in part["summary"]]
    return told or "".join((*thought, *(item["text"] for item in summed)))


def refusal_of(column: Column) -> str:
    """What a provider says when it refuses."""
    said: list[str] = []
    for value in objects_in(column.body):
        said += [(choice.get("delta") or {}).get("refusal") or "" for choice in value.get("choices") or ()]
        said.append(value["delta"] if value.get("type") == "response.refusal.delta" else "")
    return "".join(said)


#: Why an answer ended, in the chat wire's words.
_FINISHES: Final = {
    "stop": "stop",
    "eos": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "length": "length",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "content_filter": "content_filter",
    "refusal": "content_filter",
    "sensitive": "content_filter",
}


def finish_of(column: Column) -> str:
    """Why the answer ended: its calls, or its own word."""
    reasons: list[str] = []
    for value in objects_in(column.body):
        reasons += [str(choice.get("finish_reason") or "") for choice in value.get("choices") or ()]
        reasons.append(
            str((value.get("delta") or {}).get("stop_reason") or "")
            if value.get("type") == "message_delta"
            else ""
        )
        response = value.get("response") or {}
        reasons.append(str((response.get("incomplete_details") or {}).get("reason") or ""))
    said = next((word for word in reversed(reasons) if word), "stop")
    if column.calls and said not in ("length", "max_tokens", "max_output_tokens", "content_filter"):
        return "tool_calls"
    return _FINISHES.get(said.lower(), "stop")


async def wrong_as_target(s: Stage, column: Column, client: str, *, stream: bool = True) -> list[str]:
    """Play a healthy answer to a client of another wire, which may want it in one piece; what is wrong."""
    s.second.script = Script((Head(), Send(column.body), End()))
    x = await s.ask(wire=client, stream=stream, **({"tools": TOOLS[client]} if column.calls else {}))
    wrong = list(_not_told(column, x, stream=stream))
    forget(s)
    return [f"{column} to {client}, {x.legs}: {why}" for why in wrong]


def _not_told(column: Column, x: Exchange, *, stream: bool) -> Iterator[str]:
    shows = b'"image_generation_call"' in column.body
    if x.legs[-1][1] == "unfit" and (column.golden.then is Then.ERROR or shows):
        # It holds what no other wire has words for, and says so.
        if x.status == 200 and (not stream or x.told().error is None or x.told().done):
            yield "a success with a hole"
        return
    if x.status != 200:
        yield f"status {x.status}: {bytes(x.body)[:200]!r}"
        return
    try:
        told = x.told() if stream else x.told_whole()
    except (AssertionError, LookupError, TypeError) as violation:
        yield f"not of the wire: {violation!r} {bytes(x.body)[-300:]!r}"
        return
    if told.error is not None:
        yield f"an error: {told.error}"
        return
    words_said = column.text or refusal_of(column)
    if told.text + told.refusal != words_said:
        yield f"other words: {told.text!r} {told.refusal!r} and not {words_said!r}"
    calls = called((call.name, call.arguments) for call in told.tool_calls)
    # Half a call at the token limit is left out.
    if calls != [call for call in called(column.calls) if not isinstance(call[1], str)]:
        yield f"other calls: {calls} and not {column.calls}"
    if told.finish_reason != finish_of(column):
        yield f"ended by {told.finish_reason}, and not by {finish_of(column)}"
    if told.reasoning != thought_of(column):
        yield f"thought {told.reasoning!r}, and not {thought_of(column)!r}"


async def wrong_failing(s: Stage, column: Column, client: str) -> list[str]:
    """Play an answer that fails by itself to a client of any wire, with a local model behind it; what is wrong."""
    s.ollama.answer = column.told
    s.second.script = Script((Head(), Send(column.body), End()))
    x = await s.ask(wire=client, **({"tools": TOOLS[client]} if column.calls else {}))
    wrong = list(_not_survived(column, x))
    forget(s)
    return [f"{column} to {client}, {x.legs}: {why}" for why in wrong]


def _not_survived(column: Column, x: Exchange) -> Iterator[str]:
    if x.report["outcome"] == "passed_on":
        if column.golden.then is not Then.PASSED_ON or len(x.legs) > 1:
            yield f"passed on: {bytes(x.body)[:200]!r}"
        return
    if x.status != 200:
        yield f"status {x.status}: {bytes(x.body)[:200]!r}"
        return
    told = x.told()
    if x.legs[0][1] == "completed":
        # The answer was whole when it failed.
        if told.text != column.text or len(x.legs) > 1:
            yield f"whole, and {told.text!r}"
    elif told.error is not None or told.text not in column.all_told or x.legs[-1] != ("ollama", "completed"):
        yield f"not gone on with: {told}"


# -- coming home ------------------------------------------------------------------------------------


async def wrong_at_home(s: Stage, column: Column) -> list[str]:
    """Cut an answer in its middle; the next turn, with the continued one in it, goes to the same provider."""
    s.ollama.answer = column.told
    half = column.body[: column.ends[len(column.ends) // 2]]
    s.cloud.script = Script((Head(), Send(half), Pause(0.1), Reset()))
    first = await s.ask(wire=column.wire)
    wrong: list[str] = []
    begins = column.wire != "responses" or b"response.created" in half
    if first.legs[-1] == ("ollama", "completed") and begins:
        for turn in _next_turns(column, first):
            s.cloud.script = Script((Head(), Send(column.body), End()))
            body = json.dumps({"model": "m", "stream": True, "max_tokens": 4096, **turn}, indent=1).encode()
            x = await s.ask(wire=column.wire, body=body)
            wrong += [f"{column}, the next turn: {why}" for why in _not_clean(s, column, half, body, x)]
    forget(s)
    return wrong


def _next_turns(column: Column, first: Exchange) -> Iterator[dict[str, Any]]:
    """The histories that clients make of an answer."""
    body = bytes(first.body)
    match column.wire:
        case "chat":
            said = seen("chat", body)
            calls = [
                {"id": f"call_{at}", "type": "function", "function": {"name": name, "arguments": arguments}}
                for at, (name, arguments) in enumerate(said.calls)
            ]
            turn = {"role": "assistant", "content": said.text, **({"tool_calls": calls} if calls else {})}
            yield {"messages": [QUESTION, turn, ASK]}
            yield {"messages": [QUESTION, {**turn, "reasoning_content": "Hm"}, ASK]}
        case "messages":
            yield {"messages": [QUESTION, {"role": "assistant", "content": _content(body)}, ASK]}
        case _:
            response = objects_in(body)[-1]["response"]
            # First: the next answer has the same id, and is its provider's own.
            yield {"input": [ASK], "previous_response_id": response["id"]}
            yield {"input": [QUESTION, *response["output"], ASK]}


def _content(body: bytes) -> list[dict[str, Any]]:
    """The blocks of an answer as an SDK collects them."""
    content: list[dict[str, Any]] = []
    for kind, begun, deltas in blocks_in(objects_in(body)):
        said = {
            key: "".join(delta.get(key) or "" for delta in deltas)
            for key in ("text", "thinking", "signature")
        }
        match kind:
            case "text":
                content.append({"type": "text", "text": (begun.get("text") or "") + said["text"]})
            case "thinking":
                content.append({"type": kind, "thinking": said["thinking"], "signature": said["signature"]})
            case _:
                content.append(begun)
    return content


def _not_clean(s: Stage, column: Column, half: bytes, body: bytes, x: Exchange) -> Iterator[str]:
    (_, outcome), *others = x.legs
    if others or outcome not in ("completed", "content_filter") or not bytes(x.body).startswith(column.body):
        yield f"{x.status} {x.legs}"
    sent = s.cloud.chats[-1]
    asked, wanted = sent.json(), json.loads(body)
    assert isinstance(asked, dict)
    ours = [one for one in _ids(asked) if "trooper" in one]
    if ours:
        yield f"ids of ours: {ours}"
    turns = asked["input" if column.wire == "responses" else "messages"]
    said = "".join(words(turn.get("content")) for turn in turns if turn.get("role") == "assistant")
    if said not in column.all_told:
        yield f"another answer is in it: {said!r}"
    if "previous_response_id" in asked:
        yield "an answer that its provider never ended"
    match column.wire:
        case "chat" if sent.body != body:
            yield "not the client's own bytes"
        case "messages":
            left = [{**turn, "content": _signed(turn["content"])} for turn in wanted["messages"]]
            if turns != [turn for turn in left if turn["content"]]:
                yield f"not only unsigned thoughts were taken out: {turns}"
        case "responses":
            done = {
                value["item"]["id"]
                for value in objects_in(half)
                if value.get("type") == "response.output_item.done"
            }
            thoughts = {item["id"] for item in turns if item.get("type") == "reasoning"}
            if not thoughts <= done:
                yield f"a thought that its provider never ended: {thoughts}"
        case _:
            pass


def _signed(content: Any) -> Any:
    if isinstance(content, str):
        return content
    signed = [block for block in content if block["type"] != "thinking" or block["signature"]]
    return [block for block in signed if block["type"] != "fallback"]


def _ids(value: Any) -> Iterator[str]:
    match value:
        case dict():
            yield from (item for key, item in value.items() if key == "id" and isinstance(item, str))
            for item in value.values():
                yield from _ids(item)
        case list():
            for item in value:
                yield from _ids(item)
        case _:
            pass

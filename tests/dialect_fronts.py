"""
What a provider said, as a strict one would have said it.

Providers say things in odd ways, and that is their own business. To hold what Trooper says behind a seam
against the letter of a wire, the odd bytes in front of it are told once more, tidily and to the same effect:
the same identity, the same blocks and items, open where they are open.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from attrs import define, field

from odd_stream import as_text, blocks_in, objects_in, seen, words
from trooper.testing.chat import sse
from wire_validator import must


def tidy(wire: str, front: bytes, tail: bytes) -> bytes:
    """A body of `wire` whose front is tidy, and whose tail is the one that was said."""
    return _TIDY[wire](front, tail)


# -- chat ---------------------------------------------------------------------------------------------

_NAMES: Final = ("id", "created", "model")


def _whole(value: object) -> object:
    """A time in seconds, also where it is said as a fraction."""
    return int(value) if isinstance(value, float) else value


def _chat(front: bytes, tail: bytes) -> bytes:
    chunks = [value for value in objects_in(front) if value.get("choices")]
    if not chunks:
        return tail
    ours = next((value for value in objects_in(tail) if "choices" in value), None)
    if ours is not None:
        known = {name: [value.get(name) for value in objects_in(front)] for name in _NAMES}
        # Some name the answer late, and who dies before that never does.
        for name in _NAMES if any(known["id"]) else ():
            must(
                ours.get(name) in map(_whole, known[name]) or not any(known[name]),
                f"the provider never said {ours.get(name)!r}",
            )
    identity: Mapping[str, Any] = ours or {"id": "x", "created": 1, "model": "x"}
    heard = seen("chat", front)
    calls = [
        {
            "index": at,
            "id": f"call_{at}_in_front",
            "type": "function",
            "function": {"name": name, "arguments": said},
        }
        for at, (name, said) in enumerate(heard.calls)
    ]
    choices = [choice for value in chunks for choice in value["choices"]]
    if not any((choice.get("delta") or {}).get("role") for choice in choices):
        # Then it may be said late, once.
        tail = tail.replace(b'"role":"assistant",', b"", 1).replace(b'"role":"assistant"', b"", 1)
    delta = {"role": "assistant", "content": heard.text, **({"tool_calls": calls} if calls else {})}
    # Of several answers none is told as the only one.
    ended = [
        choice.get("finish_reason") for choice in choices if not any(one.get("index") for one in choices)
    ]
    choice = {"index": 0, "delta": delta, "finish_reason": next(filter(None, ended), None)}
    head = {"object": "chat.completion.chunk", **{name: identity[name] for name in _NAMES}}
    done = b"data: [DONE]\n\n" if b"data: [DONE]" in front else b""
    return sse({**head, "choices": [choice]}) + done + tail


# -- messages -----------------------------------------------------------------------------------------

_DELTAS: Final = {
    "text": ("text_delta", "text"),
    "thinking": ("thinking_delta", "thinking"),
    "tool_use": ("input_json_delta", "partial_json"),
}


_USAGE: Final[Mapping[str, int]] = {"input_tokens": 1, "output_tokens": 1}


def _messages(front: bytes, tail: bytes) -> bytes:
    objects = objects_in(front)
    start = next((value["message"] for value in objects if value.get("type") == "message_start"), None)
    if start is None:
        return tail
    message: dict[str, Any] = {
        "id": start["id"],
        "type": "message",
        "role": "assistant",
        "model": start["model"],
    }
    message |= {"content": [], "stop_reason": None, "stop_sequence": None, "usage": _USAGE}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": message}]
    stopped = {value.get("index") for value in objects if value.get("type") == "content_block_stop"}
    blocks = blocks_in(objects)
    for index, (kind, begun, deltas) in enumerate(blocks):
        events += _block(index, kind, begun, deltas)
        # Some leave a block open when they begin the next one.
        if index in stopped or index < len(blocks) - 1:
            events.append({"type": "content_block_stop", "index": index})
    for value in objects:
        if value.get("type") == "message_delta":
            told = value.get("delta") or {}
            events.append({"type": "message_delta", "delta": told, "usage": {"output_tokens": 1}})
    # A block that was left open may be stopped late.
    left = {index for index in range(len(blocks) - 1) if index not in stopped}
    return b"".join(sse(event, event=event["type"]) for event in events) + _without_stops(tail, left)


def _block(
    index: int, kind: str, begun: Mapping[str, Any], deltas: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    if kind not in _DELTAS:
        block: dict[str, Any] = {"type": "redacted_thinking", "data": "x"}
        return [{"type": "content_block_start", "index": index, "content_block": block}]
    name, key = _DELTAS[kind]
    empty: Mapping[str, Any] = {
        "text": {"text": ""},
        "thinking": {"thinking": "", "signature": ""},
        "tool_use": {"id": begun.get("id"), "name": begun.get("name"), "input": {}},
    }
    block = {"type": kind, **empty[kind]}
    said = words(begun.get("text")) if kind == "text" else ""
    said += "".join(as_text(delta.get(key) or "") for delta in deltas)
    if kind == "tool_use" and not said and begun.get("input"):
        said = json.dumps(begun["input"])
    events = [{"type": "content_block_start", "index": index, "content_block": block}]
    delta = {"type": "content_block_delta", "index": index, "delta": {"type": name, key: said}}
    return [*events, *([delta] if said else [])]


def _without_stops(tail: bytes, left: set[int]) -> bytes:
    for index in left:
        stop = {"type": "content_block_stop", "index": index}
        tail = tail.replace(
            b"event: content_block_stop\ndata: " + json.dumps(stop, separators=(",", ":")).encode() + b"\n\n",
            b"",
        )
    return tail


# -- responses ----------------------------------------------------------------------------------------


@define
class _Item:
    """An output item: as it began, its parts (kind, text, whether it ended), and as it ended."""

    begun: dict[str, Any]
    parts: list[list[Any]] = field(factory=list)
    arguments: str = ""
    arguments_ended: bool = False
    ended: dict[str, Any] | None = None

    def part(self, kind: str) -> list[Any]:
        """The part that is open, or a new one."""
        if not self.parts or self.parts[-1][2]:
            self.parts.append([kind, "", False, False])
        return self.parts[-1]


def _items(objects: list[dict[str, Any]]) -> dict[str, _Item]:
    items: dict[str, _Item] = {}
    for value in objects:
        kind = str(value.get("type")).removeprefix("response.")
        told = value.get("item") or {}
        if kind == "output_item.added":
            items[told.get("id") or f"#{len(items)}"] = _Item(told)
            continue
        item = items.get(told.get("id") or value.get("item_id") or next(reversed(items), ""))
        name, _, verb = kind.rpartition(".")
        name = _ODD_NAMES.get(name, name)
        if kind == "output_item.done" and (item is None or item.begun.get("type") != told.get("type")):
            # Its first word is its last.
            item = items[told.get("id") or f"#{len(items)}"] = _Item(told)
        if item is None and name in _PARTS_OF:
            # Some fill an item that they never began.
            item = _Item(_unsaid(_PARTS_OF[name], value))
            items[item.begun["id"]] = item
        if item is None:
            continue
        if kind == "output_item.done":
            item.ended = told
        elif kind == "function_call_arguments.delta":
            item.arguments += as_text(value["delta"])
        elif kind == "function_call_arguments.done":
            item.arguments, item.arguments_ended = as_text(value["arguments"]), True
        elif kind == "custom_tool_call_input.delta":
            item.arguments += as_text(value["delta"])
        elif kind == "custom_tool_call_input.done":
            item.arguments, item.arguments_ended = as_text(value["input"]), True
        elif name in _PARTS_OF and verb == "delta":
            item.part(_PARTS_OF[name])[1] += words(value["delta"])
        elif name in _PARTS_OF and verb == "done":
            part = item.part(_PARTS_OF[name])
            part[1], part[3] = value.get("text", value.get("refusal")), True
        elif name in ("content_part", "reasoning_summary_part", "reasoning_part"):
            part = item.part(value["part"]["type"])
            part[2] = verb == "done"
    return items


def _unsaid(part: str, value: dict[str, Any]) -> dict[str, Any]:
    talks = part in ("output_text", "refusal")
    more = {"role": "assistant", "content": []} if talks else {"summary": []}
    given = f"{'msg' if talks else 'rs'}_trooper_{value.get('output_index', 0)}"
    return {"id": value.get("item_id") or given, "type": "message" if talks else "reasoning", **more}


_PARTS_OF: Final = {
    "output_text": "output_text",
    "refusal": "refusal",
    "reasoning_summary_text": "summary_text",
    "reasoning_text": "reasoning_text",
}
_ODD_NAMES: Final = {"reasoning": "reasoning_text", "reasoning_summary": "reasoning_summary_text"}
_TOLD: Final = {kind: name for name, kind in _PARTS_OF.items()}


_CALLS: Final = {
    "function_call": ("function_call_arguments", "arguments"),
    "custom_tool_call": ("custom_tool_call_input", "input"),
}


def _told_item(at: int, item: _Item) -> list[dict[str, Any]]:
    """The events of one item, up to where it stands."""
    kind, place = item.begun["type"], {"item_id": item.begun["id"], "output_index": at}
    empty: Mapping[str, Any] = {
        "message": {"content": []},
        "function_call": {"arguments": ""},
        "custom_tool_call": {"input": ""},
    }
    begun = {**item.begun, **empty.get(kind, {})}
    known = kind in ("message", "reasoning")
    events: list[dict[str, Any]] = [{"type": "output_item.added", "output_index": at, "item": begun}]
    ended = item.ended
    if kind in _CALLS and not str(begun.get("name")).startswith("x_"):
        name, key = _CALLS[kind]
        said = item.arguments if ended is None else as_text(ended[key])
        if said and not item.arguments_ended:
            events.append({"type": f"{name}.delta", **place, "delta": said})
        if item.arguments_ended or ended is not None:
            events.append({"type": f"{name}.done", **place, key: said})
    elif known:
        for number, part in enumerate(_parts_of(item)):
            events += _told_part(place, number, *part)
    if ended is not None:
        events.append({"type": "output_item.done", "output_index": at, "item": ended})
    return events


def _parts_of(item: _Item) -> list[list[Any]]:
    if item.ended is None:
        return item.parts
    parts = [*(item.ended.get("summary") or ()), *(item.ended.get("content") or ())]
    return [[part["type"], part.get("text", part.get("refusal")), True, True] for part in parts]


def _told_part(
    place: dict[str, Any], number: int, kind: str, said: str, ended: bool, told: bool
) -> list[dict[str, Any]]:
    key = "refusal" if kind == "refusal" else "text"
    around = "reasoning_summary_part" if kind == "summary_text" else "content_part"
    place = {**place, "summary_index" if kind == "summary_text" else "content_index": number}
    events = [{"type": f"{around}.added", **place, "part": {"type": kind, key: ""}}]
    if said:
        events.append({"type": f"{_TOLD[kind]}.delta", **place, "delta": said})
    if told or ended:
        events.append({"type": f"{_TOLD[kind]}.done", **place, key: said})
    if ended:
        events.append({"type": f"{around}.done", **place, "part": {"type": kind, key: said}})
    return events


def _responses(front: bytes, tail: bytes) -> bytes:
    objects = objects_in(front)
    if not objects:
        return tail
    # Who begins in the middle never says what it is: then that is said late.
    said = [value for value in (*objects, *objects_in(tail)) if value.get("type") == "response.created"]
    must(bool(said), "a response that nobody created")
    start = said[0]["response"]
    items = _items(objects)
    events: list[dict[str, Any]] = []
    begun = {**start, "status": "in_progress", "output": []}
    events += [{"type": kind, "response": begun} for kind in ("created", "in_progress")]
    left = _left_open(items, tail)
    for at, item in enumerate(items.values()):
        events += _told_item(at, item)
    numbers = [value["sequence_number"] for value in objects if "sequence_number" in value]
    ours = next((value["sequence_number"] for value in objects_in(tail) if "sequence_number" in value), None)
    if ours is not None and numbers:
        must(ours == numbers[-1] + 1, f"sequence_number is {ours} behind {numbers[-1]}")
    told = b"".join(
        sse(
            {**event, "type": f"response.{event['type']}", "sequence_number": number},
            event=f"response.{event['type']}",
        )
        for number, event in enumerate(events)
    )
    return told + _renumbered(tail, len(events), list(items), objects, left)


def _left_open(items: dict[str, _Item], tail: bytes) -> set[str]:
    """Items that were still open when the next one began: what ends them late ends them early here."""
    last = next(reversed(items), "")
    left = [item_id for item_id, item in items.items() if item.ended is None and item_id != last]
    for value in objects_in(tail):
        told = value.get("item") or {}
        if value.get("type") == "response.output_item.done" and told.get("id") in left:
            items[told["id"]].ended = told
    return set(left)


def _renumbered(
    tail: bytes, count: int, known: list[str], objects: list[dict[str, Any]], left: set[str]
) -> bytes:
    """The tail behind the tidy front: its numbers begin there, and each item has its place."""
    used = max((value["output_index"] for value in objects if "output_index" in value), default=-1)
    events, first = [], None
    for event in tail.split(b"\n\n"):
        head, _, data = event.partition(b"data: ")
        if not head.lstrip(b"\n").startswith(b"event: ") or not data:
            events.append(event)
            continue
        value = json.loads(data)
        item_id = (value.get("item") or {}).get("id") or value.get("item_id")
        # What the front says already.
        if item_id in left or value["type"] in ("response.created", "response.in_progress"):
            count -= 1
            first = value["sequence_number"] if first is None else first
            continue
        first = value["sequence_number"] if first is None else first
        value["sequence_number"] += count - first
        if item_id is not None:
            if item_id not in known:
                must(value["output_index"] > used, f"a new item stands at {value['output_index']}")
                known.append(item_id)
            value["output_index"] = known.index(item_id)
        events.append(head + b"data: " + json.dumps(value).encode())
    return b"\n\n".join(events)


_TIDY: Final[Mapping[str, Callable[[bytes, bytes], bytes]]] = {
    "chat": _chat,
    "messages": _messages,
    "responses": _responses,
}

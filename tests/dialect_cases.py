"""
The streams of the dialects as a client asks for them: the question names its
stream and where it is cut, so that every client can ask, whatever it may say
beside it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from attrs import define, field, frozen

from trooper.testing.dialects import DIALECTS, Golden

#: What the local model calls when it begins a turn with tools.
CALL: tuple[str, dict[str, Any]] = ("get_weather", {"city": "Bodø"})
#: What it says behind the words of an answer with calls in it.
MORE = " That is all."
#: What it says where the answer has no words.
NOTHING = "Nothing to add."

_CASE = re.compile(r"\[stream ([a-z0-9-]+)/([a-z0-9_]+)(?: cut (\d+))?\]")


@frozen
class Case:
    """One stream, whole or cut behind `cut` of its events."""

    dialect: str
    kind: str
    cut: int | None = None

    @property
    def golden(self) -> Golden:
        return DIALECTS[self.dialect].goldens[self.kind]

    @property
    def whole(self) -> Case:
        """The same stream, not cut."""
        return Case(self.dialect, self.kind)

    @property
    def question(self) -> str:
        cut = "" if self.cut is None else f" cut {self.cut}"
        return f"Tell me about lighthouses. [stream {self.dialect}/{self.kind}{cut}]"

    @property
    def sent(self) -> tuple[bytes, ...]:
        """The events that the provider sends."""
        return self.golden.pieces[: self.cut]

    @classmethod
    def asked(cls, request: str) -> Case | None:
        """The case that a request's body, or a question, names."""
        found = _CASE.findall(request)
        if not found:
            return None
        dialect, kind, cut = found[-1]
        return cls(dialect, kind, int(cut) if cut else None)


@define
class Said:
    """What is in the events of a stream, for whoever reads every shape: words, and calls by name and text."""

    text: str = ""
    calls: list[list[str]] = field(factory=list)
    _open: dict[object, list[str]] = field(factory=dict)

    def call(self, key: object, name: str | None, arguments: str, *, new: bool) -> None:
        """A piece of a call; `new` begins another one under the same key."""
        if new:
            self._open[key] = [name or "", ""]
            self.calls.append(self._open[key])
        if key in self._open:
            self._open[key][1] += arguments

    @property
    def whole_calls(self) -> tuple[tuple[str, Any], ...]:
        """The calls whose arguments are JSON."""
        return tuple((name, json.loads(text)) for name, text in self.calls if is_json(text))


def is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def objects(pieces: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """What the events hold."""
    for piece in pieces:
        data = [
            line.removeprefix(b"data:").strip() for line in piece.splitlines() if line.startswith(b"data:")
        ]
        text = b"\n".join(data).decode()
        if text and text != "[DONE]" and isinstance(value := json.loads(text), dict):
            yield value


def said(wire: str, pieces: Iterable[bytes]) -> Said:
    """Read the events of a stream."""
    reading = Said()
    read = {"openai-chat": _chat, "openai-responses": _responses, "anthropic-messages": _messages}[wire]
    for value in objects(pieces):
        read(value, reading)
    return reading


def _chat(chunk: dict[str, Any], reading: Said) -> None:
    for choice in chunk.get("choices") or ():
        delta = choice.get("delta") or {}
        content = delta.get("content") or ""
        parts = content if isinstance(content, list) else [{"type": "text", "text": content}]
        reading.text += "".join(part["text"] for part in parts if part["type"] == "text")
        for place, call in enumerate(delta.get("tool_calls") or ()):
            function = call["function"]
            name, key = function.get("name"), call.get("index", place)
            reading.call(key, name, function.get("arguments") or "", new=bool(name and call.get("id")))


def _responses(event: dict[str, Any], reading: Said) -> None:
    match event:
        case {"type": "response.output_text.delta", "delta": str(text)}:
            reading.text += text
        case {"type": "response.output_item.added", "item": {"type": "function_call"} as item}:
            reading.call(event["output_index"], item["name"], "", new=True)
        case {"type": "response.function_call_arguments.delta", "delta": str(text)}:
            reading.call(event["output_index"], None, text, new=False)
        case {"type": "response.output_item.done", "item": {"type": "function_call"} as item} if (
            "output_index" not in event
        ):
            # Its first word is its last.
            reading.call(item["id"], item["name"], item["arguments"], new=True)
        case _:
            pass


def _messages(event: dict[str, Any], reading: Said) -> None:
    match event:
        case {"type": "content_block_delta", "delta": {"type": "text_delta", "text": str(text)}}:
            reading.text += text
        case {"type": "content_block_start", "content_block": {"type": "tool_use"} as block}:
            reading.call(event["index"], block["name"], "", new=True)
        case {
            "type": "content_block_delta",
            "delta": {"type": "input_json_delta", "partial_json": str(text)},
        }:
            reading.call(event["index"], None, text, new=False)
        case _:
            pass

"""
A strict reader of an Anthropic Messages stream, as evidence about the proxy.

Written from the API's own description of its events; shares no code with
trooper. Finish reasons are told in the chat wire's words, so that one verdict
does for all wires.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from attrs import Factory, define, field

from wire_validator import (
    CallSeen,
    ChatResult,
    ErrorSeen,
    SseEvent,
    WireViolation,
    json_object,
    must,
    parse_sse,
)

_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
_DELTAS = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "thinking"),
    "signature_delta": ("thinking", "signature"),
    "input_json_delta": ("tool_use", "partial_json"),
}


@define
class _Block:
    kind: str
    start: Mapping[str, Any]
    said: str = ""
    signed: bool = False


@define
class _Reader:
    message: Mapping[str, Any] | None = None
    blocks: list[_Block] = Factory(list)
    is_open: bool = False
    stop_reason: str | None = None
    usage: Mapping[str, Any] | None = None
    error: ErrorSeen | None = None
    done: bool = False
    comments: list[str] = Factory(list)
    trooper: Mapping[str, Any] | None = None
    pings: int = 0
    _deltas_seen: int = field(default=0, init=False)

    def take(self, event: SseEvent) -> None:
        if event.event == ":":
            self.comments.append(event.data)
            return
        must(not self.done, "something follows message_stop")
        must(self.error is None, "something follows an error")
        value = json_object(event.data)
        kind = value.get("type")
        must(event.event == kind, f"the event is called {event.event!r}, its type is {kind!r}")
        if "trooper" in value:
            must(kind == "message_delta" and self.trooper is None, "the key trooper is at the wrong place")
            self.trooper = value["trooper"]
        match kind:
            case "message_start":
                self._start(value["message"])
            case "ping":
                self.pings += 1
            case "error":
                self._error(value)
            case _:
                must(self.message is not None, f"{kind} before message_start")
                self._take_rest(str(kind), value)

    def _start(self, message: Mapping[str, Any]) -> None:
        must(self.message is None, "message_start comes twice")
        for name in ("id", "model"):
            must(isinstance(message.get(name), str) and bool(message[name]), f"the message has no {name}")
        must((message.get("type"), message.get("role")) == ("message", "assistant"), "type or role is wrong")
        must(message.get("content") == [], "the message begins with content")
        must("stop_reason" in message and message["stop_reason"] is None, "it begins with a stop_reason")
        usage = message.get("usage")
        must(isinstance(usage, dict) and isinstance(usage.get("input_tokens"), int), "no usage at the start")
        self.message = message

    def _error(self, value: Mapping[str, Any]) -> None:
        error = value.get("error")
        must(isinstance(error, dict), "an error event without an error object")
        assert isinstance(error, dict)
        must(isinstance(error.get("type"), str) and isinstance(error.get("message"), str), "half an error")
        self.error = ErrorSeen(
            error["message"], error["type"], (error.get("details") or {}).get("error_code")
        )

    def _take_rest(self, kind: str, value: Mapping[str, Any]) -> None:
        match kind:
            case "content_block_start":
                must(not self.is_open, "a block starts inside another one")
                must(self.stop_reason is None, "a block behind the stop reason")
                must(value.get("index") == len(self.blocks), f"the block's index is {value.get('index')}")
                self._open(value["content_block"])
            case "content_block_delta":
                must(self.is_open, "a delta outside a block")
                must(value.get("index") == len(self.blocks) - 1, f"a delta for block {value.get('index')}")
                self._delta(value["delta"])
            case "content_block_stop":
                must(self.is_open, "a stop outside a block")
                must(value.get("index") == len(self.blocks) - 1, f"a stop of block {value.get('index')}")
                self._close()
            case "message_delta":
                self._end(value)
            case "message_stop":
                must(self.stop_reason is not None, "message_stop without a stop_reason")
                must(not self.is_open, "message_stop inside a block")
                self.done = True
            case _:
                raise WireViolation(f"an unknown event: {kind}")

    def _open(self, block: Mapping[str, Any]) -> None:
        kind = block.get("type")
        match kind:
            case "text":
                must(block.get("text") == "", "a text block starts with text")
            case "thinking":
                must((block.get("thinking"), block.get("signature")) == ("", ""), "half a thinking block")
            case "tool_use":
                named = isinstance(block.get("id"), str) and isinstance(block.get("name"), str)
                must(named and bool(block["id"]) and bool(block["name"]), "a call without id or name")
                allowed = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
                must(set(block["id"]) <= allowed, f"the API refuses this id: {block['id']!r}")
                must(block.get("input") == {}, "a call starts with input")
                must(block["id"] not in [b.start.get("id") for b in self.blocks], "an id comes twice")
            case "fallback":
                must(isinstance(block["from"]["model"], str) and isinstance(block["to"]["model"], str), "?")
            case "redacted_thinking":
                pass
            case "server_tool_use":
                must(bool(block.get("id")) and bool(block.get("name")), "a search without id or name")
            case "web_search_tool_result":
                asked = [b.start.get("id") for b in self.blocks if b.kind == "server_tool_use"]
                must(block.get("tool_use_id") in asked, "a result without its search")
            case _:
                raise WireViolation(f"an unknown block: {kind}")
        self.blocks.append(_Block(str(kind), block))
        self.is_open = True

    def _delta(self, delta: Mapping[str, Any]) -> None:
        kind, block = delta.get("type"), self.blocks[-1]
        must(kind in _DELTAS, f"an unknown delta: {kind}")
        in_block, key = _DELTAS[str(kind)]
        is_search = (block.kind, in_block) == ("server_tool_use", "tool_use")
        must(block.kind == in_block or is_search, f"a {kind} in a block of {block.kind}")
        must(isinstance(delta.get(key), str), f"{key} is no string")
        if key == "signature":
            must(bool(delta[key]), "an empty signature")
            block.signed = True
        else:
            block.said += delta[key]

    def _close(self) -> None:
        self.is_open = False
        block = self.blocks[-1]
        if block.kind == "tool_use" and block.said:
            json_object(block.said)

    def _end(self, value: Mapping[str, Any]) -> None:
        delta, usage = value.get("delta"), value.get("usage")
        must(isinstance(delta, dict), "message_delta without a delta")
        assert isinstance(delta, dict)
        must(not self.is_open, "message_delta inside a block")
        must(self.stop_reason is None, "message_delta behind the last one")
        if "stop_reason" in delta and delta["stop_reason"] is None:
            # "One or more message_delta events": only the last one has to know why.
            counted = isinstance(usage, dict) and usage.get("output_tokens") == 0
            must(counted and "trooper" not in value, "a message_delta on the way says something")
            return
        must(delta.get("stop_reason") in _REASONS, f"the stop_reason is {delta.get('stop_reason')!r}")
        must(isinstance(usage, dict) and isinstance(usage.get("output_tokens"), int), "no usage at the end")
        self.stop_reason, self.usage = delta["stop_reason"], usage
        calls = [block for block in self.blocks if block.kind == "tool_use"]
        if self.stop_reason == "tool_use":
            must(bool(calls), "tool_use, but there is none")
        if self.stop_reason not in ("max_tokens", "model_context_window_exceeded"):
            for block in calls:
                json_object(block.said or "{}")

    def result(self) -> ChatResult:
        must(self.done or self.error is not None, "the stream ends without message_stop and without an error")
        message = self.message or {}
        refused = self.stop_reason == "refusal"
        text = "".join(block.said for block in self.blocks if block.kind == "text")
        return ChatResult(
            id=message.get("id", ""),
            model=message.get("model", ""),
            text="" if refused else text,
            refusal=text if refused else "",
            reasoning="".join(block.said for block in self.blocks if block.kind == "thinking"),
            tool_calls=tuple(
                CallSeen(b.start["id"], b.start["name"], b.said or "{}")
                for b in self.blocks
                # An error leaves the open block open: nobody runs that call.
                if b.kind == "tool_use" and not (self.is_open and b is self.blocks[-1])
            ),
            finish_reason=_REASONS[self.stop_reason] if self.stop_reason else None,
            texts=tuple(block.said for block in self.blocks if block.kind == "text"),
            usage=self.usage,
            error=self.error,
            done=self.done,
            comments=tuple(self.comments),
            trooper=self.trooper,
        )


def validate_messages(body: bytes) -> ChatResult:
    """Read a whole streamed body, or say which rule it breaks."""
    reader = _Reader()
    for event in parse_sse(body):
        reader.take(event)
    return reader.result()


def validate_whole_message(body: bytes) -> ChatResult:
    """The same for an answer that is not streamed: a message, or an error object."""
    whole = json_object(body.decode("utf-8"))
    if whole.get("type") == "error":
        error = whole["error"]
        code = (error.get("details") or {}).get("error_code")
        return ChatResult(error=ErrorSeen(error["message"], error["type"], code))
    must((whole.get("type"), whole.get("role")) == ("message", "assistant"), "it is no message")
    must(whole.get("stop_reason") in _REASONS, f"the stop_reason is {whole.get('stop_reason')!r}")
    usage = whole.get("usage")
    must(isinstance(usage, dict) and isinstance(usage.get("output_tokens"), int), "there is no usage")
    blocks = whole["content"]
    texts = tuple(block["text"] for block in blocks if block["type"] == "text")
    refused = whole["stop_reason"] == "refusal"
    return ChatResult(
        id=whole["id"],
        model=whole["model"],
        text="" if refused else "".join(texts),
        refusal="".join(texts) if refused else "",
        reasoning="".join(block["thinking"] for block in blocks if block["type"] == "thinking"),
        tool_calls=tuple(
            CallSeen(block["id"], block["name"], json.dumps(block["input"], ensure_ascii=False))
            for block in blocks
            if block["type"] == "tool_use"
        ),
        finish_reason=_REASONS[whole["stop_reason"]],
        texts=texts,
        usage=usage,
        done=True,
        trooper=whole.get("trooper"),
    )

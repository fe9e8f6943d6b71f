"""
OpenAI chat answers as bytes, in the shapes the real API sends.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence

from attrs import frozen

#: What the fakes say when nobody tells them otherwise: several paragraphs,
#: characters of two to four bytes, a list, code, quotes, and a full stop at
#: the end. Provider and Ollama agree on it, so a seam can be checked exactly.
DEFAULT_ANSWER = (
    "A lighthouse keeps its light in one place so that ships can find theirs.\n\n"
    "Three things matter:\n\n"
    "1. The lamp, which must never go out – not even for a moment.\n"
    "2. The lens: it turns a café candle into a beam you can see 20 km away.\n"
    '3. The keeper, who writes down every "strange" ship & every <storm>. 🚢\n\n'
    "```python\n"
    "if fog:\n"
    "    horn.blow(seconds=3)\n"
    "```\n\n"
    "That is why sailors say: trust the light, not the map."
)


def tokens(text: str, size: int | None = None) -> list[str]:
    """
    Cut `text` into words, each with the blanks before it; or, with `size`,
    into pieces of so many characters, as sub-word tokens cut it.
    """
    if size is not None:
        return [text[at : at + size] for at in range(0, len(text), size)]
    return re.findall(r"\s*\S+|\s+", text)


@frozen
class Call:
    """
    A tool call; `arguments` is JSON text.

    One that is `custom` takes any text, and the Messages wire has none. A `namespace` only
    Responses has.
    """

    name: str
    arguments: str = "{}"
    id: str = "call_0000000000000000000001"
    custom: bool = False
    namespace: str = ""


@frozen
class ChatAnswer:
    """
    One answer of the chat API, streamed (`events`) or whole (`body`).

    `finish` is `None` for an answer that never says how it ended. `usage` says
    whether the client asked for the usage chunk. `searches` are those of the
    web that the provider makes first, on the wires that show them.
    """

    tokens: tuple[str, ...] = ()
    reasoning: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()
    refusal: tuple[str, ...] = ()
    id: str = "chatcmpl-AbC0000000000000000000000"
    model: str = "gpt-4o"
    created: int = 1_790_000_000
    finish: str | None = "stop"
    usage: bool = False
    prompt_tokens: int = 12
    done: bool = True
    searches: tuple[str, ...] = ()

    def events(self) -> list[bytes]:
        """Whole SSE events, from the role to `[DONE]`."""
        deltas: list[dict[str, object]] = []
        first: dict[str, object] = {
            "role": "assistant",
            "content": None if self.calls else "",
            "refusal": None,
        }
        deltas += [{"reasoning_content": piece} for piece in self.reasoning]
        deltas += [{"content": piece} for piece in self.tokens]
        deltas += [{"refusal": piece} for piece in self.refusal]
        for index, call in enumerate(self.calls):
            deltas += call_deltas(index, call)
        events = [sse(self.chunk(delta)) for delta in [first, *deltas]]
        if self.finish is not None:
            events.append(sse(self.chunk({}, self.finish)))
        if self.usage:
            events.append(sse(self.chunk(None) | {"usage": self._counts()}))
        if self.done:
            events.append(DONE)
        return events

    def chunk(self, delta: dict[str, object] | None, finish: str | None = None) -> dict[str, object]:
        """One chunk; without a delta it has no choice."""
        choices: list[object] = []
        if delta is not None:
            choices = [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]
        chunk: dict[str, object] = {
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "service_tier": "default",
            "system_fingerprint": "fp_0123456789",
            "choices": choices,
        }
        # The real API puts `usage: null` on every chunk once it was asked for usage.
        return chunk | {"usage": None} if self.usage else chunk

    def body(self) -> bytes:
        """The whole `chat.completion`."""
        message: dict[str, object] = {
            "role": "assistant",
            "content": "".join(self.tokens) or None,
            "refusal": "".join(self.refusal) or None,
        }
        if self.reasoning:
            message["reasoning_content"] = "".join(self.reasoning)
        if self.calls:
            message["tool_calls"] = [{"id": c.id, **_said_of(c, c.arguments, c.name)} for c in self.calls]
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self.finish}
        whole = self.chunk(None) | {"object": "chat.completion", "choices": [choice], "usage": self._counts()}
        return dumps(whole)

    @property
    def said(self) -> int:
        """How many tokens it is said to have."""
        return len(self.tokens) + len(self.reasoning) + len(self.refusal) + 8 * len(self.calls)

    def _counts(self) -> dict[str, object]:
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.said,
            "total_tokens": self.prompt_tokens + self.said,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": len(self.reasoning)},
        }


def call_deltas(index: int, call: Call) -> Iterable[dict[str, object]]:
    """The deltas of one call: its name first, then its arguments in pieces."""
    yield {"tool_calls": [{"index": index, "id": call.id, **_said_of(call, "", call.name)}]}
    for piece in tokens(call.arguments, 5):
        said = _said_of(call, piece)
        del said["type"]
        yield {"tool_calls": [{"index": index, **said}]}


def _said_of(call: Call, piece: str, name: str = "") -> dict[str, object]:
    """A call, or a piece of one, as its kind is said."""
    kind, key = ("custom", "input") if call.custom else ("function", "arguments")
    named = {"name": name} if name else {}
    return {"type": kind, kind: {**named, key: piece}}


def chat_events(
    text: str | Iterable[str] = DEFAULT_ANSWER,
    *,
    id: str = "chatcmpl-AbC0000000000000000000000",
    model: str = "gpt-4o",
    created: int = 1_790_000_000,
    usage: bool = False,
    tool_calls: Sequence[Call] = (),
    reasoning: str | Iterable[str] = (),
    finish: str | None = "stop",
    done: bool = True,
) -> list[bytes]:
    """Whole SSE events of a chat answer: `ChatAnswer(…).events()` in one call."""
    return ChatAnswer(
        tokens=_pieces(text),
        reasoning=_pieces(reasoning),
        calls=tuple(tool_calls),
        id=id,
        model=model,
        created=created,
        finish="tool_calls" if tool_calls and finish == "stop" else finish,
        usage=usage,
        done=done,
    ).events()


def _pieces(text: str | Iterable[str]) -> tuple[str, ...]:
    return tuple(tokens(text)) if isinstance(text, str) else tuple(text)


def cut(events: Iterable[bytes], at_byte: int) -> list[bytes]:
    """The first `at_byte` bytes of a stream; the last piece may be a part of an event."""
    kept: list[bytes] = []
    for event in events:
        if at_byte <= 0:
            break
        kept.append(event[:at_byte])
        at_byte -= len(event)
    return kept


def dumps(value: object) -> bytes:
    """JSON as the API writes it: no blanks, characters unescaped."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def sse(value: object, *, event: str = "") -> bytes:
    """One SSE event with JSON data."""
    name = f"event: {event}\n".encode() if event else b""
    return name + b"data: " + dumps(value) + b"\n\n"


DONE = b"data: [DONE]\n\n"

"""
The same answers on the Anthropic Messages wire, in the shapes the real API sends.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from trooper.testing.chat import Call, ChatAnswer, dumps, sse, tokens

_STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}


def messages_events(answer: ChatAnswer) -> list[bytes]:
    """Whole SSE events, from `message_start` to `message_stop`."""
    start = _message(answer) | {
        "content": [],
        "stop_reason": None,
        "usage": _prompt_counts(answer) | {"output_tokens": 1},
    }
    events = [sse({"type": "message_start", "message": start}, event="message_start")]
    for index, block in enumerate(_blocks(answer)):
        events += block(index)
        if index == 0:
            # Behind the first start, as the API does it.
            events.insert(2, sse({"type": "ping"}, event="ping"))
    if answer.finish is not None:
        delta = {"stop_reason": _stop_reason(answer), "stop_sequence": None}
        end = {"type": "message_delta", "delta": delta, "usage": {"output_tokens": answer.said}}
        events.append(sse(end, event="message_delta"))
    if answer.done:
        events.append(sse({"type": "message_stop"}, event="message_stop"))
    return events


def messages_body(answer: ChatAnswer) -> bytes:
    """The whole message."""
    content: list[dict[str, object]] = []
    if answer.reasoning:
        content.append({"type": "thinking", "thinking": "".join(answer.reasoning), "signature": _SIGNATURE})
    content += [block for at in range(len(answer.searches)) for block in _search(answer, at)]
    if said := "".join((*answer.tokens, *answer.refusal)):
        content.append({"type": "text", "text": said})
    content += [
        {"type": "tool_use", "id": _id(call), "name": call.name, "input": json.loads(call.arguments)}
        for call in answer.calls
    ]
    usage = _prompt_counts(answer) | {"output_tokens": answer.said}
    return dumps(_message(answer) | {"content": content, "stop_reason": _stop_reason(answer), "usage": usage})


def counted_tokens(answer: ChatAnswer) -> bytes:
    """What `count_tokens` answers."""
    return dumps({"input_tokens": answer.prompt_tokens})


_SIGNATURE = "EqQBCkYICxgCKkBzY3JpcHRlZA=="


def _message(answer: ChatAnswer) -> dict[str, object]:
    return {
        "id": answer.id,
        "type": "message",
        "role": "assistant",
        "model": answer.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def _prompt_counts(answer: ChatAnswer) -> dict[str, object]:
    return {
        "input_tokens": answer.prompt_tokens - 2,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 2,
        "service_tier": "standard",
    }


def _stop_reason(answer: ChatAnswer) -> str | None:
    if answer.refusal:
        return "refusal"
    return None if answer.finish is None else _STOP_REASONS[answer.finish]


def _search(answer: ChatAnswer, at: int) -> tuple[dict[str, object], dict[str, object]]:
    """A search of the web that the provider makes, and what it finds."""
    use_id = f"srvtoolu_{answer.id.removeprefix('msg_')}_{at}"
    query = answer.searches[at]
    found = {
        "type": "web_search_result",
        "title": query,
        "url": "https://lights.example/",
        "encrypted_content": "Eo",
    }
    return (
        {"type": "server_tool_use", "id": use_id, "name": "web_search", "input": {"query": query}},
        {"type": "web_search_tool_result", "tool_use_id": use_id, "content": [found]},
    )


def _id(call: Call) -> str:
    return call.id.replace("call_", "toolu_")


class _Block:
    """One content block; called with its index, it is a row of events."""

    def __init__(self, start: Mapping[str, object], *deltas: Mapping[str, object]) -> None:
        self._start, self._deltas = start, deltas

    def __call__(self, index: int) -> list[bytes]:
        start = {"type": "content_block_start", "index": index, "content_block": self._start}
        stop = {"type": "content_block_stop", "index": index}
        return [
            sse(start, event="content_block_start"),
            *(
                sse(
                    {"type": "content_block_delta", "index": index, "delta": delta},
                    event="content_block_delta",
                )
                for delta in self._deltas
            ),
            sse(stop, event="content_block_stop"),
        ]


def _blocks(answer: ChatAnswer) -> Iterator[_Block]:
    if answer.reasoning:
        yield _Block(
            {"type": "thinking", "thinking": "", "signature": ""},
            *({"type": "thinking_delta", "thinking": piece} for piece in answer.reasoning),
            {"type": "signature_delta", "signature": _SIGNATURE},
        )
    for at in range(len(answer.searches)):
        asked, found = _search(answer, at)
        pieces = ["", *tokens(json.dumps(asked["input"], ensure_ascii=False), 5)]
        yield _Block(
            {**asked, "input": {}}, *({"type": "input_json_delta", "partial_json": piece} for piece in pieces)
        )
        yield _Block(found)
    if answer.tokens or answer.refusal:
        yield _Block(
            {"type": "text", "text": ""},
            *({"type": "text_delta", "text": piece} for piece in (*answer.tokens, *answer.refusal)),
        )
    for call in answer.calls:
        pieces = ["", *tokens(call.arguments, 5)]
        yield _Block(
            {"type": "tool_use", "id": _id(call), "name": call.name, "input": {}},
            *({"type": "input_json_delta", "partial_json": piece} for piece in pieces),
        )

"""
The same answers on the OpenAI Responses wire, in the shapes the real API sends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

from trooper.testing.chat import Call, ChatAnswer, dumps, sse, tokens

_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
_Told: TypeAlias = tuple[str, Mapping[str, object]]


def responses_events(answer: ChatAnswer) -> list[bytes]:
    """Whole SSE events, from `response.created` to `response.completed`."""
    begun = _response(answer) | {"status": "in_progress", "output": [], "usage": None}
    told: list[_Told] = [
        ("response.created", {"response": begun}),
        ("response.in_progress", {"response": begun}),
    ]
    for output_index, item in enumerate(_items(answer)):
        told += item.told(output_index)
    if answer.finish is not None:
        ended = _ended(answer)
        told.append((f"response.{ended['status']}", {"response": ended}))
    return [
        sse({"type": name, "sequence_number": number, **fields}, event=name)
        for number, (name, fields) in enumerate(told)
    ]


def responses_body(answer: ChatAnswer) -> bytes:
    """The whole response."""
    return dumps(_ended(answer))


def _response(answer: ChatAnswer) -> dict[str, object]:
    return {
        "id": answer.id,
        "object": "response",
        "created_at": answer.created,
        "status": "completed",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "model": answer.model,
        "output": [],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "service_tier": "default",
        "store": True,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}, "verbosity": "medium"},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": None,
        "user": None,
        "metadata": {},
    }


def _ended(answer: ChatAnswer) -> dict[str, object]:
    reason = _INCOMPLETE.get(answer.finish or "")
    said = answer.said
    return _response(answer) | {
        "status": "incomplete" if reason else "completed",
        "incomplete_details": {"reason": reason} if reason else None,
        "output": [item.value for item in _items(answer)],
        "usage": {
            "input_tokens": answer.prompt_tokens,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": said,
            "output_tokens_details": {"reasoning_tokens": len(answer.reasoning)},
            "total_tokens": answer.prompt_tokens + said,
        },
    }


def _items(answer: ChatAnswer) -> Iterator[_Item]:
    mark = answer.id.removeprefix("resp_")
    for number, query in enumerate(answer.searches):
        yield _Search(f"ws_{mark}_{number}", query)
    if answer.reasoning:
        yield _Reasoning(f"rs_{mark}", answer.reasoning)
    if answer.tokens:
        yield _Message(f"msg_{mark}", "output_text", answer.tokens)
    if answer.refusal:
        yield _Message(f"msg_{mark}", "refusal", answer.refusal)
    for number, call in enumerate(answer.calls):
        yield (
            _CustomCall(f"ctc_{mark}_{number}", call)
            if call.custom
            else _FunctionCall(f"fc_{mark}_{number}", call)
        )


class _Item:
    """An output item: what it is in the end, and how it comes about."""

    value: dict[str, object]
    begun: dict[str, object]

    def told(self, output_index: int) -> Iterable[_Told]:
        at = {"output_index": output_index}
        yield "response.output_item.added", {**at, "item": self.begun}
        yield from self.parts({"item_id": self.value["id"], **at})
        yield "response.output_item.done", {**at, "item": self.value}

    def parts(self, at: dict[str, object]) -> Iterable[_Told]:
        raise NotImplementedError


class _Message(_Item):
    def __init__(self, item_id: str, kind: str, pieces: tuple[str, ...]) -> None:
        self.kind, self.pieces, self.text = kind, pieces, "".join(pieces)
        shape = {"id": item_id, "type": "message", "role": "assistant"}
        self.begun = shape | {"status": "in_progress", "content": []}
        self.value = shape | {"status": "completed", "content": [self.part(self.text)]}

    def part(self, text: str) -> dict[str, object]:
        if self.kind == "refusal":
            return {"type": "refusal", "refusal": text}
        return {"type": "output_text", "annotations": [], "logprobs": [], "text": text}

    def parts(self, at: dict[str, object]) -> Iterable[_Told]:
        place = at | {"content_index": 0}
        refuses = self.kind == "refusal"
        more: dict[str, object] = {} if refuses else {"logprobs": []}
        yield "response.content_part.added", place | {"part": self.part("")}
        for piece in self.pieces:
            yield f"response.{self.kind}.delta", place | {"delta": piece} | more
        yield f"response.{self.kind}.done", place | {("refusal" if refuses else "text"): self.text} | more
        yield "response.content_part.done", place | {"part": self.part(self.text)}


class _Reasoning(_Item):
    def __init__(self, item_id: str, pieces: tuple[str, ...]) -> None:
        self.pieces, self.text = pieces, "".join(pieces)
        shape = {"id": item_id, "type": "reasoning", "encrypted_content": "gAAAAABscripted"}
        self.begun = shape | {"summary": []}
        self.value = shape | {"summary": [{"type": "summary_text", "text": self.text}]}

    def parts(self, at: dict[str, object]) -> Iterable[_Told]:
        place = at | {"summary_index": 0}
        yield "response.reasoning_summary_part.added", place | {"part": {"type": "summary_text", "text": ""}}
        for piece in self.pieces:
            yield "response.reasoning_summary_text.delta", place | {"delta": piece}
        yield "response.reasoning_summary_text.done", place | {"text": self.text}
        yield (
            "response.reasoning_summary_part.done",
            place | {"part": {"type": "summary_text", "text": self.text}},
        )


class _FunctionCall(_Item):
    def __init__(self, item_id: str, call: Call) -> None:
        self.call = call
        shape: dict[str, object] = {
            "id": item_id,
            "type": "function_call",
            "call_id": call.id,
            "name": call.name,
            **_namespace(call),
        }
        self.begun = shape | {"status": "in_progress", "arguments": ""}
        self.value = shape | {"status": "completed", "arguments": call.arguments}

    def parts(self, at: dict[str, object]) -> Iterable[_Told]:
        for piece in tokens(self.call.arguments, 5):
            yield "response.function_call_arguments.delta", at | {"delta": piece}
        yield "response.function_call_arguments.done", at | {"arguments": self.call.arguments}


class _CustomCall(_Item):
    def __init__(self, item_id: str, call: Call) -> None:
        self.call = call
        shape: dict[str, object] = {
            "id": item_id,
            "type": "custom_tool_call",
            "call_id": call.id,
            "name": call.name,
            **_namespace(call),
        }
        self.begun = shape | {"status": "in_progress", "input": ""}
        self.value = shape | {"status": "completed", "input": call.arguments}

    def parts(self, at: dict[str, object]) -> Iterable[_Told]:
        for piece in tokens(self.call.arguments, 5):
            yield "response.custom_tool_call_input.delta", at | {"delta": piece}
        yield "response.custom_tool_call_input.done", at | {"input": self.call.arguments}


class _Search(_Item):
    def __init__(self, item_id: str, query: str) -> None:
        shape: dict[str, object] = {"id": item_id, "type": "web_search_call"}
        self.begun = shape | {"status": "in_progress"}
        self.value = shape | {"status": "completed", "action": {"type": "search", "query": query}}

    def parts(self, at: dict[str, object]) -> Iterable[_Told]:
        for state in ("in_progress", "searching", "completed"):
            yield f"response.web_search_call.{state}", at


def _namespace(call: Call) -> dict[str, str]:
    return {"namespace": call.namespace} if call.namespace else {}

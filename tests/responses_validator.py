"""
A strict reader of an OpenAI Responses stream, as evidence about the proxy.

Written from the API's own description of its events; shares no code with
trooper. Everything that is said twice must agree: the deltas with the `done`
events, these with the items, and the items with the final response. Finish
reasons are told in the chat wire's words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import Factory, define

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

_CONSTANT = ("id", "object", "created_at", "model")


@define
class _Part:
    kind: str
    said: str = ""
    told: str | None = None
    done: bool = False


@define
class _Item:
    begun: Mapping[str, Any]
    parts: list[_Part] = Factory(list)
    arguments: str = ""
    arguments_done: bool = False
    value: Mapping[str, Any] | None = None

    @property
    def kind(self) -> str:
        return str(self.begun["type"])


@define
class _Reader:
    number: int = 0
    response: Mapping[str, Any] | None = None
    in_progress: bool = False
    items: list[_Item] = Factory(list)
    ended: Mapping[str, Any] | None = None
    failed: bool = False
    error: ErrorSeen | None = None
    comments: list[str] = Factory(list)
    trooper: Mapping[str, Any] | None = None

    def take(self, event: SseEvent) -> None:
        if event.event == ":":
            self.comments.append(event.data)
            return
        must(self.ended is None, "something follows the end")
        must(self.error is None, "something follows an error")
        value = json_object(event.data)
        kind = value.get("type")
        must(event.event == kind, f"the event is called {event.event!r}, its type is {kind!r}")
        number = value.get("sequence_number")
        must(number == self.number, f"sequence_number is {number}, and not {self.number}")
        self.number += 1
        if kind == "error":
            self._error(value)
            return
        must(not self.failed, "something but an error follows response.failed")
        if "trooper" in value:
            must(kind in _ENDS and self.trooper is None, "the key trooper is at the wrong place")
            self.trooper = value["trooper"]
        self._take(str(kind).removeprefix("response."), value)

    def _error(self, value: Mapping[str, Any]) -> None:
        error = value.get("error")
        # The flat form is silent in raw iteration, so it is none.
        must(isinstance(error, dict) and isinstance(error.get("message"), str), "an error nobody raises on")
        assert isinstance(error, dict)
        self.error = ErrorSeen(error["message"], error.get("type"), error.get("code"))

    def _take(self, kind: str, value: Mapping[str, Any]) -> None:
        match kind:
            case "created":
                must(self.response is None, "response.created comes twice")
                must(value["response"]["status"] == "in_progress", "it begins with another status")
                must(value["response"]["output"] == [], "it begins with output")
                self.response = value["response"]
            case "in_progress":
                must(self.response is not None, "in_progress before created")
                self._same(value["response"])
                self.in_progress = True
            case "completed" | "incomplete":
                self._end(kind, value["response"])
            case "failed":
                must(self.response is not None, "failed before created")
                self._same(value["response"])
                must(isinstance(value["response"]["error"]["message"], str), "failed without a message")
                self.failed = True
            case "output_item.added":
                self._begin_item(value)
            case "output_item.done":
                self._end_item(value)
            case "function_call_arguments.delta" | "function_call_arguments.done":
                self._take_arguments(kind, value, "function_call", "arguments")
            case "custom_tool_call_input.delta" | "custom_tool_call_input.done":
                self._take_arguments(kind, value, "custom_tool_call", "input")
            case _ if kind.startswith(_WORK):
                must(kind.startswith(self._item(value).kind), f"{kind} at the wrong place")
            case _:
                self._take_part(kind, value)

    def _same(self, response: Mapping[str, Any]) -> None:
        begun = self.response
        assert begun is not None
        for key in _CONSTANT:
            must(begun.get(key) == response.get(key), f"{key} changed")

    def _begin_item(self, value: Mapping[str, Any]) -> None:
        must(self.response is not None, "an item before response.created")
        must(value["output_index"] == len(self.items), f"output_index is {value['output_index']}")
        must(not self.items or self.items[-1].value is not None, "an item begins inside another one")
        item = value["item"]
        must(isinstance(item.get("id"), str) and bool(item["id"]), "an item without an id")
        must(item["id"] not in [other.begun["id"] for other in self.items], "an item's id comes twice")
        if item["type"] == "message":
            must((item["role"], item["content"]) == ("assistant", []), "a message begins with content")
        if item["type"] in _CALLS and not _is_own(item):
            must(bool(item["call_id"]) and bool(item["name"]), "a call without id or name")
            must(item[_CALLS[item["type"]]] == "", "a call begins with arguments")
        self.items.append(_Item(item))

    def _item(self, value: Mapping[str, Any]) -> _Item:
        must(bool(self.items), "a part outside an item")
        item = self.items[-1]
        must(value["output_index"] == len(self.items) - 1, f"output_index is {value['output_index']}")
        must(item.value is None, "something for an item that is done")
        if "item_id" in value:
            must(value["item_id"] == item.begun["id"], "item_id changed")
        return item

    def _take_part(self, kind: str, value: Mapping[str, Any]) -> None:
        item = self._item(value)
        # A reasoning item has its summary, and may have what was summed up as its content.
        in_content = item.kind == "message" or "summary" not in kind
        index_name = "content_index" if in_content else "summary_index"
        index = value[index_name]
        match kind.rpartition("."):
            case ("content_part" | "reasoning_summary_part", _, "added"):
                must(not item.parts or item.parts[-1].done, "a part begins inside another one")
                must(index == len(item.parts), f"{index_name} is {index}")
                part = value["part"]
                must(part.get("text", part.get("refusal")) == "", "a part begins with text")
                item.parts.append(_Part(part["type"]))
                return
            case _:
                pass
        must(bool(item.parts) and index == len(item.parts) - 1, f"{kind} for part {index}")
        open_part = item.parts[-1]
        must(not open_part.done, f"{kind} for a part that is done")
        names = {"summary_text": "reasoning_summary_text"}
        name, _, verb = kind.rpartition(".")
        match verb:
            case "delta":
                must(
                    name == names.get(open_part.kind, open_part.kind), f"{kind} in a part of {open_part.kind}"
                )
                must(open_part.told is None, "a delta behind its done")
                must(isinstance(value["delta"], str) and bool(value["delta"]), "an empty delta")
                open_part.said += value["delta"]
            case "done" if name in ("content_part", "reasoning_summary_part"):
                must(open_part.told is not None, "a part is done before its text")
                part = value["part"]
                must(part["type"] == open_part.kind, "a part changed its type")
                must(part.get("text", part.get("refusal")) == open_part.said, "a part is not its deltas")
                open_part.done = True
            case "done":
                must(
                    name == names.get(open_part.kind, open_part.kind), f"{kind} in a part of {open_part.kind}"
                )
                open_part.told = value["refusal" if name == "refusal" else "text"]
                must(open_part.told == open_part.said, f"{kind} is not its deltas")
            case _:
                raise WireViolation(f"an unknown event: {kind}")

    def _take_arguments(self, kind: str, value: Mapping[str, Any], of: str, key: str) -> None:
        item = self._item(value)
        must(item.kind == of and not item.arguments_done, f"{kind} at the wrong place")
        if kind.endswith("delta"):
            item.arguments += value["delta"]
        else:
            must(item.arguments in ("", value[key]), "the arguments are not their deltas")
            item.arguments, item.arguments_done = value[key], True

    def _end_item(self, value: Mapping[str, Any]) -> None:
        item = self._item(value)
        told = value["item"]
        for key in ("id", "type", "call_id", "name", "namespace", "role"):
            must(told.get(key) == item.begun.get(key), f"an item changed its {key}")
        match item.kind:
            case kind if kind in _CALLS and not _is_own(told):
                must(item.arguments_done, "a call is done before its arguments")
                must(told[_CALLS[kind]] == item.arguments, "a call is not its deltas")
                if kind == "function_call":
                    json_object(told["arguments"])
            case kind if kind in _WORK or kind == "custom_tool_call":
                must(told.get("status", "completed") in ("completed", "failed"), f"{kind} ended otherwise")
            case kind:
                parts = [*([] if kind == "message" else told["summary"]), *(told.get("content") or ())]
                must(all(part.done for part in item.parts), "an item is done before its parts")
                told_parts = [part.get("text", part.get("refusal")) for part in parts]
                must(told_parts == [part.said for part in item.parts], "an item is not its parts")
        item.value = told

    def _end(self, kind: str, response: Mapping[str, Any]) -> None:
        must(self.response is not None, "the end before response.created")
        self._same(response)
        must(response["status"] == kind, f"the status is {response['status']!r}")
        must(all(item.value is not None for item in self.items), "the end inside an item")
        must(response["output"] == [item.value for item in self.items], "the output is not its items")
        usage = response.get("usage")
        must(isinstance(usage, dict), "there is no usage")
        assert isinstance(usage, dict)
        must(usage["input_tokens"] + usage["output_tokens"] == usage["total_tokens"], "usage does not add up")
        if kind == "incomplete":
            must(bool(response["incomplete_details"]["reason"]), "incomplete without a reason")
        self.ended = response

    def result(self) -> ChatResult:
        must(self.ended is not None or self.error is not None, "the stream ends without an end or an error")
        first = self.response or {}
        parts = [part for item in self.items for part in item.parts]
        return ChatResult(
            id=first.get("id", ""),
            created=int(first.get("created_at", 0)),
            model=first.get("model", ""),
            text="".join(part.said for part in parts if part.kind == "output_text"),
            refusal="".join(part.said for part in parts if part.kind == "refusal"),
            reasoning="".join(part.said for part in parts if part.kind in ("summary_text", "reasoning_text")),
            tool_calls=_calls([item.value for item in self.items if item.value is not None]),
            finish_reason=None if self.ended is None else _reason(self.ended),
            texts=tuple(part.said for part in parts if part.kind == "output_text"),
            usage=None if self.ended is None else self.ended["usage"],
            error=self.error,
            done=self.ended is not None,
            comments=tuple(self.comments),
            trooper=self.trooper,
        )


#: Items of tools that the provider runs.
_WORK = (
    *("web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call", "mcp_call"),
    *("mcp_list_tools", "mcp_approval_request", "tool_search_call", "tool_search_output", "compaction"),
)
#: Items that the client runs, and where they say what with.
_CALLS = {"function_call": "arguments", "custom_tool_call": "input"}
_ENDS = ("response.completed", "response.incomplete")


def _calls(items: list[Mapping[str, Any]]) -> tuple[CallSeen, ...]:
    return tuple(
        CallSeen(
            item["call_id"],
            item["name"],
            item[_CALLS[item["type"]]],
            item["type"] == "custom_tool_call",
            item.get("namespace") or "",
        )
        for item in items
        if item["type"] in _CALLS and not _is_own(item)
    )


def _is_own(item: Mapping[str, Any]) -> bool:
    """Whether the provider runs it, whatever it is called: xAI's searches."""
    return item["type"] == "custom_tool_call" and str(item.get("name")).startswith("x_")


def _reason(response: Mapping[str, Any]) -> str:
    if response["status"] == "incomplete":
        reason = response["incomplete_details"]["reason"]
        return {"max_output_tokens": "length", "content_filter": "content_filter"}[reason]
    return "tool_calls" if _calls(response["output"]) else "stop"


def validate_responses(body: bytes) -> ChatResult:
    """Read a whole streamed body, or say which rule it breaks."""
    reader = _Reader()
    for event in parse_sse(body):
        reader.take(event)
    return reader.result()


def validate_whole_response(body: bytes) -> ChatResult:
    """The same for an answer that is not streamed: a response, or an error object."""
    whole = json_object(body.decode("utf-8"))
    if whole.get("error"):
        error = whole["error"]
        return ChatResult(error=ErrorSeen(error["message"], error.get("type"), error.get("code")))
    must(whole.get("object") == "response", f"object is {whole.get('object')!r}")
    must(whole["status"] in ("completed", "incomplete"), f"the status is {whole['status']!r}")
    parts = [
        part
        for item in whole["output"]
        for part in item.get("content" if item["type"] == "message" else "summary") or ()
    ]
    texts = tuple(part["text"] for part in parts if part["type"] == "output_text")
    return ChatResult(
        id=whole["id"],
        created=int(whole["created_at"]),
        model=whole["model"],
        text="".join(texts),
        refusal="".join(part["refusal"] for part in parts if part["type"] == "refusal"),
        reasoning="".join(part["text"] for part in parts if part["type"] == "summary_text"),
        tool_calls=_calls(whole["output"]),
        finish_reason=_reason(whole),
        texts=texts,
        usage=whole["usage"],
        done=True,
        trooper=whole.get("trooper"),
    )

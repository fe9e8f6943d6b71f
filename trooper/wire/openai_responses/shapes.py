"""
The shapes of the Responses wire, as far as they are read, and what they say.

Every field has a default: one of another type, missing or null, costs what it
would have said.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, TypeAlias

import msgspec

from trooper.core.events import Event, FinishReason, Other, Refusal, Text
from trooper.core.freeform import as_arguments
from trooper.core.names import joined
from trooper.wire.decoding import arguments_said
from trooper.wire.finishes import reason_of

#: More items in one answer are not followed, and nobody goes on behind them.
MOST_ITEMS: Final = 1_024
#: Items that are calls of the client's own tools.
CUSTOM: Final = "custom_tool_call"
CALLS: Final = ("function_call", CUSTOM)
_IMAGE: Final = "image_generation_call"
#: Items of tools that the provider runs, and what it does to its own memory.
_WORK: Final = frozenset(
    {
        *("web_search_call", "file_search_call", "code_interpreter_call", _IMAGE),
        *("mcp_call", "mcp_list_tools", "compaction", "context_compaction"),
    }
)
#: The same, where nobody else runs it.
_SEARCHES: Final = ("tool_search_call", "tool_search_output")
#: xAI runs these itself, and tells them as custom calls.
_OF_XAI: Final = frozenset({"x_keyword_search", "x_semantic_search", "x_user_search", "x_thread_fetch"})
#: What they tell on the way: how far they are, and pieces of what they do.
_OF_WORK: Final = re.compile(
    r"response\.(?:web_search_call|file_search_call|code_interpreter_call(?:_code)?|image_generation_call"
    r"|mcp_call(?:_arguments)?|mcp_list_tools|tool_search_call(?:_arguments)?)\.\w+"
)
#: A part of an item: the item's output index, and the part's own index with its kind.
Place: TypeAlias = tuple[int, str, int]
#: What the events around a part are called; the last one by vLLM.
AROUND_PARTS: Final = ("content_part", "reasoning_summary_part", "reasoning_part")


class Counts(msgspec.Struct):
    """Token counts."""

    input_tokens: int = 0
    output_tokens: int = 0


class Reason(msgspec.Struct):
    """Why a response is incomplete."""

    reason: str = ""


class Part(msgspec.Struct):
    """One part of a message or of a reasoning item."""

    type: str = ""
    text: str = ""
    refusal: str = ""


class Item(msgspec.Struct):
    """
    One output item.

    A custom call is one whose arguments hold its input; a call in a namespace
    is known by both names.
    """

    type: str = ""
    id: str = ""
    call_id: str = ""
    name: str = ""
    namespace: str | None = None
    arguments: str = ""
    input: str = ""
    execution: str = ""
    content: list[Part] | None = None
    summary: list[Part] | None = None

    def __post_init__(self) -> None:
        if self.namespace and self.name:
            self.name = joined(self.namespace, self.name)
        if self.type == CUSTOM and self.input:
            self.arguments = as_arguments(self.input)

    @property
    def is_call(self) -> bool:
        """Whether the client is to run it, and everybody can say it."""
        return self.type in CALLS and not self.is_work

    @property
    def other(self) -> Other:
        """What it says, if it is no message, thought or call."""
        return of_item(self.type, self.execution, self.name)

    @property
    def is_work(self) -> bool:
        """Whether it is of a tool that the provider runs itself."""
        return is_work(self.type, self.execution, self.name)


class Response(msgspec.Struct):
    """The answer as the first and the last event have it."""

    id: str = ""
    created_at: float = 0
    model: str = ""
    status: str = ""
    output: list[Item] | None = None
    usage: Counts | None = None
    incomplete_details: Reason | None = None

    @property
    def has_failed(self) -> bool:
        """Whether it says of itself that it is none, whatever its last event is called."""
        return self.status in ("failed", "cancelled")


class StreamEvent(msgspec.Struct):
    """One event of a stream."""

    type: str = ""
    item_id: str = ""
    output_index: int | None = None
    content_index: int = 0
    summary_index: int = 0
    delta: str | None = None
    text: str | None = None
    refusal: str | None = None
    arguments: str | None = None
    input: str | None = None
    item: Item | None = None
    response: Response | None = None
    # An event with an error in it takes the slow road.
    error: None = None

    def place(self, at: int, kind: str) -> Place:
        """Which part of the item at `at` it is about."""
        return (at, kind, self.content_index if kind == "text" else self.summary_index)


#: Some say a thought under names that no document has any more, or never had: `response.reasoning.delta`.
_OF_A_THOUGHT: Final = re.compile(
    r"response\.(?:reasoning|thinking)(_summary)?(?!\w*_part\.)\w*\.(?:delta|done)"
)


def thought_part(kind: str) -> str:
    """The kind of the part that an event fills or ends which is about a thought; nothing for any other event."""
    found = _OF_A_THOUGHT.fullmatch(kind)
    if found is None:
        return ""
    return "summary_text" if found[1] else "reasoning_text"


def said_by(part: Part) -> Event | None:
    """What a part of a message says."""
    match part.type:
        case "refusal":
            return Refusal(part.refusal) if part.refusal else None
        case _:
            return Text(part.text) if part.text else None


def finish_of(response: Response, *, has_calls: bool) -> tuple[FinishReason, str]:
    """Why a response ended, in our terms and in its own."""
    word = response.incomplete_details.reason if response.incomplete_details else ""
    if reason_of(word) is FinishReason.CONTENT_FILTER:
        return FinishReason.CONTENT_FILTER, word
    if word or response.status == "incomplete":
        return FinishReason.LENGTH, word
    return (FinishReason.TOOL_CALLS if has_calls else FinishReason.STOP), response.status


def is_work(kind: str, execution: str = "", name: str = "") -> bool:
    """Whether an item is of a tool that the provider runs itself; a search of tools may be the client's."""
    if kind == CUSTOM:
        return name in _OF_XAI
    return kind in _WORK or (kind in _SEARCHES and execution != "client")


def of_item(kind: str, execution: str = "", name: str = "") -> Other:
    """What an item says that is no message, thought or call."""
    if not is_work(kind, execution, name):
        return Other(continuable=False)
    return Other(works=True, shows=kind == _IMAGE)


def work_told(kind: str) -> list[Event] | None:
    """What an event says of such a tool on its way; `None` for any other event."""
    return [Other(works=True)] if _OF_WORK.fullmatch(kind) else None


def with_text_arguments(value: Mapping[str, object]) -> Mapping[str, object]:
    """The same event, with all arguments in it as text: some send the object that they are."""
    arguments, item, response = value.get("arguments"), value.get("item"), value.get("response")
    changed: dict[str, object] = {}
    if not isinstance(arguments, str | None):
        changed["arguments"] = arguments_said(arguments)
    if isinstance(item, dict):
        changed["item"] = with_text_arguments(item)
    if isinstance(response, dict) and isinstance(output := response.get("output"), list):
        items = [with_text_arguments(one) if isinstance(one, dict) else one for one in output]
        changed["response"] = {**response, "output": items}
    return {**value, **changed}


def is_news(kind: str) -> bool:
    """Whether an event is no part of the response."""
    return bool(kind) and not kind.startswith("response.")

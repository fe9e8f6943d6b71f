"""Odd streams of the Responses wire: items that other wires do not have."""

from __future__ import annotations

from typing import Any, Final

from odd_stream import Kind, OddStream
from odd_streams_responses import HELLO, completed, created, event, item, message, odd, row, say


def served(name: str, source: str, kind: str, *events: bytes, **more: Any) -> OddStream:
    """A row with an item of the provider's own tools in front of the text."""
    tool = {"type": kind, "id": "tool_1", "status": "in_progress"}
    before = (created(), item("added", tool), *events, item("done", {**tool, "status": "completed"}))
    behind = (item("added", {**message(""), "content": []}, 1), say(HELLO, output_index=1))
    done = item("done", message(HELLO), 1)
    last = completed(output=[{**tool, "status": "completed"}, message(HELLO)])
    return row(name, Kind.ORDER, source, *before, *behind, done, last, text=HELLO, **more)


def tool(kind: str, **fields: Any) -> bytes:
    """One event about that item."""
    return event(kind, item_id="tool_1", output_index=0, **fields)


THOUGHTS: Final = (
    odd(
        "a thought",
        "OpenAI Responses API, gpt-oss",
        tool("reasoning_text.delta", content_index=0, delta="Hm."),
        reasoning="Hm.",
    ),
    odd(
        "a summary of a thought",
        "OpenAI Responses API",
        tool("reasoning_summary_text.delta", summary_index=0, delta="Hm."),
        reasoning="Hm.",
    ),
    odd(
        "a part of a summary",
        "OpenAI Responses API",
        tool("reasoning_summary_part.added", summary_index=0, part={"type": "summary_text", "text": ""}),
    ),
    odd(
        "a sealed thought",
        "OpenAI Responses API, encrypted content",
        item("added", {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "QUJD"}, 1),
    ),
    odd(
        "a thought with null in it",
        "neighbour of openai/openai-python#3312",
        item("added", {"type": "reasoning", "id": "rs_1", "summary": None, "content": None}, 1),
    ),
)


THOUGHT: Final = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [{"type": "summary_text", "text": "Hm."}],
}


def thinking(
    name: str, source: str, before: tuple[bytes, ...], behind: tuple[bytes, ...] = (), **more: Any
) -> OddStream:
    """A row that thinks, then says hello, and then perhaps says once more what it thought."""
    added = item("added", {"type": "reasoning", "id": "rs_1", "summary": []})
    said = (item("added", {**message(""), "content": []}, 1), say(HELLO, output_index=1))
    last = completed(output=[THOUGHT, message(HELLO)])
    done = item("done", message(HELLO), 1)
    return row(name, Kind.UNKNOWN, source, created(), added, *before, *said, *behind, done, last, **more)


DONE: Final = (
    tool("reasoning_summary_text.done", summary_index=0, text="Hm."),
    tool("reasoning_summary_part.done", summary_index=0, part={"type": "summary_text", "text": "Hm."}),
    item("done", THOUGHT),
)
PART: Final = tool("reasoning_summary_text.delta", summary_index=0, delta="Hm.")
LATE: Final = (
    thinking("a thought that comes whole", "anomalyco/opencode#44595", DONE, text=HELLO, reasoning="Hm."),
    thinking(
        "a thought that is done late", "rikkahub/rikkahub#855", (PART,), DONE, text=HELLO, reasoning="Hm."
    ),
    row(
        "an end that lists fewer items than there were",
        Kind.UNKNOWN,
        "neighbour of QuantumNous/new-api#4362",
        created(),
        item("added", {"type": "reasoning", "id": "rs_1", "summary": []}),
        item("added", {**message(""), "content": []}, 1),
        say(HELLO, output_index=1),
        item("done", message(HELLO), 1),
        completed(HELLO),
        text=HELLO,
    ),
    thinking(
        "a thought under an older name",
        "LibreChat-AI/agents#164",
        (tool("reasoning.delta", delta="Hm."),),
        text=HELLO,
        undecided=True,
    ),
)
TOOLS: Final = (
    served(
        "a search",
        "OpenAI Responses API, web search",
        "web_search_call",
        tool("web_search_call.in_progress"),
        tool("web_search_call.searching"),
    ),
    served(
        "files", "OpenAI Responses API, file search", "file_search_call", tool("file_search_call.searching")
    ),
    served(
        "code",
        "OpenAI Responses API, code interpreter",
        "code_interpreter_call",
        tool("code_interpreter_call_code.delta", delta="print(1)"),
    ),
    served(
        "an image",
        "OpenAI Responses API, image generation",
        "image_generation_call",
        tool("image_generation_call.partial_image", partial_image_b64="QUJD"),
    ),
    served(
        "another server's tool",
        "OpenAI Responses API, MCP",
        "mcp_call",
        tool("mcp_call_arguments.delta", delta="{}"),
    ),
    served(
        "another server's list",
        "OpenAI Responses API, MCP",
        "mcp_list_tools",
        tool("mcp_list_tools.in_progress"),
    ),
    served("a shell", "OpenAI Responses API, local shell", "local_shell_call", opaque=1),
    served(
        "an unknown item", "issue 12", "hologram_call", tool("hologram_call.delta", delta={"x": 1}), opaque=1
    ),
    served("an item whose kind is null", "neighbour of mozilla-ai/otari#512", None, opaque=1),  # type: ignore[arg-type]
)
ROWS: Final = (*THOUGHTS, *LATE, *TOOLS)

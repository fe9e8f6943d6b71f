"""
Says in words what a history has of tools that nobody else has: what was searched, run and found.

A reader of the history needs what was asked and what came of it. Ids, seals
and bytes say nothing to anybody else, and are left out. Whatever the shape, it
is walked, and nothing raises; what is long is cut in its middle.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

#: Of one item: as much as agents show a model of a command's output.
_MOST_CHARS: Final = 16_384
_MOST_DEPTH: Final = 8
#: So many values are looked at: a list of tools may have thousands, and their names say enough.
_MOST_VALUES: Final = 2_048
_CUT: Final = "\n[…]\n"
#: What says nothing to anybody but its provider: who is meant, what is sealed, how it is counted.
_SILENT: Final = frozenset(
    {
        *("id", "call_id", "item_id", "tool_use_id", "container_id", "file_id", "approval_request_id"),
        *("index", "created_at", "created_by", "agent", "caller", "expires_at", "role", "execution"),
        *("signature", "encrypted_content", "encrypted_index", "encrypted_stdout", "obfuscation", "logprobs"),
        *("annotations", "cache_control", "phase", "internal_chat_message_metadata_passthrough"),
        *("input_schema", "parameters", "output_schema", "strict", "defer_loading", "env", "user"),
        *("timeout_ms", "max_output_length", "media_type", "attributes", "score", "b64_json"),
    }
)
#: Kinds of parts that say no more than that there are words.
_PLAIN: Final = frozenset(
    {
        *("text", "input_text", "output_text", "summary_text", "logs", "exec", "function", "custom"),
        *("exit", "url", "web_search_result", "web_fetch_result", "document", "direct"),
    }
)
#: States in which a thing went as it should.
_AS_USUAL: Final = frozenset({"completed", "success", "in_progress"})
#: What they stand under says no more than they do.
_UNDER: Final = frozenset(
    {
        *(
            "text",
            "content",
            "output",
            "results",
            "tools",
            "action",
            "operation",
            "outcome",
            "source",
            "data",
        ),
        *("sources", "outputs", "result", "input"),
    }
)
#: A "no" that is an answer.
_ANSWERS: Final = frozenset({"approve", "success"})
#: A text that only machines read: an image, a file.
_ENCODED: Final = re.compile(r"data:|[A-Za-z0-9+/=_-]{512}")
_BREAKS: Final = re.compile(r"\n{3,}")


def in_words(heading: str, value: Mapping[str, object]) -> str:
    """What an item says, behind its `heading`; nothing where it says nothing that can be read."""
    budget = [_MOST_VALUES]
    told = "\n".join(line for line in _lines(value, budget, 0, is_top=True) if line)
    told = _BREAKS.sub("\n\n", told).strip()
    return f"[{heading}] {clipped(told)}" if told else ""


def clipped(text: str, most_chars: int = _MOST_CHARS) -> str:
    """`text`, without its middle where it is longer."""
    if len(text) <= most_chars:
        return text
    half = (most_chars - len(_CUT)) // 2
    return f"{text[:half]}{_CUT}{text[-half:]}"


def _lines(value: object, budget: list[int], depth: int, *, is_top: bool = False) -> Iterator[str]:
    budget[0] -= 1
    if budget[0] < 0 or depth > _MOST_DEPTH:
        return
    match value:
        case str() if value and not _ENCODED.match(value):
            yield value
        case bool() | None:
            return
        case int() | float():
            yield str(value)
        case list():
            for one in value:
                yield from _lines(one, budget, depth + 1)
        case dict() if value.get("type") != "base64":
            yield from _fields(value, budget, depth, is_top=is_top)
        case _:
            return


def _fields(value: Mapping[str, object], budget: list[int], depth: int, *, is_top: bool) -> Iterator[str]:
    kind = value.get("type")
    if isinstance(kind, str) and not is_top and kind not in _PLAIN:
        yield f"{kind}:"
    for key, field in value.items():
        went_well = key == "status" and isinstance(field, str) and field in _AS_USUAL
        if key in _SILENT or key == "type" or went_well:
            continue
        if isinstance(field, bool):
            told = str(field).lower() if field or key in _ANSWERS else ""
        else:
            # A command is one line; all else that comes in a list has a line each.
            between = " " if key == "command" else "\n"
            told = between.join(line for line in _lines(field, budget, depth + 1) if line)
        if told:
            yield told if key in _UNDER else f"{key}: {told}"

"""
The words of the Responses wire: what events are called, and the keys beside what they say.
"""

from __future__ import annotations

from typing import Final

from trooper.wire.openai_responses.shapes import AROUND_PARTS

#: The last of them by Codex' backend, at times.
FINISHING: Final = ("response.completed", "response.incomplete", "response.done")
ENDS_A_CALL: Final = (
    "response.function_call_arguments.done",
    "response.custom_tool_call_input.done",
    "response.output_item.done",
)
#: What says how far the answer is, and nothing of it.
HARMLESS_TYPES: Final = frozenset(
    {
        "response.in_progress",
        "response.queued",
        *(f"response.{name}.{verb}" for name in AROUND_PARTS for verb in ("added", "done")),
        "response.output_text.annotation.added",
        # As OpenAI's own types called it until 2025.
        "response.output_text_annotation.added",
        "response.output_item.added",
        "response.output_item.done",
        "response.metadata",
    }
)
HARMLESS_KEYS: Final = frozenset(
    {
        "type",
        "event_id",
        "item_id",
        "response_id",
        "sequence_number",
        "output_index",
        "content_index",
        "summary_index",
        "obfuscation",
        "usage",
        "logprobs",
    }
)

"""
The words of the chat wire that stream and whole answer share: the keys that
providers add and that are no piece of the answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from trooper.wire.tolerant import REASONING_KEYS, is_nothing

#: In a message: what is read, what repeats it, and what says nothing that another model would have to know.
MESSAGE_KEYS: Final = frozenset(
    {
        *REASONING_KEYS,
        *("role", "content", "refusal", "tool_calls"),
        *("id", "type", "name", "index", "annotations", "citations", "provider_specific_fields"),
        *("padding", "obfuscation", "stop_reason", "token_ids", "channel", "cot_id"),
        "executed_tools",
    }
)


def is_work(message: Mapping[str, object]) -> bool:
    """Whether a message, or a delta of one, tells of tools that the provider has run itself (Groq)."""
    return not is_nothing(message.get("executed_tools"))


#: The same in a delta, beside which some repeat what belongs to the chunk.
DELTA_KEYS: Final = MESSAGE_KEYS | {"object", "model", "created", "timestamp", "finish_reason"}
#: Beside the choices of a chunk.
CHUNK_KEYS: Final = frozenset(
    {
        *("id", "object", "created", "type", "event", "model", "provider", "system_fingerprint"),
        *("service_tier", "usage", "choices", "error", "x_groq", "prompt_filter_results", "citations"),
        *("search_results", "timings", "metadata", "obfuscation", "hook_results"),
    }
)

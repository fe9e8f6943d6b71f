"""
The words of the chat wire that stream and whole answer share: finish reasons,
and the keys that providers add and that are no piece of the answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from trooper.core.events import FinishReason
from trooper.wire.tolerant import REASONING_KEYS

#: What is not in it means that the answer is over, for a reason of its provider's own.
FINISHES: Final[Mapping[str, FinishReason]] = {
    "stop": FinishReason.STOP,
    "eos": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    # Anthropic's words and Mistral's, where a gateway hands them through.
    "max_tokens": FinishReason.LENGTH,
    "max_output_tokens": FinishReason.LENGTH,
    "model_length": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    # watsonx', for a limit of the request's own.
    "time_limit": FinishReason.LENGTH,
    "tool_calls": FinishReason.TOOL_CALLS,
    "tool_use": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
    "content_filter": FinishReason.CONTENT_FILTER,
    "refusal": FinishReason.CONTENT_FILTER,
    # Zhipu's; Google's.
    "sensitive": FinishReason.CONTENT_FILTER,
    "safety": FinishReason.CONTENT_FILTER,
    "recitation": FinishReason.CONTENT_FILTER,
    "prohibited_content": FinishReason.CONTENT_FILTER,
    "blocklist": FinishReason.CONTENT_FILTER,
    "spii": FinishReason.CONTENT_FILTER,
    # Bedrock's.
    "content_filtered": FinishReason.CONTENT_FILTER,
    "guardrail_intervened": FinishReason.CONTENT_FILTER,
}


def reason_of(word: str) -> FinishReason:
    """What a finish reason means; some write it in capitals."""
    return FINISHES.get(word.lower(), FinishReason.STOP)


#: In a message: what is read, what repeats it, and what says nothing that another model would have to know.
MESSAGE_KEYS: Final = frozenset(
    {
        *REASONING_KEYS,
        *("role", "content", "refusal", "tool_calls"),
        *("id", "type", "name", "index", "annotations", "citations", "provider_specific_fields"),
        *("padding", "obfuscation", "stop_reason", "token_ids", "channel", "cot_id"),
    }
)
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

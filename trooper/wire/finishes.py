"""
The words for why an answer ended, of all wires: gateways hand each other's through.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from trooper.core.events import FinishReason

_FINISHES: Final[Mapping[str, FinishReason]] = {
    "stop": FinishReason.STOP,
    "eos": FinishReason.STOP,
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "pause_turn": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "max_tokens": FinishReason.LENGTH,
    "max_output_tokens": FinishReason.LENGTH,
    # Mistral's.
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

#: Words that are failures in disguise.
_ERRORS: Final = frozenset(
    {
        # OpenRouter's and Mistral's; DeepSeek's; SGLang's; Zhipu's.
        *("error", "insufficient_system_resource", "abort", "network_error"),
        # Cohere's and watsonx', and their neighbours'.
        *("aborted", "cancelled", "canceled", "failed", "internal_error", "server_error", "timeout"),
    }
)


def reason_of(word: str) -> FinishReason:
    """
    What a word means, in whichever case. What nobody knows means that the answer
    is over, for a reason of its provider's own.
    """
    return _FINISHES.get(word.lower(), FinishReason.STOP)


def is_error_finish(word: str) -> bool:
    """Whether a word says that the answer has failed."""
    return word.lower() in _ERRORS

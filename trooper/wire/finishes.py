"""
The words for why an answer ended, of all wires: gateways hand each other's through.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from trooper.core.events import FinishReason

#: What is in none of these tables means that the answer is over, for a reason of its provider's own.
FINISHES: Final[Mapping[str, FinishReason]] = {
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
}

#: Words that are failures in disguise (OpenRouter, Mistral; DeepSeek; SGLang; Zhipu).
ERROR_FINISHES: Final = frozenset({"error", "insufficient_system_resource", "abort", "network_error"})

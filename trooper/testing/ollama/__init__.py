"""
An imitation of Ollama's own wire, faithful where a client can tell.

`models` says what there is and how prompts are rendered, `decoding` is as
strict as the real decoder, `runner` loads and evaluates, `saying` decides the
words, `speech` writes them, `server` speaks HTTP.
"""

from __future__ import annotations

from trooper.testing.ollama.decoding import Ask, Rejected
from trooper.testing.ollama.models import Model, render
from trooper.testing.ollama.saying import OllamaFault, ToolUse, Words
from trooper.testing.ollama.server import FakeOllama
from trooper.testing.ollama.speech import Generation

__all__ = [
    "Ask",
    "FakeOllama",
    "Generation",
    "Model",
    "OllamaFault",
    "Rejected",
    "ToolUse",
    "Words",
    "render",
]

"""
What is said about a key: its meaning, the reason for its default, and the
wires it belongs to. `docs/configuration.md` is generated from it.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any


class Wire(enum.Enum):
    """A wire format that a target can speak."""

    OPENAI_CHAT = "openai-chat"
    OLLAMA_CHAT = "ollama-chat"


def told(doc: str, reason: str, *, default: str = "", only: Wire | None = None) -> Mapping[str, Any]:
    """
    What the documentation says about a key.

    Args:
        default: words for a default that is not one plain value.
        only: the wire whose targets may have the key, if not all may.
    """
    return {"doc": doc, "reason": reason, "default": default, "only": only}

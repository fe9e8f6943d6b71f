"""
What is said about a key: its meaning, the reason for its default, and the
wires it belongs to. `docs/configuration.md` is generated from it.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, Final


class Wire(enum.Enum):
    """A wire format that a target can speak."""

    OPENAI_CHAT = "openai-chat"
    OPENAI_RESPONSES = "openai-responses"
    ANTHROPIC_MESSAGES = "anthropic-messages"
    OLLAMA_CHAT = "ollama-chat"
    LLAMA_SERVER = "llama-server"


#: The wires of providers; clients speak the same ones.
CLOUD_WIRES: Final = (Wire.OPENAI_CHAT, Wire.OPENAI_RESPONSES, Wire.ANTHROPIC_MESSAGES)
#: The wires of servers that go on when a cloud dies.
LOCAL_WIRES: Final = (Wire.OLLAMA_CHAT, Wire.LLAMA_SERVER)


def told(
    doc: str, reason: str, *, default: str = "", only: tuple[Wire, ...] = tuple(Wire)
) -> Mapping[str, Any]:
    """
    What the documentation says about a key.

    Args:
        default: words for a default that is not one plain value.
        only: the wires whose targets may have the key.
    """
    return {"doc": doc, "reason": reason, "default": default, "only": only}

"""
The wire formats that a target can speak.
"""

from __future__ import annotations

import enum
from typing import Final


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

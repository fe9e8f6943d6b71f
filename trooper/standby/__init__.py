"""
The local models that can take over: known, loaded and ready before they are needed.
"""

from __future__ import annotations

from trooper.standby.base import Standby, State
from trooper.standby.embedded import EmbeddedStandby
from trooper.standby.llama_server import LlamaServerStandby
from trooper.standby.ollama import OllamaStandby

__all__ = ["EmbeddedStandby", "LlamaServerStandby", "OllamaStandby", "Standby", "State"]

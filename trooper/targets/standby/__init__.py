"""
The local models that can take over: known, loaded and ready before they are needed.
"""

from __future__ import annotations

from trooper.targets.standby.base import Standby, State
from trooper.targets.standby.embedded import EmbeddedStandby
from trooper.targets.standby.llama_server import LlamaServerStandby
from trooper.targets.standby.ollama import OllamaStandby

__all__ = ["EmbeddedStandby", "LlamaServerStandby", "OllamaStandby", "Standby", "State"]

"""
The local models that can take over: known, loaded and ready before they are needed.
"""

from __future__ import annotations

from trooper.targets.standby.base import NewStandby, Standby, State

__all__ = ["NewStandby", "Standby", "State"]

"""
What outlives a request: answers that clients may go on from by their id.
"""

from __future__ import annotations

from trooper.store.answers import Answers, Kept, UnknownIds

__all__ = ["Answers", "Kept", "UnknownIds"]

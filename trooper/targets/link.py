"""
One link of a request's chain: who may be asked, and for which model.
"""

from __future__ import annotations

from attrs import frozen

from trooper.config import Target


@frozen
class Link:
    """A target, and the model that it is asked for; `None`: a local one is chosen by rule."""

    target: Target
    model: str | None

"""
What is said about a key: its meaning, the reason for its default, and the
wires it belongs to. `docs/configuration.md` is generated from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trooper.config.wires import Wire


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

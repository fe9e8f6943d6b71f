"""
Who said what, as every wire tells it under the key `trooper`.
"""

from __future__ import annotations

from collections.abc import Sequence

from trooper.wire.client_side import LegNote


def legs_note(legs: Sequence[LegNote]) -> dict[str, object]:
    """The value of the key. SDKs keep and ignore keys that they do not know."""
    return {
        "legs": [
            {
                "target": leg.target,
                "model": leg.model,
                "tokens": leg.tokens,
                "estimated": leg.estimated,
                "outcome": leg.outcome,
            }
            for leg in legs
        ]
    }

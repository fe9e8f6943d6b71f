"""
What all wires say in the same way: comments, and under the key `trooper` who said what.
"""

from __future__ import annotations

from collections.abc import Sequence

from trooper.wire.client_side import LegNote


def comment_line(words: str) -> bytes:
    """A comment of server-sent events; every client ignores it."""
    return f": {words}\n\n".encode()


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

"""
What a request offers of tools, for models of other wires.
"""

from __future__ import annotations

from attrs import frozen

from trooper.core.conversation import Tool


@frozen
class Offered:
    """
    What a request offers.

    Attributes:
        tools: what models of other wires can be offered.
        left_out: the kinds of all others, as they are told.
        choice: as a `Conversation` has it.
        forces_foreign: one of the others has to be called, or nothing else could be.
    """

    tools: tuple[Tool, ...]
    left_out: tuple[str, ...]
    choice: str
    forces_foreign: bool

"""What is left out of a prompt, and what a report on it may rely on."""

from __future__ import annotations

from attrs import frozen

from trooper.core.conversation import Message


@frozen
class Dropped:
    """
    What a prompt lacks.

    Attributes:
        turns: the messages that are left out, oldest first; results stand behind their calls.
        begun: the beginning of the half answer, where that is left out, too.
        first: what stands in front of the report and stays: the system prompt and the
            user's first turn. What is said there need not be said again.
    """

    turns: tuple[Message, ...]
    begun: str = ""
    first: tuple[Message, ...] = ()

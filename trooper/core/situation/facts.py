"""Placeholder."""

from attrs import frozen

from trooper.core.conversation import Message


@frozen
class Fact:
    text: str


def found_in(message: Message) -> tuple[Fact, ...]:
    """Placeholder."""
    return ()

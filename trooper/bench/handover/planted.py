"""
A fact that is said once in a session, and how it is known again.
"""

from __future__ import annotations

import enum

from attrs import frozen


class Place(enum.Enum):
    """By whom a fact is said."""

    USER = "user"
    ASSISTANT = "assistant"
    #: In the arguments of a tool call.
    CALL = "call"
    #: In what a tool answered.
    RESULT = "result"


@frozen
class Planted:
    """
    One fact.

    Attributes:
        kind: the kind's name.
        place: who says it.
        said: the sentence, or the lines, with the fact in it.
        telling: what has to stand in a prompt, all of it, for the fact to count; it stands nowhere else in the session.
        question: what a user may ask later, to which the fact is the answer.
        answer: of which one has to stand in a right answer.
    """

    kind: str
    place: Place
    said: str
    telling: tuple[str, ...]
    question: str
    answer: tuple[str, ...]

    def is_in(self, text: str) -> bool:
        """Whether `text` tells it. Capitals do not matter: whoever sums up writes sentences of his own."""
        folded = text.casefold()
        return all(telling.casefold() in folded for telling in self.telling)

    def is_answered_by(self, text: str) -> bool:
        """Whether `text` is a right answer to its question."""
        folded = text.casefold()
        return any(answer.casefold() in folded for answer in self.answer)

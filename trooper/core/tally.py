"""
Who said how much: the tokens of each leg, and the sum the client is told.

The prompt is counted once, however many targets have read it. A target's own
count is used where there is one; otherwise the tokens are estimated from the
text, and the sum says so.
"""

from __future__ import annotations

import math

from attrs import define, field

from trooper.core.events import Usage
from trooper.core.outcome import Outcome
from trooper.core.tokens import token_weight


@define
class LegTally:
    """One leg's share. Its text is counted, not kept; `outcome` is `None` while it is open."""

    target: str
    model: str
    outcome: Outcome | None = None
    reported: Usage | None = None
    _estimate: float = field(default=0.0, init=False)
    _earlier_tokens: int = field(default=0, init=False)

    def add(self, text: str) -> None:
        """Count a piece of the answer that the client has been given."""
        self._estimate += token_weight(text)

    def drop(self) -> None:
        """Nobody gets what was said so far."""
        self.reported, self._estimate, self._earlier_tokens = None, 0.0, 0

    def next_choice(self) -> None:
        """Another answer begins; its count will be its own."""
        self._earlier_tokens += self.reported.completion_tokens if self.reported else 0

    @property
    def tokens(self) -> int:
        """Completion tokens, of all choices."""
        if self.reported is None:
            return math.ceil(self._estimate)
        return self._earlier_tokens + self.reported.completion_tokens

    @property
    def estimated(self) -> bool:
        """Whether `tokens` is our guess."""
        return self.reported is None or self.reported.estimated


@define
class Tally:
    """All legs of a request, in order."""

    legs: list[LegTally] = field(factory=list)

    def drop(self) -> None:
        """What all legs have said so far is nobody's: the answer begins anew."""
        for leg in self.legs:
            leg.drop()

    def usage(self, prompt_estimate: int) -> Usage:
        """
        The sum for the client.

        `prompt_estimate` is used where no leg that started from the beginning
        reported the prompt: a continuation's count includes the half answer.
        """
        spoke = [leg for leg in self.legs if leg.tokens > 0]
        first = spoke[0] if spoke else None
        reported = first.reported if first else None
        return Usage(
            prompt_tokens=reported.prompt_tokens if reported else prompt_estimate,
            completion_tokens=sum(leg.tokens for leg in spoke),
            estimated=reported is None or any(leg.estimated for leg in spoke),
        )

"""
Who said how much: the tokens of each leg, and the sum the client is told.

The prompt is counted once, however many targets have read it. A target's own
count is used where there is one; otherwise the tokens are estimated from the
text, and the sum says so.

What a target has said and what the client got of it are not always the same:
the half answer once more, or a thought, is cut at a seam. The sum is what the
client got; what it cost is told beside it, leg by leg. Of a leg that was `dropped` the
client got nothing.
"""

from __future__ import annotations

import math

from attrs import define, field

from trooper.core.events import Usage
from trooper.core.outcome import Outcome
from trooper.core.shortening import NOTHING_SHORTENED, Shortened
from trooper.core.tokens import token_weight


@define
class LegTally:
    """One leg's share. Its text is counted, not kept; `outcome` is `None` while it is open."""

    target: str
    model: str
    outcome: Outcome | None = None
    #: Some of it was too much to be looked at.
    unread: bool = False
    #: The client was given something of what it has said.
    spoke: bool = field(default=False, init=False)
    #: The kinds of the client's tools that it was asked without.
    left_out_tools: tuple[str, ...] = field(default=(), init=False)
    #: What of the conversation it was not shown.
    shortened: Shortened = field(default=NOTHING_SHORTENED, init=False)
    reported: Usage | None = None
    _estimate: float = field(default=0.0, init=False)
    #: Nobody gets what it has said: the answer began anew behind it.
    dropped: bool = field(default=False, init=False)
    # What it has said, and the client was not given.
    _cut: float = field(default=0.0, init=False)
    _earlier_tokens: int = field(default=0, init=False)

    def add(self, text: str) -> None:
        """Count a piece of the answer that the client has been given."""
        self._estimate += token_weight(text)

    def cut_away(self, text: str) -> None:
        """Count a piece that the target has said, and the client is not given."""
        self._cut += token_weight(text)

    def next_choice(self) -> None:
        """Another answer begins; its count will be its own."""
        self._earlier_tokens += self.reported.completion_tokens if self.reported else 0

    @property
    def tokens(self) -> int:
        """What it cost: completion tokens, of all choices."""
        if self.reported is None:
            return math.ceil(self._estimate)
        return self._earlier_tokens + self.reported.completion_tokens

    @property
    def given_tokens(self) -> int:
        """What the client got of them; an estimate where something was cut away."""
        if not self._cut:
            return self.tokens
        # Some servers count what they repeat, and some do not.
        rest = max(math.ceil(self._estimate), self.tokens - math.ceil(self._cut))
        return min(self.tokens, rest)

    @property
    def estimated(self) -> bool:
        """Whether `tokens` is our guess."""
        return self.reported is None or self.reported.estimated

    @property
    def was_cut(self) -> bool:
        """Whether the client got less than it said."""
        return self._cut > 0


@define
class Tally:
    """All legs of a request, in order."""

    legs: list[LegTally] = field(factory=list)

    def drop(self) -> None:
        """Nobody gets what all legs have said so far: the answer begins anew."""
        for leg in self.legs:
            leg.dropped = True

    def usage(self, prompt_estimate: int) -> Usage:
        """
        The sum for the client.

        `prompt_estimate` is used where no leg that started from the beginning
        reported the prompt: a continuation's count includes the half answer.
        """
        spoke = [leg for leg in self.legs if leg.tokens > 0 and not leg.dropped]
        first = spoke[0] if spoke else None
        reported = first.reported if first else None
        return Usage(
            prompt_tokens=reported.prompt_tokens if reported else prompt_estimate,
            completion_tokens=sum(leg.given_tokens for leg in spoke),
            estimated=reported is None or any(leg.estimated or leg.was_cut for leg in spoke),
        )

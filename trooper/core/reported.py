"""What a prompt has a report on: whoever writes reports ahead of time has to know."""

from __future__ import annotations

from attrs import frozen

from trooper.core.conversation import Message
from trooper.core.situation.dropped import Dropped

#: No more messages are looked at for a report: the first, and the latest.
_FIRST, _LATEST = 64, 448


@frozen
class Reported:
    """What a prompt has a report on, and how many tokens that may have."""

    dropped: Dropped
    room_tokens: int

    @property
    def is_wanted(self) -> bool:
        """Whether there is something to report, and room for it."""
        return self.room_tokens > 0 and bool(self.dropped.turns or self.dropped.begun)


def reported(messages: tuple[Message, ...], latest: int = _LATEST) -> tuple[Message, ...]:
    """Which of them a report looks at: of thousands the first, and the `latest`."""
    if len(messages) <= _FIRST + latest:
        return messages
    return (*messages[:_FIRST], *messages[-latest:])

"""
Which facts a prompt still tells, and what share of them that is.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from attrs import frozen

from trooper.bench.handover.sessions import Session, Sown, texts

_ESCAPED: Final = re.compile(r"\\u([0-9a-fA-F]{4})")


class Fault(enum.Enum):
    """How the cloud fails: before a word, or in the middle of a text."""

    BEFORE = "status-429@start"
    MIDWAY = "reset@middle"


class Way(enum.Enum):
    """How a conversation is made short enough."""

    TROOPER = "trooper"
    PLAIN_CUT = "plain cut"


@frozen
class Prompt:
    """
    What a local model was shown of one session.

    Attributes:
        fault: with the plain cut it makes no difference.
        told: the facts in it.
        problem: why there is nothing to judge.
    """

    session: Session
    window_tokens: int
    way: Way
    fault: Fault | None
    told: frozenset[str] = frozenset()
    problem: str = ""

    def share(self, of: Callable[[Sown], bool] = lambda _: True) -> tuple[int, int]:
        """How many facts are told, of how many."""
        meant = [sown.planted.kind for sown in self.session.facts if of(sown)]
        return sum(kind in self.told for kind in meant), len(meant)


def told_in(session: Session, prompt: str) -> frozenset[str]:
    """The kinds of the facts that stand in a prompt. Servers write some letters of arguments as JSON does."""
    plain = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), prompt)
    return frozenset(sown.planted.kind for sown in session.facts if sown.planted.is_in(plain))


def told_by(session: Session, messages: Iterable[Mapping[str, Any]]) -> frozenset[str]:
    """The same for messages."""
    return told_in(session, "\n".join(texts(list(messages))))


def percent(prompts: Sequence[Prompt], of: Callable[[Sown], bool] = lambda _: True) -> float | None:
    """The share of the facts that are told, over all of `prompts`; nothing where there are none."""
    pairs = [prompt.share(of) for prompt in prompts]
    all_of_them = sum(many for _, many in pairs)
    return 100 * sum(told for told, _ in pairs) / all_of_them if all_of_them else None

"""
The turns of a history, in groups that stay or go together, and how long each is.

Servers keep what they have evaluated of a prompt. So what is shortened or left out ends at *marks*, which the turns before
them alone decide: a conversation that grows makes its prompt another one only where it passes the next mark.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, chain, pairwise
from typing import Final

from attrs import define, field, frozen

from trooper.core.conversation import Conversation, Message, Role
from trooper.core.fitting import Parts, count_message, count_tools, parts_of

#: Marks are so far apart: a power of two, at most this part of the window, and never less than that.
_MARK_PART: Final = 8
_LEAST_MARK_TOKENS: Final = 64
#: A window that is a little smaller, since its tokens are counted otherwise, has the same marks.
_NEARLY: Final = 1.15
#: Turns that there could be no room for come off in so many.
_FAR_STEP: Final = 64
#: About how short a result becomes.
_SHORT_RESULT_TOKENS: Final = 64


def total(messages: Iterable[Message]) -> int:
    """How many tokens the messages are together, at most."""
    return sum(map(count_message, messages))


@define
class Groups:
    """Turns that are being shortened, oldest first: what each is now, and how long."""

    groups: list[Sequence[Message]]
    tokens: list[int]
    #: How many groups end at each mark, and all of them: so many may be done with.
    marks: Sequence[int]
    #: How many messages were changed of each group.
    _changed: list[int] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._changed = [0] * len(self.groups)

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.groups)

    @property
    def total(self) -> int:
        """How many tokens they are together."""
        return sum(self.tokens)

    @property
    def changed(self) -> int:
        """How many messages of those that are there are shorter than they were."""
        return sum(self._changed)

    @property
    def messages(self) -> Iterator[Message]:
        """All of them."""
        return chain.from_iterable(self.groups)

    def shorten(
        self, excess: float, role: Role, shorter: Callable[[Message], Message], most: int | None = None
    ) -> None:
        """
        Make the oldest messages of a role `shorter` until that has saved `excess` tokens, to the next mark.

        Args:
            most: how many groups may be touched.
        """
        saved, marks = 0, frozenset(self.marks)
        for at in range(self.count if most is None else most):
            if saved >= excess and (at in marks or at == 0):
                break
            group = self.groups[at]
            if len(group) == 1 and group[0].role is not role:
                continue
            told = [shorter(message) if message.role is role else message for message in group]
            if changed := sum(new is not old for new, old in zip(told, group, strict=True)):
                tokens = total(told)
                saved += self.tokens[at] - tokens
                self.groups[at], self.tokens[at] = told, tokens
                self._changed[at] += changed

    def drop(self, count: int) -> None:
        """Take the oldest ones out."""
        del self.groups[:count], self.tokens[:count], self._changed[:count]
        self.marks = [mark - count for mark in self.marks if mark > count]


@frozen
class Measured:
    """
    A conversation in parts, and how long each is: what all shorter forms of it begin with.

    Attributes:
        far: old turns that there could be no room for; nobody counts them.
        half_tokens: what follows it.
        fixed_tokens: the user's first and last turn.
    """

    conversation: Conversation
    half_tokens: int
    parts: Parts
    far: tuple[Message, ...]
    system_tokens: int
    tools_tokens: int
    fixed_tokens: int
    _old: tuple[Sequence[Message], ...]
    _old_tokens: tuple[int, ...]
    _since_tokens: tuple[int, ...]
    _mark_tokens: int

    @property
    def near(self) -> tuple[Sequence[Message], ...]:
        """The old groups that are not far."""
        return self._old

    @property
    def far_tokens(self) -> int:
        """At least so many they are."""
        return len(self.far)

    def old(self) -> Groups:
        """The old groups, to be shortened."""
        return Groups(list(self._old), list(self._old_tokens), _marks(self._old_tokens, self._mark_tokens))

    def since(self) -> Groups:
        """Those behind the user's last turn."""
        tokens = self._since_tokens
        return Groups(list(self.parts.since), list(tokens), _marks(tokens, self._mark_tokens))


def measured(conversation: Conversation, half_tokens: int, window_tokens: float) -> Measured:
    """
    Take a conversation apart and count its parts.

    Args:
        half_tokens: what will follow it.
        window_tokens: how long the window is; infinite where nobody knows.
    """
    parts = parts_of(conversation.messages)
    tokens = _possible(parts.old, window_tokens)
    far = len(parts.old) - len(tokens)
    mark = 1 << max(0, int(_NEARLY * min(window_tokens, 1 << 30) / _MARK_PART).bit_length() - 1)
    return Measured(
        conversation,
        half_tokens,
        parts,
        tuple(chain.from_iterable(parts.old[:far])),
        total(parts.system),
        count_tools(conversation),
        total((*parts.first, *parts.turn)),
        parts.old[far:],
        tuple(tokens),
        tuple(map(total, parts.since)),
        max(_LEAST_MARK_TOKENS, mark),
    )


def _possible(old: Sequence[Sequence[Message]], window_tokens: float) -> list[int]:
    """
    How long the latest groups are, as many as there could be room for, however short their results became.

    Of a long history few are counted. They come in steps, so that the next turn has the same marks.
    """
    needed, tokens = 0.0, list[int]()
    for at in range(len(old) - 1, -1, -1):
        calls, results = total(old[at][:1]), total(old[at][1:])
        # No result is shorter than its first and last lines; all else stays as it is.
        needed += calls + min(results, _SHORT_RESULT_TOKENS * (len(old[at]) - 1))
        tokens.append(calls + results)
        if needed > window_tokens and at % _FAR_STEP == 0:
            break
    return tokens[::-1]


def _marks(tokens: Sequence[int], mark_tokens: int) -> Sequence[int]:
    blocks = [end // mark_tokens for end in accumulate(tokens)]
    passed = [i + 1 for i, (was, now) in enumerate(pairwise((0, *blocks))) if was != now]
    return list(dict.fromkeys((*passed, len(tokens))))

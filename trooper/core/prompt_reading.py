"""
How a local model gets on with its prompt, before the first word of its answer.

On a machine without a graphics card a model reads some fifty tokens a second,
and the first prompt of a coding agent is 18,000 tokens: six minutes. A
llama.cpp server says meanwhile how far it is; Ollama says nothing at all. So
there are two sources, and whoever reads the words is told which it was:

    told        the server's own count of what it has read
    estimated   the length of the prompt by the speed that earlier prompts
                were read with

From the same figures follows how long a prompt may take (`allowance_s`).

Given `now`; owns no clock.
"""

from __future__ import annotations

from typing import Final

from attrs import define, field, frozen

from trooper.core.names import Latest

#: So many tokens a second a machine reads that somebody would still use: half of what was measured on two slow cores.
SLOWEST_TOKENS_PER_S: Final = 25.0
#: A speed is learned from prompts of so many tokens: a shorter one takes as long as its request does.
_LEAST_TOKENS: Final = 256
#: No window holds more, and no time is measured finer: beyond these it is a number, and no speed.
_MOST_TOKENS: Final = 1 << 32
_LEAST_S: Final = 1e-6
#: The most that a llama.cpp server reads between two words about it.
_BATCH_TOKENS: Final = 2_048
#: In the log a wait of minutes is a few lines.
_LOG_EVERY_S: Final = 60.0
#: Who was this slow once may be slower still: its machine has other work.
_SLOWER: Final = 2.0
#: A prompt gets no longer, however long or slow it is to be: a server that hangs costs all of it.
MOST_READING_S: Final = 1_800.0
#: So many prompts a speed is remembered for: one that was slow, on a busy machine, is not held against it for ever.
_LAST_PROMPTS: Final = 8


@frozen
class PromptRead:
    """
    How far a server says it has read a prompt.

    Attributes:
        total_tokens: the whole of it.
        tokens: how much of it is done, what it had in its cache included.
        cached_tokens: what it had in its cache.
        took_s: how long the rest has taken so far.
    """

    total_tokens: int
    tokens: int
    cached_tokens: int = 0
    took_s: float = 0.0

    @property
    def tokens_per_s(self) -> float:
        """How fast it reads; 0 where that cannot be told from so little."""
        read = self.tokens - self.cached_tokens
        is_measured = _LEAST_TOKENS <= read <= _MOST_TOKENS and self.took_s >= _LEAST_S
        return read / self.took_s if is_measured else 0.0


@frozen
class ToRead:
    """
    A prompt that a model is about to read.

    Attributes:
        tokens: about how many, at most; 0 if not known.
        tokens_per_s: the slowest speed that the model was lately seen to read with; 0 if not known.
    """

    tokens: int = 0
    tokens_per_s: float = 0.0

    @property
    def allowance_s(self) -> float:
        """How long the reading of it may take, on the slowest machine that is to be reckoned with; up to half an hour."""
        if self.tokens <= 0:
            return 0.0
        known = self.tokens_per_s / _SLOWER
        speed = min(known, SLOWEST_TOKENS_PER_S) if known > 0 else SLOWEST_TOKENS_PER_S
        return min(self.tokens / speed, MOST_READING_S)

    def left_s(self, read: PromptRead) -> float:
        """The same for what comes before the server's next word about it, which follows within a batch."""
        left = max(0, read.total_tokens - read.tokens)
        return ToRead(min(left, _BATCH_TOKENS), self.tokens_per_s).allowance_s


@define
class ReadingSpeeds:
    """
    How fast models were seen to read, by their names: the slowest of the last few prompts of each counts.

    What a server had in its cache it reads in no time, and Ollama counts that
    as read. So a fast prompt proves little, and a slow one does; but not for
    ever, since its machine may have been busy.
    """

    _last: Latest[str, tuple[float, ...]] = field(factory=Latest, init=False)

    def learn(self, model: str, read: PromptRead | None) -> None:
        """A prompt was read so; nothing is learned from a short one."""
        if read is not None and (speed := read.tokens_per_s) > 0:
            self._last[model] = (*self._last.get(model, ()), speed)[-_LAST_PROMPTS:]

    def of(self, model: str) -> float:
        """Tokens a second; 0 if not known."""
        return min(self._last.get(model, ()), default=0.0)


#: Where nobody knows how long the prompt is.
NOTHING_TO_READ: Final = ToRead()


@define
class PromptReading:
    """One prompt while it is read, from `since` on."""

    to_read: ToRead
    since: float
    _told: PromptRead | None = field(default=None, init=False)
    # When the log was told last.
    _logged: float = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._logged = self.since

    def hear(self, read: PromptRead) -> None:
        """The server has said how far it is."""
        self._told = read

    def is_worth_a_line(self, now: float) -> bool:
        """Whether the log has not heard of it for so long; it counts as told then."""
        due = now - self._logged >= _LOG_EVERY_S
        self._logged = now if due else self._logged
        return due

    def read_tokens(self, now: float) -> int | None:
        """How much is read by now; `None` where nobody knows."""
        if self._told is not None:
            return min(self._told.tokens, self._told.total_tokens)
        if self.to_read.tokens_per_s <= 0:
            return None
        # An estimate never says that it is over.
        most = int(self.to_read.tokens * 0.99)
        return min(most, int((now - self.since) * self.to_read.tokens_per_s))

    @property
    def total_tokens(self) -> int:
        """How long the prompt is, by the server's word or as we count; 0 if not known."""
        return self.to_read.tokens if self._told is None else self._told.total_tokens

    @property
    def is_estimated(self) -> bool:
        """Whether the figures are ours and not the server's."""
        return self._told is None

    def words(self, now: float) -> str:
        """The same for people; empty where nothing is known."""
        total, read = self.total_tokens, self.read_tokens(now)
        if total <= 0:
            return ""
        if read is None:
            return f"reading the prompt, about {total} tokens, for {now - self.since:.0f} s"
        told = f"reading the prompt, {read} of {total} tokens"
        return f"{told} by estimate" if self.is_estimated else told

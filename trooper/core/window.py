"""
Which window a local model should have: what holds a conversation, what fits
this machine's memory, and whether the model may be loaded anew for it now.

Theory of operation
-------------------
A stock server loads a window that no coding agent's prompt fits into. A load
with a larger one takes seconds, throws away what the server has evaluated and
takes memory from others. So a window grows

* only for a request that is there (`holding` says how far),
* no further than model, memory and the user's bound allow (`most_tokens`),
* and not while anybody needs the model as it is (`decide`).

It never shrinks: two conversations of different length would make it go to and
fro. A window that the machine could not carry after all is given back once,
and remembered for some hours (`Refusal`).

The memory of a window is that of its keys and values. What is asked for beside
them grows with it, less and differently, so a part more is reckoned with. That
is an estimate, and its proof is the load itself: the server says how much of
the model lies in video memory, and whether it could be loaded at all.
"""

from __future__ import annotations

import enum
import math
from typing import Final, TypeAlias

from attrs import define, field, frozen

#: What a server needs for a token beside keys and values: parts of its compute buffers.
_MORE: Final = 1.15
#: Memory that is left to everybody else.
_SPARED_BYTES: Final = 1 << 30
#: So long nobody else may have used the model before it is loaded anew.
OTHERS_S: Final = 60.0
#: So long after a use of ours another one sets the model's time anew by an amount that can be seen.
RENEW_AFTER_S: Final = 0.3
#: A token is seldom less than so many bytes of a request.
LEAST_TOKEN_BYTES: Final = 2
#: A share of video memory that fell by less is a matter of rounding.
_SAME_SHARE: Final = 0.01
#: How many words an answer can always go on: a share of the window, and no more than some sentences.
_SOME_WORDS_SHARE: Final = 16
_SOME_WORDS_TOKENS: Final = 256
#: The smallest step: a window that a server takes without a word.
LEAST_TOKENS: Final = 2048
#: For so long a window that was refused is not tried again; then somebody's memory may be another.
REFUSED_S: Final = 6 * 3600.0
#: So many times the free memory of then is another machine, nearly.
_MORE_FREE: Final = 1.5


@frozen
class Shape:
    """
    What a token takes in a model's cache, as far as its server says.

    Attributes:
        layers: how many of them keep keys and values of the whole window.
        kv_heads: in each of them.
        head_size: of a key and a value together, in numbers.
    """

    layers: float
    kv_heads: float
    head_size: int

    @property
    def token_bytes(self) -> int:
        """Bytes of cache for each token, two for each number: a server that packs them needs less."""
        return math.ceil(self.layers * self.kv_heads * self.head_size * 2)


@frozen
class Running:
    """
    A model in memory.

    Attributes:
        window_tokens: the window it was loaded with; 0 if the server does not say.
        size_bytes: what it takes in all.
        vram_bytes: how much of that lies in video memory.
        expires_at: when the server will forget it, on the caller's clock; infinite where it does not say.
    """

    window_tokens: int
    size_bytes: int = 0
    vram_bytes: int = 0
    expires_at: float = math.inf

    @property
    def share(self) -> float:
        """Which part of it lies in video memory, 0 to 1."""
        return min(1.0, self.vram_bytes / self.size_bytes) if self.size_bytes > 0 else 0.0


def answer_reserve(window_tokens: int, max_tokens: int | None, given_tokens: int = 0) -> int:
    """
    Room for an answer: what is still missing of what was asked for, but of no more than a quarter.

    However much of it is `given` already, there is always room for some more words.
    """
    most = math.ceil(window_tokens / 4)
    asked = max(1, most if max_tokens is None else min(max_tokens, most))
    some_words = max(1, min(_SOME_WORDS_TOKENS, window_tokens // _SOME_WORDS_SHARE))
    return max(asked - given_tokens, min(asked, some_words))


def holds(window_tokens: int, prompt_tokens: int, max_tokens: int | None, given_tokens: int = 0) -> bool:
    """Whether a window has room for a prompt, that ends in what is given of its answer, and for the answer."""
    return prompt_tokens + answer_reserve(window_tokens, max_tokens, given_tokens) <= window_tokens


def holding(now_tokens: int, prompt_tokens: int, max_tokens: int | None, given_tokens: int = 0) -> int:
    """The window that holds it: the one that there is, or the smallest power of two that does."""
    if holds(now_tokens, prompt_tokens, max_tokens, given_tokens):
        return now_tokens
    window_tokens = LEAST_TOKENS
    while not holds(window_tokens, prompt_tokens, max_tokens, given_tokens):
        window_tokens *= 2
    return window_tokens


def most_tokens(
    running: Running | None,
    shape: Shape | None,
    *,
    free_bytes: int | None,
    trained_tokens: int,
    bound_tokens: int,
    slots: int,
) -> int:
    """
    About how large a window fits; that of `running` at least.

    Without a model in memory, or without its shape, nobody knows what a window
    takes: then it stays as it is. A model that lies in video memory as a whole
    takes no other memory; how much there is of it the server knows alone, so
    there the load itself is the proof.

    Args:
        free_bytes: what this machine has left; `None` if it does not say.
        trained_tokens: the window that the model was trained for; 0 if not said.
        bound_tokens: the user's bound.
        slots: how many requests at once the server has a window for.
    """
    if running is None or running.window_tokens <= 0:
        return 0
    now = running.window_tokens
    cap = max(now, min(bound_tokens, trained_tokens or bound_tokens))
    if shape is None or shape.token_bytes <= 0:
        return now
    here = 1.0 - running.share
    if here < _SAME_SHARE:
        return cap
    if free_bytes is None:
        return now
    spare = max(0, free_bytes - _SPARED_BYTES)
    more = spare / (shape.token_bytes * slots * here * _MORE)
    return min(cap, now + int(more))


class Kept(enum.Enum):
    """Why a window stays as it is."""

    HOLDS = "holds"
    FIXED = "fixed"
    NOT_HERE = "not_here"
    UNKNOWN = "unknown"
    LARGEST = "largest"
    REFUSED = "refused"


@frozen
class Grow:
    """Load the model anew, with this window."""

    window_tokens: int


@frozen
class Wait:
    """Another application may still want the model as it is; look again after so many seconds."""

    seconds: float


@frozen
class Keep:
    """The window stays as it is."""

    why: Kept


Decision: TypeAlias = Grow | Wait | Keep


class Refused(enum.Enum):
    """Why a window that was tried turned out to be too much."""

    NOT_LOADED = "not_loaded"
    LESS_IN_VIDEO_MEMORY = "less_in_video_memory"
    SERVERS_BOUND = "servers_bound"


@frozen
class Refusal:
    """
    A window that was tried and could not be had; larger ones neither.

    That is a matter of memory, and of a server's settings. Who takes memory ends, other models
    go, a server is started anew with other settings; nobody tells us. So it holds for some hours, and
    no longer than its server has the same version and this machine not much more memory left.

    Attributes:
        at: when that was, in seconds since the epoch.
        free_bytes: what this machine had left before the load; `None` where that has not decided.
        version: of the server; empty where it has not said it.
    """

    window_tokens: int
    why: Refused
    at: float
    free_bytes: int | None = None
    version: str = ""

    def holds(self, now: float, free_bytes: int | None, version: str) -> bool:
        """Whether the same window would be refused again, as far as can be told."""
        has_more = (
            self.free_bytes is not None
            and free_bytes is not None
            and free_bytes >= max(1, self.free_bytes) * _MORE_FREE
        )
        is_another = bool(version and self.version) and version != self.version
        return now - self.at < REFUSED_S and not is_another and not has_more


def goal(now_tokens: int, wanted_tokens: int, most: int) -> int:
    """
    The window to load for `wanted_tokens`, a power of two, or the most there can be.

    What does not hold all of it is still worth a load where it holds much more
    than now: the less has to be left out. Steps of less than half are not.
    """
    if wanted_tokens <= now_tokens:
        return now_tokens
    if wanted_tokens <= most:
        return wanted_tokens
    return most if most >= now_tokens * 3 // 2 else now_tokens


@define
class Growth:
    """
    What is known of one model's window on one server.

    Attributes:
        largest: the largest window it was ever loaded with by us; what it is loaded with again.
        refusal: a window that turned out to be too much, and with it all larger ones.
        used_by_others: when another application used the model last, as far as was seen.
        own_use_ended_at: when the last request of ours had ended.
    """

    largest: int = 0
    refusal: Refusal | None = None
    used_by_others: float = -math.inf
    own_use_ended_at: float = field(default=-math.inf, init=False)
    _expires_at: float | None = field(default=None, init=False)
    _own_use_ended: float | None = field(default=None, init=False)
    _in_use: int = field(default=0, init=False)
    # Somebody was at it when we looked, and has not ended since as far as was seen.
    _others_at_it: bool = field(default=False, init=False)

    @property
    def refused(self) -> float:
        """The window that is too much; infinite where none is known to be."""
        return math.inf if self.refusal is None else self.refusal.window_tokens

    def begin_use(self) -> None:
        """A request of ours is about to be sent."""
        self._in_use += 1

    def end_use(self, now: float) -> None:
        """One has ended."""
        self._in_use -= 1
        self._own_use_ended = self.own_use_ended_at = now

    def seen(self, running: Running | None, now: float, keep_alive_s: float | None, asked_at: float) -> None:
        """
        Tell who has used the model, by when the server will forget it.

        That time is set anew when a use ends and nobody else is left. Where it
        is not what a use of ours has made it, somebody else was there, or still
        is, no longer ago than now. A use that ended right before one of ours,
        or within a second behind one, cannot be seen.

        Args:
            running: the model as it is loaded; `None` if it is not.
            now: on the clock that `running` has its times on.
            keep_alive_s: what our own requests ask for; `None` if that is no number of seconds.
            asked_at: when the server was asked. What has ended since then it did not know of.
        """
        if running is None:
            self._expires_at = None
            return
        if self._in_use or (self._own_use_ended is not None and self._own_use_ended >= asked_at):
            # Its time is set anew when that ends.
            return
        own, self._own_use_ended = self._own_use_ended, None
        before, self._expires_at = self._expires_at, running.expires_at
        if own is None:
            is_ours = before is not None and _is_same(before, running.expires_at)
        else:
            is_ours = keep_alive_s is None or _is_same(running.expires_at, own + keep_alive_s)
        if not is_ours or self._others_at_it:
            self.used_by_others = now
            self._others_at_it = before is not None and _is_same(before, running.expires_at)

    def renewed(self, before: Running, after: Running | None, now: float) -> None:
        """
        Tell, by a use of ours that did nothing, whether somebody else is at it: then its time was not set anew.

        Args:
            before: as it was seen before that use, `RENEW_AFTER_S` or more behind any other of ours.
        """
        if after is None or after.expires_at - before.expires_at < RENEW_AFTER_S / 2:
            self.used_by_others, self._others_at_it = now, True

    def decide(self, running: Running | None, wanted_tokens: int, most: int, now: float) -> Decision:
        """Whether the model is loaded anew now, for a request that needs `wanted_tokens`."""
        if running is None or running.window_tokens <= 0:
            return Keep(Kept.UNKNOWN)
        if running.window_tokens >= wanted_tokens:
            return Keep(Kept.HOLDS)
        window = goal(running.window_tokens, wanted_tokens, self.allowed(most))
        if window <= running.window_tokens:
            return Keep(Kept.REFUSED if most >= self.refused else Kept.LARGEST)
        left_s = self.used_by_others + OTHERS_S - now
        return Wait(left_s) if left_s > 0 else Grow(window)

    def was_taken(self, after: Running | None, asked_tokens: int, began_at: float, now: float) -> bool:
        """
        Whether another application has loaded the model for itself right behind a load of ours.

        What our load was worth nobody knows then.

        Args:
            after: the model as it was seen behind that load, which has not failed; `None` if it was gone.
            began_at: when that load began.
        """
        if after is None:
            self.used_by_others = now
        elif after.window_tokens == asked_tokens:
            return False
        return self.used_by_others >= began_at

    def is_worth(self, before: Running, after: Running) -> bool:
        """Whether a load with a larger window did what it was for, and no less of the model lies in video memory."""
        return after.window_tokens > before.window_tokens and after.share >= before.share - _SAME_SHARE

    def has_grown(self, after: Running, asked_tokens: int) -> bool:
        """A load with a larger window was worth it; returns whether the server has a bound of its own below it."""
        self.largest = max(self.largest, after.window_tokens)
        return after.window_tokens < asked_tokens

    def refuse(self, refusal: Refusal) -> None:
        """So large a window is more than the machine can carry: while that holds, neither it nor a larger one is tried."""
        if refusal.window_tokens < self.refused:
            self.refusal = refusal

    def allowed(self, most: int) -> int:
        """`most`, or the largest power of two below what was refused."""
        if most < self.refused:
            return most
        return 1 << (int(self.refused) - 1).bit_length() - 1


def _is_same(one: float, other: float) -> bool:
    """Whether two times are one: they are read off two clocks, with an answer's way between."""
    return one == other or abs(one - other) < 1.0

"""
The windows of one server's models: how large each is, could be, and is wished to be.

What may be done is decided in `core.window`; here stands what that needs to
know of this server and this machine. Loading is the standby's.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final
from urllib.parse import urlsplit

import trio
from attrs import define, evolve, field

from trooper.config import Target
from trooper.config.addresses import leads_here
from trooper.config.limits import seconds_of
from trooper.core import window
from trooper.core.local_model import LocalModel
from trooper.core.names import Latest
from trooper.core.outcome import Failed, FailureKind
from trooper.core.window import Decision, Growth, Keep, Kept, Refusal, Refused, Running
from trooper.targets import memory

#: What Ollama says of a model that does not fit, or whose runner has died of it.
_NOT_LOADED: Final = 500
#: So long the figure of this machine's memory is believed: requests ask for it.
_MEMORY_S: Final = 1.0


@define(eq=False)
class Wish:
    """
    A request that needs a larger window: soon, or `now`, and then it has a slot and waits for what becomes of it.

    One that `must` have it waits for as long as there is hope.
    """

    name: str
    window_tokens: int
    now: bool
    must: bool = False
    has_begun: bool = False
    is_answered: bool = False


def is_too_much(failed: Failed | None) -> bool:
    """Whether a load has failed for its size, as far as can be seen, and not because nobody was there or had time."""
    if failed is None:
        return False
    status = failed.answer.status if failed.answer is not None else 0
    return status == _NOT_LOADED or failed.kind is FailureKind.TIMEOUT_TTFT


@define
class Windows:
    """
    The windows of the models of one server.

    Attributes:
        running, seen_at: the models in memory as they were seen last, and when, on Trio's clock.
        free_bytes: how much memory this machine has left; another way for tests.
        now: seconds since the epoch; for tests.
        version: of the server, as it was seen last.
    """

    target: Target
    free_bytes: Callable[[], int | None] = memory.free_bytes
    now: Callable[[], float] = time.time
    version: str = field(default="", init=False)
    running: Mapping[str, Running] = field(factory=dict, init=False)
    seen_at: float = field(default=-math.inf, init=False)
    _memory: int | None = field(default=None, init=False)
    _memory_at: float = field(default=-math.inf, init=False)
    _growths: Latest[str, Growth] = field(factory=Latest, init=False)
    _wishes: list[Wish] = field(factory=list, init=False)
    _told: Latest[str, object] = field(factory=Latest, init=False)

    @property
    def is_fixed(self) -> bool:
        """Whether the user has chosen a number."""
        return self.target.num_ctx is not None

    @property
    def is_here(self) -> bool:
        """Whether the server is on this machine: nobody knows the memory of another one."""
        return leads_here(urlsplit(self.target.base_url).hostname or "")

    def growth(self, name: str) -> Growth:
        """What is known of one model's window."""
        known = self._growths.get(name)
        if known is None:
            known = self._growths[name] = Growth()
        if known.refusal is not None and not known.refusal.holds(self.now(), self.memory_bytes, self.version):
            known.refusal = None
        return known

    def refuse(self, name: str, window_tokens: int, why: Refused, free_bytes: int | None) -> Refusal:
        """A window of a model was too much; `free_bytes`: what was left before it was tried."""
        decided_by = None if why is Refused.SERVERS_BOUND else free_bytes
        refusal = Refusal(window_tokens, why, self.now(), decided_by, self.version)
        self.growth(name).refuse(refusal)
        return refusal

    def see(self, loaded: Mapping[str, Running], asked_at: float) -> Mapping[str, Running]:
        """Note which models are in memory, as the server has said when it was `asked_at`; their times become Trio's."""
        ahead_s = trio.current_time() - time.time()
        self.seen_at = asked_at
        self.running = {n: evolve(r, expires_at=r.expires_at + ahead_s) for n, r in loaded.items()}
        return self.running

    def note_use(self, name: str, running: Running | None) -> None:
        """Note who has used a model since it was seen last."""
        self.growth(name).seen(running, trio.current_time(), seconds_of(self.target.keep_alive), self.seen_at)

    @property
    def memory_bytes(self) -> int | None:
        """What this machine has left, or had a moment ago."""
        now = trio.current_time()
        if now - self._memory_at >= _MEMORY_S:
            self._memory, self._memory_at = self.free_bytes(), now
        return self._memory

    def most(self, model: LocalModel, running: Running | None) -> int:
        """About how large the window of `model` could become; 0 if nobody knows."""
        if self.is_fixed or not self.is_here:
            return model.window_tokens
        return self.growth(model.name).allowed(self._fits(model, running))

    def _fits(self, model: LocalModel, running: Running | None) -> int:
        """The same by model and memory alone, whatever loads have taught."""
        return window.most_tokens(
            running,
            model.shape,
            free_bytes=self.memory_bytes,
            trained_tokens=model.trained_tokens,
            bound_tokens=self.target.window_max_tokens,
            slots=self.target.slots,
        )

    def may_outgrow(self, model: LocalModel | None, size_bytes: int) -> bool:
        """Whether a request of so many bytes may need a larger window, and it could still grow at all."""
        return (
            model is not None
            and 0 < model.window_tokens < self.target.window_max_tokens
            and size_bytes > model.window_tokens * window.LEAST_TOKEN_BYTES
            and not self.is_fixed
            and self.is_here
        )

    @contextmanager
    def wished(self, wish: Wish) -> Iterator[Wish]:
        """While this lasts the wish is one."""
        self._wishes.append(wish)
        try:
            yield wish
        finally:
            self._wishes.remove(wish)

    def wishes(self, name: str | None = None) -> list[Wish]:
        """Those of one model, or all."""
        return [wish for wish in self._wishes if name in (None, wish.name)]

    def decide(self, model: LocalModel, running: Running | None) -> Decision:
        """Whether `model` is loaded anew now, for whoever wishes it."""
        if self.is_fixed:
            return Keep(Kept.FIXED)
        if not self.is_here:
            return Keep(Kept.NOT_HERE)
        # A decision is not made with what a request has seen.
        self._memory_at = -math.inf
        wanted = max((wish.window_tokens for wish in self.wishes(model.name)), default=0)
        fits = self._fits(model, running)
        return self.growth(model.name).decide(running, wanted, fits, trio.current_time())

    def is_news(self, name: str, decision: Decision) -> bool:
        """Whether this is another decision than the last one that was told of the model."""
        said = decision if isinstance(decision, Keep) else type(decision)
        before, self._told[name] = self._told.get(name), said
        return before != said

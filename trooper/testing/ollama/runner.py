"""
Loading, slots, and the evaluated-prompt cache.
"""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trio
from attrs import Factory, define, field, frozen
from trio.lowlevel import ParkingLot

from trooper.testing.ollama.decoding import Ask, Rejected
from trooper.testing.ollama.models import Model

_BUSY = "server busy, please try again.  maximum pending requests exceeded"
_BATCH_TOKENS = 64


def count(text: str) -> list[str]:
    """The fake's tokens: words with the blanks before them."""
    return re.findall(r"\s*\S+|\s+", text)


@define(eq=False)
class Loaded:
    """A model in memory."""

    model: Model
    key: tuple[object, ...]
    num_ctx: int
    slots: trio.Semaphore
    keep_alive_s: float
    size_bytes: int = 0
    vram_bytes: int = 0
    users: int = 0
    was_used: bool = False
    expires_at: float = math.inf
    prompts: deque[tuple[str, ...]] = Factory(lambda: deque(maxlen=8))

    def cached(self, prompt: tuple[str, ...]) -> int:
        """How many leading tokens of `prompt` were evaluated before."""
        return max((_common(known, prompt) for known in self.prompts), default=0)


def _common(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    both = zip(one, other, strict=False)
    return next((at for at, (a, b) in enumerate(both) if a != b), min(len(one), len(other)))


@frozen
class Load:
    """A load that was begun: when, of what, in whose place, and for how long its client wanted it kept."""

    at: float
    name: str
    num_ctx: int
    replaced: int | None
    keep_alive_s: float | None


@define(eq=False)
class Loader:
    """
    Loads models, one at a time, and knows which are there.

    A load lives as long as the request that started it: when that client
    leaves, the load is lost, and the next one begins from zero. A load that
    replaces one waits until nobody uses that any more, and holds up all others.

    Attributes:
        history: the loads that were begun, in order.
        max_loaded: how many models there is room for.
        memory_bytes: what all of them may take; one that does not fit cannot be loaded.
        vram_bytes: how much of that is video memory, which is taken first.
    """

    default_num_ctx: int
    keep_alive_s: float
    parallel: int
    max_queue: int
    max_loaded: int = 3
    memory_bytes: float = math.inf
    vram_bytes: int = 0
    loads: int = 0
    finished_loads: int = 0
    aborted_loads: int = 0
    reloads: int = 0
    history: list[Load] = field(factory=list)
    _loaded: dict[str, Loaded] = field(init=False, factory=dict)
    _lock: trio.Lock = field(init=False, factory=trio.Lock)
    _waiting: int = field(init=False, default=0)
    _idle: ParkingLot = field(init=False, factory=ParkingLot)

    def forget(self) -> None:
        """Set the counts to zero; what is loaded stays."""
        self.loads = self.finished_loads = self.aborted_loads = self.reloads = 0

    def present(self) -> list[Loaded]:
        """The finished loads that have not expired."""
        now = trio.current_time()
        for file, loaded in list(self._loaded.items()):
            if loaded.users == 0 and loaded.expires_at <= now:
                del self._loaded[file]
        return list(self._loaded.values())

    def window(self, model: Model, ask: Ask) -> int:
        """The window a load for `ask` would have."""
        wanted = ask.options.get("num_ctx") or model.num_ctx or self.default_num_ctx
        return min(int(wanted), model.context_length)

    def unload(self, model: Model) -> None:
        """Forget a model that nobody uses; a used one goes when its users do."""
        loaded = self._loaded.get(model.file)
        if loaded is not None:
            loaded.keep_alive_s = 0.0
            loaded.expires_at = trio.current_time()

    async def acquire(self, model: Model, ask: Ask, load_s: float) -> Loaded:
        """The model with the options of `ask`, loaded if need be; counts as a user of it."""
        key = (self.window(model, ask), ask.shift, ask.load_options)
        loaded = self._matching(model, key)
        if loaded is None:
            async with self._turn():
                loaded = self._matching(model, key) or await self._load(model, key, load_s, ask)
                loaded.users += 1
        else:
            loaded.users += 1
        return loaded

    def release(self, loaded: Loaded, keep_alive_s: float | None) -> None:
        """A user is done; the keep-alive starts when the last one is."""
        if keep_alive_s is not None:
            loaded.keep_alive_s = keep_alive_s
        loaded.users -= 1
        loaded.was_used = True
        if loaded.users:
            return
        loaded.expires_at = trio.current_time() + loaded.keep_alive_s
        self._idle.unpark_all()

    def _matching(self, model: Model, key: tuple[object, ...]) -> Loaded | None:
        return next((x for x in self.present() if x.model.file == model.file and x.key == key), None)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """The right to load; a full queue here is the one case of 503."""
        if not self._lock.locked():
            self._lock.acquire_nowait()
        elif self._waiting >= self.max_queue:
            raise Rejected(503, _BUSY)
        else:
            await self._wait()
        try:
            yield
        finally:
            self._lock.release()

    async def _wait(self) -> None:
        self._waiting += 1
        try:
            await self._lock.acquire()
        finally:
            self._waiting -= 1

    async def _load(self, model: Model, key: tuple[object, ...], load_s: float, ask: Ask) -> Loaded:
        while (old := self._loaded.get(model.file)) is not None and old.users:
            await self._idle.park()
        num_ctx = key[0]
        assert isinstance(num_ctx, int)
        replaced = None if old is None else old.num_ctx
        self.history.append(Load(trio.current_time(), model.full_name, num_ctx, replaced, ask.keep_alive_s))
        if self._loaded.pop(model.file, None) is not None:
            self.reloads += 1
        size = model.size + model.cache_bytes(num_ctx * self.parallel)
        self._make_room(size)
        self.loads += 1
        finished = False
        try:
            await trio.sleep(load_s)
            finished = True
        finally:
            self.aborted_loads += not finished
        taken = self._taken_bytes()
        if taken + size > self.memory_bytes:
            needed, left = _gibibytes(size), _gibibytes(max(0, self.memory_bytes - taken))
            raise Rejected(500, f"model requires more system memory ({needed}) than is available ({left})")
        self.finished_loads += 1
        vram = min(size, max(0, self.vram_bytes - sum(x.vram_bytes for x in self._loaded.values())))
        slots = trio.Semaphore(self.parallel)
        loaded = Loaded(model, key, num_ctx, slots, self.keep_alive_s, size, vram)
        self._loaded[model.file] = loaded
        return loaded

    def _taken_bytes(self) -> int:
        return sum(loaded.size_bytes for loaded in self._loaded.values())

    def _make_room(self, size_bytes: int) -> None:
        """Those that nobody uses go, the ones that would have gone first of all first."""
        for loaded in sorted((x for x in self.present() if not x.users), key=lambda x: x.keep_alive_s):
            if len(self._loaded) < self.max_loaded and self._taken_bytes() + size_bytes <= self.memory_bytes:
                return
            del self._loaded[loaded.model.file]


def _gibibytes(size_bytes: float) -> str:
    return f"{size_bytes / 1024**3:.1f} GiB"


async def evaluate(
    loaded: Loaded, prompt: tuple[str, ...], prefill_s: float, evaluated: Callable[[int], None]
) -> None:
    """
    Evaluate what is not cached, batch by batch; what was done stays cached,
    also when the client leaves. At least one token is evaluated.
    """
    at = min(loaded.cached(prompt), len(prompt) - 1)
    try:
        while at < len(prompt):
            batch = min(_BATCH_TOKENS, len(prompt) - at)
            await trio.sleep(batch * prefill_s)
            at += batch
            evaluated(batch)
    finally:
        loaded.prompts.append(prompt[:at])

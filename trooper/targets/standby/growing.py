"""
Lets the windows of one server's models grow to the conversations that they guard.

Theory of operation
-------------------
Requests wish: those that a cloud still answers (`wished`), and legs that need
the window now and wait for what becomes of it (`grow`). Behind each look the
standby's own task sees what is wished, asks `core.window` whether that may be,
and loads the model anew when it holds all slots: nobody of ours is answered
then, nobody begins, and the server itself waits for the answers of others. What
was seen before the wait is seen once more behind it.

A leg is never kept waiting for other applications: then it gets its model as it
is, and its conversation is shortened.
"""

from __future__ import annotations

import abc
import math
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Final, assert_never

import trio
from attrs import Factory, define, evolve, field

from trooper.core.local_model import LocalModel
from trooper.core.outcome import Failed
from trooper.core.window import RENEW_AFTER_S, Grow, Keep, Kept, Running, Wait
from trooper.targets.standby.base import Standby, log
from trooper.targets.standby.windows import Windows, Wish

#: How soon to look again whether our own answers have ended.
_BUSY_S: Final = 2.0


@define
class GrowingStandby(Standby):
    """The local models of a server that loads them with the window it is asked for."""

    windows: Windows = field(init=False, default=Factory(lambda self: Windows(self.target), takes_self=True))

    @abc.abstractmethod
    async def _ask_loaded(self) -> Mapping[str, Running] | None:
        """Ask the server what is loaded, with times since 1970; `None` if it does not say."""

    @abc.abstractmethod
    def _runs_as(self, model: LocalModel, loaded: Mapping[str, Running]) -> str | None:
        """The name that the model runs by."""

    @abc.abstractmethod
    async def _load(self, model: LocalModel) -> Failed | None:
        """Load the model, with its window where it has one."""

    async def _loaded(self) -> Mapping[str, Running] | None:
        """What is loaded now; `None` if the server does not say."""
        asked_at, answer = trio.current_time(), await self._ask_loaded()
        if answer is None:
            return None
        loaded = self.windows.see(answer, asked_at)
        for model in self._ready.values():
            self.windows.note_use(model.name, self._as_running(model, loaded))
        return loaded

    def _as_running(self, model: LocalModel, loaded: Mapping[str, Running]) -> Running | None:
        """The model as it is loaded, under its own name or another one of its file."""
        name = self._runs_as(model, loaded)
        return None if name is None else loaded[name]

    @contextmanager
    def _using(self, model: LocalModel) -> Iterator[None]:
        """A use of ours, told from those of others."""
        growth = self.windows.growth(model.name)
        growth.begin_use()
        try:
            yield
        finally:
            growth.end_use(trio.current_time())

    @asynccontextmanager
    async def slot(self, model: LocalModel) -> AsyncIterator[None]:
        """The right to send a request to the server; who has it uses the model."""
        async with self.slots:
            with self._using(model):
                yield

    def most_tokens(self, model: LocalModel) -> int:
        """About how large the window could become; 0 if nobody knows."""
        return self.windows.most(model, self._as_running(model, self.windows.running))

    def may_outgrow(self, name: str | None, size_bytes: int) -> bool:
        """Whether a request of so many bytes may need a larger window, and the model could still get one."""
        model = self._ready.get(self._full_name(name))
        if model is None or not self.windows.may_outgrow(model, size_bytes):
            return False
        return self.most_tokens(model) > model.window_tokens

    @contextmanager
    def wished(self, model: LocalModel, window_tokens: int) -> Iterator[None]:
        """While this lasts a request is there that may need so large a window soon."""
        with self.windows.wished(Wish(model.name, window_tokens, now=False)):
            self._poked.set()
            yield

    async def grow(self, model: LocalModel, window_tokens: int) -> LocalModel:
        """Wait until `model` has so large a window, if it can have it now; returns it as it is then."""
        if model.window_tokens >= window_tokens or not self.windows.may_outgrow(model, window_tokens**2):
            return model
        with self.windows.wished(Wish(model.name, window_tokens, now=True)) as wish:
            while not wish.is_answered:
                self._poked.set()
                await self.settled.park()
        return self.latest(model)

    async def _grow_as_wished(self) -> float:
        """Load models anew whose window is wished larger; returns in how many seconds to look again."""
        wishes, due_s = self.windows.wishes(), math.inf
        for name in sorted({wish.name for wish in wishes}):
            if (model := self._ready.get(name)) is not None:
                due_s = min(due_s, await self._grow(model))
        for wish in wishes:
            wish.is_answered = True
        if wishes:
            self.settled.unpark_all()
        return due_s

    async def _grow(self, model: LocalModel) -> float:
        running = self._as_running(model, self.windows.running)
        decision = self.windows.decide(model, running)
        is_urgent = any(wish.now for wish in self.windows.wishes(model.name))
        if isinstance(decision, Grow) and self.slots.borrowed_tokens and not is_urgent:
            # Nobody waits for it, and who is looked after meanwhile should not have to.
            return _BUSY_S
        if isinstance(decision, Grow):
            async with self._alone():
                # Somebody may have been here while we waited for the slots, or still be.
                running = await self._renewed(model)
                decision = self.windows.decide(model, running)
                if isinstance(decision, Grow) and running is not None:
                    await self._grow_to(model, running, decision.window_tokens)
        match decision:
            case Grow():
                return math.inf
            case Wait(seconds):
                self._tell_kept(model, decision, "another_application")
                return seconds
            case Keep(why):
                self._tell_kept(model, decision, why.value)
                return math.inf
            case _ as never:
                assert_never(never)

    async def _renewed(self, model: LocalModel) -> Running | None:
        """The model as it is loaded now, renewed: so others show themselves that the server answers just now."""
        growth = self.windows.growth(model.name)
        await trio.sleep_until(growth.own_use_ended_at + RENEW_AFTER_S)
        before = self._as_running(model, await self._loaded() or {})
        if before is None or await self._load(evolve(model, window_tokens=before.window_tokens)):
            return None
        after = self._as_running(model, await self._loaded() or {})
        growth.renewed(before, after, trio.current_time())
        return after

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """All slots: nobody of ours is answered, and nobody begins."""
        held: list[object] = []
        try:
            for _ in range(self.target.slots):
                borrower = object()
                await self.slots.acquire_on_behalf_of(borrower)
                held.append(borrower)
            yield
        finally:
            for borrower in held:
                self.slots.release_on_behalf_of(borrower)

    async def _grow_to(self, model: LocalModel, before: Running, window_tokens: int) -> None:
        """Load the model anew; what was not worth it is undone, and remembered."""
        words = {"target": self.target.name, "model": model.name, "before_tokens": before.window_tokens}
        log.info(
            "standby_window_grows", **words, window_tokens=window_tokens, most_tokens=self.most_tokens(model)
        )
        failed = await self._load(evolve(model, window_tokens=window_tokens))
        loaded = await self._loaded() or {}
        after = None if failed else self._as_running(model, loaded)
        if not self.windows.growth(model.name).went_well(before, after, window_tokens):
            reason = failed.word if failed else "less_in_video_memory"
            log.warning("standby_window_goes_back", **words, window_tokens=window_tokens, reason=reason)
            failed = await self._load(evolve(model, window_tokens=before.window_tokens))
            after = None if failed else self._as_running(model, await self._loaded() or {})
        if after is None:
            self._ready.pop(model.name, None)
            return
        self._ready[model.name] = evolve(model, window_tokens=after.window_tokens)
        self.windows.note_use(model.name, after)
        log.info("standby_window", **words, window_tokens=after.window_tokens)

    def _tell_kept(self, model: LocalModel, decision: Keep | Wait, why: str) -> None:
        if decision != Keep(Kept.HOLDS) and self.windows.is_news(model.name, decision):
            log.info(
                "standby_window_stays",
                target=self.target.name,
                model=model.name,
                window_tokens=model.window_tokens,
                most_tokens=self.most_tokens(model),
                reason=why,
            )

    def more_facts(self) -> Mapping[str, object]:
        """How large the window could become, and whether it may."""
        model = self._ready.get(self.chosen)
        if model is None:
            return {}
        return {
            "most_tokens": self.most_tokens(model) or None,
            "num_ctx": "auto" if self.target.num_ctx is None else self.target.num_ctx,
        }

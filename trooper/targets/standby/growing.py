"""
Lets the windows of one server's models grow to the conversations that they guard.

Theory of operation
-------------------
Requests wish: those that a cloud still answers (`wished`), and legs that have
their slot, need the window now and wait for what becomes of it (`slot`). Behind
each look the standby's own task sees what is wished, asks `core.window` whether
that may be, and loads the model anew when nobody of ours is being answered: it
has all slots, but for those of legs that wait for just that. The server itself
waits for the answers of others. What was seen before the wait for the slots is
seen once more behind it.

Nobody is kept waiting for long before a load has begun, neither legs for other
legs' answers or other applications, nor the standby for slots: then a leg gets
its model as it is, and its conversation is shortened.
"""

from __future__ import annotations

import abc
import math
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from typing import Final, assert_never

import trio
from attrs import Factory, define, evolve, field

from trooper.core.local_model import LocalModel
from trooper.core.outcome import Failed
from trooper.core.window import RENEW_AFTER_S, Grow, Keep, Kept, Refusal, Refused, Running, Wait
from trooper.targets.standby.base import Standby, log
from trooper.targets.standby.windows import Windows, Wish, is_too_much

#: How soon to look again whether our own answers have ended.
_BUSY_S: Final = 2.0
#: So long a leg waits for a load to begin, and the standby for the slots that it needs for it.
_SOON_S: Final = 5.0
_AGAIN_S: Final = 0.1
#: So long it waits where nothing else would help: a minute for others, and a little more.
_HOPE_S: Final = 75.0


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
    async def slot(
        self, model: LocalModel, window_tokens: int = 0, *, must: bool = False
    ) -> AsyncIterator[LocalModel]:
        """The right to send a request to the server; who has it uses the model."""
        async with self.slots:
            now = await self.grow(model, window_tokens, must=must)
            with self._using(now):
                yield now

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
        if window_tokens <= self.latest(model).window_tokens:
            yield
            return
        self.idle.give_way()
        with self.windows.wished(Wish(model.name, window_tokens, now=False)):
            self._poked.set()
            yield

    async def grow(self, model: LocalModel, window_tokens: int, *, must: bool = False) -> LocalModel:
        """
        Wait until `model` has so large a window, if it can have it now; returns it as it is then.

        For whoever has a slot, and uses it only then. `must`: nothing else would help, so it waits for
        others, too; not for ever, since the standby may want its slot.
        """
        model = self.latest(model)
        if model.window_tokens >= window_tokens or not self.may_outgrow(model.name, sys.maxsize):
            return model
        with self.windows.wished(Wish(model.name, window_tokens, now=True, must=must)) as wish:
            # Once: a wish that has to wait is looked at again when it is due.
            self._poked.set()
            with trio.move_on_after(_HOPE_S if must else _SOON_S):
                while not wish.is_answered and not wish.has_begun:
                    await self.settled.park()
            while wish.has_begun and not wish.is_answered:
                await self.settled.park()
        return self.latest(model)

    def _answer_wishes(self, wishes: Sequence[Wish] | None = None) -> None:
        """Let go on who waits: what could be done is done."""
        for wish in self.windows.wishes() if wishes is None else wishes:
            wish.is_answered = True
        self.settled.unpark_all()

    async def _grow_as_wished(self) -> float:
        """Load models anew whose window is wished larger; returns in how many seconds to look again."""
        wishes, soonest_s = self.windows.wishes(), math.inf
        for name in sorted({wish.name for wish in wishes}):
            model = self._ready.get(name)
            due_s = math.inf if model is None else await self._grow(model)
            soonest_s = min(soonest_s, due_s)
            told = (wish for wish in wishes if wish.name == name)
            self._answer_wishes([wish for wish in told if due_s == math.inf or not wish.must])
        return soonest_s

    async def _grow(self, model: LocalModel) -> float:
        decision = self.windows.decide(model, self._as_running(model, self.windows.running))
        if isinstance(decision, Grow):
            async with self._alone(model.name) as alone:
                if not alone:
                    return _BUSY_S
                for wish in self.windows.wishes(model.name):
                    wish.has_begun = True
                self.settled.unpark_all()
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
        if before is None:
            return None
        failed, after = await self._loaded_with(model, before.window_tokens)
        if failed is None:
            growth.renewed(before, after, trio.current_time())
        return after

    async def _loaded_with(
        self, model: LocalModel, window_tokens: int
    ) -> tuple[Failed | None, Running | None]:
        """Load the model with a window: why that has failed, and the model as it is then, if the server says."""
        failed = await self._load(evolve(model, window_tokens=window_tokens))
        loaded = None if failed else await self._loaded()
        return failed, None if loaded is None else self._as_running(model, loaded)

    @asynccontextmanager
    async def _alone(self, name: str) -> AsyncIterator[bool]:
        """
        All slots, but for those of the legs that wait for this model's window: then nobody of ours is
        answered, and nobody begins. False if they cannot be had soon.
        """
        held: list[object] = []
        is_urgent = any(wish.now for wish in self.windows.wishes(name))
        try:
            with suppress(trio.WouldBlock):
                while len(held) < self.target.slots:
                    borrower = object()
                    self.slots.acquire_on_behalf_of_nowait(borrower)
                    held.append(borrower)
            if is_urgent and not self._has_all(held, name):
                # Only for legs: who is looked after meanwhile should not have to wait for more.
                await self._take_slots(held, name)
            yield self._has_all(held, name)
        finally:
            for borrower in held:
                self.slots.release_on_behalf_of(borrower)

    async def _take_slots(self, held: list[object], name: str) -> None:
        """Take slots, each in its turn, until there are no others, and for no longer than a while."""

        async def take() -> None:
            while len(held) < self.target.slots:
                borrower = object()
                await self.slots.acquire_on_behalf_of(borrower)
                held.append(borrower)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(take)
            with trio.move_on_after(_SOON_S):
                while not self._has_all(held, name):  # noqa: ASYNC110  # a wish wakes nobody
                    await trio.sleep(_AGAIN_S)
            nursery.cancel_scope.cancel(reason="the slots are there, or will not be soon")

    def _has_all(self, held: Sequence[object], name: str) -> bool:
        waiting = sum(wish.now for wish in self.windows.wishes(name))
        return len(held) + waiting >= self.target.slots

    async def _grow_to(self, model: LocalModel, before: Running, window_tokens: int) -> None:
        """Load the model anew; what was not worth it is undone, and remembered."""
        words = {"target": self.target.name, "model": model.name, "before_tokens": before.window_tokens}
        log.info(
            "standby_window_grows", **words, window_tokens=window_tokens, most_tokens=self.most_tokens(model)
        )
        began_at, growth = trio.current_time(), self.windows.growth(model.name)
        free_bytes = self.windows.memory_bytes
        failed, after = await self._loaded_with(model, window_tokens)
        if failed is None and growth.was_taken(after, window_tokens, began_at, trio.current_time()):
            log.warning(
                "standby_window_goes_back", **words, window_tokens=window_tokens, reason="another_application"
            )
        elif after is None or not growth.is_worth(before, after):
            why = Refused.NOT_LOADED if after is None else Refused.LESS_IN_VIDEO_MEMORY
            if after is not None or is_too_much(failed):
                self._refuse(model, window_tokens, why, free_bytes)
            reason = failed.word if failed else "less_in_video_memory"
            log.warning("standby_window_goes_back", **words, window_tokens=window_tokens, reason=reason)
            _, after = await self._loaded_with(model, before.window_tokens)
        elif growth.has_grown(after, window_tokens):
            self._refuse(model, window_tokens, Refused.SERVERS_BOUND, free_bytes)
        if after is None:
            # The next look loads it.
            self.forget(model.name)
            return
        self._ready[model.name] = evolve(model, window_tokens=after.window_tokens)
        self.windows.note_use(model.name, after)
        log.info("standby_window", **words, window_tokens=after.window_tokens)

    def _refuse(self, model: LocalModel, window_tokens: int, why: Refused, free_bytes: int | None) -> None:
        self.learned.note_refusal(model, self.windows.refuse(model.name, window_tokens, why, free_bytes))

    async def _recall(self, model: LocalModel) -> None:
        """What was learned of a model before, or by another worker."""
        await self.learned.recall_ratio(model)
        self.windows.version = self.version
        if (refusal := await self.learned.refusal(model)) is not None:
            self.windows.growth(model.name).refuse(refusal)

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
        refusal = self.windows.growth(model.name).refusal
        refused = {} if refusal is None else _told(refusal)
        return {
            "most_tokens": self.most_tokens(model) or None,
            "num_ctx": "auto" if self.target.num_ctx is None else self.target.num_ctx,
            **refused,
        }


def _told(refusal: Refusal) -> Mapping[str, object]:
    at = datetime.fromtimestamp(refusal.at, UTC).isoformat(timespec="seconds")
    return {"refused_tokens": refusal.window_tokens, "refused_because": refusal.why.value, "refused_at": at}

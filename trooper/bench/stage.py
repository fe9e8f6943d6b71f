"""
One cut of the switchover bench, from the provider's instruction to the moments.

The provider is told how to fail, the client asks, and when the stream is over
everybody is asked what they noted. Nothing of that happens while a stream runs.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import trio
from attrs import Factory, define, field, frozen

from trooper.bench.cuts import ANSWER, Cell, Cut, Moments, Pool, Proxy, Spoiled
from trooper.bench.other import Place
from trooper.bench.rig import Clocks, Running
from trooper.testing import control, tokens
from trooper.testing.client import Answered, Heard, ask

#: Longer than any switch; what takes longer hangs.
_CUT_S: Final = 30.0
_REPORT_S: Final = 5.0
_REQUEST_ID: Final = "x-trooper-request-id"
_LOCAL_PATHS: Final = ("/api/chat", "/api/generate", "/completion", "/v1/chat/completions")


@frozen
class Pace:
    """Seconds: between the provider's tokens; of patience with a silent one; between keep-alives."""

    token_s: float = 0.003
    local_token_s: float = 0.003
    patience_s: float = 0.2

    @property
    def keepalive_s(self) -> float:
        """Often enough for a patience that counts bytes to never end."""
        return self.patience_s / 5


@define
class Taken:
    """What the client heard of one stream, and when."""

    status: int = 0
    request_id: str = ""
    stream: list[Heard] = field(factory=list)
    whole: bool = False

    @property
    def text(self) -> str:
        """The answer."""
        return "".join(event.text for event in self.stream)


def spoiled(taken: Taken, answer: str | None) -> str:
    """
    Why this is not one whole answer; empty if it is.

    Args:
        taken: what the client heard.
        answer: the only right text; `None` where a real model's words are its own.
    """
    finishes = [f for event in taken.stream if (f := event.choice.get("finish_reason"))]
    if not taken.whole:
        return "it did not end in time"
    if taken.status != 200:
        return f"status {taken.status}"
    if any(event.chunk.get("error") for event in taken.stream):
        return "an error in the stream"
    if [event.data for event in taken.stream].count("[DONE]") != 1 or taken.stream[-1].data != "[DONE]":
        return "not one [DONE] at the end"
    if len(finishes) != 1 or finishes[0] not in ("stop", "length"):
        return f"finish reasons: {finishes or 'none'}"
    if answer is not None and taken.text != answer:
        return f"the text differs: {len(taken.text)} characters for {len(answer)}"
    return ""


def moments(
    cell: Cell,
    taken: Taken,
    provider: Mapping[str, Any],
    local: Mapping[str, Any],
    patience_s: float,
    decided: float | None,
) -> Moments | Spoiled:
    """
    Bring together what provider, local model and client have noted.

    Args:
        cell: what was cut.
        taken: the client's notes, exact by now.
        provider, local: their marks.
        patience_s: how long a silence was borne.
        decided: when Trooper knew; `None` for another proxy.
    """
    fault_at, last_content = provider["fault_at"], provider["last_content_at"]
    local_first = local["first_content_at"]
    if fault_at is None or local_first is None:
        return Spoiled("a moment is missing")
    content = [event.at_s for event in taken.stream if event.text]
    continued = next((at for at in content if at >= local_first), None)
    if continued is None:
        return Spoiled("the local model's content did not reach the client")
    # A held word that is let out because the provider died is part of the switch.
    heard = [at for at in content if at <= fault_at]
    return Moments(
        fault=last_content + patience_s if cell.kind.is_silence else fault_at,
        local_asked=local["came_at"],
        local_first=local_first,
        decided=decided,
        last_heard=heard[-1] if heard else None,
        continued=continued,
    )


@define(eq=False)
class Stage:
    """
    Everybody who takes part.

    Attributes:
        local: the stand-in, or the tap in front of somebody's own server.
        knows_answer: whether the local model says exactly the rest of `ANSWER`.
        places: the proxies.
    """

    provider: Running
    local: Running
    trooper: Running
    places: Mapping[Proxy, Place]
    pace: Pace
    knows_answer: bool = True
    #: Who has no connection to the local model that this client's request may take: there was none yet, or
    #: it was closed under them.
    _cold: set[Proxy] = field(default=Factory(lambda self: set(self.places), takes_self=True), init=False)

    async def cut(self, cell: Cell) -> Cut:
        """
        Let the provider fail once, and note what became of it.

        Raises:
            NotStarted: a program of the rig has ended.
        """
        await control.play(self.provider.port, cell.fault, keepalive_s=self.pace.keepalive_s)
        if cell.pool is Pool.KEPT and cell.proxy in self._cold:
            await self._ask(cell)
            self._cold.remove(cell.proxy)
        for fake in (self.provider, self.local):
            await control.reset(fake.port)
        if cell.pool is Pool.FRESH:
            await control.hang_up(self.local.port)
            self._cold = set(self.places) - {cell.proxy}
        taken = await self._ask(cell)
        report: dict[str, Any] = {}
        if cell.proxy is Proxy.TROOPER and taken.request_id:
            with trio.move_on_after(_REPORT_S):
                report = await self.trooper.report(taken.request_id)
        clocks = Clocks()
        cloud = (await control.state(self.provider.port))["marks"]
        local = (await control.state(self.local.port))["marks"]
        return Cut(cell, self._judged(cell, taken, report, clocks, cloud, local))

    async def _ask(self, cell: Cell) -> Taken:
        place, taken = self.places[cell.proxy], Taken()
        question: dict[str, object] = {
            "model": place.model,
            "stream": True,
            "messages": cell.history.messages,
        }
        if not self.knows_answer:
            question["max_tokens"] = len(tokens(ANSWER)) + 16

        def opened(answered: Answered) -> None:
            taken.status = answered.status
            taken.request_id = answered.header(_REQUEST_ID) or ""

        def heard(event: Heard) -> None:
            taken.stream.append(Heard(event.raw, time.monotonic()))

        # Whoever cannot be reached has given no whole answer.
        with trio.move_on_after(_CUT_S), suppress(OSError):
            await ask(
                place.port,
                question,
                heard,
                host=place.host,
                path=place.path,
                headers=place.headers,
                opened=opened,
            )
            taken.whole = True
        return taken

    def _judged(
        self,
        cell: Cell,
        taken: Taken,
        report: Mapping[str, Any],
        clocks: Clocks,
        cloud: Sequence[Mapping[str, Any]],
        local: Sequence[Mapping[str, Any]],
    ) -> Moments | Spoiled:
        why = spoiled(taken, ANSWER if self.knows_answer else None)
        asked = [mark for mark in local if mark["path"] in _LOCAL_PATHS and mark["first_content_at"]]
        decided = None
        if not why and len(asked) != 1:
            why = f"the local model answered {len(asked)} times"
        if not why and cell.proxy is Proxy.TROOPER:
            legs = report.get("legs", ())
            if asked[0]["reused"] is not (cell.pool is Pool.KEPT):
                why = f"the connection to the local model was not {cell.pool.value}"
            elif not legs or legs[0]["outcome"] != cell.kind.found_as:
                why = f"found as {legs[0]['outcome'] if legs else 'nothing'}"
            else:
                ended = clocks.monotonic(report["timestamp"])
                decided = ended - report["duration_s"] + legs[0]["ended_s"]
        if why:
            return Spoiled(why)
        faulty = next((mark for mark in cloud if mark["fault_at"] is not None), cloud[-1])
        return moments(cell, taken, faulty, asked[0], self.pace.patience_s, decided)

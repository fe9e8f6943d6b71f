"""
The client's HTTP response to one request: its status, its headers, and when
what goes out.

The status goes out with the first content and not before; until then a failure
can still become another leg or a true status. `core.pacing` says what is due
where no content comes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, TypeVar

import trio
from attrs import define, field

from trooper.core import headers as http
from trooper.core.outcome import Answer, Failed
from trooper.core.pacing import Gap, Owed, Pacing
from trooper.core.shortening import Shortened
from trooper.core.tally import Tally
from trooper.core.unfit import Unfit
from trooper.relay.client import Client
from trooper.relay.delivery import Delivery
from trooper.relay.running_leg import RunningLeg
from trooper.relay.session import RequestSession
from trooper.telemetry.report import Ending, LegReport, RequestReport

T = TypeVar("T")
#: A name as far as it is one: it comes from whoever answers.
_MODEL_NAME: Final = re.compile(r"[!-~]{1,128}")


@define
class Response:
    """
    What one client is sent. Owned by the conductor.

    `tally` has all legs so far; the headers say how many came before the one that speaks.
    """

    client: Client
    pacing: Pacing
    request_id: str
    tally: Tally
    session: RequestSession
    gap: Gap = field(factory=Gap, init=False)
    #: Why already the first leg stands in for somebody who could not be asked, in a word; empty where it does not.
    stand_in_reason: str = field(default="", init=False)

    async def flush(self, delivery: Delivery, leg: RunningLeg) -> None:
        """Send what may go out now; a preamble waits a little for the content it announces."""
        if not delivery.out:
            return
        if not self.client.started:
            if not self.pacing.streams:
                return
            if not delivery.shown:
                self.pacing.preamble(trio.current_time())
                return
            await self._open(delivery, leg)
        await self._write(delivery, leg)

    async def do_duties(
        self, delivery: Delivery, leg: RunningLeg, now: float, *, at_work: bool = False
    ) -> None:
        """
        Send what the client is owed although no content has come.

        `at_work`: the leg has been granted a model, and nobody's bytes will be
        forwarded any more. Then it is said in an event that clients count.
        """
        owed, progress = self.pacing.owed(now), leg.progress(now)
        if owed is Owed.NOTHING:
            return
        if at_work and not delivery.out:
            sign = delivery.sign_of_work(progress)
        else:
            at_work, sign = False, delivery.voice.keep_alive(progress)
        if owed is Owed.OPEN:
            await self._open(delivery, leg)
            if delivery.out:
                await self._write(delivery, leg)
                return
        # Past the gate: what waits there may wait for seconds.
        await self.client.write(sign)
        self.pacing.sent(trio.current_time(), counts=at_work)
        leg.log_progress(self.request_id, now)

    async def meanwhile(self, delivery: Delivery, leg: RunningLeg, work: Callable[[], Awaitable[T]]) -> T:
        """What `work` comes to; all the while the client hears that somebody is here."""
        found: list[T] = []
        done = trio.Event()

        async def find() -> None:
            found.append(await work())
            done.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(find)
            while not done.is_set():
                # As while a leg is heard: nothing of ours stands inside an event.
                inside = delivery.missing_end and self.client.started
                with trio.move_on_at(math.inf if inside else self.pacing.due):
                    await done.wait()
                if not done.is_set():
                    await self.do_duties(delivery, leg, trio.current_time())
        return found[0]

    async def end(self, delivery: Delivery, leg: RunningLeg) -> None:
        """Send what is left, and that it was all."""
        if not self.client.started:
            if not self.pacing.streams:
                kind = (b"content-type", delivery.voice.content_type)
                named = _model_header(delivery.voice.named)
                given = (kind, *named, self._local_tokens(), *http.to_client(leg.opened))
                whole = Answer(200, given, delivery.take())
                await self.answer(whole, leg.link.target.name)
                return
            await self._open(delivery, leg)
        await self.client.finish(delivery.take())

    async def answer(self, answer: Answer, speaker: str) -> None:
        """Send a whole HTTP answer: `speaker`'s words, or ours about it."""
        await self.client.answer(answer, self._own_headers(speaker, is_last=True))

    async def _open(self, delivery: Delivery, leg: RunningLeg) -> None:
        before = trio.current_time()
        await self.client.start(
            200,
            (
                (b"content-type", delivery.voice.content_type),
                (b"cache-control", b"no-cache"),
                # Re-buffering front ends make a stream look stalled.
                (b"x-accel-buffering", b"no"),
                # Who speaks before a provider has taken the credential is no provider of the client's.
                *self._own_headers(leg.link.target.name, is_last=delivery.shown),
                *_model_header(delivery.voice.named),
                *_shortened_header(self.tally.legs[-1].shortened),
                *http.to_client(leg.opened),
            ),
        )
        now = trio.current_time()
        self.pacing.sent(now)
        leg.patience.excuse(now - before)

    async def _write(self, delivery: Delivery, leg: RunningLeg) -> None:
        before = trio.current_time()
        if delivery.shown:
            self.session.speaks(self.request_id, delivery.transcript, before)
        self.client.has_all = delivery.transcript.terminated
        await self.client.write(delivery.take())
        now = trio.current_time()
        self.pacing.sent(now)
        # Whoever waits for a slow client must not blame the provider for it.
        leg.patience.excuse(now - before)
        if delivery.shown:
            self.gap.content(now, of_this_leg=leg.patience.first_content is not None)

    def _own_headers(self, speaker: str, *, is_last: bool = False) -> http.Headers:
        fallbacks = max(0, len(self.tally.legs) - 1) + bool(self.stand_in_reason)
        session, reason = self.session.begin(self.request_id, is_last=is_last), self._reason
        return (
            (b"x-trooper-request-id", self.request_id.encode()),
            (b"x-trooper-target", speaker.encode()),
            (b"x-trooper-fallbacks", str(fallbacks).encode()),
            *(((b"x-trooper-session", session.encode()),) if session else ()),
            *(((b"x-trooper-reason", reason.encode()),) if reason else ()),
        )

    @property
    def _reason(self) -> str:
        """Why not the first one answers who was meant to; the first failure, since the others are consequences."""
        failed = (leg.outcome.word for leg in self.tally.legs if isinstance(leg.outcome, Failed))
        return next(failed, self.stand_in_reason)

    def _local_tokens(self) -> tuple[bytes, bytes]:
        """How many tokens of a whole answer local models have made; a stream tells it at its end, by leg."""
        is_local = self.session.services.is_local
        tokens = sum(leg.tokens for leg in self.tally.legs if is_local(leg.target) and not leg.dropped)
        return b"x-trooper-tokens-local", str(tokens).encode()

    def report(
        self, outcome: Ending, legs: Sequence[LegReport], passed_by: Mapping[str, Unfit]
    ) -> RequestReport:
        """The whole request in numbers and enumerated words."""
        incoming = self.session.incoming
        return RequestReport(
            request_id=self.request_id,
            model=incoming.model_for_log(),
            stream=incoming.routing.stream,
            outcome=outcome,
            status=self.client.status,
            duration_s=round(trio.current_time() - self.pacing.began, 6),
            sent_bytes=self.client.sent_bytes,
            gap_s=self.gap.seconds,
            legs=tuple(legs),
            passed_by=dict(passed_by),
        )


def _shortened_header(shortened: Shortened) -> http.Headers:
    """How much of the conversation was not shown to the one who begins to answer, by kind."""
    words = ", ".join(f"{name}={number}" for name, number in shortened.told().items())
    return ((b"x-trooper-shortened", words.encode()),) if words else ()


def _model_header(model: str) -> http.Headers:
    """The model that the answer is named after, where that is known and can stand in a header."""
    sayable = _MODEL_NAME.fullmatch(model) is not None
    return ((b"x-trooper-model", model.encode()),) if sayable else ()

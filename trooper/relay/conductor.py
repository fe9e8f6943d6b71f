"""
One request: its nursery, its legs, and the conductor.

Theory of operation
-------------------
`relay` opens one nursery. In it run two watchers of the client, one alarm,
and the legs, each of which only reads into its inbox. The nursery's body is
the conductor. It alone owns what the client sees: voice, gate, transcript,
the join, and every `send`.

    leg ── Inbox ──▶ conductor ── gate ──▶ voice ──▶ client
                        │  ▲
                outcome ▼  │ step
                      core.plan

The conductor loops: run a leg, hear it to its end, ask the plan for the next
step. It waits in one place, on its bell, for any inbox or the alarm. A stall
can only be found there: when events wait in an inbox it is we who are slow.

The status goes out with the first whole good event and not before; until
then a failure can still become another leg or a true status.
"""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable
from typing import Final, assert_never

import trio
from attrs import define, field

from trooper.core import headers as http
from trooper.core.events import Finish, FinishReason, Received, is_content
from trooper.core.outcome import Answer, Completed, Failed, FailureKind, Outcome
from trooper.core.plan import (
    Continue,
    FinishCall,
    FinishTurn,
    GiveUp,
    PassOn,
    Restart,
    Retry,
    Step,
    Terminate,
    next_step,
    passed_by,
)
from trooper.core.unfit import Unfit
from trooper.relay import past_answers
from trooper.relay.client import Client, Receive, Send
from trooper.relay.delivery import Delivery
from trooper.relay.failure_answers import seam_words
from trooper.relay.request import ClientRequest, Incoming
from trooper.relay.route import Route
from trooper.relay.running_leg import Playing, leg_report
from trooper.services import Seat, Services
from trooper.targets.inbox import Alarm, Bell, Ended, Granted, Opened
from trooper.telemetry.log import log_request
from trooper.telemetry.report import Ending, How, LegReport, RequestReport

#: Events that are read at once go out in one write, up to this much.
_WRITE_BYTES: Final = 65_536
#: How long a finished leg may take to give its connection back.
_GOODBYE_S: Final = 0.3


async def relay(
    services: Services,
    request: ClientRequest,
    receive: Receive,
    send: Send,
    hang_up: Callable[[], object],
) -> None:
    """
    Answer one request, whatever happens to its provider.

    Owns the whole ASGI response. Returns when the client has its answer, or
    an honest error, or is gone.
    """
    client = Client(send, hang_up, services.config.server.drain_timeout_s)
    conductor = Conductor(services, past_answers.incoming(services, request), client)
    try:
        if not conductor.route.seats:
            await conductor.refuse()
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.watch_presence, receive, nursery.cancel_scope)
            nursery.start_soon(client.watch_draining, nursery.cancel_scope)
            nursery.start_soon(conductor.alarm.run)
            await conductor.run(nursery)
            nursery.cancel_scope.cancel(reason="the request is over")
    finally:
        log_request(conductor.report())


@define
class Conductor:
    """The body of a request's nursery: owns everything the client sees."""

    services: Services
    incoming: Incoming
    client: Client
    request_id: str = field(factory=lambda: secrets.token_hex(12), init=False)
    alarm: Alarm = field(init=False)
    route: Route = field(init=False)
    delivery: Delivery = field(init=False)
    _bell: Bell = field(factory=Bell, init=False)
    _began: float = field(factory=trio.current_time, init=False)
    _legs: list[LegReport] = field(factory=list, init=False)
    _playing: Playing | None = field(default=None, init=False)
    _first: tuple[Failed, str] | None = field(default=None, init=False)
    _may_retry: bool = field(default=True, init=False)
    _preamble_since: float | None = field(default=None, init=False)
    _ending: Ending = field(default=Ending.BROKEN, init=False)
    # When the client last got content; from where on a gap is open; the last gap.
    _content_sent: float | None = field(default=None, init=False)
    _gap_since: float | None = field(default=None, init=False)
    _gap_s: float | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self.alarm = Alarm(self._bell)
        self.route = Route(self.services, self.incoming, self.request_id)
        self.delivery = Delivery(
            self.incoming,
            self.services.config.server,
            self.request_id,
            int(time.time()),
            self.route.could_go_on,
            self.route.could_start_over,
        )

    async def run(self, nursery: trio.Nursery) -> None:
        """Play legs until the answer is whole or nobody is left."""
        playing = self._start(nursery, self.route.first(trio.current_time()))
        while True:
            outcome = await self._hear_out(playing)
            step = self._next(outcome)
            if isinstance(step, Terminate | FinishTurn | PassOn | GiveUp):
                break
            playing = self._start(nursery, step)
        await self._close(step, playing)
        with trio.move_on_after(_GOODBYE_S):
            await playing.closed.wait()

    async def refuse(self) -> None:
        """Nobody in the configuration takes requests of this wire with these credentials."""
        failed = Failed(FailureKind.UNFIT, unfit_reason=Unfit.NO_TARGET)
        wire = self.incoming.surface.wire.value
        self._ending = Ending.FAILED
        await self._answer(self.delivery.fail(failed, f"the chain for {wire}", own=False), "none")

    def _start(self, nursery: trio.Nursery, step: Restart | Continue | FinishCall | Retry) -> Playing:
        """Start the leg that the plan has asked for."""
        if isinstance(step, Retry):
            self._may_retry = False
            seat = self.route.take_again(step.target)
        else:
            seat = self.route.take(step.target)
        delivery = self.delivery
        going_on = delivery.transcript.has_text or delivery.transcript.open_call() is not None
        if not self.client.started and not going_on:
            delivery.begin_anew()
            self._preamble_since = None
        leg = self.route.leg(
            seat,
            delivery.transcript,
            tokens_left=delivery.tokens_left(),
            other_way=isinstance(step, Retry),
        )
        delivery.begin_leg(seat.target.name, seat.model or "", seam=self._seam_words(seat))
        self._gap_since = self._content_sent
        how = How.CONTINUE if going_on else How.RESTART
        playing = Playing.at(seat, how, self._bell, self.services.config.server.channel_bytes)
        nursery.start_soon(playing.run, leg)
        self._playing = playing
        return playing

    def _seam_words(self, seat: Seat) -> str:
        if not self._legs:
            return ""
        last = self._legs[-1]
        return seam_words(last.target, seat.target.name, last.outcome, last.phase)

    async def _hear_out(self, playing: Playing) -> Outcome:
        """Hear one leg to its end; returns how it ended."""
        inbox, patience, delivery = playing.inbox, playing.patience, self.delivery
        while True:
            item = inbox.take()
            if item is None:
                await self._flush(playing)
                item = inbox.take()
            match item:
                case None:
                    now = trio.current_time()
                    if patience.over(now):
                        return self._conclude(playing, Completed())
                    if (kind := patience.lost(now)) is not None:
                        return self._conclude(playing, Failed(kind))
                    await self._do_duties(playing, now)
                    self.alarm.set(min(patience.due, self._next_duty()))
                    await self._bell.wait()
                case Received(events=events):
                    if any(map(is_content, events)):
                        patience.content(trio.current_time())
                    if any(isinstance(e, Finish) for e in events):
                        patience.finish(trio.current_time())
                    delivery.hear(item)
                    if delivery.stopped:
                        return self._conclude(playing, Completed())
                    if delivery.unfit:
                        return self._conclude(playing, Failed(FailureKind.UNFIT, unfit_reason=delivery.unfit))
                    if len(delivery.out) > _WRITE_BYTES:
                        await self._flush(playing)
                case Opened(headers):
                    playing.opened = headers
                case Granted(model, prefill, echoes, overlaps):
                    patience.granted(trio.current_time())
                    delivery.granted(model, prefill, echoes=echoes, overlaps=overlaps)
                case Ended(outcome):
                    return self._conclude(playing, outcome)
                case _ as never:
                    assert_never(never)

    def _conclude(self, playing: Playing, outcome: Outcome) -> Outcome:
        """The leg is over for us, whether or not it knows."""
        delivery = self.delivery
        outcome = delivery.conclude(outcome, going_on=playing.how is How.CONTINUE)
        failed = outcome if isinstance(outcome, Failed) else None
        if failed is not None:
            playing.scope.cancel(reason="the leg has failed")
            self.route.observe(playing.seat, failed, trio.current_time())
            if self._first is None:
                self._first = (failed, playing.seat.target.name)
        self._legs.append(leg_report(playing, delivery, self._began, outcome))
        self._playing = None
        return outcome

    def _next(self, outcome: Outcome) -> Step:
        # A healthy answer needs no second look at the request it answers.
        failed = isinstance(outcome, Failed)
        first = self._first
        healed = failed and self._can_heal(outcome)
        if healed:
            # The refusal was for what somebody else had said: it is no failure to be told.
            self._first = None
        transcript, candidates = self.delivery.transcript, self.route.candidates() if failed else ()
        step = next_step(
            outcome,
            transcript,
            candidates,
            tried=self._legs[-1].target,
            first=None if first is None or first[0] is outcome else first[0],
            may_retry=self._may_retry,
            failover=self.incoming.wants_failover,
            tokens_left=self.delivery.tokens_left() if failed else None,
            can_heal=healed,
        )
        self.route.passed_by.update(passed_by(step, candidates, transcript))
        return step

    def _can_heal(self, outcome: Outcome) -> bool:
        untouched = not self.delivery.transcript.has_content and self._may_retry
        return untouched and isinstance(outcome, Failed) and self.route.heal(self._legs[-1].target, outcome)

    async def _flush(self, playing: Playing) -> None:
        """Send what may go out; a preamble waits a little for the content it announces."""
        delivery = self.delivery
        if not delivery.out:
            return
        if not self.client.started:
            if not self.incoming.routing.stream:
                return
            now = trio.current_time()
            if not delivery.shown:
                if self._preamble_since is None:
                    self._preamble_since = now
                if now < self._preamble_since + self.services.config.server.preamble_hold_s:
                    return
            await self._open(playing)
        body = bytes(delivery.out)
        delivery.out.clear()
        before = trio.current_time()
        await self.client.write(body)
        now = trio.current_time()
        # Whoever waits for a slow client must not blame the provider for it.
        playing.patience.excuse(now - before)
        if delivery.shown:
            if self._gap_since is not None and playing.patience.first_content is not None:
                self._gap_s, self._gap_since = round(now - self._gap_since, 6), None
            self._content_sent = now

    async def _open(self, playing: Playing) -> None:
        voice = self.delivery.voice
        await self.client.start(
            200,
            (
                (b"content-type", voice.content_type),
                (b"cache-control", b"no-cache"),
                # Re-buffering front ends make a stream look stalled.
                (b"x-accel-buffering", b"no"),
                *self._own_headers(playing.seat.target.name),
                *http.to_client(playing.opened),
            ),
        )

    def _own_headers(self, speaker: str) -> http.Headers:
        return (
            (b"x-trooper-request-id", self.request_id.encode()),
            (b"x-trooper-target", speaker.encode()),
            (b"x-trooper-fallbacks", str(max(0, len(self.delivery.tally.legs) - 1)).encode()),
        )

    def _next_duty(self) -> float:
        """When something has to be sent although no event comes."""
        server = self.services.config.server
        if not self.incoming.routing.stream:
            return math.inf
        if self.client.started:
            return self.client.last_sent + server.keepalive_s
        commit = self._began + server.commit_after_s
        if self._preamble_since is None or self.delivery.shown:
            return commit
        return min(commit, self._preamble_since + server.preamble_hold_s)

    async def _do_duties(self, playing: Playing, now: float) -> None:
        """Commit to a 200 when it is time, and keep the connection alive."""
        if now < self._next_duty():
            return
        if not self.client.started and self._preamble_since is None:
            await self._open(playing)
        if self.client.started:
            # Past the gate: what waits there may wait for seconds.
            await self.client.write(self.delivery.voice.keep_alive())

    async def _close(self, step: Terminate | FinishTurn | PassOn | GiveUp, playing: Playing) -> None:
        """Say the end, whatever it is."""
        delivery = self.delivery
        match step:
            case Terminate() | FinishTurn():
                delivery.end_turn(step.reason if isinstance(step, FinishTurn) else FinishReason.STOP)
                self._ending = Ending.COMPLETED
                past_answers.keep(
                    self.services,
                    self.incoming,
                    delivery.voice,
                    provider_knows=self._is_providers_own(playing),
                )
            case PassOn(failed) | GiveUp(failed):
                self._ending = Ending.PASSED_ON if isinstance(step, PassOn) else Ending.FAILED
                target = self._first[1] if self._first else playing.seat.target.name
                own = isinstance(step, PassOn)
                if not self.client.started and not delivery.shown and not (own and failed.raw):
                    await self._answer(delivery.fail(failed, target, own=own), target)
                    return
                delivery.fail_in_band(failed, target, own=own)
            case _ as never:
                assert_never(never)
        if not self.client.started:
            if not self.incoming.routing.stream:
                await self._answer(self._whole_answer(playing), playing.seat.target.name)
                return
            await self._open(playing)
        body = bytes(delivery.out)
        delivery.out.clear()
        await self.client.finish(body)

    def _is_providers_own(self, playing: Playing) -> bool:
        """Whether the client's own provider made the whole of the answer."""
        return playing.seat is self.route.seats[0] and self.delivery.is_forwarded

    def _whole_answer(self, playing: Playing) -> Answer:
        headers = ((b"content-type", self.delivery.voice.content_type), *http.to_client(playing.opened))
        return Answer(200, headers, bytes(self.delivery.out))

    async def _answer(self, answer: Answer, speaker: str) -> None:
        """Send a whole HTTP answer: `speaker`'s words, or ours about it."""
        length = (b"content-length", str(len(answer.body)).encode())
        await self.client.start(answer.status, (*answer.headers, length, *self._own_headers(speaker)))
        await self.client.finish(answer.body)

    def report(self) -> RequestReport:
        """The request in numbers and enumerated words, the leg that is still open included."""
        outcome = Ending.CLIENT_CANCELLED if self.client.gone else self._ending
        still = self._playing
        open_leg = () if still is None else (leg_report(still, self.delivery, self._began, outcome),)
        return RequestReport(
            request_id=self.request_id,
            model=self.route.model_for_log(),
            stream=self.incoming.routing.stream,
            outcome=outcome,
            status=self.client.status,
            duration_s=round(trio.current_time() - self._began, 6),
            sent_bytes=self.client.sent_bytes,
            gap_s=self._gap_s,
            legs=(*self._legs, *open_leg),
            passed_by=dict(self.route.passed_by),
        )

"""
One request: its nursery, its legs, and the conductor.

Theory of operation
-------------------
`relay` opens one nursery. In it run two watchers of the client, one alarm,
and the legs, each of which only reads into its inbox. The nursery's body is
the conductor. It alone owns what the client sees: the delivery, the response,
and every `send`.

    leg ── Inbox ──▶ conductor ── splice ──▶ delivery ──▶ response ──▶ client
                        │  ▲
                outcome ▼  │ step
                      core.plan

The conductor obeys the plan's steps until one of them is an end: it runs a
leg, hears it to its end, and asks for the next step. It waits in one place,
on its bell, for any inbox or the alarm. A stall can only be found there: when
events wait in an inbox it is we who are slow.

What belongs to a leg is in a `RunningLeg`, made when it starts and dropped
when it ends.
"""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable
from functools import partial
from typing import Final, assert_never

import trio
from attrs import define, field

from trooper.core.events import FinishReason, Received
from trooper.core.outcome import PASSING, Completed, Failed, FailureKind, Outcome
from trooper.core.pacing import Pacing
from trooper.core.plan import (
    Ask,
    Continue,
    FinishCall,
    FinishTurn,
    GiveUp,
    PassOn,
    Restart,
    Step,
    Terminate,
    is_retry,
)
from trooper.core.structured import Document
from trooper.core.tally import LegTally, Tally
from trooper.core.unfit import Unfit
from trooper.relay.ahead import look_ahead, may_be_too_long
from trooper.relay.asking import Asking
from trooper.relay.checking import fault_of
from trooper.relay.client import Client, Receive, Send
from trooper.relay.delivery import Delivery
from trooper.relay.failure_answers import seam_after
from trooper.relay.request import ClientRequest, Incoming, read
from trooper.relay.response import Response
from trooper.relay.route import Route
from trooper.relay.running_leg import RunningLeg, patience_with
from trooper.relay.session import RequestSession
from trooper.relay.splice import Splice
from trooper.services import Services
from trooper.targets.chain import Link
from trooper.targets.cloud import CloudLeg
from trooper.targets.inbox import Alarm, Bell, Ended, Granted, Inbox, Opened, Queued
from trooper.telemetry.report import Ending, How, LegReport

#: Events that are read at once go out in one write, up to this much.
_WRITE_BYTES: Final = 65_536
#: So many events are given before others have their turn: while the client was slow, many may have come.
_MOST_ITEMS: Final = 128
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
    conductor = Conductor(services, await read(services, request), client)
    try:
        if not conductor.route.links:
            # Nobody in the configuration takes requests of this wire with these credentials.
            nobody = Failed(FailureKind.UNFIT, unfit_reason=Unfit.NO_TARGET)
            await conductor.refuse(nobody, f"the chain for {conductor.incoming.wire.name}", "none")
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.watch_presence, receive, nursery.cancel_scope)
            nursery.start_soon(client.watch_draining, nursery.cancel_scope)
            nursery.start_soon(conductor.alarm.run)
            await conductor.run(nursery)
            nursery.cancel_scope.cancel(reason="the request is over")
    finally:
        conductor.tell()


@define
class Conductor:
    """The body of a request's nursery: owns everything the client sees."""

    services: Services
    incoming: Incoming
    client: Client
    request_id: str = field(factory=lambda: secrets.token_hex(12), init=False)
    alarm: Alarm = field(init=False)
    route: Route = field(init=False)
    _asking: Asking = field(init=False)
    _session: RequestSession = field(init=False)
    _response: Response = field(init=False)
    _delivery: Delivery = field(init=False)
    _tally: Tally = field(factory=Tally, init=False)
    _bell: Bell = field(factory=Bell, init=False)
    _began: float = field(factory=trio.current_time, init=False)
    _created: int = field(factory=lambda: int(time.time()), init=False)
    #: The leg that is being heard; the lines of those before it.
    _leg: RunningLeg | None = field(default=None, init=False)
    _legs: list[LegReport] = field(factory=list, init=False)
    _may_retry: bool = field(default=True, init=False)
    _ending: Ending = field(default=Ending.BROKEN, init=False)

    def __attrs_post_init__(self) -> None:
        server, streams = self.services.config.server, self.incoming.routing.stream
        self.alarm = Alarm(self._bell)
        self.route = Route(self.services, self.incoming)
        self._session = RequestSession(self.services, self.incoming)
        self._asking = Asking(
            self.services, self.incoming, self.route, self.request_id, self._session.appended
        )
        pacing = Pacing(
            self._began, server.commit_after_s, server.preamble_hold_s, server.keepalive_s, streams
        )
        self._response = Response(self.client, pacing, self.request_id, self._tally, self._session)
        self._delivery = self._new_delivery()

    def _new_delivery(self) -> Delivery:
        server = self.services.config.server
        return Delivery.begin(self.incoming, server, self._tally, self.request_id, self._created)

    async def run(self, nursery: trio.Nursery) -> None:
        """Obey the plan until the answer is whole or nobody is left."""
        if not self.route.begins_at_once(trio.current_time()):
            await self.incoming.read_conversation(self.services)
        first = self.route.first(trio.current_time())
        if isinstance(first, GiveUp):
            await self.refuse(first.failed, self.route.whose(first.failed, self.route.links[0]))
            return
        self._response.stand_in_reason = self.route.stand_in_reason
        leg = self._start(nursery, first)
        if may_be_too_long(self.route, self.incoming):
            nursery.start_soon(look_ahead, self._asking, lambda: self.client.gone)
        if self.services.config.server.structured == "hold":
            # Whether the answer is a document the request says; its provider is at work meanwhile.
            await self._read_conversation(leg)
        while True:
            outcome = await self._hear_out(leg)
            if isinstance(outcome, Failed) and outcome.kind not in PASSING:
                nursery.start_soon(self._session.find_owner)
                await self._read_conversation(leg)
            step = self._next(leg, outcome)
            await self.incoming.others_turn()
            match step:
                case Restart() | Continue() | FinishCall():
                    leg = self._start(nursery, step)
                    continue
                case Terminate():
                    await self._complete(leg, FinishReason.STOP)
                case FinishTurn(reason):
                    await self._complete(leg, reason)
                case PassOn(failed):
                    await self._fail(leg, failed, own=True)
                case GiveUp(failed):
                    await self._fail(leg, failed, own=False)
                case _ as never:
                    assert_never(never)
            break
        with trio.move_on_after(_GOODBYE_S):
            await leg.closed.wait()

    async def _read_conversation(self, leg: RunningLeg) -> None:
        read = partial(self.incoming.read_conversation, self.services)
        await (self._response.meanwhile(self._delivery, leg, read) if self.incoming.is_unread else read())

    async def refuse(self, failed: Failed, whose: str, speaker: str = "") -> None:
        """Nobody is asked: say why, of whom, and in a header who is meant."""
        self._ending = Ending.FAILED
        told = self._delivery.fail(failed, whose, own=False, others=self.route.others(failed))
        await self._response.answer(told, speaker or whose)

    # -- a leg -------------------------------------------------------------------

    def _start(self, nursery: trio.Nursery, step: Ask[Link]) -> RunningLeg:
        """Start the leg that the plan has asked for."""
        link = step.link
        self.route.take(link, trio.current_time())
        self._may_retry = self._may_retry and not is_retry(step)
        how = How.RESTART if isinstance(step, Restart) else How.CONTINUE
        how = how if self._legs else How.FIRST
        if how is How.RESTART and self.incoming.routing.stream and not self.client.started:
            self._begin_anew()
        asked = self._asking.leg(step, self._delivery.transcript)
        leg = self._leg = RunningLeg(
            link,
            how,
            self._new_splice(link, goes_on=how is How.CONTINUE),
            patience_with(link.target, streams=not isinstance(asked, CloudLeg) or asked.stream),
            Inbox(self._bell, self.services.config.server.channel_bytes),
        )
        leg.splice.tally.left_out_tools = self._asking.left_out_tools(asked)
        self._delivery.switch(seam_after(self._legs, self._tally, link.target.name))
        self._response.gap.leg_begins()
        nursery.start_soon(leg.run, asked)
        return leg

    def _new_splice(self, link: Link, *, goes_on: bool) -> Splice:
        tally = LegTally(link.target.name, link.model or "")
        self._tally.legs.append(tally)
        again = link if self._may_retry else None
        return Splice(
            tally,
            self._delivery.transcript,
            self.services.config.server,
            goes_on=goes_on,
            is_first=not self._legs,
            streams=self.incoming.routing.stream,
            conversation=lambda: self.incoming.readable,
            could_go_on=partial(self.route.could_go_on, again),
            could_start_over=partial(self.route.could_start_over, again),
        )

    async def _hear_out(self, leg: RunningLeg) -> Outcome:
        """Hear one leg to its end; returns how it ended."""
        inbox, patience, splice, delivery = leg.inbox, leg.patience, leg.splice, self._delivery
        pacing, taken = self._response.pacing, 0
        while True:
            item = inbox.take()
            if item is None:
                await self._response.flush(delivery, leg)
                item = inbox.take()
            match item:
                case None:
                    now = trio.current_time()
                    patience.heard = inbox.heard
                    if now >= (due := patience.due) and (tired := leg.tired(now)) is not None:
                        return await self._conclude(leg, tired)
                    held_until = splice.release_due(now)
                    if now >= held_until:
                        delivery.release_calls(splice)
                        await self._catch_up(leg)
                        continue
                    # Nothing of ours stands inside an event; the status may.
                    owed = math.inf if delivery.missing_end and self.client.started else pacing.due
                    if now >= owed:
                        await self._response.do_duties(delivery, leg, now, at_work=self._at_work(leg, now))
                        owed = pacing.due
                    self.alarm.set(min(due, owed, held_until))
                    await self._bell.wait()
                case Received():
                    taken += 1
                    if taken % _MOST_ITEMS == 0:
                        await trio.lowlevel.checkpoint()
                    now = trio.current_time()
                    patience.hear(item, now)
                    self._session.hear(leg.link.target, item)
                    delivery.hear(splice, item)
                    if splice.behind:
                        await self._catch_up(leg)
                    if splice.stopped:
                        return await self._conclude(leg, Completed())
                    if splice.unfit:
                        return await self._conclude(leg, Failed(FailureKind.UNFIT, unfit_reason=splice.unfit))
                    # Who sends faster than we read never lets the inbox be empty.
                    if not item.has_content or now >= patience.ends:
                        leg.hear_progress(item, now)
                        if (tired := leg.tired(now)) is not None:
                            return await self._conclude(leg, tired)
                    if len(delivery.out) > _WRITE_BYTES:
                        await self._response.flush(delivery, leg)
                case Opened(headers):
                    leg.opened = headers
                case Queued():
                    patience.queued(trio.current_time())
                case Granted():
                    leg.granted(item, now := trio.current_time())
                    if self._at_work(leg, now):
                        pacing.work_begins()
                case Ended(outcome):
                    return await self._conclude(leg, outcome)
                case _ as never:
                    assert_never(never)

    def _at_work(self, leg: RunningLeg, now: float) -> bool:
        """Whether it is known who answers, and no provider's own bytes will be the client's, which begin the answer."""
        return leg.is_granted and not (leg.splice.forwards and self.route.may_forward(leg.link, now))

    async def _catch_up(self, leg: RunningLeg) -> None:
        """Give what was held together, with turns for others between its portions."""
        while leg.splice.behind:
            await trio.lowlevel.checkpoint()
            self._delivery.give_more(leg.splice)

    async def _conclude(self, leg: RunningLeg, outcome: Outcome) -> Outcome:
        """The leg is over for us, whether or not it knows."""
        delivery, splice = self._delivery, leg.splice
        outcome = delivery.last_words(splice, outcome)
        fault = splice.to_check(outcome, delivery.transcript)
        if isinstance(fault, Document):
            check = partial(fault_of, self.services, self.incoming.request.owner, fault)
            await self._response.flush(delivery, leg)
            fault = await self._response.meanwhile(delivery, leg, check)
        outcome = delivery.conclude(splice, outcome, fault)
        failed = outcome if isinstance(outcome, Failed) else None
        if failed is not None:
            leg.scope.cancel(reason="the leg has failed")
            self.route.observe(leg.link, failed, trio.current_time())
        splice.tally.outcome, splice.tally.spoke = outcome, splice.said
        self._legs.append(leg.report(self._began, self._delivery.transcript.phase, outcome))
        self._leg = None
        if failed is not None and not self.incoming.routing.stream:
            # An answer in one piece is sent at its end, so nobody has a half of it, whoever comes next.
            self._begin_anew()
        return outcome

    def _begin_anew(self) -> None:
        """Whatever the failed legs have said, nobody has seen it."""
        self._tally.drop()
        self._delivery = self._new_delivery()
        self._response.pacing.preamble_dropped()

    def _next(self, leg: RunningLeg, outcome: Outcome) -> Step[Link]:
        transcript, failed = self._delivery.transcript, isinstance(outcome, Failed)
        heals = (
            isinstance(outcome, Failed)
            and not transcript.has_content
            and self._may_retry
            and self._asking.heal(leg.link, outcome)
        )
        if heals:
            # The refusal was for what somebody else had said: it is no failure to be told.
            self.route.forgive()
        return self.route.after(
            outcome,
            transcript,
            now=trio.current_time(),
            tried=leg.link,
            may_retry=self._may_retry,
            can_heal=heals,
            tokens_left=self._asking.tokens_left(transcript) if failed else None,
        )

    # -- the end -----------------------------------------------------------------

    async def _complete(self, leg: RunningLeg, reason: FinishReason) -> None:
        """The answer is whole: say what is missing of its end, and remember it."""
        delivery = self._delivery
        delivery.end_turn(reason)
        self._ending = Ending.COMPLETED
        provider_knows = leg.link is self.route.links[0] and delivery.is_forwarded
        session_id = self._session.known_id(is_last=True)
        self.incoming.remember(self.services, delivery.voice, session_id, provider_knows=provider_knows)
        await self._response.end(delivery, leg)

    async def _fail(self, leg: RunningLeg, failed: Failed, *, own: bool) -> None:
        """Tell the failure; `own`: in the provider's words, if it had any."""
        delivery = self._delivery
        self._ending = Ending.PASSED_ON if own else Ending.FAILED
        self._session.is_refused = own and failed.kind in PASSING
        target = self.route.whose(failed, leg.link)
        others = () if own and failed.answer is not None else self.route.others(failed)
        if not self.client.started and not delivery.shown and not (own and failed.raw):
            await self._response.answer(delivery.fail(failed, target, own=own, others=others), target)
            return
        delivery.fail_in_band(failed, target, own=own, others=others)
        await self._response.end(delivery, leg)

    def tell(self) -> None:
        """The request is over: tell what became of it, the leg that is still open included."""
        outcome = Ending.CLIENT_CANCELLED if self.client.gone else self._ending
        legs = list(self._legs)
        if self._leg is not None:
            legs.append(self._leg.report(self._began, self._delivery.transcript.phase, outcome))
        report = self._response.report(outcome, legs, self.route.passed_by)
        self.services.tell(report)
        self._session.note(report, self._tally, self._delivery)

"""
The session of one request: what it is called, and what is kept of the request when it is over.

Theory of operation
-------------------
What a session is called depends on whether its client has proved himself, for
a key that names a session by itself (`core.session_key`): a provider has
answered his credential in this very request, or it is known as an owner's. An
answer is what a model has said, or its good end: many refuse a credential in a
200, so no status proves anything. That is
decided once, as late as possible: when the headers go out, or at the end. Until
somebody has proved himself his turns are in a session of his own credential,
so that nobody gets into another's session by a request that fails.

A session that a client has been told of is put before it is told, with its turn
as an open one (`begin`); the same turn is put as it ended when the request is over
(`note`). So who loses us in the middle finds it all the same. What was said is kept
with the first words, and anew when the answer has lasted twice as long (`speaks`).

Everything here happens in memory and at once: nothing is waited for between
two tokens. Only once a leg has failed the store is asked, beside the next leg,
whose session it is.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any, Final

import msgspec
from attrs import define, evolve, field

from trooper.config import Target
from trooper.core import names
from trooper.core.events import Event, Finish, Reasoning, Received, Refusal, Text, ToolCallDelta
from trooper.core.recovery import Appended, Said
from trooper.core.session_key import SessionKey, key_of
from trooper.core.tally import Tally
from trooper.core.transcript import Transcript
from trooper.relay.delivery import Delivery
from trooper.relay.request import Incoming
from trooper.services import Services
from trooper.store import Content, PastAnswer, Session, Turn, TurnLeg
from trooper.store.last_turns import LastTurn, Told
from trooper.store.records import OF_SESSION, OPEN
from trooper.telemetry.report import Ending, LegReport, RequestReport
from trooper.wire.routing import read_marks

#: What a session's content is called on disk, where it may be there. No answer's id that a client could ask for.
_CONTENT_ID: Final = OF_SESSION + "{}"
#: … and what of it is beside the request: the turn's id, the wire, the model, what was said.
_TOLD: Final = msgspec.json.Decoder(tuple[str, str, str, Said])
#: What a client has been given is kept anew no sooner than this; then each time it has lasted twice as long.
_KEPT_ANEW_S: Final = 1.0


@define(slots=False)
class RequestSession:
    """One request's; owned by its conductor."""

    services: Services
    incoming: Incoming
    #: Seconds since the epoch.
    began_at: float = field(init=False)
    #: Whether a provider has answered the client's credential, or none is ever shown it.
    is_proved: bool = field(init=False)
    #: The provider has refused the request. Who is not known to own the session has none: credentials and keys can
    #: be made up without end.
    is_refused: bool = field(default=False, init=False)
    _id: str = field(default="", init=False)
    _is_begun: bool = field(default=False, init=False)
    #: When the client had the first words, on Trio's clock, and when what it has by then is kept next.
    _spoke_at: float | None = field(default=None, init=False)
    _keep_due: float = field(default=-math.inf, init=False)

    def __attrs_post_init__(self) -> None:
        self.began_at = self.services.now()
        self.is_proved = not any(map(_asks_for_keys, self.services.config.targets))

    def hear(self, target: Target, item: Received) -> None:
        """What a target has said: whether it proves the client. Asked of each event, so the first question is a cheap one."""
        if not self.is_proved and item.has_content and _asks_for_keys(target):
            self.is_proved = any(map(_is_answer, item.events))

    @cached_property
    def key(self) -> SessionKey:
        """What tells the session apart; a past answer that the request goes on from is where it began."""
        incoming = self.incoming
        is_same = incoming.written_out is incoming.native
        marks = incoming.routing.marks if is_same else read_marks(incoming.written_out)
        return key_of(incoming.request.headers, marks)

    @property
    def _owner(self) -> str:
        return self.incoming.request.owner

    @cached_property
    def _ids(self) -> tuple[str, str]:
        """What it is called for who may be in it, and for everybody else; nearly always the same."""
        key, digest_key = self.key, self.services.digest_key
        own = key.own_id(digest_key, self._owner)
        return (key.shared_id(digest_key, self.incoming.request.door) if key.is_unguessable else own), own

    def known_id(self, *, is_last: bool = False) -> str:
        """
        What the session is called, as soon as that is decided; else nothing.

        `is_last`: it is decided now, in any case.
        """
        if self._id or not self._owner or (self.is_refused and not self._is_in):
            return self._id
        shared, own = self._ids
        if self._is_in:
            self.services.session_owners[shared, self._owner] = None
            self._id = shared
        elif is_last or shared == own:
            self._id = own
        return self._id

    async def find_owner(self) -> None:
        """Ask the store whether the client owns the session, where that is not known here yet."""
        if self._id or not self._owner or self._is_in:
            return
        shared, _ = self._ids
        session = await self.services.store.find_session(shared)
        if session is not None and self._owner in session.owners:
            self.services.session_owners[shared, self._owner] = None

    def appended(self) -> tuple[Appended, ...]:
        """What was put beside the session, for whoever goes on."""
        session_id = self.known_id()
        return self.services.last_turns.find(session_id).appended if session_id else ()

    @property
    def _is_in(self) -> bool:
        """Whether the client may be in the session that its key names by itself."""
        return self.is_proved or (self._ids[0], self._owner) in self.services.session_owners

    def begin(self, request_id: str, *, is_last: bool = False) -> str:
        """
        What the session is called, as `known_id`; it is put, and its turn, before anybody is told.

        Cheap behind the first time, so it may be asked at each write.
        """
        session_id = self.known_id(is_last=is_last)
        if session_id and not self._is_begun:
            self._is_begun = True
            self._put_session()
            self.services.store.put_turn(self._turn(request_id, OPEN))
        return session_id

    def speaks(self, request_id: str, transcript: Transcript, now: float) -> None:
        """The client is about to get words of the answer; `now` is on Trio's clock. Asked at each write."""
        if now < self._keep_due:
            return
        if self._spoke_at is None:
            self._spoke_at = now
        self._keep_due = now + max(_KEPT_ANEW_S, now - self._spoke_at)
        if self.begin(request_id, is_last=True):
            self._keep(request_id, OPEN, transcript)

    def note(self, report: RequestReport, tally: Tally, delivery: Delivery) -> None:
        """The request is over: put what became of it."""
        if not self.known_id(is_last=True):
            return
        # Once more: it may have been deleted meanwhile.
        self._put_session()
        reported = [leg.reported for leg in tally.legs if leg.reported is not None and not leg.dropped]
        over = self._turn(
            report.request_id,
            report.outcome.value,
            legs=tuple(self._leg(leg) for leg in report.legs),
            answer_id=str((delivery.voice.answer or {}).get("id") or ""),
            duration_s=report.duration_s,
            prompt_tokens=reported[0].prompt_tokens if reported else None,
            passed_by={name: reason.value for name, reason in report.passed_by.items()},
        )
        self.services.store.put_turn(over)
        # What a provider has refused before anybody spoke is no part of a conversation.
        if report.outcome is not Ending.PASSED_ON or self._spoke_at is not None:
            self._keep(report.request_id, report.outcome.value, delivery.transcript)

    def _put_session(self) -> None:
        kind, now = self.key.kind.value, self.services.now()
        self.services.store.put_session(Session(self._id, (self._owner,), kind, self.began_at, now))

    def _turn(self, request_id: str, ending: str, **at_end: Any) -> Turn:
        """The turn; `at_end` is what only its end can say."""
        incoming = self.incoming
        return Turn(
            request_id,
            self._id,
            self.began_at,
            incoming.wire.name,
            incoming.model_for_log(),
            ending,
            owner=self._owner,
            **at_end,
        )

    def _leg(self, leg: LegReport) -> TurnLeg:
        why = leg.unfit_reason or leg.unreached
        return TurnLeg(
            target=leg.target,
            model=leg.model,
            how=leg.how.value,
            outcome=leg.outcome.value,
            is_local=self.services.is_local(leg.target),
            tokens=leg.tokens,
            estimated=leg.estimated,
            started_s=leg.started_s,
            first_content_s=leg.first_content_s,
            ended_s=leg.ended_s,
            reason=why.value if why is not None else "",
            shortened=leg.shortened or {},
        )

    def _keep(self, request_id: str, ending: str, transcript: Transcript) -> None:
        open_call = transcript.open_call()
        said = Said(
            transcript.text,
            transcript.tool_calls(),
            open_call[1] if open_call is not None else None,
            ending,
            transcript.capped,
        )
        incoming, marks, now = self.incoming, self.incoming.routing.marks, self.services.now()
        turn = LastTurn(
            request_id,
            self._owner,
            now,
            incoming.wire.name,
            names.kept(incoming.routing.model),
            incoming.written_out,
            said,
            marks.has_tools,
            marks.may_be_stored,
        )
        is_last = self.services.last_turns.keep(self._id, turn)
        if is_last and marks.may_be_stored and self.services.config.store.content == "disk":
            row = PastAnswer(
                _CONTENT_ID.format(self._id), self._owner, now, provider_knows=False, session_id=self._id
            )
            told = msgspec.json.encode((turn.id, turn.wire, turn.model, said))
            self.services.store.put_answer(row, Content(incoming.written_out, told))


def _asks_for_keys(target: Target) -> bool:
    """Whether the client's own credential is shown there."""
    return not target.is_local and target.key.kind == "client"


def _is_answer(event: Event) -> bool:
    """Whether it is a model's, or its good end. What cannot be read may be anything, and so may what is of no known kind."""
    match event:
        case Text(text) | Reasoning(text) | Refusal(text):
            return bool(text)
        case Finish():
            return not event.doubtful
        case _:
            return isinstance(event, ToolCallDelta)


async def last_told(services: Services, session: Session) -> Told:
    """What was said last in a session and put beside it, as far as a process has it in memory, or it is on disk."""
    told = await services.shared_turns.find(session.id)
    if services.config.store.content != "disk":
        return told
    # Who had a later one may be gone.
    row = await _content_row(services, session)
    if row is None or (told.turn is not None and told.turn.at >= row.at):
        return told
    turn = await _turn_on_disk(services, row)
    return told if turn is None else evolve(told, turn=turn)


async def _content_row(services: Services, session: Session) -> PastAnswer | None:
    """What the store knows of the latest content on disk."""
    content_id = _CONTENT_ID.format(session.id)
    rows = [await services.store.find_answer(content_id, owner) for owner in session.owners]
    return max((row for row in rows if row is not None), key=lambda row: row.at, default=None)


async def _turn_on_disk(services: Services, row: PastAnswer) -> LastTurn | None:
    content = await services.store.find_content(row.id, row.owner)
    if content is None:
        return None
    try:
        turn_id, wire, model, said = _TOLD.decode(content.response)
    except (msgspec.DecodeError, ValueError):
        # Another version's, or nobody's: as if it were gone.
        return None
    if not any(row.wire.name == wire and row.client for row in services.wires.rows):
        return None
    return LastTurn(turn_id, row.owner, row.at, wire, model, content.request, said)


async def forget(services: Services, session: Session) -> bool:
    """
    Forget a session, its turns, what was said in it, and its answers, in every process.

    Returns whether each one that lives has heard it; else some of it is there, for whoever tries again.
    """
    await services.shared_turns.settle()
    turns = await services.store.list_turns(session.id)
    answers = [(turn.answer_id, turn.owner) for turn in turns]
    contents = [(_CONTENT_ID.format(session.id), owner) for owner in session.owners]
    if not await services.remembered.forget_all(dict.fromkeys((*answers, *contents))):
        return False
    return await services.shared_turns.forget(session.id, session.owners)

"""
The way of one request through its chain: who is left, who is fit, and what
exactly each is asked.
"""

from __future__ import annotations

from typing import Final

from attrs import define, field

from trooper.config import Wire
from trooper.core import headers as http
from trooper.core import history, local_model
from trooper.core.continuing import CloudWay, Half, other_cloud_way, unfit_to_go_on
from trooper.core.conversation import Conversation
from trooper.core.outcome import Failed, FailureKind
from trooper.core.plan import Candidate, Restart, could_go_on, passed_by
from trooper.core.seam import NOTHING, Prefill, prefill
from trooper.core.transcript import Transcript
from trooper.core.unfit import Unfit
from trooper.relay.request import Incoming
from trooper.services import Seat, Services
from trooper.targets.cloud import CloudLeg
from trooper.targets.credentials import headers_for
from trooper.targets.leg import Leg, NoLeg
from trooper.targets.local import LocalLeg
from trooper.targets.standby import State
from trooper.targets.upstream import Call
from trooper.wire.client_side import Unreadable
from trooper.wires import cloud_way, cloud_wire

#: How a provider says that it did not write what it is said to have written.
_REFUSALS: Final = (FailureKind.INVALID_REQUEST, FailureKind.NOT_FOUND)


@define
class Route:
    """The chain of one request. Each seat is taken once, in order."""

    services: Services
    incoming: Incoming
    request_id: str
    seats: tuple[Seat, ...] = field(init=False)
    #: Targets that were not asked, and why they could not have taken it.
    passed_by: dict[str, Unfit] = field(factory=dict, init=False)
    _left: list[Seat] = field(init=False)
    # The client's request without what its provider has refused.
    _healed: bytes | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self.seats = self.services.chain(self.incoming.routing.model, self.incoming.surface.wire)
        if not self.incoming.wants_failover:
            self.seats = self.seats[:1]
        self._left = list(self.seats)

    def first(self, now: float) -> Restart:
        """
        Where the request goes first: the chain's first target, unless that
        one asked to be left alone and another can take it.
        """
        first = self._left[0].target.name
        cooling = {s.target.name for s in self._left if self._is_cooling(s, now)}
        if first not in cooling and self._is_native(self._left[0]):
            # Nearly always, and then nobody has to read the conversation yet.
            return Restart(first)
        candidates = self.candidates()
        fit = (c.name for c in candidates if c.cannot_restart is None and c.name not in cooling)
        step = Restart(next(fit, first))
        self.passed_by.update(passed_by(step, candidates, Transcript(0)))
        return step

    def take(self, name: str) -> Seat:
        """Take a seat; those before it in the chain had their chance."""
        at = next(i for i, seat in enumerate(self._left) if seat.target.name == name)
        seat = self._left[at]
        self._left = self._left[at + 1 :]
        return seat

    def take_again(self, name: str) -> Seat:
        """The seat of a target that was asked before."""
        return next(seat for seat in self.seats if seat.target.name == name)

    def candidates(self) -> tuple[Candidate, ...]:
        """Who is left, and why each could not take over."""
        return tuple(self._candidate(seat) for seat in self._left)

    def could_go_on(self) -> bool:
        """Whether somebody is left who is there and could continue a half answer."""
        return could_go_on(self._present())

    def could_start_over(self) -> bool:
        """Whether somebody is left who is there and could give the whole answer."""
        return any(candidate.cannot_restart is None for candidate in self._present())

    def _present(self) -> list[Candidate]:
        return [self._candidate(seat) for seat in self._left if not self._is_absent(seat)]

    def _is_absent(self, seat: Seat) -> bool:
        standby = self.services.standbys.get(seat.target.name)
        return standby is not None and standby.state in (State.ABSENT, State.NO_MODEL)

    def _candidate(self, seat: Seat) -> Candidate:
        name = seat.target.name
        conversation = self.incoming.conversation
        standby = self.services.standbys.get(name)
        if standby is None:
            return self._cloud_candidate(seat, conversation)
        if isinstance(conversation, Unreadable):
            return Candidate(name, cannot_restart=conversation.reason, cannot_go_on=conversation.reason)
        model = standby.known(seat.model)
        if model is None or not standby.is_probed(seat.model):
            # Not looked at yet: the leg waits for the standby and finds out.
            model = local_model.LocalModel("", way=local_model.Way.PREFILL)
        return Candidate(
            name,
            cannot_restart=local_model.unfit(model, conversation),
            cannot_go_on=local_model.unfit_to_go_on(model, conversation),
            cannot_finish_call=local_model.unfit_to_finish_call(model, conversation),
        )

    def _cloud_candidate(self, seat: Seat, conversation: Conversation | Unreadable) -> Candidate:
        name = seat.target.name
        is_native = self._is_native(seat)
        if isinstance(conversation, Unreadable):
            # In its own wire it can say for itself what is wrong.
            return Candidate(
                name,
                cannot_restart=None if is_native else conversation.reason,
                cannot_go_on=conversation.reason,
            )
        unsayable = self._unsayable(seat, conversation)
        way = self._way(seat)
        return Candidate(
            name,
            cannot_restart=None if is_native else unsayable,
            cannot_go_on=unsayable or unfit_to_go_on(conversation, way),
        )

    def _is_native(self, seat: Seat) -> bool:
        return seat.target.wire is self.incoming.surface.wire

    def _no_model(self, seat: Seat) -> Unfit | None:
        """A provider of another wire does not know the client's name for a model."""
        named = seat.target.model is not None or self.incoming.routing.model in seat.target.models
        return None if named or self._is_native(seat) else Unfit.NO_MODEL

    def _unsayable(self, seat: Seat, conversation: Conversation) -> Unfit | None:
        """Why the request cannot be asked anew of a cloud; `None` if it can."""
        return self._no_model(seat) or cloud_wire(seat.target).unfit(conversation)

    def _way(self, seat: Seat) -> CloudWay:
        instruction = self.services.config.server.continue_instruction
        return cloud_way(seat.target, seat.model or "", instruction).way

    def leg(self, seat: Seat, given: Transcript, *, tokens_left: int | None, other_way: bool) -> Leg:
        """What `seat` is asked: the whole answer, or the rest after what is `given`, within `tokens_left`."""
        text = given.text if given.has_text else ""
        server = self.services.config.server
        standby = self.services.standbys.get(seat.target.name)
        if standby is None:
            return self._cloud_leg(seat, text, tokens_left, other_way=other_way and bool(text))
        conversation = self.incoming.conversation
        if isinstance(conversation, Unreadable):
            conversation = Conversation((), unsaid=(conversation.reason,))
        return LocalLeg(
            standby=standby,
            model=seat.model,
            conversation=conversation,
            request_id=self.request_id,
            given=text,
            max_tokens=tokens_left if text else conversation.sampling.max_tokens,
            max_line_bytes=server.max_event_bytes,
            note=server.omission_note,
            calls=given.tool_calls(),
            half_call=given.open_call(),
            other_way=other_way and bool(text),
        )

    def _cloud_leg(self, seat: Seat, given: str, tokens_left: int | None, *, other_way: bool) -> Leg:
        if not given and self._is_native(seat):
            return self._new_cloud_leg(seat, self._native_call(seat))
        conversation = self.incoming.conversation
        if isinstance(conversation, Unreadable):
            return NoLeg(conversation.reason)
        if reason := self._unsayable(seat, conversation):
            # Chosen although it is not fit: nobody is.
            return NoLeg(reason)
        wire, model = cloud_wire(seat.target), seat.model or ""
        if not given:
            limit = conversation.sampling.max_tokens
            return self._new_cloud_leg(
                seat, self._call(seat, wire.ask(conversation, model=model, max_tokens=limit))
            )
        way = self._way(seat)
        if other_way:
            way = other_cloud_way(way, self.services.config.server.continue_instruction)
        if reason := unfit_to_go_on(conversation, way):
            return NoLeg(reason)
        plain, own_prefill = history.split_prefill(conversation)
        # Anthropic refuses white space at the end of a prefill, newlines included.
        trims = seat.target.wire is Wire.ANTHROPIC_MESSAGES
        shown = prefill(own_prefill + given, trims=trims)
        half = Half(shown.text, way, self.services.config.server.continue_instruction)
        body = wire.ask(plain, model=model, half=half, max_tokens=tokens_left)
        return self._new_cloud_leg(
            seat, self._call(seat, body), given=shown, overlaps=way is CloudWay.INSTRUCTION
        )

    def _new_cloud_leg(
        self, seat: Seat, call: Call, *, given: Prefill = NOTHING, overlaps: bool = False
    ) -> CloudLeg:
        server = self.services.config.server
        is_native = self._is_native(seat) and given == NOTHING
        return CloudLeg(
            upstream=self.services.upstreams[seat.target.name],
            call=call,
            wire=cloud_wire(seat.target),
            is_native=is_native,
            # What we say ourselves is always asked for as a stream: a stall is seen then.
            stream=self.incoming.routing.stream or not is_native,
            choices=self._choices() if is_native else 1,
            max_event_bytes=server.max_event_bytes,
            max_answer_bytes=server.max_answer_bytes,
            model=seat.model or "",
            given=given,
            overlaps=overlaps,
        )

    def model_for_log(self) -> str:
        """The model's name as far as it is a name: it comes from the client."""
        name = self.incoming.routing.model
        return name if len(name) <= 128 and name.isprintable() else "unprintable"

    def _choices(self) -> int:
        # Only a body that mentions it is worth parsing for it.
        if b'"n"' not in self.incoming.request.body:
            return 1
        conversation = self.incoming.conversation
        return 1 if isinstance(conversation, Unreadable) else conversation.choices

    def _native_call(self, seat: Seat) -> Call:
        """The client's own request, as it came but for the model's name."""
        request, wire = self.incoming.request, cloud_wire(seat.target)
        body = self._healed or self.incoming.surface.spoken.cleaned(
            self.incoming.native, self.services.unknown_ids
        )
        asked = self.incoming.routing.model
        if asked and seat.model is not None and seat.model != asked:
            body = wire.with_model(body, seat.model)
        headers = headers_for(
            seat.target, request.headers, hop=request.hop, client_key_used=request.client_key_used
        )
        return Call("POST", wire.path, headers, body, request.query)

    def _call(self, seat: Seat, body: bytes) -> Call:
        """A request of ours. The client's headers and query speak of another wire, or of the whole answer."""
        request, wire = self.incoming.request, cloud_wire(seat.target)
        kept = request.headers if self._is_native(seat) else ()
        headers = headers_for(seat.target, kept, hop=request.hop, client_key_used=request.client_key_used)
        said = {name for name, _ in headers}
        ours = ((b"content-type", b"application/json"), (b"accept", b"text/event-stream"), *wire.headers)
        headers += tuple((name, value) for name, value in ours if name not in said)
        return Call("POST", wire.path, headers, body)

    def heal(self, name: str, failed: Failed) -> bool:
        """Whether a refusal was for what another target has said, and that could be taken out."""
        if failed.kind not in _REFUSALS or failed.answer is None or failed.answer.is_foreign:
            return False
        if not self._is_native(self.take_again(name)):
            return False
        self._healed = self.incoming.surface.spoken.sanitised(
            self.incoming.native,
            failed.answer.body,
            self.services.config.server.continue_instruction,
        )
        return self._healed is not None

    def observe(self, seat: Seat, failed: Failed, now: float) -> None:
        """Remember that a target asked to be left alone."""
        if failed.kind is FailureKind.RATE_LIMIT:
            self.services.cooldowns.observe(self._cooldown_key(seat), failed.retry_after_s, now)

    def _is_cooling(self, seat: Seat, now: float) -> bool:
        return self.services.cooldowns.is_cooling(self._cooldown_key(seat), now)

    def _cooldown_key(self, seat: Seat) -> tuple[str, str, int]:
        """One target, one model, one credential: a limit on one says nothing of another."""
        credential = b""
        if seat.target.key.kind == "client":
            headers = self.incoming.request.headers
            credential = http.find(headers, b"authorization") + b"\0" + http.find(headers, b"x-api-key")
        # The hash is salted per process, so the credential cannot be found from it.
        return (seat.target.name, seat.model or "", hash(credential))

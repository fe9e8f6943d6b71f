"""
The way of one request through its chain: who is left, who is fit, and what
exactly each is asked.
"""

from __future__ import annotations

from typing import Final

from attrs import define, field

from trooper.core import headers as http
from trooper.core import local_model
from trooper.core.conversation import Conversation
from trooper.core.outcome import Failed, FailureKind
from trooper.core.plan import Candidate, Restart, could_go_on
from trooper.legs import CloudLeg, Leg, LocalLeg
from trooper.request import Incoming
from trooper.services import Seat, Services, headers_for
from trooper.standby import State
from trooper.upstream import Call
from trooper.wire.openai_chat.request import Unreadable, with_model

#: An OpenAI chat API has no way to be made to continue; it would begin anew.
_CANNOT_CONTINUE: Final = "no_continuation"


@define
class Route:
    """The chain of one request. Each seat is taken once, in order."""

    services: Services
    incoming: Incoming
    request_id: str
    seats: tuple[Seat, ...] = field(init=False)
    _left: list[Seat] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.seats = self.services.chain(self.incoming.routing.model)
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
        if first not in cooling:
            # Nearly always, and then nobody has to read the conversation yet.
            return Restart(first)
        fit = (c.name for c in self.candidates() if not c.restart and c.name not in cooling)
        return Restart(next(fit, first))

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
        present = [s for s in self._left if not self._is_absent(s)]
        return could_go_on([self._candidate(s) for s in present])

    def _is_absent(self, seat: Seat) -> bool:
        standby = self.services.standbys.get(seat.target.name)
        return standby is not None and standby.state in (State.ABSENT, State.NO_MODEL)

    def _candidate(self, seat: Seat) -> Candidate:
        name = seat.target.name
        standby = self.services.standbys.get(name)
        if standby is None:
            return Candidate(name, go_on=_CANNOT_CONTINUE)
        conversation = self.incoming.conversation
        if isinstance(conversation, Unreadable):
            return Candidate(name, restart=conversation.reason, go_on=conversation.reason)
        model = standby.known(seat.model)
        if model is None or not standby.is_probed(seat.model):
            # Not looked at yet: the leg waits for the standby and finds out.
            model = local_model.LocalModel("", way=local_model.Way.PREFILL)
        return Candidate(
            name,
            restart=local_model.unfit(model, conversation),
            go_on=local_model.unfit_to_go_on(model, conversation),
        )

    def leg(self, seat: Seat, *, given: str, tokens_left: int | None, other_way: bool) -> Leg:
        """What `seat` is asked: the whole answer, or the rest after `given` within `tokens_left`."""
        server = self.services.config.server
        standby = self.services.standbys.get(seat.target.name)
        if standby is None:
            return CloudLeg(
                upstream=self.services.upstreams[seat.target.name],
                call=self._call(seat),
                stream=self.incoming.routing.stream,
                choices=self._choices(),
                max_event_bytes=server.max_event_bytes,
                max_answer_bytes=server.max_answer_bytes,
            )
        conversation = self.incoming.conversation
        if isinstance(conversation, Unreadable):
            conversation = Conversation(self.incoming.routing.model, (), unsaid=(conversation.reason,))
        return LocalLeg(
            standby=standby,
            model=seat.model,
            conversation=conversation,
            request_id=self.request_id,
            given=given,
            max_tokens=tokens_left if given else conversation.sampling.max_tokens,
            max_line_bytes=server.max_event_bytes,
            note=server.omission_note,
            other_way=other_way,
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

    def _call(self, seat: Seat) -> Call:
        request, target = self.incoming.request, seat.target
        body = request.body
        asked = self.incoming.routing.model
        if asked and seat.model is not None and seat.model != asked:
            body = with_model(body, seat.model)
        headers = headers_for(
            target, request.headers, hop=request.hop, client_key_used=request.client_key_used
        )
        return Call("POST", "/chat/completions", headers, body, request.query)

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
            credential = http.find(self.incoming.request.headers, b"authorization")
        # The hash is salted per process, so the credential cannot be found from it.
        return (seat.target.name, seat.model or "", hash(credential))

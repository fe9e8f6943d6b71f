"""
What each target of one request is asked: the client's own request, the same
said anew in another wire, or the rest of an answer.

Pure: the plan's step, the request and what the client has go in, a leg comes out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, assert_never

from attrs import define, field

from trooper.core import history
from trooper.core.continuing import CloudWay, Half, other_cloud_way, unfit_to_go_on
from trooper.core.conversation import Conversation
from trooper.core.outcome import Failed, FailureKind
from trooper.core.plan import Ask, Continue, FinishCall, Restart
from trooper.core.recovery import Appended, beside
from trooper.core.seam import NOTHING, Prefill, prefill
from trooper.core.tokens import tokens_left
from trooper.core.transcript import Transcript
from trooper.core.unfit import Unfit
from trooper.relay.request import Incoming
from trooper.relay.route import Route
from trooper.services import Services
from trooper.targets.chain import Link
from trooper.targets.cloud import CloudLeg
from trooper.targets.credentials import query_for
from trooper.targets.leg import Leg, NoLeg
from trooper.targets.local import LocalLeg
from trooper.targets.standby import Standby
from trooper.targets.upstream import Call
from trooper.wire.client_side import Unreadable

#: A reason stands at the beginning of a refusal, however long that is.
_REFUSAL_BYTES: Final = 65_536
#: How a provider says that it did not write what it is said to have written.
_REFUSALS: Final = (FailureKind.INVALID_REQUEST, FailureKind.NOT_FOUND)


@define
class Asking:
    """How one request is put to each target."""

    services: Services
    incoming: Incoming
    route: Route
    request_id: str
    #: What was put beside the session of the request.
    appended: Callable[[], Sequence[Appended]] = tuple
    # The client's request without what its provider has refused.
    _healed: bytes | None = field(default=None, init=False)

    def leg(self, step: Ask[Link], given: Transcript) -> Leg:
        """What the step's target is asked, where the client has `given` of the answer."""
        standby = self.services.standbys.get(step.link.target.name)
        if standby is not None:
            return self._local_leg(standby, step, given)
        match step:
            case Restart(link):
                return self._whole_from_cloud(link)
            case Continue(link, other_way):
                return self._rest_from_cloud(link, given, other_way=other_way)
            case FinishCall():
                # The plan knows it and does not ask; said here for whoever asks all the same.
                return NoLeg(Unfit.NO_GRAMMAR)
            case _ as never:
                assert_never(never)

    def tokens_left(self, given: Transcript) -> int | None:
        """What remains of the client's limit; `None` without one, or while nothing was said."""
        conversation = self.incoming.readable
        if not given.has_text or conversation is None:
            return None
        return tokens_left(conversation.sampling.max_tokens, given.text)

    def left_out_tools(self, asked: Leg) -> tuple[str, ...]:
        """The kinds of the client's tools that a leg is asked without."""
        conversation = self.incoming.readable
        has_its_own = isinstance(asked, NoLeg) or (isinstance(asked, CloudLeg) and asked.is_native)
        if has_its_own or conversation is None or conversation.unsaid:
            return ()
        return conversation.left_out_tools

    def heal(self, link: Link, failed: Failed) -> bool:
        """Whether a refusal was for what another target has said, and that could be taken out."""
        if failed.kind not in _REFUSALS or failed.answer is None or failed.answer.is_foreign:
            return False
        if not self.route.is_native(link):
            return False
        self._healed = self.incoming.client_side.sanitised(
            self.incoming.native, failed.answer.body[:_REFUSAL_BYTES], self._instruction
        )
        return self._healed is not None

    @property
    def _instruction(self) -> str:
        return self.services.config.server.continue_instruction

    def _local_leg(self, standby: Standby, step: Ask[Link], given: Transcript) -> LocalLeg:
        conversation = self.incoming.conversation
        if isinstance(conversation, Unreadable):
            conversation = Conversation((), unsaid=(conversation.reason,))
        text, server = given.text if given.has_text else "", self.services.config.server
        reports = self.services.reports
        return LocalLeg(
            standby=standby,
            model=step.link.model,
            conversation=conversation,
            request_id=self.request_id,
            given=text,
            max_tokens=self.tokens_left(given) if text else conversation.sampling.max_tokens,
            max_line_bytes=server.max_event_bytes,
            max_tool_calls=server.max_tool_calls,
            note=server.omission_note,
            write=beside(reports.write, self.appended()),
            catch_up=reports.catch_up if reports.hook is not None else None,
            calls=given.tool_calls(),
            half_call=given.open_call(),
            owner=self.incoming.request.owner,
            other_way=isinstance(step, Continue) and step.other_way,
        )

    def _whole_from_cloud(self, link: Link) -> Leg:
        if self.route.is_native(link):
            return self._cloud_leg(link, self._native_call(link), is_native=True)
        conversation = self._sayable(link)
        if isinstance(conversation, NoLeg):
            return conversation
        limit = conversation.sampling.max_tokens
        body = self.route.target_side(link).ask(conversation, model=link.model or "", max_tokens=limit)
        return self._cloud_leg(link, self._call(link, body))

    def _rest_from_cloud(self, link: Link, given: Transcript, *, other_way: bool) -> Leg:
        conversation = self._sayable(link)
        if isinstance(conversation, NoLeg):
            return conversation
        way = self.route.way(link)
        if other_way:
            way = other_cloud_way(way, self._instruction)
        if reason := unfit_to_go_on(conversation, way):
            return NoLeg(reason)
        plain, own_prefill = history.own_beginning(conversation, given.text)
        side = self.route.target_side(link)
        shown = prefill(own_prefill + given.text, trims=side.trims_prefill)
        half = Half(shown.text, way, self._instruction)
        body = side.ask(plain, model=link.model or "", half=half, max_tokens=self.tokens_left(given))
        overlaps = way is CloudWay.INSTRUCTION
        return self._cloud_leg(link, self._call(link, body), given=shown, overlaps=overlaps)

    def _sayable(self, link: Link) -> Conversation | NoLeg:
        """The request, where it can be said to a cloud; one that cannot take it is asked where nobody can."""
        conversation = self.incoming.conversation
        if isinstance(conversation, Unreadable):
            return NoLeg(conversation.reason)
        reason = self.route.unsayable(link, conversation)
        return NoLeg(reason) if reason else conversation

    def _cloud_leg(
        self,
        link: Link,
        call: Call,
        *,
        is_native: bool = False,
        given: Prefill = NOTHING,
        overlaps: bool = False,
    ) -> CloudLeg:
        server = self.services.config.server
        return CloudLeg(
            upstream=self.services.upstreams[link.target.name],
            call=call,
            wire=self.route.target_side(link),
            is_native=is_native,
            # What we say ourselves is always asked for as a stream: a stall is seen then.
            stream=self.incoming.routing.stream or not is_native,
            choices=self.incoming.routing.choices if is_native else 1,
            max_event_bytes=server.max_event_bytes,
            max_answer_bytes=server.max_answer_bytes,
            max_tool_calls=server.max_tool_calls,
            model=link.model or "",
            given=given,
            overlaps=overlaps,
        )

    def _native_call(self, link: Link) -> Call:
        """The client's own request, as it came but for the model's name."""
        request, wire = self.incoming.request, self.route.target_side(link)
        body = self._healed or self.incoming.native
        asked = self.incoming.routing.model
        if asked and link.model is not None and link.model != asked:
            body = wire.with_model(body, link.model)
        given, body = self.incoming.sent_as(body)
        # What was taken out of it makes it another request.
        is_own = self._healed is None and self.route.is_first_native(link)
        headers = self.services.headers_for(link.target, given, via_name=request.via_name, is_own=is_own)
        query = query_for(link.target, request.query)
        return Call("POST", wire.path, headers, body, query, request.owner)

    def _call(self, link: Link, body: bytes) -> Call:
        """A request of ours. The client's headers and query speak of another wire, or of the whole answer."""
        request, wire = self.incoming.request, self.route.target_side(link)
        kept = request.headers if self.route.is_native(link) else ()
        headers = self.services.headers_for(link.target, kept, via_name=request.via_name, is_own=False)
        said = {name for name, _ in headers}
        ours = ((b"content-type", b"application/json"), (b"accept", b"text/event-stream"), *wire.headers)
        headers += tuple((name, value) for name, value in ours if name not in said)
        return Call("POST", wire.path, headers, body, owner=request.owner)

"""
Makes one leg's events a part of the answer: what of them is new, and what of
that may go out now.

Theory of operation
-------------------
A splice is made when its leg starts and dropped when the leg ends. It owns
all that is a leg's own: its retelling (what of it is new, where it is spoken
anew), the gate (what waits), the calls as another wire can say them, the
count. What the client has is not its business: the transcript belongs to the
request, is written by `relay.delivery` alone, and is only read here.

    event ─▶ retelling ─▶ gate ─▶ calls ─▶ what may go out now, in order

So two legs may be spliced side by side, and one of them be delivered.

    hear         one event → what may go out
    last_words   the leg has ended so → what may still go out
    to_check     what of it has to be what the client asked for
    judge        the client has all of it → how the leg really ended

Waits for nothing, reads no clock, speaks no wire.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, assert_never

from attrs import define, evolve, field

from trooper.config import Server
from trooper.core.conversation import Conversation, ToolCall
from trooper.core.events import (
    Begin,
    Done,
    Event,
    Finish,
    FinishReason,
    NextChoice,
    Other,
    PartEnd,
    Reasoning,
    Received,
    Refusal,
    Text,
    ToolCallDelta,
    Unread,
    Usage,
)
from trooper.core.gate import Gate
from trooper.core.outcome import PASSING, Completed, Failed, FailureKind, Outcome
from trooper.core.overlap import Lost
from trooper.core.repair import Repair
from trooper.core.seam import Prefill
from trooper.core.spoken_calls import SpokenCalls
from trooper.core.structured import Document
from trooper.core.tally import LegTally
from trooper.core.transcript import Transcript
from trooper.core.unfit import Unfit
from trooper.core.whole_text import says_it_all
from trooper.relay.retelling import Retelling

#: To a reader an answer without a word is a failure; to a whole answer nothing is to be added.
_SILENCE: Final = Failed(FailureKind.EMPTY_200)
#: So many events go out in one step.
_PORTION: Final = 128


@define
class Splice:
    """
    One leg's way into the answer.

    Args:
        given: what the client has when the leg begins; only read.
        goes_on: the leg was asked for the rest of `given`, not for a whole answer.
        is_first: no leg came before it: its failures may be the client's to see.
        streams: the client gets pieces, so it matters what goes out when.
        conversation: the request, where it could be read; asked when it is
            needed, since reading a long one must not delay the first event.
        could_go_on: whether somebody is left who could continue; asked once,
            when the first event is here.
        could_start_over: whether somebody is left who could begin anew.
    """

    tally: LegTally
    given: Transcript
    server: Server
    goes_on: bool
    is_first: bool
    streams: bool
    conversation: Callable[[], Conversation | None]
    could_go_on: Callable[[], bool]
    could_start_over: Callable[[], bool]
    #: Whether the leg's bytes may be the client's; else what they say is spoken anew.
    forwards: bool = field(init=False)
    #: The leg had more to say when it failed, and the client does not get it.
    went_on: bool = field(default=False, init=False)
    #: What it had begun then, and the client is not shown.
    lost: Lost | None = field(default=None, init=False)
    #: Why nothing the leg says can be used any more; `None` while it can.
    unfit: Unfit | None = field(default=None, init=False)
    #: What may go out, and is more than one portion: ask for `more`.
    behind: deque[Received] = field(factory=deque, init=False)
    # Behind that the calls are said that are whole.
    _cuts_off: bool = field(default=False, init=False)
    _half_call: tuple[int, ToolCall] | None = field(init=False)
    _retelling: Retelling = field(init=False)
    _gate: Gate | None = field(default=None, init=False)
    # The calls of a leg that is spoken anew, once there are any.
    _calls: SpokenCalls | None = field(default=None, init=False)
    _said: bool = field(default=False, init=False)
    _holds_since: float = field(default=math.inf, init=False)

    def __attrs_post_init__(self) -> None:
        given = self.given
        self._half_call = given.open_call()
        repairs = frozenset(map(Repair, self.server.seam_repairs))
        self._retelling = Retelling(self.tally, given, self.conversation, repairs)
        self.forwards = self._retelling.thinks and given.begin is None and not given.has_content

    def granted(self, model: str, prefill: Prefill, *, echoes: bool | None, overlaps: bool) -> None:
        """A model has the request, and `prefill` of the answer."""
        self.tally.model = model
        if prefill.text or prefill.withheld:
            self._retelling.begins_behind(prefill, echoes=echoes, overlaps=overlaps)

    @property
    def said(self) -> bool:
        """Whether the client was given something of what the leg has said."""
        return self._said

    @property
    def stopped(self) -> bool:
        """Whether the leg has said all it may: something was completed across the join."""
        return self._retelling.stopped

    def hear(self, item: Received) -> Sequence[Received]:
        """Take one event of the leg in; return what may go out now, in order."""
        if not item.raw or not self.forwards:
            item = self._retelling.new_in(item)
            self.unfit = self._retelling.unfit or self.unfit
            if not item.events:
                return ()
            if self._calls is None and any(isinstance(e, ToolCallDelta | Finish) for e in item.events):
                self._calls = self._new_calls()
        gate = self._gate
        if gate is None:
            gate = self._gate = self._new_gate()
        released = gate.push(item)
        if self.behind or len(released) > _PORTION:
            self.behind.extend(released)
            return self.more()
        return self._released(released)

    def more(self) -> Sequence[Received]:
        """
        A portion of what may go out and has not: what was held together, a call in
        ten thousand pieces, is not given in one step.
        """
        portion = [self.behind.popleft() for _ in range(min(_PORTION, len(self.behind)))]
        released = list(self._released(portion))
        if self._cuts_off and not self.behind:
            self._cuts_off = False
            released += self._cut_off()
        return released

    def release_due(self, now: float) -> float:
        """When a tool call that waits is to wait no longer; infinite where none does."""
        gate, calls = self._gate, self._calls
        waits = calls is not None and calls.holds and self.streams
        if gate is None or not (gate.holds_call or waits):
            self._holds_since = math.inf
        elif self._holds_since == math.inf:
            self._holds_since = now
        return self._holds_since + self.server.hold_call_s

    def release_calls(self) -> Sequence[Received]:
        """Hold no tool call any longer, whole or not; return what was held."""
        if self._gate is None:
            return ()
        self.behind.extend(self._gate.release_calls())
        self._cuts_off = True
        return self.more()

    def _cut_off(self) -> Sequence[Received]:
        if self._calls is None:
            return ()
        self._calls.waits = False
        return self._counted([Received(b"", tuple(self._calls.cut_off()))])

    def open_up(self) -> Sequence[Received]:
        """Hold nothing from here on, since nobody could go on anyway; return what was held."""
        gate = self._gate
        if gate is None or gate.is_open:
            return ()
        self.behind.extend(gate.open_up())
        return self.more()

    def last_words(self, outcome: Outcome) -> tuple[Outcome, Sequence[Received]]:
        """
        The leg is over: how, as far as the join knows, and what may still go out.

        What fails in the provider's own words comes with all it said before.
        """
        released = list(self.behind)
        self.behind.clear()
        rest = self._retelling.rest()
        if self._retelling.unfit is not None:
            outcome = Failed(FailureKind.UNFIT, unfit_reason=self._retelling.unfit)
        if rest:
            self._gate = self._gate or self._new_gate()
            released += self._gate.push(Received(b"", tuple(rest)))
        if self.goes_on and isinstance(outcome, Failed) and outcome == _SILENCE:
            if outcome.has_ended or self._retelling.finish is not None:
                outcome = Completed()
        if self._gate is not None and (isinstance(outcome, Completed) or self._is_own(outcome)):
            released += self._gate.flush()
        said = list(self._released(released))
        if self._calls is not None and self.unfit is None:
            said += self._counted([Received(b"", self._last_calls(self._calls, outcome))])
            said += self._counted(self._no_truth(self._calls))
        if isinstance(outcome, Completed) and self.unfit is Unfit.CALL:
            outcome = Failed(FailureKind.UNFIT, unfit_reason=self.unfit)
        return outcome, said

    def to_check(self, outcome: Outcome, given: Transcript) -> Document | Unfit | None:
        """
        The document, or the arguments of a call, that several have written, where it
        has to be what the client asked for; or why it is not, where that is seen already.
        """
        if isinstance(outcome, Failed) or (self._half_call is None and not self._retelling.has_document):
            return None
        conversation = self.conversation()
        if conversation is None:
            return None
        if self._half_call is not None:
            return _arguments(given, conversation)
        finish = self._retelling.finish
        cut_short = finish is not None and finish.reason is FinishReason.LENGTH
        return None if cut_short else self._retelling.document(given.text, conversation)

    def judge(
        self, outcome: Outcome, given: Transcript, fault: Unfit | None = None
    ) -> tuple[Outcome, Sequence[Received]]:
        """
        How the leg really ended, and the very last that may go out.

        A leg that completed without a word is a failure, unless it was to
        continue an answer that is whole as it stands.

        Args:
            given: what the client has now, the last words included.
            fault: what was found out of `to_check`.
        """
        if isinstance(outcome, Failed):
            gate = None if self._is_own(outcome) else self._gate
            self.went_on = gate is not None and gate.holds_content
            if gate is None or not given.has_content:
                # With nothing at the client yet a restart is better than a word.
                return outcome, ()
            has_hole, has_call = gate.holds_a_hole, gate.holds_a_call
            rest_of_word = gate.abandon() if given.has_text else ""
            self.lost = Lost(gate.dropped, has_call)
            spoken: list[Event] = [Text(rest_of_word)] if rest_of_word else []
            if has_hole:
                # Thrown away, and nobody who goes on knows what it was.
                spoken.append(Other(continuable=False))
            return outcome, self._released([Received(b"", tuple(spoken))] if spoken else ())
        if not self._said and not self.forwards and not self.stopped:
            outcome = outcome if self.goes_on and self._nothing_is_missing(given) else _SILENCE
        if isinstance(outcome, Completed) and fault is not None:
            outcome = Failed(FailureKind.UNFIT, unfit_reason=fault)
        finish = self._retelling.finish
        if isinstance(outcome, Completed) and (finish is not None or self._calls is not None):
            # Behind calls the reason is told even where their target gave none.
            self._calls = self._calls or self._new_calls()
            finish = evolve(finish or Finish(FinishReason.STOP), doubtful=False)
            return outcome, self._released([Received(b"", (finish,))])
        return outcome, ()

    def _nothing_is_missing(self, given: Transcript) -> bool:
        """Whether an answer to which the leg had nothing to add is whole as it stands."""
        if given.lost.call or self._retelling.came_to_nothing:
            # Somebody was about to call a tool, or the leg has thought and never come to an end.
            return False
        return given.part_ended or says_it_all(given.text)

    def _is_own(self, failed: Failed) -> bool:
        """Whether the failure is the provider's own word, and the client's to see."""
        return self.is_first and failed.kind in PASSING

    def _released(self, items: Sequence[Received]) -> Sequence[Received]:
        """What goes out, with the calls of a leg that is spoken anew as any wire can say them."""
        calls, gate = self._calls, self._gate
        if calls is not None:
            # They wait even where nobody could go on: half of one could not be unsaid.
            calls.waits = calls.waits and (not self.streams or gate is None or gate.holds_calls)
            told = [item if item.raw else Received(b"", calls.said_in(item.events)) for item in items]
            items = [*told, *self._no_truth(calls)]
        return self._counted(items)

    def _counted(self, items: Sequence[Received]) -> Sequence[Received]:
        for item in items:
            for event in item.events:
                match event:
                    case Text(text):
                        self._said = True
                        self.tally.add(text)
                    case Usage():
                        self.tally.reported = event
                    case NextChoice():
                        self.tally.next_choice()
                    case Other(unread=True):
                        self._said = self.tally.unread = True
                    case (
                        Reasoning()
                        | Refusal()
                        | ToolCallDelta()
                        | Other(continuable=False)
                        | Other(works=True)
                    ):
                        self._said = True
                    case Begin() | PartEnd() | Finish() | Done() | Other() | Unread():
                        pass
                    case _ as never:
                        assert_never(never)
        return items

    # -- calls of a leg that is spoken anew ---------------------------------------

    def _no_truth(self, calls: SpokenCalls) -> Sequence[Received]:
        """Where a call was no truth, the leg is of no use; where the client has of it, nobody is to go on."""
        if calls.contradicted or calls.broken:
            self.unfit = Unfit.CALL
        return [Received(b"", (Other(continuable=False),))] if calls.contradicted else []

    def _last_calls(self, calls: SpokenCalls, outcome: Outcome) -> tuple[Event, ...]:
        if isinstance(outcome, Failed):
            return tuple(calls.cut_off())
        finish = self._retelling.finish
        return tuple(calls.finish(FinishReason.STOP if finish is None else finish.reason))

    def _new_calls(self) -> SpokenCalls:
        given, half = self.given, self._half_call
        ids = {call.id for call in given.tool_calls()}
        limit = self.server.hold_call_bytes
        conversation = self.conversation()
        tools = () if conversation is None else conversation.tools
        freeform = frozenset(tool.name for tool in tools if tool.is_freeform)
        return SpokenCalls(given.call_count, half[0] if half else None, ids, self.streams, limit, freeform)

    # -- what waits, and what must hold at the end --------------------------------

    def _new_gate(self) -> Gate:
        server = self.server
        # A whole answer goes out in one piece anyway.
        words = self.streams and self.could_go_on()
        return Gate(
            # Tool calls wait even where words do not have to.
            server.hold_chars if server.gate and words else 0,
            server.hold_bytes,
            server.hold_call_bytes,
            is_open=not self.streams or not (words or self.could_start_over()),
            holds_all=self._holds_all(),
            holds_calls=server.tool_calls == "hold",
            holds_noise=server.gate,
        )

    def _holds_all(self) -> bool:
        if self.server.structured != "hold" or self.given.has_text:
            return False
        conversation = self.conversation()
        return conversation is not None and conversation.is_structured


def _arguments(given: Transcript, conversation: Conversation) -> Document | Unfit:
    if not given.calls_are_whole:
        return Unfit.SCHEMA
    call = given.tool_calls()[-1]
    schema = next((tool.parameters for tool in conversation.tools if tool.name == call.name), None)
    return Document(call.arguments, schema)

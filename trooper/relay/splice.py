"""
Makes one leg's events a part of the answer: what of them is new, and what of
that may go out now.

Theory of operation
-------------------
A splice is made when its leg starts and dropped when the leg ends. It owns
all that is a leg's own: the join (where a continuation meets the half
answer), the end of a document, the gate (what waits), the count, the finish
that is not believed yet. What the client has is not its business: the
transcript belongs to the request, is written by `relay.delivery` alone, and is
only read here.

    event ─▶ join ─▶ gate ─▶ what may go out now, in order

So two legs may be spliced side by side, and one of them be delivered.

    hear         one event → what may go out
    last_words   the leg has ended so → what may still go out
    judge        the client has all of it → how the leg really ended

Waits for nothing, reads no clock, speaks no wire.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final, assert_never

from attrs import define, evolve, field

from trooper.config import Server
from trooper.core.conversation import Conversation, Role, ToolCall
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
from trooper.core.seam import NOTHING, Join, Prefill, says_it_all
from trooper.core.structured import DocumentEnd, is_valid
from trooper.core.tally import LegTally
from trooper.core.thinking import speaks_of_thinking
from trooper.core.transcript import Transcript
from trooper.core.unfit import Unfit

#: To a reader an answer without a word is a failure; to a whole answer nothing is to be added.
_SILENCE: Final = Failed(FailureKind.EMPTY_200)
_NOTHING: Final = Received(b"")


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
    #: The leg has said all it may: a stop sequence or a document was completed across the join.
    stopped: bool = field(default=False, init=False)
    #: The leg had more to say when it failed, and the client does not get it.
    went_on: bool = field(default=False, init=False)
    #: What it had begun then, and the client is not shown.
    lost: Lost | None = field(default=None, init=False)
    #: Why nothing the leg says can be used any more; `None` while it can.
    unfit: Unfit | None = field(default=None, init=False)
    _thinks: bool = field(init=False)
    _half_call: tuple[int, ToolCall] | None = field(init=False)
    _gate: Gate | None = field(default=None, init=False)
    _join: Join | None = field(init=False)
    _document: DocumentEnd | None = field(default=None, init=False)
    _finish: Finish | None = field(default=None, init=False)
    _said: bool = field(default=False, init=False)
    _skipped: bool = field(default=False, init=False)
    _holds_since: float = field(default=math.inf, init=False)

    def __attrs_post_init__(self) -> None:
        given = self.given
        self._half_call = given.open_call()
        # Half a thought and then another one would read as one: the answer begins instead.
        self._thinks = not given.has_text and given.reasoning_chars == 0
        self.forwards = self._thinks and given.begin is None and not given.has_content
        # Where it thinks in its content, that is not shown either.
        self._join = None if self._thinks else self._new_join(NOTHING, self.conversation())

    def granted(self, model: str, prefill: Prefill, *, echoes: bool | None, overlaps: bool) -> None:
        """A model has the request, and `prefill` of the answer."""
        self.tally.model = model
        if not prefill.text and not prefill.withheld:
            return
        conversation = self.conversation()
        self._join = self._new_join(prefill, conversation, echoes=echoes, overlaps=overlaps)
        if conversation is not None and conversation.is_structured:
            self._document = DocumentEnd(prefill.text + prefill.withheld)

    def _new_join(
        self,
        prefill: Prefill,
        conversation: Conversation | None,
        *,
        echoes: bool | None = None,
        overlaps: bool = False,
    ) -> Join:
        messages = () if conversation is None else conversation.messages
        return Join(
            prefill,
            echoes,
            () if conversation is None else conversation.sampling.stop,
            overlaps,
            self.given.lost,
            speaks_of_thinking(m.text for m in messages if m.role is Role.USER),
        )

    def hear(self, item: Received) -> Sequence[Received]:
        """Take one event of the leg in; return what may go out now, in order."""
        if not item.raw or not self.forwards:
            item = self._spoken(item)
            if not item.events:
                return ()
        gate = self._gate
        if gate is None:
            gate = self._gate = self._new_gate()
        return self._released(gate.push(item))

    def release_due(self, now: float) -> float:
        """When a tool call that waits is to wait no longer; infinite where none does."""
        gate = self._gate
        if gate is None or not gate.holds_call:
            self._holds_since = math.inf
        elif self._holds_since == math.inf:
            self._holds_since = now
        return self._holds_since + self.server.hold_call_s

    def release_calls(self) -> Sequence[Received]:
        """Hold no tool call any longer, whole or not; return what was held."""
        return () if self._gate is None else self._released(self._gate.release_calls())

    def open_up(self) -> Sequence[Received]:
        """Hold nothing from here on, since nobody could go on anyway; return what was held."""
        gate = self._gate
        return () if gate is None or gate.is_open else self._released(gate.open_up())

    def last_words(self, outcome: Outcome) -> tuple[Outcome, Sequence[Received]]:
        """
        The leg is over: how, as far as the join knows, and what may still go out.

        What fails in the provider's own words comes with all it said before.
        """
        released: list[Received] = []
        if self._join is not None:
            rest = self._new(self._join.finish())
            self._count_cut(self._join)
            if reason := self._join.unfit:
                outcome = Failed(FailureKind.UNFIT, unfit_reason=reason)
            if rest:
                self._gate = self._gate or self._new_gate()
                released += self._gate.push(Received(b"", tuple(rest)))
        if outcome == _SILENCE and self.goes_on and self._finish is not None:
            outcome = Completed()
        if self._gate is not None and (isinstance(outcome, Completed) or self._is_own(outcome)):
            released += self._gate.flush()
        return outcome, self._released(released)

    def judge(self, outcome: Outcome, given: Transcript) -> tuple[Outcome, Sequence[Received]]:
        """
        How the leg really ended, and the very last that may go out.

        A leg that completed without a word is a failure, unless it was to
        continue an answer that is whole as it stands. `given` is what the client
        has now, the last words included.
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
        if isinstance(outcome, Completed) and not self._is_as_asked(given):
            outcome = Failed(FailureKind.UNFIT, unfit_reason=Unfit.SCHEMA)
        if isinstance(outcome, Completed) and self._finish is not None:
            finish = evolve(self._finish, doubtful=False)
            return outcome, self._released([Received(b"", (finish,))])
        return outcome, ()

    def _nothing_is_missing(self, given: Transcript) -> bool:
        """Whether an answer to which the leg had nothing to add is whole as it stands."""
        if given.lost.call or (self._join is not None and self._join.says_nothing):
            # Somebody was about to call a tool, or the leg has thought and never come to an end.
            return False
        return given.part_ended or says_it_all(given.text)

    def _is_own(self, failed: Failed) -> bool:
        """Whether the failure is the provider's own word, and the client's to see."""
        return self.is_first and failed.kind in PASSING

    def _released(self, items: Sequence[Received]) -> Sequence[Received]:
        """Count what goes out."""
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
                    case Reasoning() | Refusal() | ToolCallDelta() | Other(continuable=False):
                        self._said = True
                    case Begin() | PartEnd() | Finish() | Done() | Other() | Unread():
                        pass
                    case _ as never:
                        assert_never(never)
        return items

    # -- what is spoken anew -----------------------------------------------------

    def _spoken(self, item: Received) -> Received:
        """The event without its bytes, and of what it says that which is new; empty where nothing is."""
        events = item.events
        if (self._skipped and any(e != Other() for e in events)) or Other(continuable=False) in events:
            # No voice has words for it.
            self.unfit = Unfit.CONTENT
            return _NOTHING
        # Noise, if a failure follows it; a hole in the answer, if anything else does.
        self._skipped = self._skipped or Unread() in events
        return Received(b"", self._withheld(self._joined(events)))

    def _withheld(self, events: Sequence[Event]) -> tuple[Event, ...]:
        """
        Keep a spoken leg's finish back until the leg is over.

        A continuation may end without a word, and then its finish is not to
        be believed. The finish of one of several choices comes with the next.
        """
        kept: list[Event] = []
        for event in events:
            if isinstance(event, Finish):
                self._finish = event
                continue
            if isinstance(event, NextChoice) and self._finish is not None:
                kept.append(self._finish)
                self._finish = None
            kept.append(event)
        return tuple(kept)

    def _joined(self, events: tuple[Event, ...]) -> Sequence[Event]:
        join = self._join
        if not self._thinks:
            # Some parsers open a thinking block on a continuation, too.
            for event in events:
                if isinstance(event, Reasoning):
                    self.tally.cut_away(event.text)
            events = tuple(event for event in events if not isinstance(event, Reasoning))
        if join is None:
            return events
        joined: list[Event] = []
        for event in events:
            if isinstance(event, Text):
                joined += self._new(join.feed(event.text))
            else:
                joined.append(event)
        if join.cut:
            self._count_cut(join)
        if join.unfit:
            self.unfit = join.unfit
            return ()
        closed = self._document is not None and self._document.closed
        if (join.stopped or closed) and not self.stopped:
            self.stopped = True
            joined.append(Finish(FinishReason.STOP, "stop"))
        return joined

    def _count_cut(self, join: Join) -> None:
        self.tally.cut_away(join.cut)
        join.cut = ""

    def _new(self, text: str) -> list[Event]:
        if self._document is not None:
            text = self._document.feed(text)
        return [Text(text)] if text else []

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

    def _is_as_asked(self, given: Transcript) -> bool:
        """Whether a document or a call that several have written is what the client asked for."""
        if self._half_call is None and self._document is None:
            return True
        conversation = self.conversation()
        if conversation is None:
            return True
        if self._half_call is not None:
            return _is_a_call(given, conversation)
        cut_short = self._finish is not None and self._finish.reason is FinishReason.LENGTH
        return cut_short or is_valid(given.text, conversation.json_schema)


def _is_a_call(given: Transcript, conversation: Conversation) -> bool:
    if not given.calls_are_whole:
        return False
    call = given.tool_calls()[-1]
    schema = next((tool.parameters for tool in conversation.tools if tool.name == call.name), None)
    return is_valid(call.arguments, schema)

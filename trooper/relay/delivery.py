"""
What the client of one request sees, in the making.

Theory of operation
-------------------
Events of a leg come in, bytes for the client come out. On the way lie the
join (where a continuation meets the half answer), the gate (what may go out
now) and the voice (how it is said); the transcript notes what has gone out.

    event ─▶ join ─▶ gate ─▶ voice ─▶ out
                               └────▶ transcript

The first leg that reaches the client is forwarded: its bytes, untouched. All
later ones are spoken by the voice, under the names the client already knows.

Owned by the conductor, which decides when `out` is sent. Waits for nothing
and reads no clock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec
from attrs import define, field

from trooper.config import Server
from trooper.core.conversation import Conversation, ToolCall
from trooper.core.events import (
    Done,
    Event,
    Finish,
    FinishReason,
    NextChoice,
    Other,
    Reasoning,
    Received,
    Text,
    Usage,
    is_content,
)
from trooper.core.fitting import count
from trooper.core.gate import Gate
from trooper.core.outcome import PASSING, Answer, Completed, Failed, FailureKind, Outcome
from trooper.core.seam import Join, Prefill, says_it_all
from trooper.core.structured import DocumentEnd, is_valid
from trooper.core.tally import LegTally, Tally
from trooper.core.tokens import tokens_left
from trooper.core.transcript import Transcript
from trooper.core.unfit import Unfit
from trooper.relay import failure_answers
from trooper.relay.request import Incoming
from trooper.wire.client_side import LegNote, Voice

_SILENCE: Final = Failed(FailureKind.EMPTY_200)


@define
class Delivery:
    """
    The one answer that the client gets, whoever says it.

    Args:
        could_go_on: whether somebody is left who could continue; asked once a
            leg, when its first event is here. Reading a long conversation for
            it must not delay the request itself.
        could_start_over: whether somebody is left who could begin anew.
    """

    incoming: Incoming
    server: Server
    request_id: str
    created: int
    could_go_on: Callable[[], bool]
    could_start_over: Callable[[], bool]
    out: bytearray = field(factory=bytearray, init=False)
    voice: Voice = field(init=False)
    transcript: Transcript = field(init=False)
    tally: Tally = field(factory=Tally, init=False)
    #: Whether `out` or what went before it holds content: until then it can be taken back.
    shown: bool = field(default=False, init=False)
    #: The leg has said all it may: a stop sequence was completed across the join.
    stopped: bool = field(default=False, init=False)
    #: Why nothing the leg says can be used any more; `None` while it can.
    unfit: Unfit | None = field(default=None, init=False)
    _leg: LegTally = field(init=False)
    _gate: Gate | None = field(default=None, init=False)
    _join: Join | None = field(default=None, init=False)
    # Where a structured answer that is being gone on with will end.
    _document: DocumentEnd | None = field(default=None, init=False)
    _forwards: bool = field(default=True, init=False)
    _seam: str = field(default="", init=False)
    _leg_said: bool = field(default=False, init=False)
    _thinks: bool = field(default=True, init=False)
    _finish: Finish | None = field(default=None, init=False)
    # The tool call that the client has a part of, and this leg is to finish.
    _half_call: tuple[int, ToolCall] | None = field(default=None, init=False)
    _choice: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self.begin_anew()

    def begin_anew(self) -> None:
        """Nothing has reached the client: forget what a failed leg taught us."""
        self.voice = self.incoming.new_voice(
            self.request_id, self.created, fallback_block=self.server.fallback_block
        )
        self.transcript = Transcript(self.server.transcript_bytes)
        self.out.clear()
        self.shown = False

    def begin_leg(self, target: str, model: str, *, seam: str = "") -> None:
        """
        Another leg is about to speak.

        `seam` is what the client is told about the switch, in enumerated words.
        """
        self._leg = LegTally(target, model)
        self.tally.legs.append(self._leg)
        self._gate = None
        self._join = None
        self._document = None
        self._seam = seam
        self._leg_said = False
        self._finish = None
        self._half_call = self.transcript.open_call()
        self._choice = 0
        self.stopped = False
        self.unfit = None
        # Half a thought and then another one would read as one: the answer begins instead.
        self._thinks = not self.transcript.has_text and self.transcript.reasoning_chars == 0
        untouched = self.transcript.begin is None and not self.transcript.has_content
        self._forwards = untouched and self._thinks

    def granted(self, model: str, prefill: Prefill, *, echoes: bool | None, overlaps: bool) -> None:
        """A model has the request, and `prefill` of the answer."""
        self._leg.model = model
        if prefill.text or prefill.withheld:
            conversation = self.incoming.conversation
            stop = conversation.sampling.stop if isinstance(conversation, Conversation) else ()
            self._join = Join(prefill, echoes, stop, overlaps)
            if isinstance(conversation, Conversation) and conversation.is_structured:
                self._document = DocumentEnd(prefill.text + prefill.withheld)

    @property
    def leg(self) -> LegTally:
        """The count of the leg that is speaking."""
        return self._leg

    @property
    def is_forwarded(self) -> bool:
        """Whether all that the client has are one target's own bytes."""
        return self._forwards

    def hear(self, item: Received) -> None:
        """Take one event of the current leg in."""
        if not self._forwards or not item.raw:
            if any(e == Other(continuable=False) for e in item.events):
                # This voice has no words for it.
                self.unfit = Unfit.CONTENT
                return
            item = Received(b"", self._withheld(self._joined(item.events)))
            if not item.events:
                return
        for released in self._the_gate().push(item):
            self._give(released)

    def _withheld(self, events: list[Event]) -> tuple[Event, ...]:
        """
        Keep a spoken leg's finish back until the leg is over.

        A continuation may end without a word, and then its finish is not to
        be believed. The finish of one of several choices comes with the next.
        """
        kept: list[Event] = []
        for event in events:
            match event:
                case Finish():
                    self._finish = event
                case NextChoice() if self._finish is not None:
                    kept += [self._finish, event]
                    self._finish = None
                case _:
                    kept.append(event)
        return tuple(kept)

    def _joined(self, events: tuple[Event, ...]) -> list[Event]:
        join = self._join
        if not self._thinks:
            # Some parsers open a thinking block on a continuation, too.
            events = tuple(event for event in events if not isinstance(event, Reasoning))
        if join is None:
            return list(events)
        joined: list[Event] = []
        for event in events:
            match event:
                case Text(text):
                    joined += self._new(join.feed(text))
                case _:
                    joined.append(event)
        if join.anew:
            self.unfit = Unfit.STARTS_ANEW
            return []
        closed = self._document is not None and self._document.closed
        if (join.stopped or closed) and not self.stopped:
            self.stopped = True
            joined.append(Finish(FinishReason.STOP, "stop"))
        return joined

    def _new(self, text: str) -> list[Event]:
        if self._document is not None:
            text = self._document.feed(text)
        return [Text(text)] if text else []

    def _the_gate(self) -> Gate:
        if self._gate is None:
            # A whole answer goes out in one piece anyway.
            streams = self.incoming.routing.stream
            words = streams and self.could_go_on()
            self._gate = Gate(
                # Tool calls wait even where words do not have to.
                self.server.hold_chars if self.server.gate and words else 0,
                self.server.channel_bytes,
                self.server.transcript_bytes,
                is_open=not streams or not (words or self.could_start_over()),
                holds_all=self._holds_all(),
                holds_calls=self.server.tool_calls == "hold",
            )
        return self._gate

    def _holds_all(self) -> bool:
        if self.server.structured != "hold" or self.transcript.has_text:
            return False
        conversation = self.incoming.conversation
        return isinstance(conversation, Conversation) and conversation.is_structured

    def _give(self, item: Received) -> None:
        """Let an event go out: from here on the client has it."""
        content = any(map(is_content, item.events))
        if content and self._seam:
            self.out += self._hand_over() if self.server.seam_comment else b""
            self._seam = ""
        for event in item.events:
            match event:
                case Text(text):
                    self._leg_said = True
                    self._leg.add(text)
                case Usage():
                    self._leg.reported = event
                case NextChoice():
                    self._leg.next_choice()
                case _:
                    self._leg_said = self._leg_said or (is_content(event) and not isinstance(event, Finish))
        if self._forwards and item.raw:
            finishes = any(isinstance(e, Finish) for e in item.events)
            self.out += self.voice.forward(item, self._notes() if finishes else ())
        else:
            self._speak(item.events)
        self.transcript.add(item.events)
        self.shown = self.shown or content
        gate = self._gate
        if gate is not None and not gate.is_open and not self.transcript.has_a_net:
            # Nobody can go on from here, so there is no reason to hold anything.
            for held in gate.open_up():
                self._give(held)

    def _hand_over(self) -> bytes:
        spoke = [leg.model for leg in self.tally.legs[:-1] if leg.tokens]
        return self.voice.hand_over(self._seam, spoke[-1] if spoke else "", self._leg.model)

    def _speak(self, events: tuple[Event, ...]) -> None:
        for event in events:
            match event:
                case Finish(reason):
                    self.out += self.voice.finish(reason, self._notes() if self._is_last_choice() else ())
                case NextChoice(index):
                    self._choice = index
                    self.out += self.voice.speak((event,))
                case Usage() | Done():
                    pass  # Said at the end, once, for all legs together.
                case _:
                    self.out += self.voice.speak((event,))

    def _is_last_choice(self) -> bool:
        conversation = self.incoming.conversation
        return not isinstance(conversation, Conversation) or self._choice == conversation.choices - 1

    def conclude(self, outcome: Outcome, *, going_on: bool) -> Outcome:
        """
        The leg is over: let out what may go, and return how it really ended.

        An answer that completed without a word is a failure, unless it was to
        continue one that is whole as it stands.
        """
        gate = self._the_gate()
        if self._join is not None:
            rest = self._new(self._join.finish())
            if self._join.anew:
                outcome = Failed(FailureKind.UNFIT, unfit_reason=Unfit.STARTS_ANEW)
            for released in gate.push(Received(b"", tuple(rest))) if rest else ():
                self._give(released)
        if outcome == _SILENCE and going_on:
            # To a reader an answer without a word is a failure; to a whole answer nothing is to be added.
            outcome = Completed()
        alone = len(self.tally.legs) == 1
        if isinstance(outcome, Completed) or (alone and outcome.kind in PASSING):
            # What fails in the provider's own words comes with all it said before.
            for released in gate.flush():
                self._give(released)
            silent = not self._leg_said and not self._forwards and not self.stopped
            if isinstance(outcome, Completed) and silent:
                said_all = self.transcript.part_ended or says_it_all(self.transcript.text)
                whole = going_on and said_all
                outcome = outcome if whole else Failed(FailureKind.EMPTY_200)
            if isinstance(outcome, Completed) and not self._is_as_asked():
                # The client has a part of it: nobody can make it right.
                self.transcript.continuable = False
                outcome = Failed(FailureKind.UNFIT, unfit_reason=Unfit.SCHEMA)
            if isinstance(outcome, Completed) and self._finish is not None:
                self._give(Received(b"", (self._finish,)))
        else:
            rest_of_word = gate.abandon()
            # With no text at the client yet a restart is better than a word.
            if rest_of_word and self.transcript.has_text:
                self._forwards = False
                self._give(Received(b"", (Text(rest_of_word),)))
        self._leg.outcome = outcome
        return outcome

    def _is_as_asked(self) -> bool:
        """Whether a document or a call that several have written is what the client asked for."""
        conversation = self.incoming.conversation
        if self._half_call is not None and isinstance(conversation, Conversation):
            return self._is_a_call(conversation)
        if self._document is None or not isinstance(conversation, Conversation):
            return True
        cut_short = self._finish is not None and self._finish.reason is FinishReason.LENGTH
        return cut_short or is_valid(self.transcript.text, conversation.json_schema)

    def _is_a_call(self, conversation: Conversation) -> bool:
        if not self.transcript.calls_are_whole:
            return False
        call = self.transcript.tool_calls()[-1]
        schema = next((tool.parameters for tool in conversation.tools if tool.name == call.name), None)
        return is_valid(call.arguments, schema)

    def tokens_left(self) -> int | None:
        """What remains of the client's limit; `None` without one, or while nothing was said."""
        if not self.transcript.has_text:
            return None
        conversation = self.incoming.conversation
        if not isinstance(conversation, Conversation):
            return None
        return tokens_left(conversation.sampling.max_tokens, self.transcript.text)

    def _notes(self) -> tuple[LegNote, ...]:
        """What the client is told about the legs; nothing while there was only one."""
        if len(self.tally.legs) < 2 or not self.server.seam_key:
            return ()
        return tuple(
            LegNote(
                leg.target,
                leg.model,
                leg.tokens,
                leg.estimated,
                "completed" if leg is self._leg or leg.outcome is None else leg.outcome.word,
            )
            for leg in self.tally.legs
        )

    def end_turn(self, reason: FinishReason) -> None:
        """The answer is whole: say what is missing of its end."""
        self.out += self.voice.finish(reason, self._notes())
        begun = self.transcript.begin
        prompt = begun.prompt_tokens if begun is not None else None
        if prompt is None and self.voice.lacks_usage:
            # Only where a count of ours is needed is the prompt worth counting.
            conversation = self.incoming.conversation
            prompt = count(conversation) if isinstance(conversation, Conversation) else 0
        self.out += self.voice.usage(self.tally.usage(prompt or 0))
        self.out += self.voice.terminate()
        self.shown = True

    def fail_in_band(self, failed: Failed, target: str, *, own: bool) -> None:
        """The status is gone: tell the failure in the stream. `own`: in the provider's words, if it had any."""
        trouble = failure_answers.trouble(failed, target, midway=self.transcript.has_content)
        if own and failed.raw:
            self.out += self.voice.own_error(failed.raw, trouble)
        else:
            self.out += self.voice.error(trouble)

    def fail(self, failed: Failed, target: str, *, own: bool) -> Answer:
        """Nothing was sent: the failure as an HTTP answer."""
        trouble = failure_answers.trouble(failed, target, midway=False)
        body = msgspec.json.encode(self.incoming.surface.spoken.error_body(trouble))
        return failure_answers.http_answer(failed, body, own=own)

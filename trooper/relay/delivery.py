"""
What the client of one request is given, and in whose words.

Theory of operation
-------------------
Legs are spliced into the answer (`relay.splice`); what a splice lets go comes
here, is said, and is noted:

    what may go out ─▶ voice ─▶ out
                  └───────────▶ transcript

The first leg that reaches the client is forwarded: its bytes, untouched. All
later ones are spoken by the voice, under the names the client already knows.

A delivery belongs to the request and not to a leg. Until the client has got
something of it, the next leg begins with a new one: voice and transcript have
learned from a leg that nobody has seen.

Owned by the conductor, which decides when `out` is sent. Waits for nothing
and reads no clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from attrs import define, field

from trooper.config import Server
from trooper.core import names
from trooper.core.events import Begin, Done, Event, Finish, FinishReason, NextChoice, Received, Usage
from trooper.core.fitting import estimate
from trooper.core.outcome import Answer, Completed, Failed, Outcome
from trooper.core.tally import Tally
from trooper.core.transcript import Transcript
from trooper.core.unfit import Unfit
from trooper.relay import failure_answers
from trooper.relay.request import Incoming
from trooper.relay.splice import Splice
from trooper.wire.client_side import LegNote, Voice


@define
class Delivery:
    """
    The one answer that the client gets, whoever says it.

    Args:
        tally: who has said how much, the leg that speaks included.
    """

    incoming: Incoming
    server: Server
    tally: Tally
    voice: Voice
    #: What the client has been given; written here alone.
    transcript: Transcript
    #: What is to be sent next.
    out: bytearray = field(factory=bytearray, init=False)
    #: Whether `out` or what went before it holds content: until then it can be taken back.
    shown: bool = field(default=False, init=False)
    #: Whether all content that the client has are one target's own bytes.
    is_forwarded: bool = field(default=True, init=False)
    #: What the event that was forwarded last lacks: while there is any, nothing of ours may come.
    missing_end: bytes = field(default=b"", init=False)
    # What the client is told about a switch, once the next leg has content.
    _seam: str = field(default="", init=False)
    _choice: int = field(default=0, init=False)

    @classmethod
    def begin(
        cls, incoming: Incoming, server: Server, tally: Tally, request_id: str, created: int
    ) -> Delivery:
        """An answer of which nothing was said yet; `created` is Unix time in seconds."""
        voice = incoming.new_voice(request_id, created, fallback_block=server.fallback_block)
        return cls(incoming, server, tally, voice, Transcript(server.transcript_bytes))

    def switch(self, seam: str) -> None:
        """Another leg is about to speak; `seam` says in enumerated words between whom and why."""
        self._seam = seam

    def hear(self, splice: Splice, item: Received) -> None:
        """Take in one event of the leg that speaks."""
        self._give_all(splice.hear(item))
        if not self.transcript.has_a_net:
            # Nobody can go on from here, so there is no reason to hold anything.
            self._give_all(splice.open_up())

    def give_more(self, splice: Splice) -> None:
        """Give the next portion of what may go out."""
        self._give_all(splice.more())

    def release_calls(self, splice: Splice) -> None:
        """Give the tool call that waits, whole or not, and the rest of it as it comes."""
        self._give_all(splice.release_calls())

    def last_words(self, splice: Splice, outcome: Outcome) -> Outcome:
        """The leg that speaks is over: give what may still go out; return how it ended, as far as is known."""
        outcome, released = splice.last_words(outcome)
        self._give_all(released)
        return outcome

    def conclude(self, splice: Splice, outcome: Outcome, fault: Unfit | None = None) -> Outcome:
        """Behind its last words: return how the leg really ended; `fault` is what a check has found."""
        outcome, released = splice.judge(outcome, self.transcript, fault)
        if splice.went_on:
            # What it said behind its finish was thrown away: that was no end.
            self.transcript.doubt_finish()
        self._give_all(released)
        if splice.lost is not None:
            self.transcript.note_lost(splice.lost)
        return outcome

    def sign_of_work(self, progress: str) -> bytes:
        """
        What says, in an event, that somebody works on the answer; to be sent at once.

        It is the answer's beginning if there was none, so that goes by the name of
        the model that works, and whoever answers in the end is spoken anew.
        """
        self._name((), content=True)
        self.transcript.add((Begin(model=self.voice.named),))
        return self.voice.at_work(progress)

    def take(self) -> bytes:
        """What is to be sent next; it counts as sent from here on."""
        body = bytes(self.out)
        self.out.clear()
        return body

    def _give_all(self, items: Iterable[Received]) -> None:
        """Let events go out: from here on the client has them."""
        for item in items:
            content = item.has_content
            if content and self._seam:
                self._end_event()
                self.out += self._hand_over() if self.server.seam_comment else b""
                self._seam = ""
            if item.raw:
                self.out += self.voice.forward(item, self._notes_beside(item))
                self.missing_end = _missing_end(item.raw) if item.is_part else b""
            else:
                self._name(item.events, content=content)
                self._speak(item.events)
                self.is_forwarded = self.is_forwarded and not content
            self.transcript.add(item.events)
            self.shown = self.shown or content

    def _hand_over(self) -> bytes:
        *earlier, speaks = self.tally.legs
        spoke = [leg.model for leg in earlier if leg.tokens and not leg.dropped]
        said = names.shown(spoke[-1]) if spoke else ""
        return self.voice.hand_over(self._seam, said, names.shown(speaks.model))

    def _end_event(self) -> None:
        """The event that was forwarded last lacks its empty line: what we say is another one."""
        if self.missing_end:
            self.out += self.missing_end
            self.missing_end = b""

    def _name(self, events: tuple[Event, ...], *, content: bool) -> None:
        """
        While nothing of the answer is out it is called after the model that speaks now.

        That is what a provider calls its model, and else what we have asked for.
        """
        if self.shown:
            return
        for event in events:
            # It is said in each event that follows.
            if isinstance(event, Begin) and event.model and names.is_short(event.model):
                self.voice.call_it(event.model)
        if content and (model := self.tally.legs[-1].model) and names.is_short(model):
            self.voice.call_it(model)

    def _speak(self, events: tuple[Event, ...]) -> None:
        self._end_event()
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
        conversation = self.incoming.readable
        return conversation is None or self._choice == conversation.choices - 1

    def _notes_beside(self, item: Received) -> tuple[LegNote, ...]:
        """The notes for a forwarded event: they stand beside the finish."""
        if len(self.tally.legs) < 2 or item.is_part or self.missing_end:
            # An event in parts is nobody's to write in.
            return ()
        return self._notes() if any(isinstance(event, Finish) for event in item.events) else ()

    def _notes(self) -> tuple[LegNote, ...]:
        """What the client is told about the legs; nothing while there was only one."""
        if len(self.tally.legs) < 2 or not self.server.seam_key:
            return ()
        *earlier, speaks = self.tally.legs
        ended = [(leg, leg.outcome or Completed()) for leg in earlier] + [(speaks, Completed())]
        return tuple(
            LegNote(
                leg.target,
                names.shown(leg.model),
                leg.tokens,
                leg.estimated,
                outcome.word,
                leg.left_out_tools,
                leg.shortened.told(),
            )
            for leg, outcome in ended
        )

    def end_turn(self, reason: FinishReason) -> None:
        """The answer is whole: say what is missing of its end."""
        self._end_event()
        self.out += self.voice.finish(reason, self._notes())
        begun = self.transcript.begin
        prompt = begun.prompt_tokens if begun is not None else None
        if prompt is None and self.voice.lacks_usage:
            # Only where a count of ours is needed is the prompt worth counting.
            conversation = self.incoming.readable
            prompt = 0 if conversation is None else estimate(conversation)
        self.out += self.voice.usage(self.tally.usage(prompt or 0))
        self.out += self.voice.terminate()
        self.shown = True

    def fail_in_band(
        self, failed: Failed, target: str, *, own: bool = False, others: Sequence[str] = ()
    ) -> None:
        """
        The status is gone: tell the failure in the stream, and why none of the `others` could.

        `own`: in the provider's words, if it had any.
        """
        self._end_event()
        midway = self.transcript.has_content
        trouble = failure_answers.trouble(failed, target, midway=midway, others=others)
        if own and failed.raw:
            self.out += self.voice.own_error(failed.raw, trouble)
        else:
            self.out += self.voice.error(trouble)

    def fail(self, failed: Failed, target: str, *, own: bool, others: Sequence[str] = ()) -> Answer:
        """Nothing was sent: the failure as an HTTP answer, with why none of the `others` could."""
        trouble = failure_answers.trouble(failed, target, midway=False, others=others)
        body = msgspec.json.encode(self.incoming.client_side.error_body(trouble))
        return failure_answers.http_answer(failed, body, own=own, others=others)


def _missing_end(raw: bytes) -> bytes:
    """
    What ends the event that `raw` breaks off in, as its provider would have said it.

    Behind a CR a lone LF would be the rest of a CRLF.
    """
    if raw.endswith(b"\r\n"):
        return b"\r\n"
    return b"\n" if raw.endswith(b"\n") else b"\n\n"

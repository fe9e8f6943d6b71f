"""
What a leg says that is new to the client, where it is spoken anew: in another
wire than it came in, or behind what another leg has said.

    event ─▶ without its bytes ─▶ join ─▶ end of the document ─▶ its finish kept back

Made with its splice, which gives it to the gate. Waits for nothing, reads no
clock, speaks no wire.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from attrs import define, field

from trooper.core.conversation import Conversation, Role
from trooper.core.events import (
    Event,
    Finish,
    FinishReason,
    NextChoice,
    Other,
    Reasoning,
    Received,
    Text,
    Unread,
)
from trooper.core.history import own_beginning
from trooper.core.repair import ALL_REPAIRS, Repair
from trooper.core.seam import NOTHING, Join, Prefill
from trooper.core.structured import Document, DocumentEnd, opening
from trooper.core.tally import LegTally
from trooper.core.thinking import speaks_of_thinking
from trooper.core.transcript import Transcript
from trooper.core.unfit import Unfit

_SILENT: Final = Received(b"")


@define
class Retelling:
    """
    One leg's words, as far as the client does not have them.

    Args:
        given: what the client has when the leg begins; only read.
        conversation: the request, where it could be read; asked when it is needed.
        repairs: what is put right of a model that goes on badly.
    """

    tally: LegTally
    given: Transcript
    conversation: Callable[[], Conversation | None]
    repairs: AbstractSet[Repair] = ALL_REPAIRS
    #: The leg has said all it may: a stop sequence or a document was completed across the join.
    stopped: bool = field(default=False, init=False)
    #: Why nothing the leg says can be used any more; `None` while it can.
    unfit: Unfit | None = field(default=None, init=False)
    #: The finish of the leg, or of its last choice.
    finish: Finish | None = field(default=None, init=False)
    #: Thoughts may be shown. Half a thought and then another one would read as one: the answer begins instead.
    thinks: bool = field(init=False)
    _join: Join | None = field(init=False)
    _document: DocumentEnd | None = field(default=None, init=False)
    # How the answer begins in the client's own words, where it goes on from them.
    _own_prefill: str = field(default="", init=False)
    _skipped: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self.thinks = not self.given.has_text and self.given.reasoning_chars == 0
        # Where it thinks in its content, that is not shown either.
        self._join = None if self.thinks else self._new_join(NOTHING)

    def begins_behind(self, prefill: Prefill, *, echoes: bool | None, overlaps: bool) -> None:
        """The model has been given `prefill` of the answer."""
        self._join = self._new_join(prefill, echoes=echoes, overlaps=overlaps)
        conversation = self.conversation()
        if conversation is not None and conversation.is_structured:
            self._own_prefill = own_beginning(conversation, self.given.text)[1]
            said = (prefill.text + prefill.withheld).removeprefix(self._own_prefill)
            self._document = DocumentEnd(opening(self._own_prefill) + said)

    def _new_join(self, prefill: Prefill, *, echoes: bool | None = None, overlaps: bool = False) -> Join:
        conversation = self.conversation()
        messages = () if conversation is None else conversation.messages
        return Join(
            prefill,
            echoes,
            () if conversation is None else conversation.sampling.stop,
            overlaps,
            self.given.lost,
            speaks_of_thinking(m.text for m in messages if m.role is Role.USER),
            self.repairs,
        )

    def new_in(self, item: Received) -> Received:
        """The event without its bytes, and of what it says that which is new; empty where nothing is."""
        events = item.events
        unsayable = any(isinstance(e, Other) and (e.shows or not e.continuable) for e in events)
        # Searches and the like are lost here with their citations: the words are the answer.
        events = tuple(e for e in events if not (isinstance(e, Other) and e.works))
        if (self._skipped and any(e != Other() for e in events)) or unsayable:
            # No voice has words for it.
            self.unfit = Unfit.CONTENT
            return _SILENT
        # Noise, if a failure follows it; a hole in the answer, if anything else does.
        self._skipped = self._skipped or Unread() in events
        return Received(b"", self._withheld(self._joined(events)))

    def rest(self) -> list[Event]:
        """The leg is over: what the join had not decided yet."""
        if self._join is None:
            return []
        rest = self._new(self._join.finish())
        self._count_cut(self._join)
        self.unfit = self._join.unfit or self.unfit
        return rest

    @property
    def came_to_nothing(self) -> bool:
        """Whether the leg has thought, and never come to an end."""
        return self._join is not None and self._join.says_nothing

    @property
    def has_document(self) -> bool:
        """Whether it goes on with a document."""
        return self._document is not None

    def document(self, said: str, conversation: Conversation) -> Document:
        """What the client will have, once it has `said` and puts its own prefill in front of it."""
        begun = opening(self._own_prefill)
        readings = [begun + said, self._own_prefill + said]
        if not conversation.continues_prefill:
            # Whether it does is not known: some providers say the whole of it.
            readings.append(said)
        first, *others = dict.fromkeys(readings)
        return Document(first, conversation.json_schema, tuple(others))

    def _withheld(self, events: Sequence[Event]) -> tuple[Event, ...]:
        """
        Keep the finish back until the leg is over.

        A continuation may end without a word, and then its finish is not to
        be believed. The finish of one of several choices comes with the next.
        """
        kept: list[Event] = []
        for event in events:
            if isinstance(event, Finish):
                self.finish = event
                continue
            if isinstance(event, NextChoice) and self.finish is not None:
                kept.append(self.finish)
                self.finish = None
            kept.append(event)
        return tuple(kept)

    def _joined(self, events: tuple[Event, ...]) -> Sequence[Event]:
        join = self._join
        if not self.thinks:
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

"""Splices, what they hear and how they end; shared by the tests of `relay.splice`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from attrs import evolve

from trooper.config import Server
from trooper.core.conversation import Conversation, Message, Role, TextPart
from trooper.core.events import Begin, Event, Received, Text
from trooper.core.outcome import Completed, Failed, FailureKind
from trooper.core.seam import Prefill
from trooper.core.structured import Document, follows
from trooper.core.tally import LegTally
from trooper.core.transcript import Transcript
from trooper.core.unfit import Unfit
from trooper.relay.splice import Splice

ASKED = Conversation((Message(Role.USER, (TextPart("Why?"),)),))
RESET = Failed(FailureKind.CONN_RESET)


def given(*events: Event) -> Transcript:
    transcript = Transcript(10_000)
    transcript.add(events)
    return transcript


def splice(
    has: Transcript | None = None,
    *,
    goes_on: bool = False,
    is_first: bool = True,
    streams: bool = True,
    conversation: Conversation | None = ASKED,
    somebody: bool = True,
    anew: bool = True,
    **server: Any,
) -> Splice:
    return Splice(
        LegTally("cloud", "m"),
        has or given(),
        evolve(Server(), **server),
        goes_on=goes_on,
        is_first=is_first,
        streams=streams,
        conversation=lambda: conversation,
        could_go_on=lambda: somebody,
        could_start_over=lambda: anew,
    )


def going_on(text: str, *, prefill: Prefill | None = None, echoes: bool = False, **more: Any) -> Splice:
    """A leg that was granted the rest of `text`."""
    made = splice(given(Begin("i"), Text(text)), goes_on=True, is_first=False, **more)
    made.granted("local", prefill or Prefill(text, ""), echoes=echoes, overlaps=False)
    return made


def raw(*events: Event) -> Received:
    """An event of the client's own wire."""
    return Received(b"raw", events)


def said(*events: Event) -> Received:
    """An event of another wire: only what it says."""
    return Received(b"", events)


def heard(made: Splice, *items: Received) -> list[Received]:
    return [released for item in items for released in made.hear(item)]


def text_of(items: Iterable[Received]) -> str:
    return "".join(item.text for item in items)


def fault_in(question: Document | Unfit | None) -> Unfit | None:
    """What a check finds, done at once."""
    if isinstance(question, Document):
        return None if follows(question.text.encode(), question.schema) else Unfit.SCHEMA
    return question


def ended(made: Splice, outcome: Completed | Failed, has: Transcript) -> tuple[Completed | Failed, str]:
    """Both ends of a leg, the transcript kept between them; its outcome and what went out then."""
    outcome, first = made.last_words(outcome)
    for item in first:
        has.add(item.events)
    outcome, rest = made.judge(outcome, has, fault_in(made.to_check(outcome, has)))
    for item in rest:
        has.add(item.events)
    return outcome, text_of((*first, *rest))

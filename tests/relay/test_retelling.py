"""What of a leg that is spoken anew the client does not have yet (`relay.retelling`)."""

from __future__ import annotations

import pytest

from trooper.core.conversation import Conversation, Message, Role, Sampling, TextPart
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
from trooper.core.seam import Prefill
from trooper.core.structured import Document
from trooper.core.tally import LegTally
from trooper.core.transcript import Transcript
from trooper.core.unfit import Unfit
from trooper.relay.retelling import Retelling

HALF = "The keeper climbs the stairs every evening and"
STOP = Finish(FinishReason.STOP, "stop")


def question(*, structured: bool = False, stop: tuple[str, ...] = ()) -> Conversation:
    asked = (Message(Role.USER, (TextPart("Q"),)),)
    return Conversation(asked, sampling=Sampling(stop=stop), json_schema={} if structured else None)


def behind(*given: Event, asked: Conversation | None = None) -> Retelling:
    transcript = Transcript(10_000)
    transcript.add(given)
    return Retelling(LegTally("local", "m"), transcript, lambda: asked)


def going_on(asked: Conversation | None = None, half: str = HALF) -> Retelling:
    retelling = behind(Text(half), asked=asked)
    retelling.begins_behind(Prefill(half, ""), echoes=True, overlaps=False)
    return retelling


def new(retelling: Retelling, *events: Event) -> list[Event]:
    item = retelling.new_in(Received(b"bytes", events))
    assert item.raw == b""
    return list(item.events)


def test_an_answer_from_the_beginning_is_all_new() -> None:
    retelling = behind()
    assert retelling.thinks
    assert new(retelling, Reasoning("Hm."), Text("Word")) == [Reasoning("Hm."), Text("Word")]
    assert (retelling.rest(), retelling.came_to_nothing, retelling.has_document) == ([], False, False)


def test_what_the_model_repeats_is_not_new() -> None:
    retelling = going_on()
    assert new(retelling, Text(HALF)) == []
    assert new(retelling, Text(" lights it.")) == [Text(" lights it.")]


@pytest.mark.parametrize("given", [Text(HALF), Reasoning("Half a thought")])
def test_a_second_thought_is_not_shown(given: Event) -> None:
    retelling = behind(given)
    assert not retelling.thinks
    assert new(retelling, Reasoning("Another one."), Text("Word.")) == [Text("Word.")]
    assert retelling.tally.was_cut


def test_a_finish_waits_for_the_end_and_that_of_a_choice_for_the_next_one() -> None:
    retelling = behind()
    assert new(retelling, Text("One"), STOP) == [Text("One")]
    assert retelling.finish == STOP
    assert new(retelling, NextChoice(1)) == [STOP, NextChoice(1)]
    assert retelling.finish is None


def test_a_stop_sequence_across_the_join_ends_it() -> None:
    retelling = going_on(question(stop=("END",)), half=HALF + " EN")
    assert new(retelling, Text(HALF + " END of it")) == []
    assert retelling.stopped
    assert retelling.finish == STOP


def test_a_document_ends_where_it_closes() -> None:
    retelling = going_on(question(structured=True), half='{"a": ')
    assert retelling.has_document
    assert new(retelling, Text('{"a": '), Text("1} and more")) == [Text("1}")]
    assert retelling.stopped


def test_what_was_undecided_comes_at_the_end() -> None:
    retelling = going_on()
    assert new(retelling, Text(" The keeper")) in ([], [Text(" The keeper")])
    retelling = going_on()
    assert new(retelling, Text("The light")) == [Text("The light")]
    assert retelling.rest() == []
    retelling = behind(Text(HALF))
    retelling.begins_behind(Prefill(HALF, ""), echoes=None, overlaps=False)
    assert new(retelling, Text(HALF[:9])) == []
    assert retelling.rest() == [Text(HALF[:9])]


def test_a_thought_that_never_ends_came_to_nothing() -> None:
    retelling = going_on()
    assert new(retelling, Text("<think>Well, the keeper")) == []
    assert retelling.rest() == []
    assert retelling.came_to_nothing


@pytest.mark.parametrize("other", [Other(continuable=False), Other(works=True, shows=True)])
def test_what_no_voice_has_words_for_is_of_no_use(other: Other) -> None:
    retelling = behind()
    assert new(retelling, other) == []
    assert retelling.unfit is Unfit.CONTENT


def test_what_the_provider_looked_up_is_left_out() -> None:
    retelling = behind()
    assert new(retelling, Other(works=True)) == []
    assert new(retelling, Other(works=True), Text("Word")) == [Text("Word")]
    assert retelling.unfit is None


def test_noise_is_a_hole_where_something_follows() -> None:
    retelling = behind()
    new(retelling, Unread())
    assert new(retelling, Other()) == [Other()]
    assert retelling.unfit is None
    assert new(retelling, Text("Word")) == []
    assert retelling.unfit is Unfit.CONTENT


def test_another_answer_is_of_no_use() -> None:
    retelling = behind(Text(HALF))
    retelling.begins_behind(Prefill(HALF, ""), echoes=None, overlaps=True)
    assert new(retelling, Text(HALF[:30] + " is another one that begins anew, as some do")) == []
    assert retelling.unfit is Unfit.STARTS_ANEW


@pytest.mark.parametrize(
    ("prefill", "continues", "text", "others"),
    [
        ("{", True, '{"a": 1}', ()),
        ("{", False, '{"a": 1}', ('"a": 1}',)),
        ("Here:\n{", True, '{"a": 1}', ('Here:\n{"a": 1}',)),
        ("Here:", True, '"a": 1}', ('Here:"a": 1}',)),
        ("", True, '"a": 1}', ()),
    ],
)
def test_a_document_begins_in_the_clients_own_prefill(
    prefill: str, continues: bool, text: str, others: tuple[str, ...]
) -> None:
    asked = Conversation(
        (Message(Role.USER, (TextPart("Q"),)), Message(Role.ASSISTANT, (TextPart(prefill),))),
        json_schema={},
        continues_prefill=continues,
    )
    retelling = behind(Text('"a":'), asked=asked)
    retelling.begins_behind(Prefill(prefill + '"a":', ""), echoes=False, overlaps=False)
    assert retelling.document('"a": 1}', asked) == Document(text, {}, others)
    closes = "{" in prefill
    assert new(retelling, Text(" 1} and more")) == [Text(" 1}" if closes else " 1} and more")]
    assert retelling.stopped is closes


def test_an_answer_that_began_anew_is_the_document() -> None:
    asked = Conversation(
        (Message(Role.ASSISTANT, (TextPart("{"),)),),
        json_schema={},
    )
    retelling = behind(Text('{"a":'), asked=asked)
    retelling.begins_behind(Prefill('{"a":', ""), echoes=False, overlaps=False)
    assert retelling.document('{"a": 1}', asked) == Document('{"a": 1}', {})
    assert new(retelling, Text(" 1} and more")) == [Text(" 1}")]

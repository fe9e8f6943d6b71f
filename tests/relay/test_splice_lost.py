"""What a leg had begun and nobody saw, and what it says that is no word of the answer."""

from __future__ import annotations

from attrs import evolve

from spliced import ASKED, RESET, ended, given, going_on, heard, raw, said, splice, text_of
from trooper.core.conversation import Message, Role, TextPart
from trooper.core.events import Finish, FinishReason, Reasoning, Text, ToolCallDelta
from trooper.core.outcome import Completed, Failed, FailureKind
from trooper.core.overlap import Lost
from trooper.core.seam import Prefill
from trooper.core.unfit import Unfit

STOP = Finish(FinishReason.STOP, "stop")
EMPTY = Failed(FailureKind.EMPTY_200)
CALL = ToolCallDelta(0, "c", "look", "")


def test_what_a_leg_had_begun_is_kept_for_the_next() -> None:
    has = given()
    made = splice(has)
    for item in heard(made, raw(Text("One")), raw(Text(" two")), raw(Text(" th")), raw(CALL)):
        has.add(item.events)
    assert ended(made, RESET, has) == (RESET, "")
    assert made.lost == Lost("", call=True)
    has = given()
    made = splice(has)
    for item in heard(made, raw(Text("One")), raw(Text(" two")), raw(Text(" th"))):
        has.add(item.events)
    ended(made, RESET, has)
    assert made.lost == Lost(" th")
    assert splice().lost is None


def test_a_silent_leg_ends_no_answer_that_was_to_have_a_call() -> None:
    has = given(Text("I will look."))
    has.note_lost(Lost(call=True))
    made = splice(has, goes_on=True, is_first=False)
    made.granted("local", Prefill("I will look.", ""), echoes=False, overlaps=False)
    heard(made, said(STOP))
    assert ended(made, Completed(), has) == (EMPTY, "")


def test_an_empty_answer_without_a_finish_ends_none() -> None:
    """A model that was only loaded has finished nothing, also where the answer could be whole."""
    has = given(Text("It is so."))
    assert ended(going_on("It is so."), EMPTY, has) == (EMPTY, "")


def test_thoughts_in_the_content_are_no_answer() -> None:
    made = going_on("It is")
    assert text_of(heard(made, said(Text("<think>hm")), said(Text("</think> so.\n")))) == " so.\n"
    assert made.tally.was_cut
    has = given(Text("It is so."))
    made = going_on("It is so.")
    heard(made, said(Text("<think>hm")), said(STOP))
    assert ended(made, Completed(), has) == (EMPTY, "")
    # Behind reasoning that the client has seen it begins the answer, and does not think once more.
    made = splice(given(Reasoning("hm")), is_first=False)
    assert text_of(heard(made, said(Text("<think>ah</think>\n\n")), said(Text("So.\n")))) == "So.\n"


def test_a_thought_that_is_known_too_late_makes_the_leg_unfit() -> None:
    made = going_on("It is")
    heard(made, said(Text(" okay.\n")), said(Text("</think> so.")))
    assert made.unfit is Unfit.THINKS_ALOUD
    made = going_on("It is")
    assert ended(made, Completed(), given(Text("It is")))[0] == EMPTY
    asks = evolve(ASKED, messages=(Message(Role.USER, (TextPart("What is </think>?"),)),))
    made = going_on("It is", conversation=asks)
    assert text_of(heard(made, said(Text(" an end:\n")), said(Text("</think>\n")))) == " an end:\n</think>\n"

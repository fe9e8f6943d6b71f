"""One leg's events become a part of the answer: values in, values out."""

from __future__ import annotations

import math

import pytest
from attrs import evolve

from spliced import ASKED, RESET, ended, given, going_on, heard, raw, said, splice, text_of
from trooper.core.conversation import Sampling, Tool
from trooper.core.events import (
    Begin,
    Done,
    Finish,
    FinishReason,
    NextChoice,
    Other,
    PartEnd,
    Reasoning,
    Refusal,
    Text,
    ToolCallDelta,
    Unread,
    Usage,
)
from trooper.core.outcome import Completed, Failed, FailureKind
from trooper.core.seam import Prefill
from trooper.core.unfit import Unfit
from trooper.relay.splice import Splice

STOP = Finish(FinishReason.STOP, "stop")
EMPTY = Failed(FailureKind.EMPTY_200)
AUTH = Failed(FailureKind.AUTH)
CALL = ToolCallDelta(0, "c", "look", "")


def test_the_first_legs_events_go_out_as_they_came_a_word_late() -> None:
    made = splice()
    events = [raw(Begin("i")), raw(Text("One")), raw(Text(" two")), raw(Text(" three"))]
    assert heard(made, *events) == events[:3]
    assert made.forwards
    outcome, rest = made.last_words(Completed())
    assert list(rest) == events[3:]
    assert (made.tally.tokens, made.tally.estimated) == (4, True)
    assert made.judge(outcome, given(Text("One two three"))) == (Completed(), ())


@pytest.mark.parametrize("tool_calls", ["hold", "stream"])
def test_a_gate_is_made_of_the_configuration(tool_calls: str) -> None:
    made = splice(tool_calls=tool_calls)
    held = tool_calls == "hold"
    assert heard(made, raw(CALL)) == ([] if held else [raw(CALL)])


@pytest.mark.parametrize(
    "made",
    [splice(gate=False), splice(somebody=False), splice(streams=False), splice(somebody=False, anew=False)],
    ids=["gate off", "nobody goes on", "whole", "nobody at all"],
)
def test_words_wait_only_where_it_can_pay(made: Splice) -> None:
    assert text_of(heard(made, raw(Text("One")))) == "One"


def test_the_bounds_of_the_gate_are_its_own() -> None:
    """They were those of the channel and of the transcript, whose keys speak of something else."""
    long = splice(hold_bytes=100, hold_chars=4000)
    assert heard(long, raw(Text("a" * 50)), *[raw(Other())] * 32) == []
    assert len(heard(long, raw(Other()))) == 34
    for made in (splice(hold_call_bytes=20), going_on("One", hold_call_bytes=20)):
        # In bytes of the events where they are kept, else in what they say: a spoken call was held without end.
        item = raw if made.forwards else said
        assert (
            heard(made, item(ToolCallDelta(0, "c", "look", '{"a')), item(ToolCallDelta(0, arguments="b" * 9)))
            == []
        )
        assert len(heard(made, item(ToolCallDelta(0, arguments="b" * 9)))) == 3


def test_a_structured_answer_is_held_whole_where_that_is_wanted() -> None:
    wants = evolve(ASKED, json_mode=True)
    made = splice(conversation=wants, structured="hold")
    assert heard(made, raw(Text('{"a": ')), raw(Text("1} "))) == []
    assert text_of(heard(made, raw(STOP))) == '{"a": 1} '
    # Not in the middle of one, and not an answer in words.
    assert (
        text_of(heard(splice(given(Text("{")), conversation=wants, structured="hold"), said(Text("1\n"))))
        == "1\n"
    )
    assert heard(splice(structured="hold"), raw(Text("\n"))) != []
    assert heard(splice(structured="hold", conversation=None), raw(Text("\n"))) != []


def test_a_leg_that_dies_leaves_a_whole_word() -> None:
    has = given()
    made = splice(has)
    for item in heard(made, raw(Text("One")), raw(Text(" two")), raw(Text(" th"))):
        has.add(item.events)
    assert has.text == "One two"
    assert ended(made, RESET, has) == (RESET, "")
    has = given(Text("One"))
    made = splice(has)
    heard(made, raw(Text(" two. th")))
    assert ended(made, RESET, has) == (RESET, " two.")


def test_without_text_at_the_client_a_restart_is_better_than_a_word() -> None:
    has = given()
    made = splice(has)
    assert heard(made, raw(Text("One. tw"))) == []
    assert ended(made, RESET, has) == (RESET, "")


def test_a_failure_in_the_providers_own_words_comes_with_all_it_said() -> None:
    has = given()
    made = splice(has)
    heard(made, raw(Text("One tw")))
    assert ended(made, AUTH, has) == (AUTH, "One tw")
    # Of a later target nobody wants to hear them.
    has = given(Text("Zero"))
    made = splice(has, is_first=False)
    heard(made, said(Text(" one tw")))
    assert ended(made, AUTH, has) == (AUTH, " one")


def test_a_leg_that_nobody_heard_ends_as_it_ended() -> None:
    assert ended(splice(), RESET, given()) == (RESET, "")
    assert ended(splice(), Completed(), given()) == (Completed(), "")


def test_open_up_gives_what_is_held_and_holds_nothing_more() -> None:
    made = splice()
    assert made.open_up() == ()
    assert heard(made, raw(Text("One"))) == []
    assert text_of(made.open_up()) == "One"
    assert made.open_up() == ()
    assert text_of(heard(made, raw(Text(" two")))) == " two"


# -- a leg that is spoken ------------------------------------------------------------


def test_a_finish_is_kept_until_the_leg_is_over() -> None:
    has = given(Begin("i"), Text("One two"))
    made = going_on("One two")
    assert not made.forwards
    released = heard(made, said(Text(" three.\n")), said(STOP), said(Usage(7, 3)))
    assert [event for item in released for event in item.events] == [Text(" three.\n"), Usage(7, 3)]
    assert made.tally.tokens == 3
    for item in released:
        has.add(item.events)
    assert ended(made, Completed(), has)[0] == Completed()
    assert has.finish == STOP


def test_of_several_choices_each_finish_comes_with_the_next() -> None:
    made = splice(streams=False, conversation=evolve(ASKED, choices=2))
    heard(made, said(Text("a"), STOP))
    released = heard(made, said(NextChoice(1), Text("b")))
    assert [event for item in released for event in item.events] == [STOP, NextChoice(1), Text("b")]


def test_an_echo_is_cut_and_blanks_are_not_doubled() -> None:
    made = going_on("One two ", prefill=Prefill("One two", " "), echoes=True)
    assert text_of(heard(made, said(Text("One two")), said(Text(" three")), said(Text(" four")))) == "three"


def test_what_is_too_short_to_judge_comes_at_the_end() -> None:
    has = given(Begin("i"), Text("One two"))
    made = going_on("One two", echoes=True)
    heard(made, said(Text("One")))
    # An echo that was cut short says nothing.
    assert ended(made, Completed(), has) == (EMPTY, "")
    has = given(Text("A. "))
    made = going_on("A. ", conversation=evolve(ASKED, sampling=Sampling(stop=("##",))))
    heard(made, said(Text("B")))
    assert ended(made, Completed(), has) == (Completed(), "B")


def test_a_stop_sequence_across_the_join_ends_the_leg() -> None:
    made = going_on("One #", conversation=evolve(ASKED, sampling=Sampling(stop=("##",))))
    heard(made, said(Text("# and more")), said(Text(" and")))
    assert made.stopped
    assert ended(made, Completed(), given(Text("One #")))[0] == Completed()


def test_an_answer_that_starts_anew_is_of_no_use() -> None:
    half = "The keeper writes down every ship that passes."
    made = going_on(half, prefill=Prefill(half, ""))
    made.granted("local", Prefill(half, ""), echoes=None, overlaps=False)
    heard(made, said(Text("The keeper writes down nothing at all.")))
    assert made.unfit is Unfit.STARTS_ANEW
    # The same, found out only when the leg is over.
    made = going_on(half)
    made.granted("local", Prefill(half, ""), echoes=None, overlaps=False)
    assert heard(made, said(Text(half[:30]))) == []
    assert ended(made, Completed(), given(Text(half)))[0] == Failed(
        FailureKind.UNFIT, unfit_reason=Unfit.STARTS_ANEW
    )


def test_a_voice_has_no_words_for_what_nobody_understands() -> None:
    made = going_on("One")
    assert heard(made, said(Other(continuable=False))) == []
    assert made.unfit is Unfit.CONTENT


def test_what_says_nothing_is_dropped() -> None:
    assert heard(going_on("One"), said(), raw()) == []


def test_thoughts_behind_a_text_or_another_thought_are_not_shown() -> None:
    assert heard(going_on("One"), said(Reasoning("hm"))) == []
    made = splice(given(Reasoning("hm")), is_first=False)
    assert not made.forwards
    assert heard(made, said(Reasoning("ah"))) == []
    assert text_of(heard(made, said(Text("So.\n")))) == "So.\n"


@pytest.mark.parametrize(
    ("text", "part_ended", "outcome"),
    [("It is so.", False, Completed()), ("It is", False, EMPTY), ("It is", True, Completed())],
)
@pytest.mark.parametrize("way", [Completed(), EMPTY])
def test_a_continuation_without_a_word(
    text: str, part_ended: bool, outcome: Completed | Failed, way: Completed | Failed
) -> None:
    """It ends an answer only that is whole as it stands."""
    has = given(Text(text), *([PartEnd()] if part_ended else []))
    made = going_on(text)
    heard(made, said(STOP))
    assert ended(made, way, has) == (outcome, "")


def test_a_restart_without_a_word_is_a_failure() -> None:
    made = splice(given(Begin("i")), is_first=False)
    heard(made, said(STOP))
    assert ended(made, Completed(), given(Begin("i"))) == (EMPTY, "")


@pytest.mark.parametrize(
    ("rest", "finish", "outcome"),
    [
        ("1}", STOP, Completed()),
        ('"b"}', STOP, Failed(FailureKind.UNFIT, unfit_reason=Unfit.SCHEMA)),
        ("", Finish(FinishReason.LENGTH), EMPTY),
        ("[", Finish(FinishReason.LENGTH), Completed()),
    ],
)
def test_a_document_of_several_is_checked(rest: str, finish: Finish, outcome: Completed | Failed) -> None:
    wants = evolve(ASKED, json_schema={"properties": {"a": {"type": "integer"}}})
    has = given(Text('{"a": '))
    made = going_on('{"a": ', conversation=wants, prefill=Prefill('{"a":', " "))
    for item in heard(made, said(*([Text(rest)] if rest else [])), said(finish)):
        has.add(item.events)
    assert ended(made, Completed(), has)[0] == outcome


def test_a_document_ends_where_it_closes() -> None:
    made = going_on('{"a": ', conversation=evolve(ASKED, json_mode=True), prefill=Prefill('{"a": ', ""))
    has = given(Text('{"a": '))
    for item in heard(made, said(Text("1} and so on"))):
        has.add(item.events)
    assert made.stopped
    assert ended(made, Completed(), has)[0] == Completed()
    assert has.text == '{"a": 1}'


@pytest.mark.parametrize(
    ("rest", "outcome"),
    [
        (" 1}", Completed()),
        (' "x"}', Failed(FailureKind.UNFIT, unfit_reason=Unfit.SCHEMA)),
        (" ", Failed(FailureKind.UNFIT, unfit_reason=Unfit.SCHEMA)),
    ],
)
def test_a_call_of_several_is_checked(rest: str, outcome: Completed | Failed) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    wants = evolve(ASKED, tools=(Tool("look", parameters=schema),))
    has = given(evolve(CALL, arguments='{"a":'))
    made = splice(has, goes_on=True, is_first=False, conversation=wants, tool_calls="stream")
    made.granted("local", Prefill("", ""), echoes=None, overlaps=False)
    for item in heard(made, said(ToolCallDelta(0, arguments=rest))):
        has.add(item.events)
    assert ended(made, Completed(), has)[0] == outcome


def test_without_a_readable_request_nothing_is_checked() -> None:
    has = given(evolve(CALL, arguments='{"a":'))
    made = splice(has, goes_on=True, is_first=False, conversation=None, tool_calls="stream")
    made.granted("local", Prefill("x", ""), echoes=None, overlaps=False)
    heard(made, said(ToolCallDelta(0, arguments="1}")))
    assert ended(made, Completed(), has)[0] == Completed()


def test_refusals_count_as_said() -> None:
    has = given(Text("Well."))
    made = splice(has, goes_on=True, is_first=False)
    heard(made, said(Refusal("no")), said(Done()))
    assert ended(made, Completed(), has)[0] == Completed()


def test_a_call_waits_so_long_and_no_longer() -> None:
    made = splice(hold_call_s=20.0)
    assert made.release_due(5.0) == math.inf
    heard(made, raw(Text("a ")))
    assert made.release_due(5.0) == math.inf
    assert heard(made, raw(CALL)) != []
    assert [made.release_due(now) for now in (10.0, 15.0)] == [30.0, 30.0]
    (item,) = made.release_calls()
    assert item.events == (CALL,)
    assert made.release_due(31.0) == math.inf
    # The rest of it, and the next one, come as they are said.
    assert len(heard(made, raw(ToolCallDelta(0, arguments="{")), raw(ToolCallDelta(1, "d", "f")))) == 2


def test_a_call_that_became_whole_waits_for_nothing() -> None:
    made = splice(hold_call_s=20.0)
    heard(made, raw(CALL))
    assert made.release_due(10.0) == 30.0
    heard(made, raw(ToolCallDelta(0, arguments="{}")))
    assert made.release_due(11.0) == math.inf
    heard(made, raw(ToolCallDelta(1, "d", "f", "{")))
    assert made.release_due(25.0) == 45.0
    assert splice().release_calls() == ()


def test_what_nobody_understands_and_was_thrown_away_is_a_hole() -> None:
    for image, continuable in ((), True), ((Other(continuable=False),), False):
        made, has = splice(), given()
        for item in heard(made, raw(Text("Look at ")), raw(CALL), raw(*image)):
            has.add(item.events)
        ended(made, RESET, has)
        assert has.continuable is continuable
    # Where the client has nothing, another target says all of it.
    made, has = splice(), given()
    heard(made, raw(CALL), raw(Other(continuable=False)))
    ended(made, RESET, has)
    assert (has.has_content, has.continuable) == (False, True)


def test_noise_in_another_wire_is_a_hole_if_anything_follows() -> None:
    made = splice()
    assert text_of(heard(made, said(Text("a ")), said(Unread()), said())) == ""
    assert made.unfit is None
    heard(made, said(Usage(1, 2)))
    assert made.unfit is Unfit.CONTENT


def test_a_doubtful_finish_of_a_whole_answer_is_one() -> None:
    made, has = splice(), given()
    for item in heard(made, said(Text("a ")), said(evolve(STOP, doubtful=True))):
        has.add(item.events)
    outcome, _ = ended(made, Completed(), has)
    assert (outcome, has.finish) == (Completed(), STOP)

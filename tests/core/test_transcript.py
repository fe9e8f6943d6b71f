"""What the client has been given."""

from __future__ import annotations

import pytest

from trooper.core.conversation import ToolCall
from trooper.core.events import (
    Begin,
    Done,
    Event,
    Finish,
    FinishReason,
    NextChoice,
    Other,
    Reasoning,
    Refusal,
    Text,
    ToolCallDelta,
    Unread,
    Usage,
)
from trooper.core.outcome import Phase
from trooper.core.overlap import Lost
from trooper.core.transcript import Transcript

STOP = Finish(FinishReason.STOP, "stop")


def after(*events: Event, cap_bytes: int = 1000) -> Transcript:
    transcript = Transcript(cap_bytes)
    for event in events:
        transcript.add((event,))
    return transcript


@pytest.mark.parametrize(
    ("events", "phase", "has_content"),
    [
        ((), Phase.PREAMBLE, False),
        ((Begin("x", 1, "m", has_role=True), Usage(1, 0), Other()), Phase.PREAMBLE, False),
        ((Reasoning("h"),), Phase.REASONING, False),
        ((Reasoning("hm"), Text("a")), Phase.TEXT, True),
        ((Text("a"),), Phase.TEXT, True),
        ((Refusal("no"),), Phase.TEXT, True),
        ((Other(continuable=False),), Phase.TEXT, True),
        ((NextChoice(1),), Phase.TEXT, True),
        ((Text("a"), ToolCallDelta(0, "c", "f")), Phase.TOOL_CALL, True),
        ((ToolCallDelta(0, "c", "f", "{}"),), Phase.TOOL_CALL, True),
        ((Text("a"), STOP), Phase.FINISHED, True),
        ((STOP,), Phase.FINISHED, False),
        ((STOP, NextChoice(1)), Phase.TEXT, True),
        ((Done(),), Phase.PREAMBLE, False),
    ],
)
def test_how_far_the_stream_has_got(events: tuple[Event, ...], phase: Phase, has_content: bool) -> None:
    transcript = after(*events)
    assert transcript.phase is phase
    assert transcript.has_content is has_content


def test_a_new_transcript() -> None:
    transcript = after()
    assert transcript.text == ""
    assert transcript.begin is None
    assert transcript.finish is None
    assert transcript.continuable
    assert not transcript.capped
    assert not transcript.refused
    assert not transcript.has_text
    assert transcript.calls_are_whole
    assert transcript.tool_calls() == ()
    assert (transcript.reasoning_chars, transcript.text_events) == (0, 0)


def test_the_text_is_what_was_said_in_order() -> None:
    transcript = Transcript(1000)
    transcript.add((Text("Hello"), Reasoning("hm"), Text(" ")))
    transcript.add((Text("world"),))
    assert transcript.text == "Hello world"
    assert transcript.has_text
    assert transcript.text_events == 3
    assert transcript.reasoning_chars == 2


def test_the_first_begin_and_finish_count() -> None:
    length = Finish(FinishReason.LENGTH)
    transcript = after(Begin("a"), Begin("b"), STOP, length)
    assert transcript.begin == Begin("a")
    assert transcript.finish == STOP


def test_another_choice_cannot_be_continued_and_takes_the_finish_back() -> None:
    transcript = after(Text("a"), STOP, NextChoice(1))
    assert transcript.finish is None
    assert not transcript.continuable
    transcript.add((STOP,))
    assert transcript.finish == STOP


def test_tool_calls() -> None:
    transcript = after(ToolCallDelta(0, "c", "f", "{"))
    assert (transcript.calls_are_whole, transcript.tool_calls()) == (False, ())
    transcript.add((ToolCallDelta(0, arguments="}"),))
    assert (transcript.calls_are_whole, transcript.tool_calls()) == (True, (ToolCall("c", "f", "{}"),))
    assert transcript.continuable


def test_a_refusal_is_remembered() -> None:
    assert after(Refusal("no")).refused


@pytest.mark.parametrize("texts", [("abcd", "e"), ("é", "éa"), ("🚢", "x"), ("ab", "\ud83d")])
def test_past_its_cap_the_text_is_forgotten(texts: tuple[str, ...]) -> None:
    transcript = after(*map(Text, texts), cap_bytes=4)
    assert transcript.capped
    assert transcript.text == ""
    # What was said was said.
    assert transcript.has_text
    assert transcript.phase is Phase.TEXT
    assert not transcript.has_a_net
    transcript.add((Text("x"),))
    assert transcript.text == ""
    assert transcript.text_events == len(texts) + 1


@pytest.mark.parametrize("texts", [("abcd",), ("ab", "cd"), ("éé",), ("🚢",)])
def test_up_to_its_cap_it_remembers(texts: tuple[str, ...]) -> None:
    transcript = after(*map(Text, texts), cap_bytes=4)
    assert not transcript.capped
    assert transcript.text == "".join(texts)


def test_arguments_count_towards_the_cap() -> None:
    transcript = after(Text("abc"), ToolCallDelta(0, "c", "f", "{}"), cap_bytes=4)
    assert transcript.capped
    assert not transcript.continuable
    assert transcript.tool_calls() == ()


def test_a_call_behind_the_cap_cannot_be_finished() -> None:
    transcript = after(Text("abcde"), cap_bytes=4)
    assert transcript.continuable
    transcript.add((ToolCallDelta(0, "c", "f", "{}"),))
    assert not transcript.continuable


@pytest.mark.parametrize("event", [Refusal("no"), Other(continuable=False), NextChoice(1)])
def test_what_takes_the_net_away(event: Event) -> None:
    transcript = after(Text("a"), Other(), STOP)
    assert transcript.has_a_net
    transcript.add((event,))
    assert not transcript.has_a_net


@pytest.mark.parametrize(
    "more",
    [Text("x"), Reasoning("x"), Refusal("x"), ToolCallDelta(0, "c", "f")],
    ids=lambda e: type(e).__name__,
)
def test_content_takes_a_finish_back(more: Event) -> None:
    transcript = Transcript(100)
    transcript.add((Text("a"), Finish(FinishReason.STOP), more))
    assert (transcript.finish, transcript.phase is Phase.FINISHED) == (None, False)
    transcript.add((Finish(FinishReason.LENGTH),))
    assert transcript.finish == Finish(FinishReason.LENGTH)


def test_a_doubtful_finish_counts_with_the_terminator() -> None:
    transcript = Transcript(100)
    doubtful = Finish(FinishReason.STOP, "stop", doubtful=True)
    transcript.add((Text("a"), doubtful, Usage(1, 2)))
    assert transcript.finish is None
    transcript.add((Done(),))
    assert transcript.finish is doubtful


def test_what_nobody_could_read_takes_the_net_away_and_is_no_content() -> None:
    transcript = Transcript(100)
    transcript.add((Unread(),))
    assert (transcript.has_a_net, transcript.has_content, transcript.phase) == (False, False, Phase.PREAMBLE)


def test_what_was_lost_counts_until_somebody_says_more() -> None:
    """The fragment stands where the text ends; that a call was to come stays true."""
    transcript = Transcript(1000)
    transcript.add((Text("p009"),))
    transcript.note_lost(Lost(" p0", call=True))
    transcript.note_lost(Lost())
    assert transcript.lost == Lost(" p0", call=True)
    transcript.note_lost(Lost(" q"))
    assert transcript.lost == Lost(" q", call=True)
    transcript.add((Text(" more"),))
    assert transcript.lost == Lost("", call=True)

"""The answer of one piece (`wire.openai_chat.whole_voice`)."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_voices import BIG, ERROR, check_said, lacks_usage, new_whole
from spoken import LEGS, LEGS_SAID, TROUBLE, answers, calls_of, finish_for, text_of
from trooper.core.events import (
    Done,
    Event,
    Finish,
    FinishReason,
    Reasoning,
    Received,
    Refusal,
    Text,
    ToolCallDelta,
    Usage,
)
from trooper.core.outcome import Completed
from trooper.testing import ANSWERS, DEFAULT_ANSWER
from trooper.wire.client_side import Voice
from trooper.wire.openai_chat.whole import read_whole
from trooper.wire.whole import WholeReader
from wire_validator import validate_whole


@given(answers(), st.booleans())
def test_whatever_is_collected_is_one_answer(events: list[Event], told: bool) -> None:
    voice = new_whole()
    assert [voice.speak((event,)) for event in events] == [b""] * len(events)
    assert voice.finish(finish_for(events), LEGS if told else ()) == b""
    assert voice.usage(Usage(7, 9)) == b""
    result = validate_whole(voice.terminate())
    check_said(result, events)
    assert result.finish_reason == finish_for(events).value
    assert result.trooper == (LEGS_SAID if told else None)
    assert result.usage == {"prompt_tokens": 7, "completion_tokens": 9, "total_tokens": 16}


@given(answers())
def test_a_whole_answer_reads_as_the_same(events: list[Event]) -> None:
    voice = new_whole()
    voice.speak(events)
    voice.finish(finish_for(events), ())
    reader = WholeReader(read_whole, BIG)
    reader.feed(voice.terminate())
    heard = [event for item in reader.end() for event in item.events]
    if not events:
        assert heard == []
        return
    assert reader.outcome == Completed()
    for kind in (Text, Reasoning, Refusal):
        assert text_of(kind, heard) == text_of(kind, events)
    assert calls_of(heard) == calls_of(events)


def test_a_whole_answer_is_passed_on_with_or_without_a_note() -> None:
    body = ANSWERS["text"].body()
    item = Received(body, (Text(DEFAULT_ANSWER), Finish(FinishReason.STOP), Done()))
    voice = new_whole()
    assert lacks_usage(voice)
    assert voice.forward(item) == body
    assert not lacks_usage(voice)
    assert voice.finish(FinishReason.STOP, LEGS) == b""
    assert voice.usage(Usage(1, 1)) == b""
    assert voice.terminate() == b""
    noted = json.loads(new_whole().forward(item, LEGS))
    assert noted == json.loads(body) | {"trooper": LEGS_SAID}


def test_an_answer_of_calls_has_no_content() -> None:
    voice = new_whole()
    voice.speak([ToolCallDelta(0, "c", "f", "{"), ToolCallDelta(0, "again", "again", "}")])
    voice.finish(FinishReason.TOOL_CALLS, ())
    message = json.loads(voice.terminate())["choices"][0]["message"]
    assert message["content"] is None
    assert message["tool_calls"] == [
        {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    ]
    assert "reasoning_content" not in message


def test_a_whole_answers_first_finish_counts() -> None:
    voice = new_whole()
    voice.speak([Text("x")])
    voice.finish(FinishReason.LENGTH, LEGS)
    voice.finish(FinishReason.STOP, ())
    result = validate_whole(voice.terminate())
    assert result.finish_reason == "length"
    assert result.trooper == LEGS_SAID
    assert result.usage == {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


@pytest.mark.parametrize("voice", [new_whole()])
def test_an_error_instead_of_a_whole_answer(voice: Voice) -> None:
    assert json.loads(voice.error(TROUBLE)) == ERROR
    assert json.loads(voice.own_error(b'{"error": "theirs"}', TROUBLE)) == ERROR

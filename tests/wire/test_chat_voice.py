"""The one speaker towards the client (`wire.openai_chat.voice`)."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_voices import BIG, check_said, decoded, lacks_usage, new_voice, new_whole
from spoken import LEGS, LEGS_SAID, answers, finish_for, text_of
from trooper.core.events import (
    Begin,
    Done,
    Event,
    Finish,
    FinishReason,
    NextChoice,
    Other,
    Received,
    Text,
    ToolCallDelta,
    Usage,
)
from trooper.core.framing import parse_sse
from trooper.testing import ANSWERS, chat_events
from trooper.wire.openai_chat.reader import ChatReader
from trooper.wire.openai_chat.voice import ChatVoice
from wire_validator import validate_chat, validate_whole


def read(stream: bytes) -> list[Received]:
    reader = ChatReader(BIG)
    return [*reader.feed(stream), *reader.end()]


@given(answers(), st.booleans(), st.booleans())
def test_whatever_is_spoken_is_the_wire(events: list[Event], wants_usage: bool, told: bool) -> None:
    voice = new_voice(wants_usage=wants_usage)
    pieces = [voice.speak((event,)) for event in events]
    pieces.append(voice.finish(finish_for(events), LEGS if told else ()))
    pieces.append(voice.usage(Usage(7, 9)))
    pieces.append(voice.terminate())
    result = validate_chat(b"".join(pieces), include_usage=wants_usage)
    check_said(result, events)
    assert (result.id, result.created, result.model) == ("chatcmpl-own", 1_790_000_500, "asked-for")
    assert result.finish_reason == finish_for(events).value
    assert result.done
    assert result.trooper == (LEGS_SAID if told else None)
    assert result.usage == (
        {"prompt_tokens": 7, "completion_tokens": 9, "total_tokens": 16} if wants_usage else None
    )


@given(answers())
def test_what_was_spoken_reads_as_the_same(events: list[Event]) -> None:
    voice = new_voice()
    stream = voice.speak(events) + voice.finish(finish_for(events), ()) + voice.terminate()
    heard = [event for item in read(stream) for event in item.events]
    if not events:
        # A finish with nothing before it is how an empty answer looks.
        assert not any(event == Done() or event == Finish(finish_for(events), "stop") for event in heard)
        return
    assert heard == [
        Begin("chatcmpl-own", 1_790_000_500, "asked-for", has_role=True),
        *events,
        Finish(finish_for(events), finish_for(events).value),
        Done(),
    ]


@given(answers(), answers(), st.integers(0, 60), st.booleans())
def test_one_leg_after_another_is_one_answer(
    first: list[Event], second: list[Event], cut: int, wants_usage: bool
) -> None:
    """The first leg is forwarded and breaks off anywhere before its finish; the second is spoken."""
    first = [event for event in first if not isinstance(event, ToolCallDelta)]
    provider = ChatVoice("chatcmpl-theirs", 1_790_000_000, "gpt-4o", wants_usage)
    stream = [provider.speak((event,)) for event in first]
    voice = new_voice(wants_usage=wants_usage)
    forwarded = [item for piece in stream[:cut] for item in read(piece)]
    out = b"".join(voice.forward(item) for item in forwarded)
    assert out == b"".join(stream[:cut])
    out += voice.speak(second) + voice.finish(finish_for(second), LEGS)
    out += voice.usage(Usage(1, 1)) + voice.terminate()
    result = validate_chat(out, include_usage=wants_usage)
    check_said(result, [*first[:cut], *second])
    named = ("chatcmpl-theirs", 1_790_000_000, "gpt-4o")
    own = ("chatcmpl-own", 1_790_000_500, "asked-for")
    assert (result.id, result.created, result.model) == (named if first[:cut] else own)


def spoken(events: list[Event], index: int) -> list[Event]:
    return [NextChoice(index), *events] if index else events


@given(st.lists(answers(), min_size=1, max_size=3))
def test_one_choice_after_another(choices: list[list[Event]]) -> None:
    """A standby has no `n` of its own: it is asked once for each."""
    stream, whole = new_voice(wants_usage=True), new_whole()
    out = b""
    for index, events in enumerate(choices):
        for event in spoken(events, index):
            out += stream.speak((event,))
            whole.speak((event,))
        legs = LEGS if index == len(choices) - 1 else ()
        out += stream.finish(finish_for(events), legs)
        whole.finish(finish_for(events), legs)
    out += stream.usage(Usage(3, 4)) + stream.terminate()
    whole.usage(Usage(3, 4, estimated=True))
    texts = tuple(text_of(Text, events) for events in choices)
    result = validate_chat(out, include_usage=True)
    assert result.texts == texts
    assert result.trooper == LEGS_SAID
    result = validate_whole(whole.terminate())
    assert result.texts == texts
    assert result.trooper == LEGS_SAID
    assert result.usage is not None
    assert result.usage["trooper_estimated"] is True


# Forwarding


@pytest.mark.parametrize("name", [name for name in ANSWERS if name != "empty"])
def test_a_healthy_answer_is_passed_on_byte_by_byte(name: str) -> None:
    stream = b"".join(ANSWERS[name].events())
    voice = new_voice()
    assert b"".join(voice.forward(item) for item in read(stream)) == stream
    assert voice.finish(FinishReason.STOP, LEGS) == b""
    assert voice.usage(Usage(1, 1)) == b""
    assert voice.terminate() == b""
    assert not lacks_usage(voice)


def test_what_is_learned_is_said_on() -> None:
    voice = new_voice()
    out = b"".join(voice.forward(item) for item in read(b"".join(chat_events("Half of")[:3])))
    said = voice.speak((Text(" it."),))
    assert decoded(said) == {
        "id": "chatcmpl-AbC0000000000000000000000",
        "object": "chat.completion.chunk",
        "created": 1_790_000_000,
        "model": "gpt-4o",
        "system_fingerprint": "fp_trooper",
        "choices": [
            {"index": 0, "delta": {"content": " it."}, "logprobs": None, "finish_reason": None},
        ],
    }
    result = validate_chat(out + said + voice.finish(FinishReason.STOP, LEGS) + voice.terminate())
    assert result.text == "Half of it."
    assert result.trooper == LEGS_SAID


def test_the_first_name_stays() -> None:
    """A second provider's identity is not the answer's. Some name their model and have no id."""
    voice = new_voice()
    voice.forward(Received(b"", (Begin("", 5, "nameless"),)))
    assert decoded(voice.speak((Text("x"),)))["id"] == "chatcmpl-own"
    voice.forward(Received(b"", (Begin("one", 0, ""),)))
    voice.forward(Received(b"", (Begin("two", 6, "two"),)))
    chunk = decoded(voice.speak((Text("x"),)))
    assert (chunk["id"], chunk["created"], chunk["model"]) == ("one", 1_790_000_500, "nameless")


@pytest.mark.parametrize("has_role", [True, False])
def test_the_role_is_said_once(has_role: bool) -> None:
    voice = new_voice()
    voice.forward(Received(b"", (Begin("one", 1, "m", has_role),)))
    voice.forward(Received(b"", (Begin("one", 1, "m", has_role=False),)))
    deltas = [decoded(voice.speak((Text("x"),)))["choices"][0]["delta"] for _ in range(2)]
    assert [delta.get("role") for delta in deltas] == [None if has_role else "assistant", None]


def test_an_answer_of_one_finish_says_the_role_with_it() -> None:
    chunk = decoded(new_voice().finish(FinishReason.LENGTH, ()))
    assert chunk["choices"] == [
        {"index": 0, "delta": {"role": "assistant"}, "logprobs": None, "finish_reason": "length"}
    ]


def test_the_note_rides_on_the_forwarded_finish_only() -> None:
    voice = new_voice(wants_usage=True)
    items = read(b"".join(chat_events("All of it.", usage=True)))
    out = [voice.forward(item, LEGS) for item in items]
    changed = [item for item, said in zip(items, out, strict=True) if said != item.raw]
    assert [e for item in changed for e in item.events] == [Finish(FinishReason.STOP, "stop")]
    result = validate_chat(b"".join(out), include_usage=True)
    assert result.trooper == LEGS_SAID
    finish = decoded(out[items.index(changed[0])])
    assert finish.pop("trooper") == LEGS_SAID
    assert finish == decoded(changed[0].raw)


def test_the_note_is_put_into_whatever_form_the_finish_has() -> None:
    chunk = {"choices": [{"delta": {"content": "x"}, "finish_reason": "stop"}], "é": [1.5, "\u2028"]}
    data = json.dumps(chunk, ensure_ascii=False).encode()
    for raw in (b"data:" + data + b"\r\n\r\n", b": hm\r\rdata: " + data + b"\r\r", b"id: 7\ndata: " + data):
        item = Received(raw, (Text("x"), Finish(FinishReason.STOP, "stop")))
        told = new_voice().forward(item, LEGS)
        assert json.loads(parse_sse(told).data or b"") == chunk | {"trooper": LEGS_SAID}
        # Without the key it is what the provider said, to the byte.
        note = b'"trooper":' + msgspec.json.encode(LEGS_SAID) + b","
        assert (told.count(note), told.replace(note, b"")) == (1, raw)
        assert new_voice().forward(item) == raw


# Once, whoever asks


def test_finish_usage_and_terminator_come_once() -> None:
    voice = new_voice(wants_usage=True)
    out = voice.speak((Text("x"),))
    assert lacks_usage(voice)
    for _ in range(2):
        out += voice.finish(FinishReason.STOP, LEGS)
    for _ in range(2):
        out += voice.usage(Usage(1, 2, estimated=True))
    assert not lacks_usage(voice)
    for _ in range(2):
        out += voice.terminate()
    result = validate_chat(out, include_usage=True)
    assert result.usage == {
        "prompt_tokens": 1,
        "completion_tokens": 2,
        "total_tokens": 3,
        "trooper_estimated": True,
    }
    assert voice.finish(FinishReason.STOP, ()) == b""
    assert voice.usage(Usage(1, 2)) == b""


def test_nothing_is_added_behind_a_forwarded_end() -> None:
    voice = new_voice(wants_usage=True)
    voice.forward(Received(b"", (Finish(FinishReason.STOP),)))
    assert voice.finish(FinishReason.STOP, ()) == b""
    assert lacks_usage(voice)
    voice.forward(Received(b"", (Usage(1, 1),)))
    assert not lacks_usage(voice)
    assert voice.terminate() != b""


def test_counts_before_the_finish_are_not_the_usage_chunk() -> None:
    """Some providers count on every chunk; the chunk that was asked for comes behind the finish."""
    voice = new_voice(wants_usage=True)
    voice.forward(Received(b"", (Text("x"), Usage(1, 1))))
    assert lacks_usage(voice)
    voice.forward(Received(b"", (Finish(FinishReason.STOP), Usage(1, 1))))
    assert not lacks_usage(voice)


def test_a_forwarded_terminator_is_the_end() -> None:
    voice = new_voice(wants_usage=True)
    voice.forward(Received(b"data: [DONE]\n\n", (Done(),)))
    assert voice.finish(FinishReason.STOP, ()) == b""
    assert not lacks_usage(voice)
    assert voice.terminate() == b""


def test_usage_that_nobody_asked_for() -> None:
    assert not lacks_usage(ChatVoice("chatcmpl-own", 1, "m"))
    voice = new_voice()
    assert not lacks_usage(voice)
    assert voice.usage(Usage(1, 1)) == b""
    assert "usage" not in decoded(voice.speak((Text("x"),)))
    # As the API does it: `usage: null` on every chunk but the last.
    assert decoded(new_voice(wants_usage=True).speak((Text("x"),)))["usage"] is None


def test_events_with_verbs_of_their_own_are_not_spoken() -> None:
    silent: list[Event] = [Begin("x"), Usage(1, 1), Finish(FinishReason.STOP), Done(), Other()]
    assert new_voice().speak(silent) == b""
    voice = new_whole()
    assert voice.speak(silent) == b""
    assert validate_whole(voice.terminate()).text == ""


# Errors


def test_comments() -> None:
    seam = ("trooper seam reason=stall", "gpt-4o", "qwen3")
    assert new_voice().hand_over(*seam) == b": trooper seam reason=stall\n\n"
    assert new_whole().hand_over(*seam) == b""


def test_content_types() -> None:
    assert new_voice().content_type == b"text/event-stream; charset=utf-8"
    assert new_whole().content_type == b"application/json"

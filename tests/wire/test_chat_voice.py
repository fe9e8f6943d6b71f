"""The one speaker towards the client (`wire.openai_chat.voice`)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spoken import LEGS, LEGS_SAID, TROUBLE, answers, calls_of, finish_for, text_of
from trooper.core.events import (
    Begin,
    Done,
    Event,
    Finish,
    FinishReason,
    NextChoice,
    Other,
    Reasoning,
    Received,
    Refusal,
    Text,
    ToolCallDelta,
    Usage,
)
from trooper.core.outcome import Completed
from trooper.testing import ANSWERS, DEFAULT_ANSWER, FAULTS, chat_events
from trooper.wire.client_side import Voice
from trooper.wire.openai_chat.reader import ChatReader
from trooper.wire.openai_chat.voice import ChatVoice, WholeChatVoice
from trooper.wire.openai_chat.whole import read_whole
from trooper.wire.whole import WholeReader
from wire_validator import ChatResult, validate_chat, validate_whole

BIG = 1 << 20


def new_voice(*, wants_usage: bool = False) -> ChatVoice:
    return ChatVoice("chatcmpl-own", 1_790_000_500, "asked-for", wants_usage)


def new_whole() -> WholeChatVoice:
    return WholeChatVoice("chatcmpl-own", 1_790_000_500, "asked-for")


def lacks_usage(voice: Voice) -> bool:
    return voice.lacks_usage  # Behind a call: mypy takes a property for something that stays.


def read(stream: bytes) -> list[Received]:
    reader = ChatReader(BIG)
    return [*reader.feed(stream), *reader.end()]


def decoded(event: bytes) -> Any:
    assert event.startswith(b"data: ")
    assert event.endswith(b"\n\n")
    return json.loads(event[len(b"data: ") :])


def check_said(result: ChatResult, events: Sequence[Event]) -> None:
    assert result.text == text_of(Text, events)
    assert result.reasoning == text_of(Reasoning, events)
    assert result.refusal == text_of(Refusal, events)
    assert result.tool_calls == calls_of(events)


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
def test_what_was_spoken_reads_as_the_same(events: list[Event]) -> None:
    voice = new_voice()
    stream = voice.speak(events) + voice.finish(finish_for(events), ()) + voice.terminate()
    heard = [event for item in read(stream) for event in item.events]
    if not events:
        # A finish with nothing before it is how an empty answer looks.
        assert heard == []
        return
    assert heard == [
        Begin("chatcmpl-own", 1_790_000_500, "asked-for", has_role=True),
        *events,
        Finish(finish_for(events), finish_for(events).value),
        Done(),
    ]


@given(answers())
def test_a_whole_answer_reads_as_the_same(events: list[Event]) -> None:
    voice = new_whole()
    voice.speak(events)
    voice.finish(finish_for(events), ())
    reader = WholeReader(read_whole, BIG, for_stream=True)
    reader.feed(voice.terminate())
    heard = [event for item in reader.end() for event in item.events]
    if not events:
        assert heard == []
        return
    assert reader.outcome == Completed()
    for kind in (Text, Reasoning, Refusal):
        assert text_of(kind, heard) == text_of(kind, events)
    assert calls_of(heard) == calls_of(events)


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
        "choices": [
            {"index": 0, "delta": {"content": " it."}, "logprobs": None, "finish_reason": None},
        ],
    }
    result = validate_chat(out + said + voice.finish(FinishReason.STOP, LEGS) + voice.terminate())
    assert result.text == "Half of it."
    assert result.trooper == LEGS_SAID


def test_the_first_name_stays() -> None:
    """A second provider's identity is not the answer's; one that names nothing changes nothing."""
    voice = new_voice()
    voice.forward(Received(b"", (Begin("", 5, "nameless"),)))
    assert decoded(voice.speak((Text("x"),)))["id"] == "chatcmpl-own"
    voice.forward(Received(b"", (Begin("one", 0, ""),)))
    voice.forward(Received(b"", (Begin("two", 6, "two"),)))
    chunk = decoded(voice.speak((Text("x"),)))
    assert (chunk["id"], chunk["created"], chunk["model"]) == ("one", 1_790_000_500, "asked-for")


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
        assert decoded(new_voice().forward(item, LEGS)) == chunk | {"trooper": LEGS_SAID}
        assert new_voice().forward(item) == raw


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


# Errors


ERROR = {
    "error": {
        "message": TROUBLE.message,
        "type": "trooper_error",
        "param": None,
        "code": "conn_reset",
    }
}


def test_an_error_ends_the_stream_without_a_terminator() -> None:
    voice = new_voice(wants_usage=True)
    out = voice.speak((Text("half"),)) + voice.error(TROUBLE)
    assert decoded(out.partition(b"\n\n")[2]) == ERROR
    assert voice.terminate() == b""
    assert voice.finish(FinishReason.STOP, ()) == b""
    assert voice.usage(Usage(1, 1)) == b""
    result = validate_chat(out, include_usage=True)
    assert result.error is not None
    assert (result.error.message, result.error.code) == (TROUBLE.message, "conn_reset")


@pytest.mark.parametrize("voice", [new_whole()])
def test_an_error_instead_of_a_whole_answer(voice: Voice) -> None:
    assert json.loads(voice.error(TROUBLE)) == ERROR
    assert json.loads(voice.own_error(b'{"error": "theirs"}', TROUBLE)) == ERROR


@pytest.mark.parametrize(
    ("raw", "is_raised_on"),
    [
        (b'data: {"error": {"message": "m", "type": "server_error"}}\n\n', True),
        (b'data: {"error": "upstream went away"}\n\n', True),
        (b'event: error\ndata: {"error": "m", "message": "m"}\n\n', True),
        (b'data: {"error": {"code": 502}, "choices": [{"delta": {}, "finish_reason": "error"}]}\n\n', True),
        (b'data:{"error": {}}\r\n\r\n', False),
        (b'data: {"object": "error", "message": "m", "code": 500}\n\n', False),
        (b'event: error\ndata: {"message": "Model unloaded."}\n\n', False),
        (b'data: {"choices": [{"delta": {}, "finish_reason": "error"}]}\n\n', False),
        (b'data: {"x_groq": {"error": "over capacity"}, "choices": []}\n\n', False),
        (b'data: [{"error": {"code": 503}}]\n\n', False),
        (b'data: {"throttlingException": {"message": "m"}}\n\n', False),
        (b"event: error\ndata: busy\n\n", False),
        (b"event: error\ndata: \xff\n\n", False),
        (b"event: error\ndata: " + b"[" * 5000 + b"]" * 5000 + b"\n\n", False),
        (b": nothing\n\n", False),
    ],
)
def test_ours_is_added_where_clients_would_miss_theirs(raw: bytes, is_raised_on: bool) -> None:
    voice = new_voice()
    out = voice.own_error(raw, TROUBLE)
    assert out.startswith(raw)
    assert decoded(out[len(raw) :]) == ERROR if not is_raised_on else out == raw
    assert voice.terminate() == b""


@pytest.mark.parametrize(
    "fault", [f for f in FAULTS.values() if f.kind and f.name.startswith(("error-", "finish-"))]
)
def test_every_error_of_the_table_reaches_the_client_as_one(fault: Any) -> None:
    """With failover off the provider's own words go on; each must raise in a client."""
    voice = new_voice()
    reader = ChatReader(BIG)
    out = b""
    for step in fault.build(chat_events(), "middle").steps:
        for item in reader.feed(getattr(step, "data", b"")):
            out += voice.forward(item)
    failed = reader.outcome
    assert failed is not None
    assert not isinstance(failed, Completed)
    assert failed.raw
    said = voice.own_error(failed.raw, TROUBLE)
    last = decoded(b"data: " + said.rstrip(b"\n").rpartition(b"data: ")[2] + b"\n\n")
    assert last["error"]
    assert b"[DONE]" not in out + said


def test_comments() -> None:
    seam = ("trooper seam reason=stall", "gpt-4o", "qwen3")
    assert new_voice().hand_over(*seam) == b": trooper seam reason=stall\n\n"
    assert new_whole().hand_over(*seam) == b""


def test_content_types() -> None:
    assert new_voice().content_type == b"text/event-stream; charset=utf-8"
    assert new_whole().content_type == b"application/json"

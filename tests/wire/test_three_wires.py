"""
What holds for each of the three wires that clients speak: what a voice says is
the wire, reads as the same, and joins on to a provider's stream that breaks
off anywhere.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from scenes import WIRES, Spoken
from spoken import LEGS, LEGS_SAID, TROUBLE, answers, calls_of, finish_for, text_of
from trooper.core.events import (
    Begin,
    Done,
    Event,
    Finish,
    FinishReason,
    Other,
    PartEnd,
    Reasoning,
    Received,
    Refusal,
    Text,
    ToolCallDelta,
    Usage,
)
from trooper.core.outcome import Completed, Failed
from trooper.testing import ANSWERS, DEFAULT_ANSWER
from trooper.testing.provider import WIRES as SPOKEN
from trooper.wire.client_side import Naming, Routing, Voice
from wire_validator import ChatResult

BIG = 1 << 20
NAMING = Naming("0a1b2c", 1_790_000_500, "asked-for")
BODY = json.dumps({"model": "asked-for", "stream": True, "input": "x"}).encode()
NAMES = tuple(WIRES)


def wire_of(name: str) -> Spoken:
    return WIRES[name]


def new_voice(name: str, *, stream: bool = True, fallback_block: bool = False) -> Voice:
    naming = evolve(NAMING, fallback_block=fallback_block)
    return wire_of(name).client_side.new_voice(naming, Routing("asked-for", stream, include_usage=True), BODY)


def read(name: str, stream: bytes) -> tuple[list[Received], Any]:
    reader = wire_of(name).target_side.reader(BIG)
    return [*reader.feed(stream), *reader.end()], reader.outcome


def say(voice: Voice, events: Sequence[Event], *, told: bool = False) -> bytes:
    pieces = [voice.speak((event,)) for event in events]
    pieces.append(voice.finish(finish_for(events), LEGS if told else ()))
    pieces.append(voice.usage(Usage(7, 9)))
    pieces.append(voice.terminate())
    return b"".join(pieces)


def sayable(name: str, events: Sequence[Event]) -> list[Event]:
    """The events as this wire can say them: it may have no word for a refusal."""
    if name != "messages":
        return list(events)
    return [Text(e.text) if isinstance(e, Refusal) else e for e in events]


def validated(name: str, stream: bytes, *, whole: bool = False) -> ChatResult:
    spoken = WIRES[name]
    if whole:
        return spoken.read_whole(stream)
    if name == "chat":
        from wire_validator import validate_chat

        return validate_chat(stream, include_usage=True)
    return spoken.read(stream)


def check_said(result: ChatResult, events: Sequence[Event]) -> None:
    assert result.text == text_of(Text, events)
    assert result.refusal == text_of(Refusal, events)
    assert result.reasoning == text_of(Reasoning, events)
    assert [(c.name, json.loads(c.arguments)) for c in result.tool_calls] == [
        (c.name, json.loads(c.arguments)) for c in calls_of(events)
    ]


@pytest.mark.parametrize("name", NAMES)
@given(events=answers(), told=st.booleans())
def test_whatever_is_spoken_is_the_wire(name: str, events: list[Event], told: bool) -> None:
    result = validated(name, say(new_voice(name), events, told=told))
    check_said(result, sayable(name, events))
    assert result.finish_reason == finish_for(events).value
    assert result.done
    assert result.model == "asked-for"
    assert NAMING.request_id in result.id
    assert result.trooper == (LEGS_SAID if told else None)


@pytest.mark.parametrize("name", NAMES)
@given(events=answers(), told=st.booleans())
def test_whatever_is_collected_is_one_answer(name: str, events: list[Event], told: bool) -> None:
    voice = new_voice(name, stream=False)
    body = say(voice, events, told=told)
    result = validated(name, body, whole=True)
    check_said(result, sayable(name, events))
    assert result.finish_reason == finish_for(events).value
    assert result.trooper == (LEGS_SAID if told else None)


def merged(events: Sequence[Event]) -> list[Event]:
    """Pieces of one part joined; the ends of parts and empty pieces are nobody's content."""
    kept = [e for e in events if not isinstance(e, PartEnd | Begin | Done | Usage | Other)]
    joined: list[Event] = []

    def key(event: Event) -> tuple[type, int]:
        return type(event), event.index if isinstance(event, ToolCallDelta) else 0

    for (kind, _), group in groupby(kept, key):
        pieces: list[Any] = list(group)
        if kind is ToolCallDelta:
            first = pieces[0]
            arguments = "".join(piece.arguments for piece in pieces)
            joined.append(evolve(first, arguments=arguments or "{}"))
        elif kind is Finish:
            joined += [evolve(piece, raw="") for piece in pieces]
        else:
            joined.append(kind("".join(piece.text for piece in pieces)))
    return joined


def with_id_as_the_wire_has_it(name: str, events: Sequence[Event]) -> list[Event]:
    return [*sayable(name, events), Finish(finish_for(events))]


@pytest.mark.parametrize("name", NAMES)
@given(events=answers())
def test_what_was_spoken_reads_as_the_same(name: str, events: list[Event]) -> None:
    received, outcome = read(name, say(new_voice(name), events))
    heard = [event for item in received for event in item.events]
    if not events:
        # Nothing was said, and nine tokens were counted: an answer all the same.
        assert outcome == Completed()
        assert isinstance(heard[-1], Done)
        return
    assert outcome == Completed()
    assert merged(heard) == merged(with_id_as_the_wire_has_it(name, events))
    assert [(e.prompt_tokens, e.completion_tokens) for e in heard if isinstance(e, Usage)] == [(7, 9)]
    begins = [event for event in heard if isinstance(event, Begin)]
    assert len({(b.id, b.model) for b in begins}) == 1
    assert isinstance(heard[-1], Done)


@pytest.mark.parametrize("name", NAMES)
@given(events=answers())
def test_a_whole_answer_reads_as_the_same(name: str, events: list[Event]) -> None:
    reader = wire_of(name).target_side.whole_reader(BIG)
    reader.feed(say(new_voice(name, stream=False), events))
    heard = [event for item in reader.end() for event in item.events]
    assert reader.outcome == Completed()
    said = sayable(name, events)
    for kind in (Text, Reasoning, Refusal):
        assert text_of(kind, heard) == text_of(kind, said)
    assert [(c.name, json.loads(c.arguments)) for c in calls_of(heard)] == [
        (c.name, json.loads(c.arguments)) for c in calls_of(said)
    ]


@pytest.mark.parametrize("name", NAMES)
@given(
    answer=st.sampled_from([ANSWERS[n] for n in ("text", "reasoning", "json", "long-word")]),
    second=answers(),
    cut=st.integers(0, 400),
)
def test_a_broken_stream_and_its_continuation_are_one(
    name: str, answer: Any, second: list[Event], cut: int
) -> None:
    """The provider's own events, up to any of them; then what somebody else says."""
    answer = evolve(answer, finish=None, done=False)
    events = SPOKEN[WIRES[name].path].events(answer)[:cut]
    voice = new_voice(name)
    received, _ = read(name, b"".join(events))
    out = b"".join(voice.forward(item) for item in received)
    assert out == b"".join(events)
    said = [event for item in received for event in item.events]
    result = validated(name, out + say(voice, second, told=True))
    check_said(result, [*said, *sayable(name, second)])
    assert result.trooper == LEGS_SAID


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("answer", [n for n in ANSWERS if n != "empty"])
def test_a_healthy_answer_is_passed_on_byte_by_byte(name: str, answer: str) -> None:
    spoken = SPOKEN[WIRES[name].path]
    said = evolve(ANSWERS[answer], usage=True)
    stream = b"".join(spoken.events(said))
    voice = new_voice(name)
    received, outcome = read(name, stream)
    assert outcome == Completed()
    assert b"".join(voice.forward(item) for item in received) == stream
    assert voice.finish(FinishReason.STOP, LEGS) == b""
    assert voice.usage(Usage(1, 1)) == b""
    assert voice.terminate() == b""


@pytest.mark.parametrize("name", NAMES)
def test_the_note_rides_on_the_forwarded_finish_only(name: str) -> None:
    voice = new_voice(name)
    stream = b"".join(SPOKEN[WIRES[name].path].events(evolve(ANSWERS["text"], usage=True)))
    received, _ = read(name, stream)
    out = [voice.forward(item, LEGS) for item in received]
    changed = [item for item, said in zip(received, out, strict=True) if said != item.raw]
    assert len(changed) == 1
    assert any(isinstance(event, Finish) for event in changed[0].events)
    assert validated(name, b"".join(out)).trooper == LEGS_SAID


@pytest.mark.parametrize("name", NAMES)
def test_a_whole_answer_is_passed_on_with_or_without_a_note(name: str) -> None:
    body = SPOKEN[WIRES[name].path].body(ANSWERS["text"])
    item = Received(body, (Text(DEFAULT_ANSWER), Finish(FinishReason.STOP), Done()))
    voice = new_voice(name, stream=False)
    assert voice.forward(item) == body
    assert voice.finish(FinishReason.STOP, LEGS) == b""
    assert voice.terminate() == b""
    noted = json.loads(new_voice(name, stream=False).forward(item, LEGS))
    assert noted == json.loads(body) | {"trooper": LEGS_SAID}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("events", [(), (Text("Half"),), (Reasoning("Hm"),)])
def test_an_error_is_one_that_is_raised(name: str, events: tuple[Event, ...]) -> None:
    voice = new_voice(name)
    result = validated(name, voice.speak(events) + voice.error(TROUBLE))
    assert result.error is not None
    assert result.error.message == TROUBLE.message
    assert result.error.code == "conn_reset"
    assert not result.done
    # A call that stands open is nobody's: it has no end, so no client runs it.
    voice = new_voice(name)
    out = voice.speak((ToolCallDelta(0, "call_1", "rm", '{"path": "/'),)) + voice.error(TROUBLE)
    if name != "chat":
        assert validated(name, out).tool_calls == ()


@pytest.mark.parametrize("name", NAMES)
def test_what_is_said_while_waiting(name: str) -> None:
    voice = new_voice(name)
    out = voice.keep_alive() + voice.speak((Text("a"),)) + voice.keep_alive()
    out += voice.hand_over("trooper seam", "one", "two")
    result = validated(name, out + say(voice, [Text("b")]))
    assert result.text == "ab"
    assert result.comments.count("trooper seam") == 1
    if name == "messages":
        assert b"event: ping" in out


def test_the_seam_as_a_block_of_the_api() -> None:
    voice = new_voice("messages", fallback_block=True)
    out = voice.speak((Text("Half"),)) + voice.hand_over("seam", "gpt-4o", "qwen3")
    result = validated("messages", out + say(voice, [Text(" of it.")]))
    assert (result.text, result.texts) == ("Half of it.", ("Half", " of it."))
    assert b'"content_block":{"type":"fallback"' in out


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("reason", list(FinishReason))
def test_every_reason_has_its_word(name: str, reason: FinishReason) -> None:
    for stream in (True, False):
        voice = new_voice(name, stream=stream)
        events: list[Event] = [Text("x")]
        if reason is FinishReason.TOOL_CALLS:
            events.append(ToolCallDelta(0, "call_1", "f", "{}"))
        out = b"".join(voice.speak((event,)) for event in events)
        out += voice.finish(reason, ()) + voice.finish(FinishReason.STOP, ())
        out += voice.usage(Usage(1, 1, estimated=True)) + voice.terminate()
        if stream:
            out += voice.terminate()
        result = validated(name, out, whole=not stream) if stream else None
        if result is None:
            reader = wire_of(name).target_side.whole_reader(BIG)
            reader.feed(out)
            (item,) = reader.end()
            assert [e.reason for e in item.events if isinstance(e, Finish)] == [reason]
        else:
            assert result.finish_reason == reason.value
            assert result.usage is not None
            assert result.usage["trooper_estimated"] is True


HALF_CHARACTERS = {
    "chat": b'data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"\\ud83d"}}]}\n\n',
    "messages": b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":'
    b'{"type":"text_delta","text":"\\ud83d"}}\n\n',
    "responses": b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta",'
    b'"output_index":0,"content_index":0,"delta":"\\ud83d"}\n\n',
}


@pytest.mark.parametrize("name", NAMES)
def test_half_a_character_is_passed_on_and_ends_the_net(name: str) -> None:
    """SDKs read it, so the client must get it; nobody could go on from it."""
    received, outcome = read(name, HALF_CHARACTERS[name])
    assert [item.raw for item in received] == [HALF_CHARACTERS[name]]
    assert received[0].events[-1] == Other(continuable=False)
    assert isinstance(outcome, Failed)


@pytest.mark.parametrize("around", [(b"", b"data: [DONE]"), (b"\xef\xbb\xbf\n", b"\n\ndata: [DONE]\n\n")])
def test_a_whole_answer_is_kept_whatever_stands_around_it(around: tuple[bytes, bytes]) -> None:
    body = SPOKEN[WIRES["responses"].path].body(ANSWERS["text"])
    raw = around[0] + body + around[1]
    voice = new_voice("responses", stream=False)
    assert voice.forward(Received(raw)) == raw
    assert voice.answer == json.loads(body)

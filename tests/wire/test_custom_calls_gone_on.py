"""Calls of a chat stream that was passed on, gone on with as the client has them; no half a text is a success."""

from __future__ import annotations

import json
from typing import Any

import pytest

from trooper.core.conversation import Tool
from trooper.core.events import Event, FinishReason, ToolCallDelta
from trooper.core.freeform import PARAMETERS, as_arguments
from trooper.testing.chat import sse
from trooper.wire.openai_chat.reader import ChatReader
from trooper.wire.openai_chat.voice import ChatVoice
from trooper.wire.openai_chat.whole_voice import WholeChatVoice
from wire_validator import CallSeen, validate_chat

OFFERED = {"apply_patch": Tool("apply_patch", "", PARAMETERS, is_freeform=True)}


def spoken(voice: Any, events: list[Event]) -> bytes:
    out = b"".join(voice.speak([event]) for event in events)
    return out + bytes(voice.finish(FinishReason.TOOL_CALLS, ())) + bytes(voice.terminate())


def gone_on(chunk_calls: list[dict[str, Any]], number: int, rest: str, **beside: Any) -> tuple[CallSeen, ...]:
    """The calls of a chat stream whose first chunk was passed on, and one of which another leg goes on with."""
    choice = {"index": 0, "delta": {"role": "assistant", "tool_calls": chunk_calls}, "finish_reason": None}
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    voice, out = ChatVoice("chatcmpl-1", 5, "m", offered=lambda: OFFERED), b""
    for item in ChatReader(1 << 20).feed(sse(chunk | beside)):
        out += voice.forward(item)
    return validate_chat(out + spoken(voice, [ToolCallDelta(number, arguments=rest)])).tool_calls


def function(index: int, name: str, arguments: str) -> dict[str, Any]:
    named = {"name": name, "arguments": arguments}
    return {"index": index, "id": f"call_{index}", "type": "function", "function": named}


CUSTOM_PIECE = {
    "index": 0,
    "id": "call_0",
    "type": "custom",
    "custom": {"name": "apply_patch", "input": "a"},
}


@pytest.mark.parametrize("begun", ["", '{"kind": '])
@pytest.mark.parametrize("name", ["custom", "get_weather"])
def test_a_function_beside_the_word_stays_one(name: str, begun: str) -> None:
    """Whatever else of its chunk is called custom."""
    whole = '{"kind": "a"}'
    (call,) = gone_on([function(0, name, begun)], 0, whole.removeprefix(begun), service_tier="custom")
    assert (call.name, call.arguments, call.custom) == (name, whole, False)
    first, second = gone_on([CUSTOM_PIECE, function(1, name, begun)], 1, whole.removeprefix(begun))
    assert (first.arguments, first.custom) == ("a", True)
    assert (second.name, second.arguments, second.custom) == (name, whole, False)


def test_a_custom_call_that_nobody_offered_is_gone_on_with_as_one() -> None:
    """What the client has of it is what it is, also under the name that a function beside it has."""
    unknown = CUSTOM_PIECE | {"custom": {"name": "f", "input": "a"}}
    (call,) = gone_on([unknown], 0, 'b"}')
    assert (call.name, call.arguments, call.custom) == ("f", "ab", True)
    first, second = gone_on([unknown, function(1, "f", '{"a": ')], 1, "1}")
    assert (first.custom, second.arguments, second.custom) == (True, '{"a": 1}', False)


def test_a_name_that_comes_late_is_of_a_text_that_has_begun() -> None:
    """Its text goes on, and does not wait for a beginning that has gone before."""
    reader, voice, out = ChatReader(1 << 20), ChatVoice("c", 5, "m", offered=lambda: OFFERED), b""
    for custom in ({"input": "a"}, {"name": "apply_patch"}):
        call = {"index": 0, "id": "call_0", "type": "custom", "custom": custom}
        choice = {"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}
        for item in reader.feed(sse({"id": "c", "object": "chat.completion.chunk", "choices": [choice]})):
            out += voice.forward(item)
    assert b'{"input":"b"}' in voice.speak([ToolCallDelta(0, arguments='b"}')])


@pytest.mark.parametrize("arguments", ['{"text":"a"}', '{"input":"half', ""])
def test_a_text_that_never_ended_is_no_success_on_chat(arguments: str) -> None:
    """Only a fault of ours says it; an agent would run what there is of it."""
    for voice in (
        ChatVoice("chatcmpl-1", 5, "m", offered=lambda: OFFERED),
        WholeChatVoice("chatcmpl-1", 5, "m", lambda: OFFERED),
    ):
        with pytest.raises(ValueError, match="custom call"):
            spoken(voice, [ToolCallDelta(0, "call_1", "apply_patch", arguments)])


def test_an_empty_text_and_half_of_one_that_is_cut_short_are_said() -> None:
    whole = WholeChatVoice("chatcmpl-1", 5, "m", lambda: OFFERED)
    body = json.loads(spoken(whole, [ToolCallDelta(0, "call_1", "apply_patch", as_arguments(""))]))
    assert body["choices"][0]["message"]["tool_calls"][0]["custom"] == {"name": "apply_patch", "input": ""}
    voice = ChatVoice("chatcmpl-1", 5, "m", offered=lambda: OFFERED)
    voice.speak([ToolCallDelta(0, "call_1", "apply_patch", '{"input":"half')])
    assert b'"length"' in voice.finish(FinishReason.LENGTH, ())

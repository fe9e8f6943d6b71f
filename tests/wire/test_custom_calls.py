"""Custom calls of Responses and chat: read as calls with one string, and said again as their clients take them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foreign import PATCH, PATCHES, WAITS
from pieces import cuts
from responses_validator import validate_responses
from trooper.core.conversation import Tool
from trooper.core.events import Event, Finish, FinishReason, Other, PartEnd, Received, ToolCallDelta
from trooper.core.freeform import PARAMETERS, as_arguments
from trooper.core.outcome import Completed, Failed
from trooper.core.tool_calls import OpenCalls, ToolCalls
from trooper.testing import Call, ChatAnswer
from trooper.testing.chat import dumps, sse
from trooper.testing.responses import responses_body, responses_events
from trooper.wire.openai_chat.reader import ChatReader
from trooper.wire.openai_chat.voice import ChatVoice
from trooper.wire.openai_chat.whole import read_whole as read_whole_chat
from trooper.wire.openai_responses.reader import ResponsesReader
from trooper.wire.openai_responses.voice import ResponsesVoice
from trooper.wire.openai_responses.whole import read_whole
from wire_validator import validate_chat

ANSWER = ChatAnswer(calls=(PATCHES, WAITS), finish="tool_calls")
WAIT = "multi_agent_v1__wait_agent"
OFFERED = {
    "apply_patch": Tool("apply_patch", "", PARAMETERS, is_freeform=True),
    WAIT: Tool(WAIT, namespace="multi_agent_v1", own_name="wait_agent"),
}


def heard(reader: Any, pieces: list[bytes]) -> list[Received]:
    items = [item for piece in pieces for item in reader.feed(piece)]
    return [*items, *reader.end()]


def calls_in(items: list[Received]) -> ToolCalls:
    calls = ToolCalls()
    for item in items:
        for event in item.events:
            if isinstance(event, ToolCallDelta):
                calls.add(event)
    return calls


def said(calls: ToolCalls) -> list[tuple[str, str, str]]:
    return [(call.id, call.name, call.arguments) for call in calls.whole()]


WANTED = [(PATCHES.id, "apply_patch", as_arguments(PATCH)), (WAITS.id, WAIT, WAITS.arguments)]


def told(kind: str, **fields: Any) -> bytes:
    return sse({"type": f"response.{kind}", **fields}, event=f"response.{kind}")


# -- Responses, read ------------------------------------------------------------------------------------


def test_a_stream_with_a_custom_call() -> None:
    reader = ResponsesReader(1 << 20)
    items = heard(reader, responses_events(ANSWER))
    assert said(calls_in(items)) == WANTED
    assert reader.outcome == Completed()
    assert not any(Other(continuable=False) in item.events for item in items)
    reasons = [event.reason for item in items for event in item.events if isinstance(event, Finish)]
    assert reasons == [FinishReason.TOOL_CALLS]


def test_it_is_whole_only_when_its_end_was_said() -> None:
    reader, calls = ResponsesReader(1 << 20), OpenCalls()
    for event in responses_events(ChatAnswer(calls=(PATCHES,), finish="tool_calls")):
        done = b"custom_tool_call_input.done" in event
        for item in reader.feed(event):
            for delta in item.events:
                if isinstance(delta, ToolCallDelta):
                    calls.add(delta)
        if done:
            assert calls.all_whole
            return
        assert calls.all_whole is (len(calls) == 0)
    pytest.fail("its end never came")


ITEM = {"type": "custom_tool_call", "id": "ctc_1", "call_id": "call_1", "name": "apply_patch", "input": ""}
BEGUN = told("output_item.added", output_index=0, item=ITEM)
CREATED = told("response.created".removeprefix("response."), response={"id": "r", "status": "in_progress"})


def delta(text: str) -> bytes:
    return told("custom_tool_call_input.delta", output_index=0, item_id="ctc_1", delta=text)


def input_done(text: Any = None) -> bytes:
    return told("custom_tool_call_input.done", output_index=0, item_id="ctc_1", input=text)


def item_done(text: str) -> bytes:
    return told("output_item.done", output_index=0, item=ITEM | {"input": text})


END = told("completed", response={"id": "r", "status": "completed", "output": [], "usage": None})
WAYS: dict[str, tuple[list[bytes], str]] = {
    "deltas and their end": (
        [BEGUN, delta("a\n"), delta('"b'), input_done('a\n"b'), item_done('a\n"b')],
        'a\n"b',
    ),
    "deltas and an end that says nothing": ([BEGUN, delta("a"), input_done(), item_done("")], "a"),
    "deltas and an empty end": ([BEGUN, delta("a"), input_done(""), item_done("")], "a"),
    "the item alone": ([item_done("a")], "a"),
    "an item that begins with it": (
        [told("output_item.added", output_index=0, item=ITEM | {"input": "a"})],
        "a",
    ),
    "no deltas": ([BEGUN, input_done("a"), item_done("a")], "a"),
    "said in the item": ([BEGUN, input_done(), item_done("a")], "a"),
    "the rest in the end": ([BEGUN, delta("a"), input_done("ab"), item_done("ab")], "ab"),
    "an empty text": ([BEGUN, input_done(""), item_done("")], ""),
    "another text": ([BEGUN, delta("x"), input_done("ab")], "ab"),
}


@pytest.mark.parametrize("name", WAYS)
def test_each_way_to_say_it(name: str) -> None:
    pieces, text = WAYS[name]
    reader = ResponsesReader(1 << 20)
    items = heard(reader, [CREATED, *pieces, END])
    assert said(calls_in(items)) == [("call_1", "apply_patch", as_arguments(text))]
    assert reader.outcome == Completed()


def test_an_end_in_the_middle_of_one_lies() -> None:
    reader = ResponsesReader(1 << 20)
    heard(reader, [CREATED, BEGUN, delta("a"), END])
    assert isinstance(reader.outcome, Failed)


def test_in_the_last_event_alone() -> None:
    last = {"id": "r", "status": "completed", "output": [ITEM | {"input": "a"}], "usage": None}
    reader = ResponsesReader(1 << 20)
    items = heard(reader, [CREATED, told("completed", response=last)])
    assert said(calls_in(items)) == [("call_1", "apply_patch", as_arguments("a"))]


def test_a_whole_response() -> None:
    item, outcome = read_whole(responses_body(ANSWER))
    assert outcome == Completed()
    assert said(calls_in([item])) == WANTED


@pytest.mark.parametrize(
    "kind",
    [
        "web_search_call.searching",
        "code_interpreter_call_code.delta",
        "image_generation_call.partial_image",
        "mcp_call_arguments.delta",
        "mcp_list_tools.in_progress",
        "file_search_call.completed",
    ],
)
def test_what_a_tool_of_the_providers_tells_on_its_way(kind: str) -> None:
    items = heard(ResponsesReader(1 << 20), [CREATED, told(kind, output_index=0, item_id="x", delta="y")])
    assert items[-1].events == (Other(works=True),)
    assert items[-1].has_content


# -- Responses, said ------------------------------------------------------------------------------------


def new_voice() -> ResponsesVoice:
    begun = {
        "id": "resp_1",
        "object": "response",
        "created_at": 5,
        "status": "in_progress",
        "model": "m",
        "output": [],
    }
    return ResponsesVoice("r1", begun, lambda: OFFERED)


def spoken(voice: Any, events: list[Event]) -> bytes:
    out = b"".join(voice.speak([event]) for event in events)
    return out + bytes(voice.finish(FinishReason.TOOL_CALLS, ())) + bytes(voice.terminate())


@given(cuts(json.dumps({"input": PATCH}, ensure_ascii=False)), st.booleans())
def test_it_is_spoken_in_pieces_cut_anywhere(pieces: list[str], waits: bool) -> None:
    more: list[Event] = [ToolCallDelta(1, "call_wait_1", WAIT, WAITS.arguments), PartEnd()]
    pieces = pieces if not waits else ["".join(pieces)]
    events: list[Event] = [ToolCallDelta(0, "call_1", "apply_patch")]
    events += [ToolCallDelta(0, arguments=piece) for piece in pieces]
    result = validate_responses(spoken(new_voice(), [*events, *more]))
    first, second = result.tool_calls
    assert (first.id, first.name, first.arguments, first.custom) == ("call_1", "apply_patch", PATCH, True)
    assert (second.name, second.namespace, second.arguments) == (
        "wait_agent",
        "multi_agent_v1",
        WAITS.arguments,
    )


def test_a_function_that_is_called_like_models_know_it_stays_one() -> None:
    result = validate_responses(spoken(new_voice(), [ToolCallDelta(0, "call_1", "shell", '{"input": "a"}')]))
    (call,) = result.tool_calls
    assert (call.name, call.arguments, call.custom, call.namespace) == ("shell", '{"input": "a"}', False, "")


def test_half_a_text_is_ended_as_one_that_is_none() -> None:
    """Cut short by the limit, its item says of itself that it is incomplete."""
    voice = new_voice()
    out = voice.speak([ToolCallDelta(0, "call_1", "apply_patch", '{"input":"half')])
    out += voice.finish(FinishReason.LENGTH, ()) + voice.terminate()
    (item,) = json.loads(out.rpartition(b"data: ")[2])["response"]["output"]
    assert (item["status"], item["input"]) == ("incomplete", "half")
    assert b"custom_tool_call_input.done" not in out


def test_a_text_that_never_ended_is_no_success() -> None:
    """Only a fault of ours says it; an agent would run what there is of it."""
    for arguments in ('{"text":"a"}', '{"input":"half', ""):
        voice = new_voice()
        voice.speak([ToolCallDelta(0, "call_1", "apply_patch", arguments)])
        with pytest.raises(ValueError, match="apply_patch"):
            voice.finish(FinishReason.TOOL_CALLS, ())


@pytest.mark.parametrize("count", range(2, 12))
def test_it_goes_on_behind_pieces_that_were_forwarded(count: int) -> None:
    """What a grammar binds a model to is the rest of the JSON; the client gets the rest of the text."""
    events = responses_events(ChatAnswer(calls=(PATCHES,), finish="tool_calls"))
    reader, voice, calls = ResponsesReader(1 << 20), new_voice(), ToolCalls()
    out = b""
    for item in (item for event in events[:count] for item in reader.feed(event)):
        out += voice.forward(item)
        for event in item.events:
            if isinstance(event, ToolCallDelta):
                calls.add(event)
    half = calls.open_call()
    rest = as_arguments(PATCH).removeprefix("" if half is None else half[1].arguments)
    name = "" if half is not None else "apply_patch"
    out += spoken(voice, [ToolCallDelta(0, "", name, rest[:7]), ToolCallDelta(0, arguments=rest[7:])])
    (call,) = validate_responses(out).tool_calls
    assert (call.arguments, call.custom) == (PATCH, True)


# -- chat -------------------------------------------------------------------------------------------------

CUSTOM_ANSWER = ChatAnswer(calls=(PATCHES, WAITS), finish="tool_calls")
WANTED_CHAT = [WANTED[0], (WAITS.id, "wait_agent", WAITS.arguments)]


def test_a_chat_stream_with_a_custom_call() -> None:
    reader = ChatReader(1 << 20)
    items = heard(reader, CUSTOM_ANSWER.events())
    assert said(calls_in(items)) == WANTED_CHAT
    assert reader.outcome == Completed()
    assert not any(Other(continuable=False) in item.events for item in items)


def test_nothing_but_what_follows_says_where_the_text_ends() -> None:
    events = ChatAnswer(calls=(PATCHES,), finish="tool_calls").events()
    reader = ChatReader(1 << 20)
    items = [item for event in events[:-2] for item in reader.feed(event)]
    calls = calls_in(items)
    assert not calls.all_whole
    # A terminator without a finish is the end of none.
    assert [*reader.feed(events[-1]), *reader.end()] == []
    assert isinstance(reader.outcome, Failed)


def test_cut_short_it_is_half_a_call() -> None:
    reader = ChatReader(1 << 20)
    items = heard(reader, ChatAnswer(calls=(PATCHES,), finish="length").events())
    assert reader.outcome == Completed()
    assert not calls_in(items).all_whole


def test_two_custom_calls() -> None:
    second = Call("apply_patch", "two", "call_patch_2", custom=True)
    other = ChatAnswer(calls=(PATCHES, second), finish="tool_calls")
    items = heard(ChatReader(1 << 20), other.events())
    assert [arguments for _, _, arguments in said(calls_in(items))] == [
        as_arguments(PATCH),
        as_arguments("two"),
    ]


def test_a_whole_chat_answer() -> None:
    item, outcome = read_whole_chat(CUSTOM_ANSWER.body())
    assert outcome == Completed()
    assert said(calls_in([item])) == WANTED_CHAT


def test_text_for_a_call_that_is_a_function_is_not_understood() -> None:
    def piece(call: dict[str, Any]) -> bytes:
        choice = {"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}
        return (
            b"data: " + dumps({"id": "c", "object": "chat.completion.chunk", "choices": [choice]}) + b"\n\n"
        )

    function = piece({"index": 0, "id": "c1", "function": {"name": "f", "arguments": "{}"}})
    items = heard(ChatReader(1 << 20), [function, piece({"index": 0, "custom": {"input": "x"}})])
    assert Other(continuable=False) in items[-1].events


@given(cuts(json.dumps({"input": PATCH})))
def test_it_is_spoken_on_chat_in_pieces_cut_anywhere(pieces: list[str]) -> None:
    voice = ChatVoice("chatcmpl-1", 5, "m", offered=lambda: OFFERED)
    events: list[Event] = [ToolCallDelta(0, "call_1", "apply_patch", pieces[0])]
    events += [ToolCallDelta(0, arguments=piece) for piece in pieces[1:]]
    (call,) = validate_chat(spoken(voice, events)).tool_calls
    assert (call.id, call.name, call.arguments, call.custom) == ("call_1", "apply_patch", PATCH, True)


@pytest.mark.parametrize("count", range(2, 12))
def test_it_goes_on_on_chat_behind_pieces_that_were_forwarded(count: int) -> None:
    events = ChatAnswer(calls=(PATCHES,), finish="tool_calls").events()
    reader, calls = ChatReader(1 << 20), ToolCalls()
    voice, out = ChatVoice("chatcmpl-1", 5, "m", offered=lambda: OFFERED), b""
    for item in (item for event in events[:count] for item in reader.feed(event)):
        out += voice.forward(item)
        for event in item.events:
            if isinstance(event, ToolCallDelta):
                calls.add(event)
    half = calls.open_call()
    assert half is not None
    rest = as_arguments(PATCH).removeprefix(half[1].arguments)
    out += spoken(voice, [ToolCallDelta(0, arguments=rest[:7]), ToolCallDelta(0, arguments=rest[7:])])
    (call,) = validate_chat(out).tool_calls
    assert (call.arguments, call.custom) == (PATCH, True)

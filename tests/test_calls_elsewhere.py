"""
Calls that a target says twice, whole answers with odd calls in them, and those of local models: what
clients of every wire hear of them, and what is remembered.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from odd_streams_chat import BEGIN, DONE, chunk
from odd_streams_chat_calls import CALLED, CITY, CLOCK, HALVES, WEATHER, calling, piece
from odd_streams_messages import LAST, begin, block, delta, end
from odd_streams_messages import stop as stopped
from odd_streams_responses import completed, item, say
from odd_streams_responses_called import PARIS
from odd_streams_responses_ends import BEGUN, call, part, whole
from odd_streams_responses_ends import DONE as CALL_DONE
from scenes import WIRES, asked, configured, dies, stage, with_second
from test_cross_wire import TOOLS
from trooper.testing import (
    FAULTS,
    FaultAt,
    Head,
    Pause,
    Reset,
    Script,
    ScriptedProvider,
    Send,
    Status,
    ToolUse,
)
from wire_validator import ChatResult

ASK = {"role": "user", "content": "Go on."}


def heard(told: ChatResult) -> list[tuple[str, Any]]:
    return [(call.name, json.loads(call.arguments)) for call in told.tool_calls]


def sends(*pieces: bytes, reset: bool = False) -> Script:
    said = [Send(piece) for piece in pieces]
    return Script((Head(), *said, Pause(0.1), Reset()) if reset else (Head(), *said))


# -- said twice --------------------------------------------------------------------------------------

#: Deltas of one call, and behind them the end of another.
OTHERS = {
    "arguments": (*BEGUN, part(CITY), whole(PARIS)),
    "item": (*BEGUN, part(CITY), item("done", call(PARIS))),
    "name": (*BEGUN, part(CITY), item("done", call(CITY, name="get_time"))),
}


@pytest.mark.parametrize("client", ["chat", "messages"])
@pytest.mark.parametrize("name", OTHERS)
async def test_what_was_shown_otherwise_ends_in_an_error(autojump_clock: Any, client: str, name: str) -> None:
    config = with_second(configured(tool_calls="stream"), "responses", alone=True)
    async with stage(config=config) as s:
        s.second.script = sends(*OTHERS[name], completed(output=[]))
        x = await s.ask(wire=client, tools=TOOLS[client])
        told = x.told()
        assert told.error is not None
        assert not told.done
        assert told.finish_reason is None
        assert x.report["legs"][-1]["unfit_reason"] == "call"
        # Nothing is shown of a whole answer before its end.
        s.second.script = sends(*OTHERS[name], completed(output=[]))
        x = await s.ask(wire=client, stream=False, tools=TOOLS[client])
        last = ("get_time", json.loads(CITY)) if name == "name" else ("get_weather", json.loads(PARIS))
        assert heard(x.told_whole()) == [last]


@pytest.mark.parametrize("client", ["chat", "messages"])
async def test_the_end_of_the_answer_has_the_last_word(autojump_clock: Any, client: str) -> None:
    """Behind the end of the call it comes too late for a stream, and is no success."""
    config = with_second(configured(), "responses", alone=True)
    pieces = (*BEGUN, part(CITY), CALL_DONE, completed(output=[call(PARIS)]))
    async with stage(config=config, second=ScriptedProvider(script=sends(*pieces))) as s:
        x = await s.ask(wire=client, tools=TOOLS[client])
        assert x.told().error is not None
        assert not x.told().done
        x = await s.ask(wire=client, stream=False, tools=TOOLS[client])
        assert heard(x.told_whole()) == [("get_weather", json.loads(PARIS))]


ZONE = {"type": "function_call", "id": "fc_2", "call_id": "call_2", "name": "get_time", "arguments": ""}
SIDE_BY_SIDE = {
    "two indexes": (item("added", ZONE, 1), part(CITY), part("{}", item_id="fc_2", output_index=1)),
    "in pieces": (item("added", ZONE, 1), part(CITY[:5]), part("{}", output_index=1), part(CITY[5:])),
    "one of them done": (item("added", ZONE, 1), part("{}", output_index=1), part(CITY), whole(CITY)),
    "one index": (item("added", ZONE), part("{}", item_id="fc_2"), part(CITY), whole(CITY)),
    "nobody says the end": (part(CITY), item("added", ZONE, 1), part("{}", output_index=1)),
}


@pytest.mark.parametrize("name", SIDE_BY_SIDE)
async def test_calls_side_by_side_are_ended_each_for_itself(autojump_clock: Any, name: str) -> None:
    """All of them went into the one that had begun last, and that was told as a success."""
    cloud = ScriptedProvider(script=sends(*BEGUN, *SIDE_BY_SIDE[name], reset=True))
    async with stage(cloud) as s:
        x = await s.ask(wire="responses", tools=TOOLS["responses"])
        assert x.legs == [("openai-responses", "conn_reset")]
        last = json.loads(bytes(x.body).rpartition(b"event: response.completed\ndata: ")[2])
        told = [(one["name"], one["arguments"]) for one in last["response"]["output"]]
        assert sorted(told) == [("get_time", "{}"), ("get_weather", CITY)]


USE = tuple(block("tool_use", at, id=f"toolu_{at}", name="get_weather", input={}) for at in range(2))
FILLED = tuple(delta("input_json_delta", at, partial_json=CITY) for at in range(2))
BLOCKS = {
    "side by side": (*USE, *FILLED),
    "the first has ended": (*USE, *FILLED, stopped(0)),
    "the last has ended": (*USE, *FILLED, stopped(1)),
    "nobody says the end": (USE[0], FILLED[0], USE[1], FILLED[1]),
}


@pytest.mark.parametrize("name", BLOCKS)
async def test_every_block_that_is_open_is_stopped(autojump_clock: Any, name: str) -> None:
    """Agents run a call when its block stops; of several that were open one was stopped, or none."""
    cloud = ScriptedProvider(script=sends(begin(), *BLOCKS[name], reset=True))
    async with stage(cloud) as s:
        x = await s.ask(wire="messages", tools=TOOLS["messages"])
        assert x.legs == [("anthropic", "conn_reset")]
        lines = bytes(x.body).splitlines()
        said = [json.loads(line[6:]) for line in lines if line.startswith(b"data: ")]
        assert sorted(one["index"] for one in said if one["type"] == "content_block_stop") == [0, 1]
        assert said[-1]["type"] == "message_stop"


async def test_the_last_word_is_remembered(autojump_clock: Any) -> None:
    """Of a call that is done, and done otherwise, an answer that was cut keeps what it was done with."""
    pieces = (*BEGUN, part('{"city": "B'), whole(PARIS), item("done", call(PARIS)))
    async with stage(ScriptedProvider(script=sends(*pieces, reset=True))) as s:
        first = await s.ask(wire="responses", tools=TOOLS["responses"])
        assert first.legs == [("openai-responses", "conn_reset")]
        assert bytes(first.body).startswith(b"".join(pieces))
        answered = {"type": "function_call_output", "call_id": "call_1", "output": "Rain."}
        s.cloud.script = FaultAt(FAULTS["status-503"], "start")
        fields = {"input": [answered, ASK], "tools": TOOLS["responses"]}
        x = await s.ask(wire="responses", previous_response_id="resp_odd1", **fields)
        assert x.legs[-1] == ("ollama", "completed")
        calls = [one for said in asked(s)["messages"] for one in said.get("tool_calls", ())]
        assert [one["function"]["arguments"] for one in calls] == [json.loads(PARIS)]


# -- cut, or slow ------------------------------------------------------------------------------------

#: A whole call in each wire, without an end of the answer behind it.
CUTS: Mapping[str, tuple[bytes, ...]] = {
    "chat": (BEGIN, calling(piece(*WEATHER, call="call_1"))),
    "messages": (
        begin(),
        block("tool_use", id="toolu_1", name="get_weather", input={"city": "Bern"}),
        stopped(),
    ),
    "responses": (*BEGUN, part(CITY), CALL_DONE),
}


@pytest.mark.parametrize(("client", "target"), [(c, t) for c in WIRES for t in WIRES if c != t])
async def test_a_whole_call_survives_a_cut(autojump_clock: Any, client: str, target: str) -> None:
    """In a stream: of an answer in one piece nobody has any call yet, and it is told as lost."""
    config = with_second(configured(), target, alone=True)
    async with stage(config=config) as s:
        s.second.script = sends(*CUTS[target], reset=True)
        told = (await s.ask(wire=client, tools=TOOLS[client])).told()
        assert (heard(told), told.finish_reason) == ([("get_weather", json.loads(CITY))], "tool_calls")
        x = await s.ask(wire=client, stream=False, tools=TOOLS[client])
        assert x.status == 502
        # Braces that may not be all of it are no call.
        if target == "chat":
            s.second.script = sends(BEGIN, calling(piece("get_weather", "{}", call="call_1")), reset=True)
            x = await s.ask(wire=client, tools=TOOLS[client])
            assert x.status != 200 or not x.told().done


@pytest.mark.parametrize("client", ["messages", "responses"])
async def test_a_call_waits_so_long_and_no_longer(autojump_clock: Any, client: str) -> None:
    """Also where nobody could go on; then it comes in its pieces, and the next one behind it."""
    first, second = piece("get_weather", HALVES[0], call="call_1"), piece(*CLOCK, call="call_2", index=1)
    begun = (Head(), Send(BEGIN), Send(calling(first)), Pause(10.0), Send(calling(second)), Pause(5.0))
    script = Script((*begun, Send(calling(piece(None, HALVES[1]))), Send(CALLED), Send(DONE)))
    config = with_second(configured(hold_call_s=3.0), "chat", alone=True)
    async with stage(config=config, second=ScriptedProvider(script=script)) as s:
        x = await s.ask(wire=client, tools=TOOLS[client])
        assert heard(x.told()) == [("get_weather", json.loads(CITY)), ("get_time", json.loads(CLOCK[1]))]
        seen = [at for at, body in x.arrivals if b"get_weather" in body]
        assert x.arrivals[-1][0] - seen[0] > 9.0


async def test_half_a_call_that_was_shown_says_so(autojump_clock: Any) -> None:
    """At the token limit the API's own half calls are incomplete, too."""
    half = calling(piece("get_weather", HALVES[0], call="call_1"))
    pieces = (BEGIN, half, chunk({}, "length"), DONE)
    config = with_second(configured(tool_calls="stream"), "chat", alone=True)
    async with stage(config=config, second=ScriptedProvider(script=sends(*pieces))) as s:
        x = await s.ask(wire="responses", tools=TOOLS["responses"])
        last = json.loads(bytes(x.body).rstrip().rpartition(b"\ndata: ")[2])
        assert last["type"] == "response.incomplete"
        (told,) = last["response"]["output"]
        assert (told["status"], told["arguments"]) == ("incomplete", HALVES[0])
        assert b"function_call_arguments.done" not in x.body


# -- whole answers -----------------------------------------------------------------------------------


def completion(*calls: object, finish: str = "stop") -> dict[str, Any]:
    message = {"role": "assistant", "content": None, "tool_calls": list(calls)}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 7, "total_tokens": 16},
    }


def a_message(*blocks: object, reason: str = "end_turn") -> dict[str, Any]:
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": list(blocks)}
    return head | {"stop_reason": reason, "usage": {"input_tokens": 9, "output_tokens": 7}}


def a_response(*items: object) -> dict[str, Any]:
    head = {"id": "resp_1", "object": "response", "created_at": 1, "model": "m", "status": "completed"}
    return head | {"output": list(items), "usage": {"input_tokens": 9, "output_tokens": 7}}


def chat_call(arguments: object, call_id: object = "call_1") -> dict[str, Any]:
    return {"id": call_id, "function": {"name": "get_weather", "arguments": arguments}}


def used(value: object) -> dict[str, Any]:
    return {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": value}


TWICE = json.dumps(CITY)
#: Arguments of every type, and what they are; `None`: no wire has words for them.
GIVEN: Sequence[tuple[object, object]] = (
    (CITY, json.loads(CITY)),
    ({"city": "Bern"}, json.loads(CITY)),
    (TWICE, json.loads(CITY)),
    (None, {}),
    ("", {}),
    ("null", {}),
    ([], {}),
    (["Bern"], None),
    (7, None),
    ("{city: Bern}", None),
)
BODIES: Mapping[str, Any] = {
    "chat": lambda arguments: completion(chat_call(arguments)),
    "messages": lambda arguments: a_message(used(arguments)),
    "responses": lambda arguments: a_response(call(arguments)),
}


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize(("client", "target"), [(c, t) for c in WIRES for t in WIRES if c != t])
async def test_whole_answers(autojump_clock: Any, client: str, target: str, stream: bool) -> None:
    """A provider may give an answer in one piece, whatever it was asked for."""
    config = with_second(configured(), target, alone=True)
    async with stage(config=config) as s:
        for given, expected in GIVEN:
            s.second.script = Script((Status(200, json.dumps(BODIES[target](given)).encode()),))
            x = await s.ask(wire=client, stream=stream, tools=TOOLS[client])
            if expected is None:
                assert x.status != 200, given
                continue
            told = x.told() if stream else x.told_whole()
            assert heard(told) == [("get_weather", expected)], given
            assert told.finish_reason == "tool_calls"


@pytest.mark.parametrize("client", ["messages", "responses"])
async def test_ids_of_whole_calls(autojump_clock: Any, client: str) -> None:
    """Empty ones, and one for all: each call gets one of its own."""
    config = with_second(configured(), "chat", alone=True)
    async with stage(config=config) as s:
        for ids in (("", ""), ("call_1", "call_1"), (None, "call_1")):
            body = completion(*(chat_call(CITY, call_id) for call_id in ids))
            s.second.script = Script((Status(200, json.dumps(body).encode()),))
            told = (await s.ask(wire=client, tools=TOOLS[client])).told()
            assert len({call.id for call in told.tool_calls} - {""}) == 2


async def test_a_reason_without_a_call(autojump_clock: Any) -> None:
    config = with_second(configured(), "chat", alone=True)
    body = completion(finish="tool_calls")
    body["choices"][0]["message"] |= {"content": "Nothing to run.", "tool_calls": []}
    script = Script((Status(200, json.dumps(body).encode()),))
    async with stage(config=config, second=ScriptedProvider(script=script)) as s:
        for client in ("messages", "responses"):
            told = (await s.ask(wire=client, stream=False)).told_whole()
            assert (told.text, told.finish_reason) == ("Nothing to run.", "stop")


async def test_each_of_several_answers_has_its_own_reason(autojump_clock: Any) -> None:
    """Said anew in its own wire, since it came in one piece and a stream was asked for."""
    body = completion(chat_call(CITY))
    second = {"index": 1, "message": {"role": "assistant", "content": "No."}, "finish_reason": "tool_calls"}
    body["choices"].append(second)
    async with stage(ScriptedProvider(script=Script((Status(200, json.dumps(body).encode()),)))) as s:
        x = await s.ask(n=2, tools=TOOLS["chat"])
        assert heard(x.chat()) == [("get_weather", json.loads(CITY))]
        assert x.chat().finish_reason == "tool_calls"
        assert b'"index":1,"delta":{},"logprobs":null,"finish_reason":"stop"' in bytes(x.body)


# -- local models ------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("client", WIRES)
async def test_a_local_model(autojump_clock: Any, client: str, stream: bool) -> None:
    """Ollama's own wire has an object; some versions and models make a text of it, or null."""
    async with stage(dies("status-503")) as s:
        for given, expected in GIVEN:
            s.ollama.tool_calls = (ToolUse("get_weather", given), ToolUse("get_time", {}, id=""))
            x = await s.ask(wire=client, stream=stream, tools=TOOLS[client])
            if expected is None:
                # The provider's own failure is the one that is told.
                assert x.status == 503, given
                continue
            told = x.told() if stream else x.told_whole()
            assert heard(told) == [("get_weather", expected), ("get_time", {})], given
            assert told.finish_reason == "tool_calls"


#: Words that stand in the middle of a call, in each wire, and the call.
WORDS_IN: Mapping[str, tuple[bytes, ...]] = {
    "chat": (
        BEGIN,
        calling(piece("get_weather", HALVES[0], call="call_1")),
        chunk({"content": "One moment."}),
        calling(piece(None, HALVES[1])),
        CALLED,
        DONE,
    ),
    "messages": (
        begin(),
        block("text", text=""),
        block("tool_use", 1, id="toolu_1", name="get_weather", input={}),
        delta("input_json_delta", 1, partial_json=HALVES[0]),
        delta("text_delta", 0, text="One moment."),
        delta("input_json_delta", 1, partial_json=HALVES[1]),
        stopped(1),
        stopped(0),
        end("tool_use"),
        LAST,
    ),
    "responses": (
        *BEGUN,
        part(HALVES[0]),
        say("One moment.", output_index=1),
        part(HALVES[1]),
        whole(CITY),
        completed(output=[]),
    ),
}


@pytest.mark.parametrize("tool_calls", ["hold", "stream"])
@pytest.mark.parametrize(("client", "target"), [(c, t) for c in WIRES for t in WIRES if c != t])
async def test_words_in_the_middle_of_a_call_do_not_end_it(
    autojump_clock: Any, client: str, target: str, tool_calls: str
) -> None:
    """The client got half of it, ended, as a call to run, and a success."""
    config = with_second(configured(tool_calls=tool_calls), target, alone=True)
    async with stage(config=config, second=ScriptedProvider(script=sends(*WORDS_IN[target]))) as s:
        told = (await s.ask(wire=client, tools=TOOLS[client])).told()
        assert heard(told) == [("get_weather", json.loads(CITY))]
        assert (told.text, told.finish_reason) == ("One moment.", "tool_calls")


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("client", ["messages", "responses"])
async def test_a_call_that_is_none_is_not_the_requests_fault(
    autojump_clock: Any, client: str, stream: bool
) -> None:
    """It was a 400, `invalid_request_error`, which no client asks again for."""
    broken = sends(BEGIN, calling(piece("get_weather", "5", call="call_1")), CALLED, DONE)
    config = with_second(configured(), "chat", alone=True)
    async with stage(config=config, second=ScriptedProvider(script=broken)) as s:
        x = await s.ask(wire=client, stream=stream, tools=TOOLS[client])
        assert (x.status, x.report["legs"][-1]["unfit_reason"]) == (502, "call")
        assert b"invalid_request" not in bytes(x.body)

"""
Calls of another form than models know: a local model's and other clouds' come back to the client as it offered
them, and a provider's own are held, cut and finished like any other.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from attrs import evolve

from foreign import PATCH, PATCHES, RESPONSES, TOOLS, WAITS, sent
from half_calls import llama_ready, with_llama
from scenes import WIRES, asked, configured, dies, stage, with_second
from trooper.core.freeform import as_arguments
from trooper.testing import (
    FAULTS,
    Call,
    ChatAnswer,
    FakeLlamaServer,
    FakeOllama,
    FaultAt,
    ScriptedProvider,
    ToolUse,
    tokens,
)
from wire_validator import CallSeen, ChatResult

TEXT = "A lighthouse keeps its light in one place, so that ships find theirs. Trust it."
PATCHED = ChatAnswer(calls=(PATCHES,), finish="tool_calls")


def calls_of(told: ChatResult) -> list[tuple[str, str, str]]:
    return [(call.name, call.arguments, call.namespace) for call in told.tool_calls]


def patch_of(told: ChatResult) -> CallSeen:
    (call,) = told.tool_calls
    return call


# -- freeform and namespaced calls ----------------------------------------------------------------------


def calling(call: ToolUse) -> FakeOllama:
    return FakeOllama(tool_calls=(call,))


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("client", ["chat", "responses"])
async def test_a_local_models_patch_comes_back_as_a_custom_call(
    autojump_clock: Any, client: str, stream: bool
) -> None:
    ollama = calling(ToolUse("apply_patch", {"input": PATCH}))
    async with stage(dies("status-503", "start"), ollama) as s:
        x = await s.ask(wire=client, tools=TOOLS[client], stream=stream)
        told = x.told() if stream else x.told_whole()
        call = patch_of(told)
        assert (call.name, call.arguments, call.custom) == ("apply_patch", PATCH, True)
        assert told.finish_reason == "tool_calls"
        (offered,) = [t["function"] for t in asked(s)["tools"] if t["function"]["name"] == "apply_patch"]
        assert "begin_patch" in offered["description"]
        assert offered["parameters"]["required"] == ["input"]


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("target", WIRES)
@pytest.mark.parametrize("client", ["chat", "responses"])
@pytest.mark.parametrize("how", ["hold", "stream"])
async def test_a_clouds_patch_comes_back_as_a_custom_call(
    autojump_clock: Any, client: str, target: str, stream: bool, how: str
) -> None:
    """To clouds of other wires, too, it is a function with one string."""
    config = with_second(configured(tool_calls=how), target)
    answer = ChatAnswer(
        calls=(evolve(PATCHES, arguments=as_arguments(PATCH), custom=False),), finish="tool_calls"
    )
    second = ScriptedProvider(answer)
    config = evolve(config, chains=(evolve(config.chains[0], targets=("second",)),))
    if client == target:
        # Its own provider answers in its own words.
        second = ScriptedProvider(PATCHED)
    async with stage(config=config, second=second) as s:
        x = await s.ask(wire=client, tools=TOOLS[client], stream=stream)
        told = x.told() if stream else x.told_whole()
        call = patch_of(told)
        assert (call.name, call.arguments, call.custom) == ("apply_patch", PATCH, True)
        assert told.finish_reason == "tool_calls"


NO_PATCHES = {
    "another key": {"patch": PATCH},
    "a key more": {"input": PATCH, "why": "because"},
    "no text": {"input": ["a", "b"]},
    "nothing": {},
}


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("name", NO_PATCHES)
async def test_what_is_no_such_text_is_never_repaired(autojump_clock: Any, name: str, stream: bool) -> None:
    async with stage(dies("status-503", "start"), calling(ToolUse("apply_patch", NO_PATCHES[name]))) as s:
        x = await s.ask(wire="responses", tools=RESPONSES, stream=stream)
        assert b"custom_tool_call" not in bytes(x.body)
        last = x.report["legs"][-1]
        assert (last["outcome"], last["unfit_reason"]) == ("unfit", "call")


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_a_call_in_a_namespace_comes_back_under_both_names(autojump_clock: Any, stream: bool) -> None:
    ollama = calling(ToolUse("multi_agent_v1__wait_agent", {"targets": ["a"]}))
    async with stage(dies("status-503", "start"), ollama) as s:
        x = await s.ask(wire="responses", tools=RESPONSES, stream=stream)
        told = x.told() if stream else x.told_whole()
        ((name, arguments, namespace),) = calls_of(told)
        assert (name, json.loads(arguments), namespace) == (
            "wait_agent",
            {"targets": ["a"]},
            "multi_agent_v1",
        )
        names = [tool["function"]["name"] for tool in asked(s)["tools"]]
        assert names == ["get_weather", "apply_patch", "multi_agent_v1__wait_agent", "multi_agent_v1__note"]


async def test_a_custom_call_in_a_namespace(autojump_clock: Any) -> None:
    ollama = calling(ToolUse("multi_agent_v1__note", {"input": "Remember."}))
    async with stage(dies("status-503", "start"), ollama) as s:
        call = patch_of((await s.ask(wire="responses", tools=RESPONSES)).told())
        assert call == CallSeen(call.id, "note", "Remember.", True, "multi_agent_v1")


# -- the cloud's own custom calls -------------------------------------------------------------------------


@pytest.mark.parametrize("client", ["chat", "responses"])
async def test_a_healthy_custom_call_passes_byte_for_byte(autojump_clock: Any, client: str) -> None:
    for how in ("hold", "stream"):
        async with stage(ScriptedProvider(PATCHED), config=configured(tool_calls=how)) as s:
            x = await s.ask(wire=client, tools=TOOLS[client])
            assert patch_of(x.told()).arguments == PATCH
            assert bytes(x.body) == sent(client, PATCHED)


@pytest.mark.parametrize("fault", ["reset", "clean-eof", "silence", "cut-inside-event"])
@pytest.mark.parametrize("position", [1, 2, "middle", 8])
@pytest.mark.parametrize("client", ["chat", "responses"])
async def test_a_cut_in_the_middle_of_a_patch_begins_it_anew(
    autojump_clock: Any, client: str, position: int | str, fault: str
) -> None:
    """The client has never seen half a patch; it gets the local model's, whole, and once."""
    other = PATCH.replace("never", "seldom")
    async with stage(dies(fault, position, PATCHED), calling(ToolUse("apply_patch", {"input": other}))) as s:
        x = await s.ask(wire=client, tools=TOOLS[client])
        told = x.told()
        assert (patch_of(told).arguments, told.finish_reason) == (other, "tool_calls")
        assert x.legs[-1] == ("ollama", "completed")


async def test_a_whole_patch_followed_by_a_cut_ends_the_turn(autojump_clock: Any) -> None:
    answer = ChatAnswer(calls=(PATCHES, WAITS), finish="tool_calls")
    async with stage(dies("reset", "end", answer)) as s:
        x = await s.ask(wire="responses", tools=RESPONSES)
        told = x.told()
        assert told.finish_reason == "tool_calls"
        assert calls_of(told)[0] == ("apply_patch", PATCH, "")
        assert x.legs == [("openai-responses", "conn_reset")]


async def test_text_before_a_cut_patch_is_gone_on_with(autojump_clock: Any) -> None:
    answer = evolve(PATCHED, tokens=tuple(tokens("I will patch the lamp, with care. ")))
    ollama = FakeOllama(answer="I will patch the lamp, with care. So be it.")
    async with stage(dies("reset", 12, answer), ollama) as s:
        x = await s.ask(wire="responses", tools=RESPONSES)
        told = x.told()
        assert told.text == "I will patch the lamp, with care. So be it."
        assert (told.tool_calls, told.finish_reason) == ((), "stop")


async def test_a_patch_waits_no_longer_than_other_calls(autojump_clock: Any) -> None:
    """Past `hold_call_s` it goes out in the pieces it comes in."""
    cloud = ScriptedProvider(PATCHED, pace_s=2.0)
    async with stage(cloud, config=configured(hold_call_s=5.0)) as s:
        x = await s.ask(wire="responses", tools=RESPONSES)
        assert patch_of(x.told()).arguments == PATCH
        pieces = [at for at, said in x.arrivals if b"custom_tool_call_input.delta" in said]
        assert len(pieces) > 3
        assert pieces[0] < pieces[-1] - 5


async def test_past_its_size_it_goes_out_in_pieces(autojump_clock: Any) -> None:
    async with stage(ScriptedProvider(PATCHED, pace_s=0.1), config=configured(hold_call_bytes=1024)) as s:
        x = await s.ask(wire="responses", tools=RESPONSES)
        assert patch_of(x.told()).arguments == PATCH
        assert len([at for at, said in x.arrivals if b"custom_tool_call_input.delta" in said]) > 3


@pytest.mark.parametrize("client", ["chat", "responses"])
@pytest.mark.parametrize("position", [1, 2, 9, "end"])
async def test_half_a_patch_at_the_client_is_finished_under_a_grammar(
    autojump_clock: Any, client: str, position: int | str
) -> None:
    llama = FakeLlamaServer(answer="", calls=(Call("apply_patch", as_arguments(PATCH)),))
    async with stage(config=with_llama(client, tool_calls="stream"), llama=llama) as s:
        await llama_ready(s)
        s.cloud.script = FaultAt(FAULTS["reset"], position, PATCHED)
        x = await s.ask(wire=client, tools=TOOLS[client])
        told = x.told()
        assert (patch_of(told).arguments, told.finish_reason, told.error) == (PATCH, "tool_calls", None)
        # Of a whole one on Responses the end is known; on chat nobody has said it.
        is_whole = (client, position) == ("responses", "end")
        assert x.legs[-1][0] == ("openai-responses" if is_whole else "llama")


@pytest.mark.parametrize("rest", ['", "more": 1}', "7}", '"'])
async def test_a_rest_that_makes_no_such_text_is_an_error(autojump_clock: Any, rest: str) -> None:
    begun = as_arguments(PATCH).removesuffix('"}')
    llama = FakeLlamaServer(answer="", calls=(Call("apply_patch", begun + rest),))
    async with stage(config=with_llama("responses", tool_calls="stream"), llama=llama) as s:
        await llama_ready(s)
        s.cloud.script = FaultAt(FAULTS["reset"], 9, PATCHED)
        told = (await s.ask(wire="responses", tools=RESPONSES)).told()
        assert told.error is not None
        assert not told.done


# -- the next turn ---------------------------------------------------------------------------------------


async def test_it_goes_on_from_an_answer_with_custom_calls_in_it(autojump_clock: Any) -> None:
    """`previous_response_id`: what was called and what came of it is written out for the local model."""
    answer = evolve(PATCHED, searches=("patches",))
    async with stage(ScriptedProvider(answer), FakeOllama(answer=TEXT)) as s:
        x = await s.ask(wire="responses", tools=RESPONSES, store=True)
        first = json.loads(bytes(x.body).rpartition(b"event: response.completed\ndata: ")[2])["response"]
        s.cloud.script = FaultAt(FAULTS["status-503"], "start")
        result = {"type": "custom_tool_call_output", "call_id": PATCHES.id, "output": "Done!"}
        x = await s.ask(wire="responses", tools=RESPONSES, previous_response_id=first["id"], input=[result])
        assert x.told().text == TEXT
        told = asked(s)["messages"]
        assert [m["role"] for m in told] == ["user", "assistant", "tool"]
        assert told[1]["content"] == "[web_search] search:\nquery: patches"
        (call,) = told[1]["tool_calls"]
        assert (call["function"]["name"], call["function"]["arguments"]) == ("apply_patch", {"input": PATCH})
        assert told[2]["content"] == "Done!"


async def test_what_was_spoken_is_remembered_as_the_client_has_it(autojump_clock: Any) -> None:
    ollama = calling(ToolUse("apply_patch", {"input": PATCH}))
    async with stage(dies("status-503", "start"), ollama) as s:
        x = await s.ask(wire="responses", tools=RESPONSES)
        end = json.loads(bytes(x.body).rpartition(b"event: response.completed\ndata: ")[2])["response"]
        (item,) = end["output"]
        assert item == {
            "id": item["id"],
            "type": "custom_tool_call",
            "status": "completed",
            "call_id": item["call_id"],
            "name": "apply_patch",
            "input": PATCH,
        }
        s.cloud.script = None
        output = {"type": "custom_tool_call_output", "call_id": item["call_id"], "output": "Done!"}
        x = await s.ask(wire="responses", tools=RESPONSES, input=[item, output])
        # An id of ours is none of the provider's.
        assert s.cloud.chats[-1].json()["input"][0] == {
            key: value for key, value in item.items() if key != "id"
        }

"""
The window of the local model grows to the conversation that it guards: whole
requests, no configuration, and an Ollama with the window it is installed with.
"""

from __future__ import annotations

import functools
import json
from typing import Any

import pytest
import trio

from raw_http import Client
from scenes import TOOLS, WIRES, Exchange, Stage, configured, stage, with_target
from trooper.targets.standby import State
from trooper.targets.standby.growing import GrowingStandby
from trooper.testing import DEFAULT_ANSWER, FAULTS, FakeOllama, FaultAt, Model, ScriptedProvider

#: More than half of 16,384 tokens by any count, and less than three quarters of 32,768.
LONG = "The keeper of the lamp writes down what he sees, hour after hour. " * 1000
SHORT = "What does the keeper write? " * 20
GIB = 1 << 30
MODEL = "qwen2.5:3b"
#: Slower than a load, and quicker than any limit.
PACE_S = 0.5


def windows(ollama: FakeOllama) -> list[int]:
    """The windows that the model was loaded with, one after the other."""
    return [load.num_ctx for load in ollama.loader.history]


def question(text: str, wire: str = "chat") -> dict[str, Any]:
    said = {"role": "user", "content": text}
    return {"input": [said]} if wire == "responses" else {"messages": [said]}


def standby(s: Stage, free_bytes: int | None = 64 * GIB) -> GrowingStandby:
    found = s.services.standbys["ollama"]
    assert isinstance(found, GrowingStandby)
    found.windows.free_bytes = lambda: free_bytes
    return found


def window_now(s: Stage) -> int:
    known = standby(s).known(None)
    assert known is not None
    return known.window_tokens


def prompts(s: Stage) -> list[dict[str, Any]]:
    """What the local model was asked for an answer."""
    asked = [json.loads(r.body) for r in s.ollama.requests if r.path in ("/api/chat", "/api/generate")]
    return [body for body in asked if body.get("stream") and (body.get("messages") or body.get("prompt"))]


async def somebody_else(s: Stage, **options: Any) -> None:
    """Another application asks the same model for something."""
    asked = {"model": MODEL, "messages": [{"role": "user", "content": "Hello?"}], "options": options}
    network_client = Client(s.network, base="http://127.0.0.1:11434")
    await network_client.post("/api/chat", asked)


@pytest.mark.parametrize("tools", [[], TOOLS])
@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(
    "fault", ["status-429", "status-529", "closed-before-headers", "reset", "clean-eof", "silence"]
)
async def test_a_stock_ollama_holds_the_whole_prompt(
    wire: str, fault: str, tools: list[Any], autojump_clock: Any
) -> None:
    """Nothing of a prompt that is four times its window is left out, and it is loaded anew once."""
    tools = [tools[0]["function"] | {"type": "function"}] if tools and wire == "responses" else tools
    if tools and wire == "messages":
        tools = [{"name": "get_weather", "input_schema": {"type": "object", "properties": {}}}]
    position = "start" if fault.startswith(("status", "closed")) else "middle"
    cloud = ScriptedProvider(script=FaultAt(FAULTS[fault], position))
    async with stage(cloud, FakeOllama(load_s=3.0)) as s:
        standby(s)
        exchange = await s.ask(wire=wire, **question(LONG, wire), **({"tools": tools} if tools else {}))
        result = exchange.told()
        assert (result.text, result.error) == (DEFAULT_ANSWER, None)
        assert windows(s.ollama) == [4096, 32768]
        assert all(LONG in json.dumps(body) for body in prompts(s))
        assert s.ollama.truncations == []


@pytest.mark.parametrize("wire", WIRES)
async def test_the_window_is_there_before_it_is_needed(wire: str, autojump_clock: Any) -> None:
    """While the cloud still streams: nobody waits for a load at the failure."""
    script = FaultAt(FAULTS["reset"], 30)
    cloud = ScriptedProvider(script=script, pace_s=PACE_S)
    async with stage(cloud, FakeOllama(load_s=5.0)) as s:
        standby(s)
        exchange = await s.ask(wire=wire, **question(LONG, wire))
        assert exchange.told().text == DEFAULT_ANSWER
        # The held word and the silence of its provider, and no load.
        assert exchange.report["gap_s"] < 5
        (_, load) = s.ollama.loader.history
        assert (load.num_ctx, load.replaced) == (32768, 4096)
        assert load.at < exchange.arrivals[-1][0] - 5.0
        grown = [line for line in s.log if line["event"].startswith("standby_window")]
        assert [(g["event"], g["window_tokens"]) for g in grown] == [
            ("standby_window_grows", 32768),
            ("standby_window", 32768),
        ]
        assert grown[0]["most_tokens"] >= 32768


async def test_a_healthy_answer_makes_it_grow_and_is_not_touched(autojump_clock: Any) -> None:
    """The next turn of the conversation will be as long."""
    async with stage(ScriptedProvider(pace_s=PACE_S), FakeOllama(load_s=5.0)) as s:
        standby(s)
        one = await s.ask(**question(SHORT))
        other = await s.ask(**question(LONG))
        assert other.chat().text == one.chat().text == DEFAULT_ANSWER
        assert windows(s.ollama) == [4096, 32768]
        assert prompts(s) == []


async def test_a_healthy_answer_that_is_whole_at_once_costs_nothing(autojump_clock: Any) -> None:
    async with stage(ScriptedProvider(), FakeOllama()) as s:
        standby(s)
        await s.ask(**question(LONG))
        await trio.sleep(120)
        assert windows(s.ollama) == [4096]


async def test_it_never_shrinks(autojump_clock: Any) -> None:
    """Two conversations of different length do not make it go to and fro, and what was forgotten comes back as it was."""
    cloud = ScriptedProvider(script=FaultAt(FAULTS["reset"], "middle"))
    async with stage(cloud, FakeOllama(load_s=1.0)) as s:
        standby(s)
        for text in (LONG, SHORT, LONG[: len(LONG) // 2], SHORT, LONG):
            assert (await s.ask(**question(text))).chat().text == DEFAULT_ANSWER
        assert windows(s.ollama) == [4096, 32768]
        s.ollama.loader.unload(s.ollama.models[0])
        await trio.sleep(60)
        assert (await s.ask(**question(SHORT))).chat().text == DEFAULT_ANSWER
        assert windows(s.ollama) == [4096, 32768, 32768]


async def test_another_application_is_not_disturbed(autojump_clock: Any) -> None:
    """For a minute after its use the model stays as it is; a leg does not wait for that, its history is shortened."""
    turns = [{"role": "user", "content": f"{n}: {SHORT}"} for n in range(60)]
    cloud = ScriptedProvider(script=FaultAt(FAULTS["reset"], "middle"))
    async with stage(cloud, FakeOllama(load_s=1.0)) as s:
        standby(s)
        await trio.sleep(100)
        await somebody_else(s)
        began = trio.current_time()
        exchange = await s.ask(messages=turns)
        assert exchange.chat().text == DEFAULT_ANSWER
        assert trio.current_time() - began < 10
        assert windows(s.ollama) == [4096]
        assert len(prompts(s)[-1]["messages"]) < len(turns)
        await trio.sleep(70)
        assert (await s.ask(messages=turns)).chat().text == DEFAULT_ANSWER
        assert windows(s.ollama) == [4096, 16384]


async def test_a_load_that_another_application_took_back_is_not_refused_for_ever(autojump_clock: Any) -> None:
    """It waited for ours with a window of its own: nobody knows what ours was worth, and it is left in peace for a minute."""
    cloud = ScriptedProvider(script=FaultAt(FAULTS["status-429"], "start"))
    turns = [{"role": "user", "content": f"{n}: {SHORT}"} for n in range(60)]
    async with stage(cloud, FakeOllama(load_s=2.0)) as s:
        standby(s)
        await trio.sleep(100)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(functools.partial(s.ask, messages=turns))
            await trio.sleep(1.0)
            assert windows(s.ollama) == [4096, 16384]
            nursery.start_soon(somebody_else, s)
        assert windows(s.ollama) == [4096, 16384, 4096]
        reasons = [line["reason"] for line in s.log if line["event"] == "standby_window_goes_back"]
        assert reasons == ["another_application"]
        await trio.sleep(70)
        assert (await s.ask(messages=turns)).chat().text == DEFAULT_ANSWER
        assert windows(s.ollama) == [4096, 16384, 4096, 16384]


async def test_a_model_that_another_application_is_loading_is_left_to_it(autojump_clock: Any) -> None:
    """It is not listed meanwhile, and looks as if it had been unloaded."""
    cloud = ScriptedProvider(script=FaultAt(FAULTS["reset"], "middle"))
    async with stage(cloud, FakeOllama(load_s=2.0)) as s:
        found = standby(s)
        assert (await s.ask(**question(LONG))).chat().text == DEFAULT_ANSWER
        await trio.sleep(100)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(somebody_else, s)
            await trio.sleep(0.5)
            found._poked.set()
        await trio.sleep(300)
        assert windows(s.ollama) == [4096, 32768, 4096]


async def test_who_is_being_answered_is_not_disturbed(autojump_clock: Any) -> None:
    """Another application's long answer is seen by what it does to the time at which the model will be forgotten."""
    cloud = ScriptedProvider(script=FaultAt(FAULTS["reset"], "middle"))
    async with stage(cloud, FakeOllama(load_s=1.0, token_s=3.0)) as s, trio.open_nursery() as nursery:
        standby(s)
        await trio.sleep(100)
        nursery.start_soon(somebody_else, s)
        await trio.sleep(90)
        turns = [{"role": "user", "content": f"{n}: {SHORT}"} for n in range(60)]
        with trio.move_on_after(60):
            await s.ask(messages=turns)
        assert windows(s.ollama) == [4096]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"num_ctx": 8192}, [8192]),
        ({"window_max_tokens": 8192}, [4096, 8192]),
        ({"base_url": "http://127.0.0.1:11434"}, [4096, 32768]),
    ],
)
async def test_what_the_user_says(changes: dict[str, Any], expected: list[int], autojump_clock: Any) -> None:
    """A number stays one, and a bound is one."""
    config = with_target(configured(), "ollama", **changes)
    turns = [{"role": "user", "content": f"{n}: {SHORT}"} for n in range(140)]
    cloud = ScriptedProvider(script=FaultAt(FAULTS["reset"], "middle"))
    async with stage(cloud, FakeOllama(load_s=1.0), config) as s:
        standby(s)
        assert (await s.ask(messages=turns)).chat().text == DEFAULT_ANSWER
        assert windows(s.ollama) == expected


async def test_a_server_elsewhere_is_left_alone(autojump_clock: Any) -> None:
    """Nobody here knows its memory."""
    config = with_target(configured(), "ollama", base_url="http://gpu.example:11434")
    turns = [{"role": "user", "content": f"{n}: {SHORT}"} for n in range(140)]
    cloud = ScriptedProvider(script=FaultAt(FAULTS["reset"], "middle"))
    ollama = FakeOllama()
    async with stage(cloud, ollama, config, warm=False) as s:
        s.network.listen("gpu.example", 11434, ollama.serve)
        standby(s)
        await s.warm()
        assert (await s.ask(messages=turns)).chat().text == DEFAULT_ANSWER
        assert windows(s.ollama) == [4096]


@pytest.mark.parametrize(
    ("free_bytes", "expected"),
    [
        # 36 KiB a token: 28,672 more take a gibibyte, and another one is spared.
        (3 * GIB, [4096, 32768]),
        # All of it does not fit, but much more than there was.
        (2 * GIB - 300_000_000, [4096]),
        (1 * GIB, [4096]),
        (None, [4096]),
    ],
)
async def test_memory_bounds_it(free_bytes: int | None, expected: list[int], autojump_clock: Any) -> None:
    turns = [{"role": "user", "content": f"{n}: {SHORT}"} for n in range(140)]
    cloud = ScriptedProvider(script=FaultAt(FAULTS["reset"], "middle"))
    async with stage(cloud, FakeOllama(load_s=1.0)) as s:
        standby(s, free_bytes)
        assert (await s.ask(messages=turns)).chat().text == DEFAULT_ANSWER
        if free_bytes == 2 * GIB - 300_000_000:
            assert 4096 < window_now(s) < 32768
        else:
            assert windows(s.ollama) == expected


@pytest.mark.parametrize("bounds", [{"vram_bytes": 2 * GIB}, {"memory_bytes": 2 * GIB + GIB // 4}])
async def test_what_the_machine_cannot_carry_is_given_back_once(
    bounds: dict[str, Any], autojump_clock: Any
) -> None:
    """Less of the model in video memory, or no model at all: it goes back, and does not try again."""
    size = 2 * GIB - Model().cache_bytes(4096) - 1_000_000
    ollama = FakeOllama(models=(Model(size=size),), load_s=1.0, **bounds)
    turns = [{"role": "user", "content": f"{n}: {SHORT}"} for n in range(140)]
    cloud = ScriptedProvider(script=FaultAt(FAULTS["reset"], "middle"))
    async with stage(cloud, ollama) as s:
        standby(s)
        for _ in range(5):
            assert (await s.ask(messages=turns)).chat().text == DEFAULT_ANSWER
            await trio.sleep(100)
        # Half of it is tried, and half of that; nothing twice.
        tried = [window for window in windows(s.ollama) if window > 4096]
        assert windows(s.ollama)[:3] == [4096, 32768, 4096]
        assert tried == [32768, 16384, 8192]
        assert standby(s).state is State.READY
        undone = [line["window_tokens"] for line in s.log if "goes_back" in line["event"]]
        assert undone == [window for window in tried if window > window_now(s)]


async def test_several_slots_are_all_waited_for(autojump_clock: Any) -> None:
    """A load would end the answers that are being given."""
    config = with_target(configured(), "ollama", slots=2)
    cloud = ScriptedProvider(script=FaultAt(FAULTS["reset"], "start"))
    ollama = FakeOllama(load_s=1.0, token_s=0.2, parallel=2)
    async with stage(cloud, ollama, config) as s:
        standby(s)
        done: list[Exchange] = []

        async def ask(text: str, after_s: float) -> None:
            await trio.sleep(after_s)
            done.append(await s.ask(**question(text)))

        async with trio.open_nursery() as nursery:
            for n, text in enumerate((SHORT, SHORT, LONG, SHORT, LONG)):
                nursery.start_soon(ask, text, n * 0.3)
        assert [exchange.chat().text for exchange in done] == [DEFAULT_ANSWER] * 5
        assert windows(s.ollama) == [4096, 32768]


async def test_the_facts_are_told(autojump_clock: Any) -> None:
    """`/readyz` has the window, how large it could become, and who says so."""
    async with stage(ScriptedProvider(), FakeOllama()) as s:
        standby(s, 3 * GIB)
        readiness = s.services.readiness()
        targets = readiness["targets"]
        assert isinstance(targets, list)
        (facts,) = [t for t in targets if t["name"] == "ollama"]
        assert facts["window_tokens"] == 4096
        assert facts["most_tokens"] == 32768
        assert facts["num_ctx"] == "auto"

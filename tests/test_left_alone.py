"""
Targets that asked to be left alone: through all of Trooper, on virtual time.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio
from attrs import evolve

from scenes import WIRES, configured, stage, with_second, with_target
from trooper.config import Chain
from trooper.testing import DEFAULT_ANSWER, FAULTS, FaultAt, Script, ScriptedProvider, Status
from untouched import plays


async def test_retry_after_is_kept_to_the_second(autojump_clock: Any) -> None:
    """A limited target is skipped for exactly as long as it asked, and for that key and model only."""
    limited = Status(429, b'{"error":{"code":"rate_limit_exceeded"}}', (("retry-after", "30"),))
    async with stage() as s:
        s.cloud.play_next(Script((limited,)))
        began = trio.current_time()
        await s.ask()
        assert len(s.cloud.chats) == 1
        await s.ask()
        assert len(s.cloud.chats) == 1
        await s.ask(model="gpt-4o-mini")
        assert len(s.cloud.chats) == 2
        await s.ask(key="Bearer sk-other")
        assert len(s.cloud.chats) == 3
        await trio.sleep_until(began + 29.9)
        await s.ask()
        assert len(s.cloud.chats) == 3
        await trio.sleep_until(began + 30.1)
        x = await s.ask()
        assert len(s.cloud.chats) == 4
        assert x.legs == [("openai", "completed")]


@pytest.mark.parametrize("position", [0, "middle"], ids=["from the beginning", "from here"])
async def test_a_second_cloud_is_left_alone_too(autojump_clock: Any, position: int | str) -> None:
    """Its wish held for the chain's first target only: it was asked in every failover."""
    limited = Status(429, b'{"error":{"code":"rate_limit_exceeded"}}', (("retry-after", "300"),))
    config = with_second(configured(), "chat")
    config = evolve(config, chains=(Chain("*", ("openai", "second", "ollama")),))
    cloud = ScriptedProvider(script=FaultAt(FAULTS["reset"], position))
    async with stage(cloud, config=config, second=ScriptedProvider(script=Script((limited,)))) as s:
        began = trio.current_time()
        asked = [await s.ask() for _ in range(3)]
        assert [x.chat().text for x in asked] == [DEFAULT_ANSWER] * 3
        assert len(s.second.chats) == 1
        assert asked[0].legs[1] == ("second", "rate_limit")
        assert [x.report.get("passed_by") for x in asked[1:]] == [{"second": "cooling_down"}] * 2
        await trio.sleep_until(began + 301)
        await s.ask()
        assert len(s.second.chats) == 2


async def test_without_retry_after_nothing_is_remembered(autojump_clock: Any) -> None:
    """A wait is never made up."""
    async with stage() as s:
        s.cloud.play_next(FaultAt(FAULTS["status-429"]))
        await s.ask()
        await s.ask()
        assert len(s.cloud.chats) == 2


async def test_memory_off(autojump_clock: Any) -> None:
    """`TROOPER_BREAKER=off` forgets everything."""
    limited = Status(429, b"{}", (("retry-after", "30"),))
    async with stage(config=configured({"TROOPER_BREAKER": "off"})) as s:
        s.cloud.play_next(Script((limited,)))
        await s.ask()
        await s.ask()
        assert len(s.cloud.chats) == 2


TIRED = Status(429, b"{}", (("retry-after", "30"),))


@pytest.mark.parametrize("wire", ["chat", "messages", "responses"])
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("large", [False, True], ids=["small", "large"])
async def test_where_nobody_else_can_the_client_waits_and_its_target_is_left_alone(
    autojump_clock: Any, wire: str, stream: bool, large: bool
) -> None:
    """All of 435 requests reached a provider that had said when it may be asked again."""
    mine = WIRES[wire].target
    config = evolve(configured(), chains=(Chain("*", (mine,)),))
    fields: dict[str, Any] = {"metadata": {"a": "," * 30_000}} if large else {}
    async with stage(plays(TIRED), config=config) as s:
        server = s.cloud
        assert (await s.ask(wire=wire, stream=stream, **fields)).status == 429
        asked = len(server.requests)
        for left, passed_s in ((b"30", 0.0), (b"25", 5.5), (b"1", 24.0)):
            await trio.sleep(passed_s)
            x = await s.ask(wire=wire, stream=stream, **fields)
            assert (x.status, x.headers[b"retry-after"]) == (429, left)
            assert b"x-should-retry" not in x.headers
            told = json.loads(x.body)["error"]
            assert f"not to be asked for another {left.decode()} s (cooling_down)" in told["message"]
            assert told["type"] == ("rate_limit_error" if wire == "messages" else "trooper_error")
            assert (told if "code" in told else {"code": told["details"]["error_code"]})[
                "code"
            ] == "rate_limit"
            assert (x.report["legs"], x.report["outcome"], x.report["status"]) == ((), "failed", 429)
            assert x.report["passed_by"][mine] == "cooling_down"
            assert (x.headers[b"x-trooper-target"], x.headers[b"x-trooper-fallbacks"]) == (
                mine.encode(),
                b"0",
            )
        assert len(server.requests) == asked
        await trio.sleep(0.6)
        await s.ask(wire=wire, stream=stream, **fields)
        assert len(server.requests) == asked + 1


async def test_a_long_wait_is_not_tried_again_at_once(autojump_clock: Any) -> None:
    """SDKs wait up to a minute as they are told; beyond that they would be back within seconds."""
    hours = Status(429, b"{}", (("retry-after", "7200"),))
    async with stage(plays(hours)) as s:
        await s.ask(logprobs=True)
        x = await s.ask(logprobs=True)
        assert (x.status, x.headers[b"retry-after"], x.headers[b"x-should-retry"]) == (429, b"7200", b"false")


async def test_without_failover_it_is_left_alone_as_well(autojump_clock: Any) -> None:
    """The header says who may answer. That a provider's wish counts is not its client's to say."""
    async with stage(plays(TIRED)) as s:
        off = ((b"x-trooper-failover", b"off"),)
        assert (await s.ask(headers=off)).headers[b"retry-after"] == b"30"
        await trio.sleep(20)
        x = await s.ask(headers=off)
        assert (x.status, x.headers[b"retry-after"], len(s.cloud.chats)) == (429, b"10", 1)


async def test_where_the_local_model_is_gone_the_time_is_told(autojump_clock: Any) -> None:
    """It is looked for first, since that is cheap; that it is not there is no news to the client."""
    nowhere = with_target(configured(), "ollama", base_url="http://127.0.0.1:9")
    async with stage(plays(TIRED), config=nowhere, warm=False) as s:
        assert (await s.ask()).status == 429
        await trio.sleep(10)
        x = await s.ask()
        assert (x.status, x.headers[b"retry-after"]) == (429, b"20")
        assert x.headers[b"x-trooper-target"] == b"openai"
        assert x.legs == [("ollama", "connect")]
        assert x.report["passed_by"] == {"openai": "cooling_down"}
        assert len(s.cloud.chats) == 1


async def test_in_the_middle_of_an_answer_it_is_not_asked_either(autojump_clock: Any) -> None:
    """The first failure is the one that is told."""
    config = with_second(configured(), "chat")
    config = evolve(config, chains=(Chain("*", ("openai", "second")),))
    cloud = ScriptedProvider(script=FaultAt(FAULTS["reset"], "middle"))
    async with stage(cloud, config=config, second=ScriptedProvider(script=Script((TIRED,)))) as s:
        for _ in range(3):
            x = await s.ask()
            assert x.legs[0] == ("openai", "conn_reset")
            assert b"openai reset the connection, and no other target could go on" in bytes(x.body)
        assert x.legs == [("openai", "conn_reset")]
        assert x.report["passed_by"] == {"second": "cooling_down"}
        assert len(s.second.chats) == 1


async def test_what_passes_through_is_a_pipe(autojump_clock: Any) -> None:
    """Other paths have limits of their own: one of theirs holds up no answer, and none of an answer holds up them."""
    async with stage(plays(TIRED)) as s:
        assert (await s.ask(logprobs=True)).status == 429
        before = len(s.cloud.requests)
        for _ in range(2):
            await s.ask(path="/v1/embeddings")
        assert len(s.cloud.requests) == before + 2

"""
Time: what is waited for, how long, and who is blamed. On virtual time, so the
figures are exact.
"""

from __future__ import annotations

from typing import Any

import pytest
import trio
from attrs import define

from scenes import Exchange, configured, stage, with_target
from trooper.testing import (
    ANSWERS,
    DEFAULT_ANSWER,
    End,
    FakeOllama,
    Hang,
    Head,
    OllamaFault,
    Pause,
    Reset,
    ScriptedProvider,
    Send,
    Status,
    chat_events,
)
from trooper.testing.script import Step
from untouched import plays

EVENTS = chat_events(DEFAULT_ANSWER)


async def test_reasoning_is_content(autojump_clock: Any) -> None:
    """Slow thinking is not silence."""
    events = ANSWERS["reasoning"].events()
    steps = [step for e in events for step in (Send(e), Pause(15.0))]
    async with stage(plays(Head(), *steps, End())) as s:
        x = await s.ask()
        assert x.chat().text == DEFAULT_ANSWER
        assert x.legs == [("openai", "completed")]


async def test_first_content(autojump_clock: Any) -> None:
    """Headers and a role are no content."""
    async with stage(plays(Head(), Send(EVENTS[0]), Hang())) as s:
        x = await s.ask()
        assert x.legs[0] == ("openai", "timeout_ttft")
        assert x.report["legs"][0]["ended_s"] == 60.0
        assert x.chat().text == DEFAULT_ANSWER


async def test_a_slow_client_is_not_a_silent_provider(autojump_clock: Any) -> None:
    """While we wait for the client nobody is blamed, however long it takes."""
    config = configured(drain_timeout_s=500)
    async with stage(config=config) as s:
        x = Exchange(reads=trio.Event())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(s.play, x)
            await trio.sleep(100)
            assert x.reads is not None
            x.reads.set()
        assert x.chat().text == DEFAULT_ANSWER
        assert x.legs == [("openai", "completed")]


async def test_a_client_that_never_reads_is_hung_up_on(autojump_clock: Any) -> None:
    """After the drain timeout the client is gone, and the provider with it."""
    async with stage(ScriptedProvider(pace_s=0.01)) as s:
        x = Exchange(reads=trio.Event())
        await s.play(x)
        assert x.hung_up
        assert trio.current_time() == pytest.approx(30.0, abs=1.0)
        assert x.report["outcome"] == "client_cancelled"


async def test_the_200_is_committed_in_time(autojump_clock: Any) -> None:
    """After ten silent seconds the status goes out, and keep-alives flow; then failures are in-band."""
    async with stage(plays(Hang())) as s:
        s.ollama.fault = OllamaFault("status", status=500)
        began = trio.current_time()
        x = await s.ask()
        assert x.status == 200
        assert [round(at - began, 6) for at, _ in x.arrivals][:3] == [10.0, 20.0, 30.0]
        assert x.arrivals[0][1] == b": trooper keep-alive\n\n"
        result = x.chat()
        assert result.error is not None
        assert result.error.code == "timeout_ttft"


async def test_no_keepalive_in_a_whole_answer(autojump_clock: Any) -> None:
    """JSON has no comments: a client that waits for one piece just waits."""
    async with stage(plays(Pause(40.0), Status(200, ANSWERS["text"].body()))) as s:
        x = await s.ask(stream=False)
        assert x.status == 200
        assert bytes(x.body) == ANSWERS["text"].body()


async def test_the_preamble_waits_a_second(autojump_clock: Any) -> None:
    """The role goes out with the content, or after a second without it."""
    for pause_s, sent_s in ((0.5, 0.5), (4.0, 1.0)):
        async with stage(plays(Head(), Send(EVENTS[0]), Pause(pause_s), *map(Send, EVENTS[1:]), End())) as s:
            began = trio.current_time()
            x = await s.ask()
            assert bytes(x.body) == b"".join(EVENTS)
            assert x.arrivals[0][0] - began == sent_s


@define(eq=False)
class Steps(trio.abc.Instrument):
    """Ends `scope` when tasks take more steps than anybody needs who waits."""

    scope: trio.CancelScope
    steps: int = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.steps += 1
        if self.steps > 5_000:
            self.scope.cancel()


@pytest.mark.parametrize("comes_s", [9.0, 9.5, 9.999])
async def test_a_preamble_that_waits_does_not_hold_up_the_200(autojump_clock: Any, comes_s: float) -> None:
    """It comes shortly before the status is due: alarm and conductor rang each other until its hold was over."""
    silence: tuple[Step, ...] = (
        Head(),
        Pause(comes_s),
        Send(EVENTS[0]),
        Pause(4.0),
        *map(Send, EVENTS[1:]),
        End(),
    )
    async with stage(plays(*silence)) as s:
        began = trio.current_time()
        with trio.CancelScope() as scope:
            counter = Steps(scope)
            trio.lowlevel.add_instrument(counter)
            x = await s.ask()
            trio.lowlevel.remove_instrument(counter)
        assert not scope.cancelled_caught
        assert bytes(x.body) == b"".join(EVENTS)
        at, body = x.arrivals[0]
        assert (round(at - began, 6), body) == (10.0, EVENTS[0])


async def test_a_held_preamble_can_be_taken_back(autojump_clock: Any) -> None:
    """Before it is shown, a failure is still a clean start: a true status, another target's id."""
    async with stage(plays(Head(), Send(EVENTS[0]), Pause(0.5), Reset())) as s:
        x = await s.ask()
        assert x.chat().id.startswith("chatcmpl-")
        assert x.chat().id != "chatcmpl-AbC0000000000000000000000"
        assert x.headers[b"x-trooper-target"] == b"ollama"
    async with stage(plays(Head(), Send(EVENTS[0]), Pause(2.0), Reset())) as s:
        x = await s.ask()
        assert x.chat().id == "chatcmpl-AbC0000000000000000000000"
        assert x.headers[b"x-trooper-target"] == b"openai"


async def test_the_terminator_is_waited_for(autojump_clock: Any) -> None:
    """Behind the finish only `[DONE]` is missing; it is added."""
    async with stage(plays(Head(), *map(Send, EVENTS[:-1]), Hang())) as s:
        began = trio.current_time()
        x = await s.ask()
        assert bytes(x.body) == b"".join(EVENTS)
        assert 5.0 <= trio.current_time() - began < 6.0


async def test_the_whole_leg_has_a_limit(autojump_clock: Any) -> None:
    """`total_timeout_s` ends a leg that dribbles on."""
    config = with_target(configured(), "openai", total_timeout_s=5.0)
    async with stage(ScriptedProvider(pace_s=1.0), config=config) as s:
        x = await s.ask()
        assert x.legs[0] == ("openai", "timeout_total")
        assert x.chat().text == DEFAULT_ANSWER


async def test_a_load_has_its_own_patience(autojump_clock: Any) -> None:
    """Loading the local model counts against the load timeout, not against its first token."""
    async with stage(plays(Status(503)), FakeOllama(load_s=200), warm=False) as s:
        x = await s.ask()
        assert x.chat().text == DEFAULT_ANSWER
        assert trio.current_time() == pytest.approx(200, abs=10)
    config = with_target(configured(), "ollama", load_timeout_s=30.0)
    async with stage(plays(Status(503)), FakeOllama(load_s=200), config=config, warm=False) as s:
        x = await s.ask()
        assert ("ollama", "timeout_load") in x.legs


async def test_a_connect_that_hangs(autojump_clock: Any) -> None:
    """The connect timeout is its own."""
    async with stage() as s:
        s.network.hang("api.openai.com", 80)
        x = await s.ask()
        assert x.legs[0] == ("openai", "timeout_connect")
        assert x.report["legs"][0]["ended_s"] == 10.0


# -- the client leaves ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "phase",
    ["no headers", "headers", "streaming", "silent", "local load", "local prefill", "local stream", "slot"],
)
async def test_a_client_that_leaves_frees_everything(autojump_clock: Any, phase: str) -> None:
    """In every phase: both connections close at once, and nobody is asked for nobody."""
    ollama = FakeOllama()
    cloud = plays(Status(503))
    warm = True
    match phase:
        case "no headers":
            cloud = plays(Hang())
        case "headers":
            cloud = plays(Head(), Hang())
        case "streaming":
            cloud = ScriptedProvider(pace_s=0.4)
        case "silent":
            cloud = plays(Head(), *map(Send, EVENTS[:5]), Hang())
        case "local load":
            ollama, warm = FakeOllama(load_s=60), False
        case "local prefill":
            ollama = FakeOllama(prefill_s=1)
        case "local stream":
            ollama = FakeOllama(token_s=0.4)
        case "slot":
            ollama = FakeOllama(token_s=5)
    async with stage(cloud, ollama, warm=warm) as s:
        x = Exchange()
        async with trio.open_nursery() as nursery:
            if phase == "slot":
                nursery.start_soon(s.play, Exchange())
                await trio.sleep(1)
            nursery.start_soon(s.play, x)
            await trio.sleep(5.05)
            asked_before = len(s.ollama.requests)
            left = trio.current_time()
            x.leave()
            await trio.sleep(0.04)
            assert x.report["outcome"] == "client_cancelled"
            # The line names whom it was waiting for.
            last = "ollama" if phase.startswith("local") or phase == "slot" else "openai"
            assert x.legs[-1] == (last, "client_cancelled")
            assert len(x.legs) == (2 if last == "ollama" else 1)
            closed = [c.time for c in (*s.cloud.closed_by_peer, *s.ollama.closed_by_peer)]
            if phase not in ("slot", "local load"):
                assert closed
                assert max(closed) - left <= 0.05
            assert len(s.ollama.requests) == asked_before
            assert s.services.standbys["ollama"].slots.borrowed_tokens == (1 if phase == "slot" else 0)
            nursery.cancel_scope.cancel()

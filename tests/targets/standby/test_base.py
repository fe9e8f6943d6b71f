"""
The standby: whose a load is, one request a slot, how often it looks, and what who asks is told.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from attrs import define, evolve
from structlog.testing import capture_logs

from legs import opened
from scenes import Exchange, configured, dies, stage
from trooper.config import Key
from trooper.core.conversation import Conversation
from trooper.core.local_model import LocalModel, Way
from trooper.core.outcome import Answer, Failed, FailureKind
from trooper.core.plan import BROKE_OFF
from trooper.core.refused_ways import BELIEVED_S
from trooper.targets.standby import Standby, State
from trooper.targets.standby.base import LOOK_S
from trooper.targets.standby.ollama_chat import OllamaStandby
from trooper.testing import DEFAULT_ANSWER, FakeOllama
from trooper.wire.llama_server.ask import LlamaAsking
from trooper.wire.target_side import LocalSide, Post


async def test_a_load_is_not_the_requests(autojump_clock: Any) -> None:
    """A client that leaves during the load does not abort it; the next request finds the model loaded."""
    async with stage(dies("status-503"), FakeOllama(load_s=20), warm=False) as s:
        x = Exchange()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(s.play, x)
            await trio.sleep(5)
            x.leave()
        assert x.report["outcome"] == "client_cancelled"
        y = await s.ask()
        assert y.chat().text == DEFAULT_ANSWER
        assert (s.ollama.loads, s.ollama.aborted_loads) == (1, 0)


async def test_one_request_per_slot(autojump_clock: Any) -> None:
    """Two switches at once: the second waits with us, not in silence inside the server."""
    async with stage(dies("status-503"), FakeOllama(token_s=0.5)) as s:
        exchanges = [Exchange() for _ in range(3)]
        async with trio.open_nursery() as nursery:
            for x in exchanges:
                nursery.start_soon(s.play, x)
        for x in exchanges:
            assert x.chat().text == DEFAULT_ANSWER
        assert s.ollama.waiting_for_slot == 0
        starts = [g.started_at for g in s.ollama.generations[-3:]]
        ends = [g.ended_at for g in s.ollama.generations[-3:]]
        assert all(end is not None and end <= start for end, start in zip(ends, starts[1:], strict=False))


async def test_a_server_that_comes_later(autojump_clock: Any) -> None:
    """Ollama started after Trooper is found."""
    async with stage(dies(), warm=False) as s:
        s.network.close("127.0.0.1", 11434)
        await trio.sleep(20)
        s.network.listen("127.0.0.1", 11434, s.ollama.serve)
        await s.warm()
        assert (await s.ask()).chat().text == DEFAULT_ANSWER


# A server of no kind


ONE = LocalModel("one", capabilities=frozenset({"completion"}), way=Way.PREFILL)


@define
class Looking(Standby):
    """Sees what it is told to see."""

    found: State | Failed | None = State.READY
    look_s: float = 0.0
    looks: int = 0
    one: LocalModel = ONE

    def find(self, name: str) -> LocalModel | None:
        return next((model for model in self.models if model.name == name), None)

    def asking(self, model: LocalModel) -> LocalSide:
        return LlamaAsking(model)

    async def _look(self) -> None:
        self.looks += 1
        await trio.sleep(self.look_s)
        match self.found:
            case None:
                raise ValueError("a strange server")
            case Failed() as failed:
                self._lose(failed)
            case State.READY:
                one = self.one
                self.models, self.chosen, self._ready = (one,), one.name, {one.name: one}
                self._seen = State.READY
            case state:
                self._seen = state
                self._ready.clear()


@asynccontextmanager
async def looking(**changes: Any) -> AsyncIterator[Looking]:
    target = configured().target("ollama")
    async with opened(target, None) as (upstream, network):
        standby = Looking(target, upstream, **changes)
        network.nursery.start_soon(standby.run)
        yield standby


async def test_who_asks_waits_for_the_look(autojump_clock: Any) -> None:
    async with looking(look_s=7) as standby:
        assert (standby.state, standby.known(None), standby.is_probed(None)) == (State.UNKNOWN, None, False)
        assert await standby.ready(None) == ONE
        assert trio.current_time() >= 7
        assert (standby.state, standby.known("one"), standby.is_probed("one")) == (State.READY, ONE, True)
        looks = standby.looks
        # It is there now: nobody looks for a request's sake.
        assert await standby.ready("one") == ONE
        assert standby.looks == looks


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (Failed(FailureKind.CONNECT, Answer(500)), Failed(FailureKind.CONNECT)),
        (State.NO_MODEL, Failed(FailureKind.NOT_FOUND)),
        # Whatever we trip over there, requests go on.
        (None, Failed(FailureKind.SERVER_ERROR)),
    ],
)
async def test_who_asks_is_told_what_the_look_found(
    found: State | Failed | None, expected: Failed, autojump_clock: Any
) -> None:
    with capture_logs() as log:
        async with looking(found=found) as standby:
            assert await standby.ready(None) == expected
            assert await standby.ready("other") == expected
            # Whoever starts the server meanwhile is found by the next who asks.
            standby.found = State.READY
            assert await standby.ready(None) == ONE
    told = [line["event"] for line in log]
    absent = "standby_has_no_model" if found is State.NO_MODEL else "standby_absent"
    assert [event for event in told if event != "standby_look_failed"] == [absent, "standby_ready"]
    assert ("standby_look_failed" in told) is (found is None)


async def test_how_often_it_looks(autojump_clock: Any) -> None:
    """Seldom while all is well, more often while somebody may just be starting a server."""
    async with looking() as standby:
        await trio.sleep(299)
        assert standby.looks == 10
        standby.found = Failed(FailureKind.CONNECT)
        await trio.sleep(3)
        assert standby.state is State.ABSENT
        looks = standby.looks
        await trio.sleep(50)
        assert standby.looks == looks + 10


async def test_while_it_loads_who_waits_does_not_make_it_look_all_the_time(autojump_clock: Any) -> None:
    with capture_logs() as log:
        async with looking(found=State.LOADING) as standby:
            with trio.move_on_after(10):
                await standby.ready(None)
            assert standby.looks <= 51
    assert [line["event"] for line in log] == ["standby_not_ready"]


async def test_a_request_that_found_it_gone_makes_it_look(autojump_clock: Any) -> None:
    async with looking() as standby:
        await standby.ready(None)
        looks, began = standby.looks, trio.current_time()
        standby.forget("one")
        assert not standby.is_probed("one")
        assert await standby.ready(None) == ONE
        assert (standby.looks, trio.current_time()) == (looks + 1, began)


async def test_what_the_servers_count_teaches() -> None:
    async with looking() as standby:
        assert standby.ratio(ONE) == 1.0
        for estimated, counted, ratio in [
            (100, 150, 1.5),
            (100, 900, 4.0),
            # Nothing makes it less careful: what comes next may be of another kind.
            (100, 1, 1.0),
            (0, 5, 1.0),
            (5, 0, 1.0),
        ]:
            standby.learned.learn_ratio(ONE, estimated, counted, is_guess=False)
            assert standby.ratio(ONE) == ratio
        assert standby.ratio(evolve(ONE, name="other")) == 1.0


async def test_a_server_that_takes_connections_and_says_nothing(autojump_clock: Any) -> None:
    async def silent(stream: trio.abc.HalfCloseableStream) -> None:
        await trio.sleep_forever()

    target = configured().target("ollama")
    async with opened(target, silent) as (upstream, network):
        standby = OllamaStandby(target, upstream)
        network.nursery.start_soon(standby.run)
        assert await standby.ready(None) == Failed(FailureKind.TIMEOUT_TTFT)
        assert trio.current_time() >= LOOK_S


@pytest.mark.parametrize("key", [None, "a-key"])
async def test_what_it_sends(key: str | None) -> None:
    target = configured().target("ollama")
    target = target if key is None else evolve(target, key=Key("value", key))
    async with opened(target, None) as (upstream, _):
        call = OllamaStandby(target, upstream).call(Post("/api/chat", b"{}"))
    assert (call.method, call.path, call.body) == ("POST", "/api/chat", b"{}")
    credentials = ((b"authorization", b"Bearer a-key"),) if key else ()
    assert call.headers == ((b"content-type", b"application/json"), *credentials)


# What a refusal teaches


async def test_a_window_that_a_refusal_has_named(autojump_clock: Any) -> None:
    """For what is asked alone: the model stays as it is loaded, and one that is loaded anew is another."""
    async with looking() as standby:
        assert standby.window(ONE) == 0
        standby.learn_window(ONE, 2048)
        assert standby.window(ONE) == 2048
        assert standby.window(evolve(ONE, window_tokens=8192)) == 8192
        assert await standby.ready(None) == ONE


@pytest.mark.parametrize(
    ("failed", "is_refusal"),
    [
        (Failed(FailureKind.SERVER_ERROR, Answer(500)), True),
        (Failed(FailureKind.INVALID_REQUEST, Answer(400)), True),
        (Failed(FailureKind.OVERLOADED, Answer(503)), False),
        (Failed(FailureKind.RATE_LIMIT, Answer(429)), False),
        (Failed(FailureKind.TIMEOUT_TTFT), False),
        (Failed(FailureKind.CONN_RESET), False),
    ],
)
async def test_a_probe_that_is_refused_leaves_the_raw_way(
    failed: Failed, is_refusal: bool, autojump_clock: Any
) -> None:
    """At once, and for good when it is refused again."""
    key = ("digest", "1")
    async with looking() as standby:
        for refusals in (1, 2):
            found = standby._unproved(ONE, key, failed)
            assert found.way is (Way.RAW if is_refusal else Way.PREFILL)
            assert (key in standby.learned.probes) is (is_refusal and refusals == 2)


# A server that broke off under a leg


@pytest.mark.parametrize("kind", FailureKind)
async def test_one_that_broke_off_is_looked_at_before_it_is_asked_again(
    kind: FailureKind, autojump_clock: Any
) -> None:
    async with looking() as standby:
        await standby.ready(None)
        looks = standby.looks
        comes_back = kind in BROKE_OFF and kind is not FailureKind.CONNECT
        assert standby.broke_off(None, Failed(kind)) is comes_back
        assert standby.is_probed(None) is not comes_back
        assert await standby.ready(None) == ONE
        assert standby.looks == looks + comes_back


async def test_a_way_that_a_request_was_refused_is_left_out_of_what_is_known(autojump_clock: Any) -> None:
    async with looking() as standby:
        assert await standby.ready(None) == ONE
        refused = Failed(FailureKind.SERVER_ERROR, Answer(501))
        standby.refused_ways.note(ONE, Conversation(()), Way.PREFILL, refused, trio.current_time())
        for found in (await standby.ready(None), standby.known(None)):
            assert isinstance(found, LocalModel)
            assert (found.way, found.way_with_tools) == (Way.RAW, Way.PREFILL)
        await trio.sleep(BELIEVED_S)
        assert standby.known(None) == ONE


# Which agents fit


@pytest.mark.parametrize(
    ("window", "num_ctx", "most", "fitting", "warned"),
    [
        (4_096, None, 4_096, 0, True),
        (32_768, None, 32_768, 3, False),
        (11_999, None, 11_999, 1, False),
        # It grows by itself, but not where it is fixed.
        (4_096, None, 65_536, 3, False),
        (4_096, 4_096, 65_536, 0, True),
        # Nothing is known of it.
        (0, None, 0, 0, False),
    ],
)
async def test_who_fits_and_that_nobody_does_is_said_once(
    window: int, num_ctx: int | None, most: int, fitting: int, warned: bool, autojump_clock: Any
) -> None:
    @define
    class Growing(Looking):
        def most_tokens(self, model: LocalModel) -> int:
            assert super().most_tokens(model) == window
            return most

    target = evolve(configured().target("ollama"), num_ctx=num_ctx)
    with capture_logs() as log:
        async with opened(target, None) as (upstream, network):
            standby = Growing(target, upstream, one=evolve(ONE, window_tokens=window))
            network.nursery.start_soon(standby.run)
            model = await standby.ready(None)
            assert isinstance(model, LocalModel)
            assert len(standby.agents(model)) == fitting
            standby.forget("one")
            await standby.ready(None)
            await trio.sleep(100)
    told = [line for line in log if line["event"] == "standby_fits_no_agent"]
    assert len(told) == warned
    for line in told:
        assert (line["log_level"], line["target"], line["window_tokens"]) == ("warning", "ollama", window)
        assert "opencode" in line["smallest"]
        assert "num_ctx = 16384" in line["mend"]

"""
A llama.cpp server as the local model: how it goes on, and what becomes of it when it is not there.
"""

from __future__ import annotations

from typing import Any

import pytest
import trio
from attrs import evolve

from scenes import TOOLS, Stage, configured, dies, stage
from trooper.config import Config, Key, Target
from trooper.core.local_model import PROBE_TEXT, Way
from trooper.core.outcome import Failed, FailureKind
from trooper.targets.standby import State
from trooper.testing import DEFAULT_ANSWER, FakeLlamaServer
from trooper.wires import LLAMA_SERVER

KEY = "a-key-of-its-own"
NAME = "llama"


def with_llama(**changes: Any) -> Config:
    config = configured()
    local = Target(NAME, LLAMA_SERVER.wire, "http://127.0.0.1:8080", **changes)
    cloud = config.target("openai")
    chain = evolve(config.chains[0], targets=("openai", NAME))
    return evolve(config, targets=(cloud, local), chains=(chain,))


async def until(s: Stage, state: State) -> None:
    with trio.fail_after(300):
        while s.services.standbys[NAME].state is not state:  # noqa: ASYNC110  # virtual time: costs nothing
            await trio.sleep(0.1)


@pytest.mark.parametrize(
    ("kind", "way"),
    [
        ({}, Way.PREFILL),
        ({"echoes": True}, Way.PREFILL),
        ({"turn": "trims"}, Way.PREFILL),
        ({"turn": "closes"}, Way.RAW),
    ],
    ids=["continues", "echoes", "trims", "closes"],
)
@pytest.mark.parametrize("position", ["start", 7, "middle", "end"])
async def test_the_answer_goes_on(
    kind: dict[str, Any], way: Way, position: int | str, autojump_clock: Any
) -> None:
    llama = FakeLlamaServer(**kind)
    async with stage(dies("reset", position), config=with_llama(), llama=llama) as s:
        await until(s, State.READY)
        model = s.services.standbys[NAME].known(None)
        x = await s.ask()

    assert model is not None
    assert (model.way, model.echoes) == (way, llama.echoes if way is Way.PREFILL else None)
    assert x.chat().text == DEFAULT_ANSWER
    assert x.legs == [("openai", "conn_reset"), (NAME, "completed")]
    assert set(llama.mismatches) <= {PROBE_TEXT}


async def test_it_answers_from_the_beginning_and_by_its_own_name(autojump_clock: Any) -> None:
    async with stage(dies("status-429"), config=with_llama(), llama=FakeLlamaServer()) as s:
        await until(s, State.READY)
        failed_over, by_name = await s.ask(), await s.ask(model="tiny")
        whole = await s.ask(model="tiny", stream=False)

    assert failed_over.chat().text == by_name.chat().text == DEFAULT_ANSWER
    assert by_name.legs == [(NAME, "completed")]
    assert whole.whole()["choices"][0]["message"]["content"] == DEFAULT_ANSWER


async def test_a_closing_template_has_no_way_with_tools(autojump_clock: Any) -> None:
    async with stage(dies(), config=with_llama(), llama=FakeLlamaServer(turn="closes")) as s:
        await until(s, State.READY)
        x = await s.ask(tools=TOOLS)

    assert b'"error"' in x.body
    assert b"[DONE]" not in x.body


async def test_it_gets_its_own_key_and_nobody_elses(autojump_clock: Any) -> None:
    llama = FakeLlamaServer(api_key=KEY)
    async with stage(dies(), config=with_llama(key=Key("value", KEY)), llama=llama) as s:
        await until(s, State.READY)
        x = await s.ask()

    assert x.chat().text == DEFAULT_ANSWER
    assert {r.header("authorization") for r in llama.requests} == {f"Bearer {KEY}"}
    assert all(KEY not in str(r.headers) for r in s.cloud.requests)
    assert KEY not in str(s.log)


async def test_without_its_key_it_is_not_there(autojump_clock: Any) -> None:
    async with stage(dies(), config=with_llama(), llama=FakeLlamaServer(api_key=KEY)) as s:
        await until(s, State.ABSENT)
        assert b'"error"' in (await s.ask()).body


async def test_a_request_waits_for_a_server_that_still_loads(autojump_clock: Any) -> None:
    async with stage(dies("status-503"), config=with_llama(), llama=FakeLlamaServer(load_s=9)) as s:
        x = await s.ask()
        assert trio.current_time() >= 9

    assert x.chat().text == DEFAULT_ANSWER
    # A quarter of a second between two looks, not as fast as the network is.
    assert len(s.log) < 50


async def test_another_model_than_the_configured_one_does_not_answer_for_it(autojump_clock: Any) -> None:
    async with stage(dies(), config=with_llama(model="large"), llama=FakeLlamaServer()) as s:
        await until(s, State.NO_MODEL)
        found = await s.services.standbys[NAME].ready(None)

    assert isinstance(found, Failed)
    assert found.kind is FailureKind.NOT_FOUND


@pytest.mark.parametrize("fault", ["reset", "eof", "error"])
async def test_when_it_fails_too_the_client_is_told(fault: Any, autojump_clock: Any) -> None:
    async with stage(dies(), config=with_llama(), llama=FakeLlamaServer(fault=fault)) as s:
        await until(s, State.READY)
        model = s.services.standbys[NAME].known(None)
        x = await s.ask()

    assert model is not None
    # Its probe has failed too, and a probe that failed proves nothing.
    assert (model.way, model.echoes) == (Way.PREFILL, None)
    assert b'"error"' in x.body
    assert b'"finish_reason":"stop"' not in x.body
    assert b"[DONE]" not in x.body


async def test_it_may_come_later(autojump_clock: Any) -> None:
    async with stage(dies(), config=with_llama()) as s:
        await until(s, State.ABSENT)
        s.network.listen("127.0.0.1", 8080, FakeLlamaServer().serve)
        await until(s, State.READY)
        assert (await s.ask()).chat().text == DEFAULT_ANSWER


async def test_a_probe_that_failed_is_made_again(autojump_clock: Any) -> None:
    llama = FakeLlamaServer(echoes=True, fault="eof")
    async with stage(dies(), config=with_llama(), llama=llama) as s:
        await until(s, State.READY)
        llama.fault = None
        await trio.sleep(60)
        model = s.services.standbys[NAME].known(None)

    assert model is not None
    assert model.echoes is True


async def test_an_answer_is_probed_once(autojump_clock: Any) -> None:
    llama = FakeLlamaServer()
    async with stage(config=with_llama(), llama=llama):
        await trio.sleep(200)
    paths = [request.path for request in llama.requests]

    assert paths.count("/props") > 3
    assert paths.count("/apply-template") == paths.count("/v1/chat/completions") == 1


async def test_a_server_that_goes_is_no_standby_any_more(autojump_clock: Any) -> None:
    llama, life = FakeLlamaServer(), trio.CancelScope()

    async def serve(stream: trio.abc.HalfCloseableStream) -> None:
        with life:
            await llama.serve(stream)
        await stream.aclose()

    async with stage(dies("status-429"), config=with_llama()) as s:
        s.network.listen("127.0.0.1", 8080, serve)
        await until(s, State.READY)
        s.network.close("127.0.0.1", 8080)
        life.cancel()
        await until(s, State.ABSENT)
        assert (await s.ask()).status == 429
        s.network.listen("127.0.0.1", 8080, llama.serve)
        await until(s, State.READY)
        assert (await s.ask()).chat().text == DEFAULT_ANSWER

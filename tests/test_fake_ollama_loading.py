"""The imitation of Ollama: models are loaded, unloaded and waited for."""

from __future__ import annotations

from typing import Any

import trio

from asking_ollama import NAME, asking


async def test_hanging_up_kills_the_load(nursery: trio.Nursery, autojump_clock: Any) -> None:
    s = asking(nursery, load_s=10.0)
    with trio.move_on_after(9):
        await s.chat()
    assert (await s.client.get("/api/ps")).json() == {"models": []}
    assert (await s.chat()).headers_at == 19.0
    assert (s.ollama.loads, s.ollama.aborted_loads, s.ollama.reloads) == (2, 1, 0)


async def test_other_load_options_reload(nursery: trio.Nursery, autojump_clock: Any) -> None:
    s = asking(nursery)
    for options in ({"num_ctx": 2048}, {"num_ctx": 2048, "seed": 1}, {"num_ctx": 4096}, {"num_gpu": 1}, {}):
        await s.chat(options=options)
    assert (s.ollama.loads, s.ollama.reloads) == (4, 3)
    await s.chat(shift=False)
    await s.chat(shift=True)
    assert s.ollama.reloads == 5
    assert (await s.client.get("/api/ps")).json()["models"][0]["context_length"] == 4096


async def test_a_reload_waits_for_the_running_request(nursery: trio.Nursery, autojump_clock: Any) -> None:
    s = asking(nursery, token_s=1.0, load_s=5.0, answer="one two three four")
    async with trio.open_nursery() as both:
        both.start_soon(s.chat)
        await trio.sleep(6)
        await s.chat(options={"num_ctx": 2048})
    assert [got.headers_at for got in s.gots] == [6.0, 9.0 + 5.0 + 1.0]


async def test_one_slot_and_the_second_waits_in_silence(nursery: trio.Nursery, autojump_clock: Any) -> None:
    s = asking(nursery, token_s=1.0, answer="one two three four", max_queue=0)
    await s.chat()
    async with trio.open_nursery() as several:
        for _ in range(3):
            several.start_soon(s.chat)
    assert [got.headers_at for got in s.gots] == [1.0, 5.0, 9.0, 13.0]
    assert {got.status for got in s.gots} == {200}


async def test_only_a_queue_for_a_load_can_be_full(nursery: trio.Nursery, autojump_clock: Any) -> None:
    s = asking(nursery, load_s=3.0, max_queue=2)
    async with trio.open_nursery() as many:
        for _ in range(8):
            many.start_soon(s.chat)
    assert sorted(got.status for got in s.gots) == [200] * 3 + [503] * 5
    assert b"try again.  maximum pending" in next(got.body for got in s.gots if got.status == 503)


async def test_loading_unloading_and_keep_alive(nursery: trio.Nursery, autojump_clock: Any) -> None:
    s = asking(nursery, load_s=2.0)
    loaded = await s.client.post("/api/chat", {"model": NAME, "messages": [], "keep_alive": "10m"})
    assert (loaded.json()["done_reason"], loaded.at) == ("load", 2.0)
    await trio.sleep(599)
    assert len((await s.client.get("/api/ps")).json()["models"]) == 1
    await trio.sleep(1)
    assert (await s.client.get("/api/ps")).json() == {"models": []}
    await s.chat(keep_alive=-1)
    await trio.sleep(80_000)
    assert len((await s.client.get("/api/ps")).json()["models"]) == 1
    unloaded = await s.client.post("/api/chat", {"model": NAME, "messages": [], "keep_alive": 0})
    assert unloaded.json()["done_reason"] == "unload"
    assert (await s.client.get("/api/ps")).json() == {"models": []}

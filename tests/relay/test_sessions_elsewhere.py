"""A session whose turns go to two processes of one folder: what each of them tells, hands over and forgets."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from edge import BEARER, asks
from scenes import dies
from session_place import HISTORY, NAMED, Place, code, place
from trooper.store.neighbours import WITHIN_S
from trooper.testing import ScriptedProvider

NOTE = b'{"messages":[{"role":"user","content":"The password file is /etc/keeper.conf."}]}'


@asynccontextmanager
async def two_workers(
    near: Path, cloud: ScriptedProvider | None = None
) -> AsyncIterator[tuple[Place, Place]]:
    """Two, of one folder; the second one's provider may be another."""
    async with place() as one, place(cloud) as two, trio.open_nursery() as nursery:
        two.services.digest_key = one.services.digest_key
        shared = one.services.store
        two.services.store = two.services.remembered.store = two.services.shared_turns.store = shared
        for each in (one, two):
            each.services.neighbours.folder, each.services.neighbours.most_bytes = near, 1 << 20
            await nursery.start(each.services.neighbours.serve, each.services.reply)
        yield one, two
        nursery.cancel_scope.cancel()


def said(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


async def append(p: Place, name: str) -> Any:
    answer = await p.post(f"/sessions/{name}/append", BEARER, body=NOTE)
    assert answer.status == 200, answer
    return json.loads(answer.body)


@asynccontextmanager
async def one_that_hangs(near: Path) -> AsyncIterator[None]:
    sock = trio.socket.socket(trio.socket.AF_UNIX)
    path = near / f"{'f' * 16}.sock"
    await sock.bind(str(path))
    sock.listen()
    try:
        yield
    finally:
        sock.close()
        path.unlink(missing_ok=True)


@pytest.fixture
def autojump_clock() -> trio.testing.MockClock:
    """One that lets threads come back before it jumps: the folder of sockets is looked into in one."""
    return trio.testing.MockClock(autojump_threshold=0.3)


async def test_whoever_is_asked_knows_the_latest_turn(tmp_path: Path, autojump_clock: Any) -> None:
    async with two_workers(tmp_path) as (one, two):
        for number, worker in enumerate((one, two, two, one)):
            for each in (one, two):
                each.clock.at += 1
            name = await worker.chat(messages=said(f"Turn {number}."))
            for each in (one, two):
                recovery = await each.get(f"/recovery/{name}")
                assert (recovery["asked"], recovery["answer"]["is_whole"]) == (f"Turn {number}.", True)
                assert (await each.get(f"/sitrep/{name}"))["session"] == name
        assert (await two.get(f"/sessions/{name}"))["session"]["turns"] == 4


async def test_a_message_is_known_to_whoever_makes_the_next_hand_over(
    tmp_path: Path, autojump_clock: Any
) -> None:
    long = said("Set port 8000 in /srv/one.toml. " + "and so on, " * 400) * 20
    async with two_workers(tmp_path, dies()) as (one, two):
        name = await one.chat(messages=HISTORY)
        assert await append(one, name) == {"session": name, "appended": 1, "heard_by_all": True}
        assert (await append(two, name))["appended"] == 2
        assert [(await each.get(f"/sessions/{name}"))["appended"] for each in (one, two)] == [2, 2]
        assert len((await one.get(f"/recovery/{name}"))["appended"]) == 2
        two.ollama.requests.clear()
        assert await two.chat(messages=[*long, HISTORY[0]]) == name
        assert "/etc/keeper.conf" in (await one.get(f"/sitrep/{name}"))["report"]

    assert any(b"/etc/keeper.conf" in request.body for request in two.ollama.requests)


async def test_what_is_deleted_is_gone_in_both(tmp_path: Path, autojump_clock: Any) -> None:
    async with two_workers(tmp_path) as (one, two):
        names = set()
        for worker in (one, two):
            answer = await worker.post("/v1/responses", BEARER, NAMED, body=asks("responses"))
            names.add((answer.header(b"x-trooper-session") or b"").decode())
        (name,) = names
        ids = [told["answer_id"] for told in (await one.get(f"/sessions/{name}"))["turns"]]
        await append(one, name)
        gone = await one.ask("DELETE", f"/sessions/{name}", BEARER)
        for each in (one, two):
            services = each.services
            assert (len(services.answers), len(services.last_turns)) == (0, 0)
            assert (await each.refused("GET", f"/recovery/{name}")).status == 404
        owner = one.services.credentials((BEARER,), b"")
        found = [await one.services.store.find_answer(answer_id, owner) for answer_id in ids]

    assert found == [None] * 2
    assert json.loads(gone.body) == {"id": name, "deleted": True}


async def test_who_has_not_heard_is_told_of(tmp_path: Path, autojump_clock: Any) -> None:
    async with two_workers(tmp_path) as (one, two):
        answer = await one.post("/v1/responses", BEARER, NAMED, body=asks("responses"))
        name = (answer.header(b"x-trooper-session") or b"").decode()
        async with one_that_hangs(tmp_path):
            began_at = trio.current_time()
            assert (await append(one, name))["heard_by_all"] is False
            refused = await one.refused("DELETE", f"/sessions/{name}")
            # Twice it is told, and once it was asked.
            assert trio.current_time() - began_at <= 3 * WITHIN_S
            # Nothing of it is lost, and whoever tries again finds it.
            assert (await two.get(f"/recovery/{name}"))["appended"]
            assert len(one.services.answers) == 1
        assert (await one.ask("DELETE", f"/sessions/{name}", BEARER)).status == 200
        assert len(one.services.answers) == len(two.services.last_turns) == 0

    assert (refused.status, code(refused)) == (503, "not_deleted")


async def test_nobody_is_asked_for_a_healthy_turn(tmp_path: Path, autojump_clock: Any) -> None:
    async with two_workers(tmp_path) as (one, _), one_that_hangs(tmp_path):
        await one.chat()
        began_at = trio.current_time()
        for number in range(3):
            await one.chat(messages=said(f"Turn {number}."))
        assert trio.current_time() - began_at < WITHIN_S
        assert len(one.services.neighbours._silent) == 0


async def test_what_its_owner_alone_knew_is_gone_with_him(tmp_path: Path, autojump_clock: Any) -> None:
    async with two_workers(tmp_path) as (one, two):
        name = await one.chat()
        one.services.neighbours.folder = None
        one.services.last_turns.forget(name)
        gone = await two.refused("GET", f"/recovery/{name}")
    assert (gone.status, code(gone)) == (409, "session_content_gone")


async def test_to_everybody_else_there_is_none_wherever_it_is(tmp_path: Path, autojump_clock: Any) -> None:
    other = (b"authorization", b"Bearer sk-other")
    async with two_workers(tmp_path) as (one, two):
        name = await one.chat()
        assert (await two.refused("GET", f"/recovery/{name}", other)).status == 404
        assert (await two.refused("DELETE", f"/sessions/{name}", other)).status == 404
        assert (await one.get(f"/recovery/{name}"))["session"] == name

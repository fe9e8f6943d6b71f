"""
Trooper is killed in the middle of fifty streams, some of which go over to the
local model: what was acknowledged is there when it is started again.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import apsw
import pytest
import trio

from deployed import LONG_S, Deployed, deployed, fake
from killed_clients import Crowd, Known

#: `SERVER_KILLS=200` is the long one.
KILLS = int(os.environ.get("SERVER_KILLS", "4"))
SEED = int(os.environ.get("STORE_SEED", "1"))
#: A kill comes after so many events of all streams at most: some three turns of each client.
MOST_EVENTS = 6_000


@pytest.fixture(scope="module")
def places() -> Iterator[tuple[str, str]]:
    # The local model has one answer at a time, and does not know who has been killed.
    with fake("provider", "--token-s", "0.01") as cloud, fake("ollama", "--token-s", "0.0005") as local:
        yield cloud.url, local.url


@contextmanager
def served(folder: Path, places: tuple[str, str], content: str) -> Iterator[Deployed]:
    (folder / "trooper.toml").write_text(f'[store]\ncontent = "{content}"\n', encoding="utf-8")
    env = {"TROOPER_DATA_DIR": str(folder / "data"), "TROOPER_BREAKER": "off"}
    with deployed("trooper serve", *places, folder, **env) as trooper:
        yield trooper


def is_whole(folder: Path) -> bool:
    with closing(apsw.Connection(str(folder / "data" / "trooper.sqlite3"))) as db:
        return (db.pragma("integrity_check"), db.pragma("foreign_key_check")) == ("ok", None)


@pytest.mark.parametrize("content", ["memory", "disk"])
async def test_what_was_acknowledged_is_there_word_for_word(
    places: tuple[str, str], tmp_path: Path, content: str
) -> None:
    with served(tmp_path, places, content) as trooper:
        before = Crowd(trooper.port)
        async with trio.open_nursery() as nursery:
            for client in before.clients:
                nursery.start_soon(before.one_turn, client)
        known = await before.until_told_kept()
        pages = {name: await before.told(f"/sessions/{name}") for name in known.turns}
        said = {name: await before.told(f"/recovery/{name}") for name in known.turns}
        answers = {name: await before.told(f"/v1/responses/{name}") for name in known.answers}
        await before.until_killed(trooper.process.process.kill, 200)
        trooper.process.process.wait(LONG_S)
    assert (tmp_path / "data" / "trooper.sqlite3-wal").exists()
    assert is_whole(tmp_path)
    with served(tmp_path, places, content) as trooper:
        after = Crowd(trooper.port)
        again = {name: await after.told(f"/sessions/{name}") for name in known.turns}
        recovered = [await after.get(f"/recovery/{name}") for name in known.turns]
        found = [await after.get(f"/v1/responses/{name}") for name in known.answers]

    assert (len(known.turns), set(known.turns.values())) == (50, {1})
    assert len(answers) == 10
    # Some of them have ended one more turn by then.
    assert {name: page["turns"][:1] for name, page in again.items()} == {
        name: page["turns"] for name, page in pages.items()
    }
    assert sum(len(page["turns"][0]["legs"]) > 1 for page in pages.values()) == 30
    if content == "disk":
        unchanged = [name for name, page in again.items() if len(page["turns"]) == 1]
        told = dict(zip(known.turns, recovered, strict=True))
        assert unchanged
        assert {name: told[name].json() for name in unchanged} == {name: said[name] for name in unchanged}
        assert [one.json() for one in found] == list(answers.values())
    else:
        assert {one.status for one in recovered} == {409}
        assert {one.status for one in found} == {404}


async def test_kills_at_random_moments(places: tuple[str, str], tmp_path: Path) -> None:
    chance = random.Random(SEED)
    known = Known()
    with_a_log_left = 0
    for number in range(KILLS):
        with served(tmp_path, places, "disk") as trooper:
            crowd = Crowd(trooper.port)
            await holds(crowd, known, chance)
            kill = trooper.process.process.kill
            acknowledged = await crowd.until_killed(kill, chance.randrange(MOST_EVENTS))
            trooper.process.process.wait(LONG_S)
        known.turns |= acknowledged.turns
        known.answers += acknowledged.answers
        with_a_log_left += (tmp_path / "data" / "trooper.sqlite3-wal").exists()
        assert is_whole(tmp_path)
        print(
            f"kill {number + 1}: {sum(known.turns.values())} turns, {len(known.answers)} answers, seed {SEED}"
        )
    with served(tmp_path, places, "disk") as trooper:
        await holds(Crowd(trooper.port), known, chance)
    assert with_a_log_left == KILLS
    assert sum(known.turns.values()) >= KILLS
    assert known.answers


async def holds(crowd: Crowd, known: Known, chance: random.Random) -> None:
    """All sessions with all their turns, the answers of the last time, and some of those before."""
    sessions = await crowd.sessions()
    lost = {name: turns for name, turns in known.turns.items() if sessions.get(name, 0) < turns}
    assert lost == {}
    last, earlier = known.answers[-50:], known.answers[:-50]
    for name in [*last, *chance.sample(earlier, min(20, len(earlier)))]:
        await crowd.told(f"/v1/responses/{name}")

"""
How long a list of many sessions takes: `python bench/sessions.py [--sessions 10000] [--times 30]`.

So many sessions, with a turn each, are written into a new folder by the store
itself. Then Trooper is started on it and asked for all of them over HTTP, in
pages of 1,000, each on a connection of its own; and for the first page of 100.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from functools import partial
from pathlib import Path
from typing import Final

import trio

from trooper.bench.rig import Serving, open_rig, run, toml
from trooper.core import digest, secret
from trooper.store import Caps, Session, Turn, TurnLeg
from trooper.store.opening import open_store
from trooper.testing.client import fetch
from trooper.wires import WIRES

KEY: Final = "Bearer sk-bench"
#: The store's queue takes ten thousand records.
AT_ONCE: Final = 1_000
#: As many as `GET /sessions` tells at once.
PAGE: Final = 1_000


async def filled(place: Path, count: int) -> None:
    """A folder with so many sessions of one client."""
    now = time.time()
    async with trio.open_nursery() as nursery:
        async with open_store(str(place), Caps(sessions_max=max(10_000, count)), nursery) as opened:
            credentials = secret.of(((b"authorization", KEY.encode()),), b"", WIRES.credential_headers)
            owner = digest.owner(opened.key, credentials)
            leg = TurnLeg("openai", "gpt-4o", "first", "completed", is_local=False, tokens=100)
            for number in range(count):
                name, at = f"{number:032x}", now - count + number
                opened.store.put_session(Session(name, (owner,), "x-session-id", at, at))
                opened.store.put_turn(
                    Turn(f"{number:024x}", name, at, "openai-chat", "gpt-4o", "completed", (leg,))
                )
                if number % AT_ONCE == 0:
                    await opened.store.settled()
            if not await opened.store.settled():
                sys.exit("the store has not written them")
        nursery.cancel_scope.cancel(reason="they are written")


async def listed_ms(port: int, count: int) -> float:
    """How long it takes until so many are listed, page by page."""
    found, after, took_s = 0, "", 0.0
    while found < count:
        limit = min(PAGE, count - found)
        before = time.perf_counter()
        answered = await fetch(
            port, "GET", f"/sessions?limit={limit}{after}", headers=[("authorization", KEY)]
        )
        took_s += time.perf_counter() - before
        page = answered.json()
        if len(page["sessions"]) != limit:
            sys.exit(f"{len(page['sessions'])} sessions came in place of {limit}")
        found, after = found + limit, f"&after={page['next']}"
    return 1000 * took_s


async def main(count: int, times: int) -> int:
    async with open_rig() as rig:
        place = rig.new_folder() / "data"
        await filled(place, count)
        cloud, local = await rig.provider(), await rig.ollama()
        where = {"TROOPER_DATA_DIR": str(place)}
        running = await rig.trooper(Serving.SERVE, toml(cloud.url, local.url), env=where)
        for asked in (count, 100):
            took = sorted([await listed_ms(running.port, asked) for _ in range(times)])
            print(
                f"{asked} of {count} sessions: {statistics.median(took):.0f} ms, the middle half "
                f"{took[times // 4]:.0f} to {took[-(times // 4) - 1]:.0f}, the slowest {took[-1]:.0f}"
            )
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=30)
    chosen = parser.parse_args()
    sys.exit(run(partial(main, chosen.sessions, chosen.times)))

"""
Kills processes that write into one store, at random moments, and looks whether all that they were told is kept is there.

    python tests/store_kills.py kill FOLDER KILLS SEED
    python tests/store_kills.py start FOLDER WORKERS    as many take the folder at once, and say its key

A process of its own, since it forks: each writer is there at once, and nothing else runs in it.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import sys
from contextlib import closing
from pathlib import Path

import apsw
import trio

from stores import ANN, BEN, NOW, Clock, answer, opened, session, turn
from trooper.store import Content
from trooper.store.folder import Folder, open_folder

#: At once, as workers are.
WRITERS = 2


def main(folder: str, kills: int, seed: int) -> dict[str, int]:
    """Do so, and count."""
    chance = random.Random(seed)
    acknowledged: set[str] = set()
    died_writing = 0
    for number in range(kills):
        pipes = [_fork(folder, f"{number}-{writer}", chance.randrange(2**32)) for writer in range(WRITERS)]
        enough = len(acknowledged) + chance.randrange(1, 40)
        while len(acknowledged) < enough:
            ready, _, _ = select.select([pipe for _, pipe in pipes], [], [], 30)
            assert ready, "nobody writes"
            for pipe in ready:
                acknowledged |= _read(pipe)
        # The middle of whatever they do.
        for _ in range(chance.randrange(20_000)):
            pass
        for pid, _ in pipes:
            os.kill(pid, signal.SIGKILL)
        for pid, pipe in pipes:
            os.waitpid(pid, 0)
            while text := _read(pipe):
                acknowledged |= text
            os.close(pipe)
        died_writing += (Path(folder) / "trooper.sqlite3-wal").exists()
        _check(folder, acknowledged)
    return {"kills": kills * WRITERS, "acknowledged": len(acknowledged), "with_a_log_left": died_writing}


def _fork(folder: str, name: str, seed: int) -> tuple[int, int]:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return pid, reading
    try:
        trio.run(_write, folder, name, random.Random(seed), writing)
    finally:
        os._exit(1)


async def _write(folder: str, name: str, chance: random.Random, acknowledge: int) -> None:
    async with opened(folder, None, Clock(), content_on_disk=True) as store:
        for batch in range(10_000):
            names = [f"{name}-{batch}-{number}" for number in range(chance.randrange(1, 8))]
            for each in names:
                store.put_session(session(each, chance.choice((ANN, BEN)), used_at=NOW + batch))
                store.put_turn(turn("t", each, at=NOW + batch))
                content = Content(b"x" * chance.randrange(20_000), each.encode())
                store.put_answer(answer(each, ANN, at=NOW + batch, parts=(f"p{each}",)), content)
            if await store.settled():
                os.write(acknowledge, "".join(f"{each}\n" for each in names).encode())


def _read(pipe: int) -> set[str]:
    # All that is in it: a line goes in whole, and so it comes out.
    return (
        set(os.read(pipe, 65_536).decode().split("\n")[:-1]) if select.select([pipe], [], [], 0)[0] else set()
    )


def _check(folder: str, acknowledged: set[str]) -> None:
    with closing(apsw.Connection(f"{folder}/trooper.sqlite3")) as db:
        assert db.pragma("integrity_check") == "ok"
        assert db.pragma("foreign_key_check") is None
        kept = {row[0] for row in db.execute("SELECT id FROM sessions WHERE turns = 1 AND tokens = 7")}
        turns = {row[0] for row in db.execute("SELECT session_id FROM turns")}
        answers = {row[0] for row in db.execute("SELECT answer_id FROM answer_parts")}
        contents = {row[0].decode() for row in db.execute("SELECT response FROM contents")}
        for there in (kept, turns, answers, contents):
            missing = acknowledged - there
            assert not missing, (
                len(missing),
                len(acknowledged),
                sorted(missing)[:10],
                sorted(Path(folder).iterdir()),
            )
        for table, held in (("sessions", len(kept)), ("answers", len(answers)), ("contents", len(contents))):
            assert db.execute("SELECT count FROM totals WHERE kind = ?", (table,)).get == held


def start(folder: str, workers: int) -> list[str]:
    """The keys that so many workers go by who take the folder at once."""
    reading, writing = os.pipe()
    go_reading, go_writing = os.pipe()
    for _ in range(workers):
        if os.fork() == 0:
            os.close(go_writing)
            # Until the last one is there.
            os.read(go_reading, 1)
            found = open_folder(Path(folder))
            os.write(writing, f"{found.key.hex() if isinstance(found, Folder) else found}\n".encode())
            os._exit(0)
    os.close(go_writing)
    for _ in range(workers):
        os.wait()
    return os.read(reading, 65_536).decode().split()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["kill", place, kills, seed]:
            print(json.dumps(main(place, int(kills), int(seed))))
        case ["start", place, workers]:
            print(*start(place, int(workers)))
        case _:
            sys.exit(__doc__)

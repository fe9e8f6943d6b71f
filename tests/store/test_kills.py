"""
Writers that are killed, and several at once: what was acknowledged is there, and the file is whole.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from stores import ANN, BEN, opened

SCRIPT = Path(__file__).parent.parent / "store_kills.py"
#: Of two writers each. `STORE_KILLS=200` is the long one.
KILLS = int(os.environ.get("STORE_KILLS", "10"))
SEED = int(os.environ.get("STORE_SEED", "1"))


def run(*words: str) -> str:
    root = SCRIPT.parent.parent
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join((str(root), str(SCRIPT.parent)))}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *words], env=environ, capture_output=True, text=True, check=False
    )
    # What the writers have logged is in it, too.
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


async def test_what_was_acknowledged_is_there_after_a_kill(tmp_path: Path) -> None:
    place = str(tmp_path / "data")
    told = json.loads(run("kill", place, str(KILLS), str(SEED)))
    print(f"{told}, seed {SEED}")
    async with opened(place) as store:
        sessions = [
            *await store.list_sessions(ANN, most=10_000),
            *await store.list_sessions(BEN, most=10_000),
        ]

    assert told["kills"] == 2 * KILLS
    # In the middle of something: a process that has closed its file leaves no log of SQLite's behind.
    assert told["with_a_log_left"] == KILLS
    assert told["acknowledged"] > KILLS
    assert len(sessions) >= told["acknowledged"]


def test_workers_that_start_at_once_go_by_one_key(tmp_path: Path) -> None:
    keys = run("start", str(tmp_path / "data"), "16").split()

    assert len(keys) == 16
    assert set(keys) == {(tmp_path / "data" / "key").read_bytes().hex()}
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["key"]

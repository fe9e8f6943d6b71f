"""
The store of a deployed Trooper: one folder for all workers, there again after a kill.
"""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from deployed import WAYS, ask, running

TARGETS = {"TROOPER_OPENAI_BASE_URL": "http://127.0.0.1:9", "TROOPER_OLLAMA_URL": "http://127.0.0.1:9"}


def store_of(url: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(ask("GET", url, "/readyz"))["store"]
    return value


@pytest.mark.parametrize("way", WAYS)
def test_each_way_to_serve_keeps_in_the_folder_that_it_is_told(way: str, tmp_path: Path) -> None:
    place = tmp_path / "data"
    with running(*WAYS[way], cwd=tmp_path, TROOPER_DATA_DIR="data", **TARGETS) as process:
        url = process.wait_for(r"on (http://127\.0\.0\.1:\d+)", times=2 if "--workers" in way else 1)[1]
        told = store_of(url)
        assert (told["place"], told["on_disk"], told["failed"]) == (str(place), True, 0)
        key = (place / "key").read_bytes()
        names = {path.name for path in place.iterdir()}
        assert names == {"key", "near", "trooper.sqlite3", "trooper.sqlite3-wal", "trooper.sqlite3-shm"}
        os.kill(process.process.pid, signal.SIGKILL if way == "trooper serve" else signal.SIGTERM)
        process.process.wait(60)
    with running(*WAYS["trooper serve"], "--data-dir", str(place), cwd=tmp_path, **TARGETS) as process:
        url = process.wait_for(r"on (http://127\.0\.0\.1:\d+)")[1]
        assert store_of(url)["failed"] == 0
        assert (place / "key").read_bytes() == key


def test_a_folder_that_cannot_be_is_told_and_nothing_else_happens(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    place = tmp_path / "file" / "data"
    with running(*WAYS["trooper serve"], "--data-dir", str(place), cwd=tmp_path, **TARGETS) as process:
        url = process.wait_for(r"on (http://127\.0\.0\.1:\d+)")[1]
        told = store_of(url)
        process.wait_for('"store_in_memory"')

    assert (told["on_disk"], told["trouble"], told["place"]) == (False, "no_folder", str(place))

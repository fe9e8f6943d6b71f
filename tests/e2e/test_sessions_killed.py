"""Killed in the middle of fifty streams, and started again: every session that a client was told of is there."""

from __future__ import annotations

import http.client
import json
import os
import signal
from pathlib import Path
from typing import Any

import apsw
import pytest

from deployed import LONG_S, Deployed, deployed, fake
from trooper.store.looking import sessions_in

STREAMS = 50
BODY = {"model": "gpt-4o", "stream": True, "messages": [{"role": "user", "content": "Lighthouses?"}]}
MINE = {"authorization": "Bearer sk-mine", "content-type": "application/json"}


def ask(at: Deployed, path: str) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", at.port, timeout=LONG_S)
    try:
        connection.request("GET", path, headers=MINE)
        response = connection.getresponse()
        body = response.read()
        assert response.status == 200, body
        return json.loads(body)
    finally:
        connection.close()


@pytest.mark.parametrize("content", ["memory", "disk"])
def test_all_sessions_are_there(content: str, tmp_path: Path) -> None:
    (tmp_path / "trooper.toml").write_text(f'[store]\ncontent = "{content}"\n', encoding="utf-8")
    data = tmp_path / "data"
    told: dict[str, str] = {}
    with fake("provider", "--token-s", "0.5", "--answer", "word " * 400) as cloud, fake("ollama") as local:
        place = (f"{cloud.url}/v1", local.url, tmp_path)
        with deployed("trooper serve", *place, TROOPER_DATA_DIR=str(data)) as at:
            streams = []
            for number in range(STREAMS):
                connection = http.client.HTTPConnection("127.0.0.1", at.port, timeout=LONG_S)
                headers = {**MINE, "x-session-id": f"run-{number}"}
                connection.request("POST", "/v1/chat/completions", json.dumps(BODY), headers)
                streams.append(connection)
            for connection in streams:
                response = connection.getresponse()
                told[response.headers["x-trooper-session"]] = response.headers["x-trooper-request-id"]
                assert response.read(8)
            # Each of them was put before its headers: it is written a moment later.
            while sum(one.turns for one in sessions_in(data, 0.0, 1_000)) < STREAMS:
                assert len(ask(at, "/sessions")["sessions"]) == STREAMS
            os.kill(at.process.process.pid, signal.SIGKILL)
            at.process.process.wait(LONG_S)
            for connection in streams:
                connection.close()
        with deployed("trooper serve", *place, TROOPER_DATA_DIR=str(data)) as at:
            listed = {one["id"]: one for one in ask(at, "/sessions")["sessions"]}
            assert listed.keys() == told.keys()
            for name, request_id in told.items():
                (turn,) = ask(at, f"/sessions/{name}")["turns"]
                assert (turn["id"], turn["ending"], turn["duration_s"]) == (request_id, "open", None)
                if content == "disk":
                    recovery = ask(at, f"/recovery/{name}")
                    assert (recovery["asked"], recovery["ending"]) == ("Lighthouses?", "open")
                    assert recovery["answer"]["text"].startswith("word")
                    assert not recovery["answer"]["is_whole"]
    with apsw.Connection(str(data / "trooper.sqlite3")) as db:
        assert db.pragma("integrity_check") == "ok"

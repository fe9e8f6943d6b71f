"""Sessions over real sockets: a cut, who is told of it, a restart, and the command that shows them."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from deployed import LONG_S, ROOT, WAYS, Deployed, deployed, fake
from wire_validator import validate_chat

CHAT = {"model": "gpt-4o", "stream": True, "messages": [{"role": "user", "content": "Lighthouses?"}]}
MINE = {"authorization": "Bearer sk-mine", "content-type": "application/json"}
OTHERS = {**MINE, "authorization": "Bearer sk-other"}
RUN = {"x-session-id": "9706b2de-2776-4d52-8ae9-daae730a595b"}


def asked(
    at: Deployed, method: str, path: str, headers: dict[str, str], body: Any = None
) -> tuple[int, dict[str, str], bytes]:
    place = urlsplit(at.url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=LONG_S)
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
    finally:
        connection.close()


def told(at: Deployed, path: str, headers: dict[str, str] = MINE) -> Any:
    status, _, body = asked(at, "GET", path, headers)
    assert status == 200, body
    return json.loads(body)


@contextmanager
def trooper(way: str, folder: Path, **env: str) -> Iterator[Deployed]:
    with (
        fake("provider", "--fault", "reset@middle") as cloud,
        fake("ollama") as local,
        deployed(
            way, f"{cloud.url}/v1", local.url, folder, TROOPER_DATA_DIR=str(folder / "data"), **env
        ) as at,
    ):
        yield at


def shown(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "trooper", "sessions", *words, "--data-dir", str(folder / "data")]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=LONG_S,
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "/bin", "NO_COLOR": "1", "COLUMNS": "100"},
    )


@pytest.mark.parametrize("way", [way for way in WAYS if "workers" not in way])
def test_a_cut_is_told_to_its_owner_and_to_nobody_else(way: str, tmp_path: Path) -> None:
    with trooper(way, tmp_path) as at:
        status, headers, body = asked(at, "POST", "/v1/chat/completions", {**MINE, **RUN}, CHAT)
        assert status == 200
        answer = validate_chat(body).text
        name = headers["x-trooper-session"]
        (one,) = told(at, "/sessions")["sessions"]
        (turn,) = told(at, f"/sessions/{name}")["turns"]
        recovery = told(at, f"/recovery/{name}")
        report = told(at, f"/sitrep/{name}")
        note = {"messages": [{"role": "user", "content": "Mind the fog horn."}]}
        appended = asked(at, "POST", f"/sessions/{name}/append", MINE, note)
        later = told(at, f"/recovery/{name}")
        others = asked(at, "GET", f"/recovery/{name}", OTHERS)
        nobodys = asked(at, "GET", f"/recovery/{'0' * 32}", OTHERS)
        deleted = asked(at, "DELETE", f"/sessions/{name}", MINE)
        assert told(at, "/sessions") == {"sessions": [], "next": None}

    assert (one["id"], one["turns"]) == (name, 1)
    assert [(leg["target"], leg["is_local"]) for leg in turn["legs"]] == [("openai", False), ("ollama", True)]
    assert turn["id"] == headers["x-trooper-request-id"]
    assert recovery["answer"] == {"text": answer, "is_whole": True, "is_lost": False}
    assert recovery["asked"] == "Lighthouses?"
    assert report["model"] == "qwen2.5:3b"
    assert (appended[0], later["appended"][0]["text"]) == (200, "Mind the fog horn.")
    assert (others[0], others[2]) == (nobodys[0], nobodys[2]) == (404, nobodys[2])
    assert deleted[0] == 200


@pytest.mark.parametrize("content", ["memory", "disk"])
def test_a_session_goes_through_a_restart(content: str, tmp_path: Path) -> None:
    (tmp_path / "trooper.toml").write_text(f'[store]\ncontent = "{content}"\n', encoding="utf-8")
    with trooper("trooper serve", tmp_path) as at:
        _, headers, body = asked(at, "POST", "/v1/chat/completions", {**MINE, **RUN}, CHAT)
        name = headers["x-trooper-session"]
    with trooper("trooper serve", tmp_path) as at:
        _, again, _ = asked(at, "POST", "/v1/chat/completions", {**MINE, **RUN}, {**CHAT, "stream": False})
        turns = told(at, f"/sessions/{name}")["turns"]
    with trooper("trooper serve", tmp_path) as at:
        status, _, recovery = asked(at, "GET", f"/recovery/{name}", MINE)
    listed, one, unknown = shown(tmp_path), shown(tmp_path, name[:8]), shown(tmp_path, "nobody's")

    assert again["x-trooper-session"] == name
    assert [turn["id"] for turn in turns] == [headers["x-trooper-request-id"], again["x-trooper-request-id"]]
    assert (listed.returncode, one.returncode, unknown.returncode) == (0, 0, 1)
    assert name[:12] in listed.stdout
    assert "ollama qwen2.5:3b: completed" in one.stdout
    assert validate_chat(body).text
    on_disk = b"".join(file.read_bytes() for file in (tmp_path / "data").iterdir() if file.is_file())
    if content == "disk":
        assert (status, json.loads(recovery)["asked"]) == (200, "Lighthouses?")
    else:
        assert (status, json.loads(recovery)["error"]["code"]) == (409, "session_content_gone")
        assert b"Lighthouses?" not in on_disk
        assert b"trust the light" not in on_disk
    for secret in (b"sk-mine", RUN["x-session-id"].encode()):
        assert secret not in on_disk

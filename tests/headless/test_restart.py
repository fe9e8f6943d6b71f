"""
Codex goes through a restart of Trooper between two turns of a conversation.

What it sends back was begun by a provider and finished by a local model. A
provider that was shown the ids of such items would refuse them.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agent_turns import ASK_TEXT
from deployed import Process, ask, running
from headless.desk import Desk
from headless.served import Between, Fakes
from headless.test_agents import CODEX


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def trooper(between: Between, port: int, folder: Path) -> Iterator[Process]:
    env = between.environ | between.places | {"TROOPER_DATA_DIR": str(folder / "data")}
    with running(sys.executable, "-m", "trooper", "serve", "--port", str(port), cwd=folder, **env) as process:
        process.wait_for('"standby_ready"')
        yield process


def reports(process: Process, requests: int) -> list[dict[str, Any]]:
    process.wait_for('"event": "request"', times=requests)
    return [json.loads(line) for line in process.lines if '"event": "request"' in line]


def wait_until_written(port: int) -> None:
    """What was put is committed 200 ms later; each question takes some of them."""
    while json.loads(ask("GET", f"http://127.0.0.1:{port}", "/readyz"))["store"]["unwritten"]:
        pass


@pytest.mark.parametrize("model", ["", 'model = "gpt-5.5"\n'], ids=["default", "classic"])
@pytest.mark.parametrize("is_killed", [False, True], ids=["stopped", "killed"])
def test_codex_goes_through_a_restart(
    fakes: Fakes, desk: Desk, tmp_path: Path, model: str, is_killed: bool
) -> None:
    before, after = fakes(("text",), "reset", "middle"), fakes((), "reset", "middle")
    port = free_port()
    folder, home = tmp_path / "trooper", Path(desk.environ["HOME"]) / "codex"
    for made in (folder, home):
        made.mkdir()
    (home / "config.toml").write_text(model + CODEX.format(url=f"http://127.0.0.1:{port}"))
    options = ("--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox")

    def codex(*words: str) -> str:
        return desk.run("codex", "exec", *words, CODEX_HOME=str(home))

    with trooper(before, port, folder) as first:
        codex(*options, ASK_TEXT)
        (report,) = reports(first, 1)
        assert report["outcome"] == "completed"
        assert [leg["target"] for leg in report["legs"]] == ["openai-responses", "ollama"]
        if is_killed:
            wait_until_written(port)
            os.kill(first.process.pid, signal.SIGKILL)
    with trooper(after, port, folder) as second:
        codex("resume", "--last", *options, ASK_TEXT)
        (report,) = reports(second, 1)
    # Its provider took it at once.
    assert report["outcome"] == "completed"
    assert [leg["target"] for leg in report["legs"]] == ["openai-responses"]
    (named,) = [json.loads(line)["named"] for line in after.provider.lines if '"named"' in line]
    # By names of its own, and none of what the provider had begun and will not know.
    assert named
    assert [name for name in named if "scripted" in name] == []

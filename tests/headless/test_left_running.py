"""
Agents with their screens, and the servers that they start in the background: what came
with `trooper run` goes with it, also where nobody waits for a turn, and what was there
before stays, and goes on asking where it did.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import suppress

import pytest

from headless.desk import Desk
from headless.served import Fakes
from headless.test_run import behind
from left_running import commands, gone, left, on_terminal

#: Of Codex's server, and of Claude Code's.
SERVERS = (" app-server ", " daemon run ")
#: A provider that Codex cannot be told of by its options.
OWN = 'model_provider = "mine"\n[model_providers.mine]\nname = "mine"\nbase_url = "http://127.0.0.1:9/own/path"\n'


@pytest.fixture(name="desk")
def _desk(desk: Desk) -> Iterator[Desk]:
    """Of somebody who has answered all questions of a first start."""
    told = {
        "hasCompletedOnboarding": True,
        "theme": "dark",
        "projects": {str(desk.cwd): {"hasTrustDialogAccepted": True}},
    }
    told["customApiKeyResponses"] = {"approved": [desk.environ["ANTHROPIC_API_KEY"][-20:]]}
    (desk.home / ".claude.json").write_text(json.dumps(told))
    yield desk
    for pid in left(desk.mark):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def trusted(desk: Desk, settings: str = "") -> None:
    (desk.home / ".codex").mkdir()
    project = f'[projects."{desk.cwd}"]\ntrust_level = "trusted"\n'
    (desk.home / ".codex" / "config.toml").write_text(settings + project)


def servers(desk: Desk) -> list[str]:
    return [command for command in commands(desk.mark) if any(word in command for word in SERVERS)]


def closed(desk: Desk, drawn: bytes, *words: str, **more: str) -> bytes:
    """What a program has said whose screen was there and that its user has closed; Claude Code with its server."""
    with on_terminal(words, {**desk.environ, **more, "TERM": "xterm-256color"}, desk.cwd) as terminal:
        terminal.wait_for(drawn)
        terminal.wait_until(lambda: "codex" in words[1:] or len(servers(desk)) > 0)
        # Claude Code wants two that come together.
        terminal.interrupt_until_ended(2)
    return bytes(terminal.said)


@pytest.mark.parametrize("settings", ["", OWN], ids=["told", "not-told"])
def test_codex_starts_no_server(settings: str, fakes: Fakes, desk: Desk) -> None:
    trusted(desk, settings)
    between = fakes((), "reset", 0)
    said = closed(desk, b"shortcuts", *behind("codex"), **between.environ, **between.places)

    assert gone(desk.mark)
    assert said.endswith(b"trooper: no turn came this way\r\n")
    assert not (desk.home / ".codex" / "app-server-daemon").exists()


def test_codexs_server_of_before_is_neither_asked_nor_ended(fakes: Fakes, desk: Desk) -> None:
    """By itself Codex starts one, and would hand it all turns."""
    trusted(desk)
    closed(desk, b"shortcuts", "codex")
    before = servers(desk)
    between = fakes((), "reset", 0)
    closed(desk, b"shortcuts", *behind("codex"), **between.environ, **between.places)

    assert servers(desk) == before != []


def test_claude_codes_server_goes_with_it(fakes: Fakes, desk: Desk) -> None:
    between = fakes((), "reset", 0)
    said = closed(desk, b"shortcuts", *behind("claude", "agents"), **between.environ, **between.places)

    assert gone(desk.mark)
    assert said.endswith(b"; ended what claude had left running\r\n")


def test_claude_codes_server_of_before_stays(fakes: Fakes, desk: Desk) -> None:
    closed(desk, b"shortcuts", "claude", "agents")
    before = servers(desk)
    between = fakes((), "reset", 0)
    said = closed(desk, b"shortcuts", *behind("claude", "agents"), **between.environ, **between.places)

    assert servers(desk) == before != []
    assert said.endswith(b"trooper: no turn came this way\r\n")

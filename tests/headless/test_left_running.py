"""
Agents with their screens, and the servers that they start in the background: none outlives
`trooper run`, and one that was there before stays, and is not asked.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress

import pytest

from agent_turns import ASK_TEXT
from headless.desk import Desk
from headless.served import Fakes
from headless.test_run import behind
from left_running import Terminal, commands, gone, left, on_terminal

#: Of Codex's server, and of Claude Code's.
SERVERS = (" app-server ", " daemon run ")
#: What it tells its terminal when whatever it starts is started.
CODEX_IS_UP = b"state=idle"
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


def screen(desk: Desk, *words: str, **more: str) -> AbstractContextManager[Terminal]:
    return on_terminal(words, {**desk.environ, **more, "TERM": "xterm-256color"}, desk.cwd)


@pytest.mark.parametrize("settings", ["", OWN], ids=["told", "not-told"])
def test_codex_starts_no_server(settings: str, fakes: Fakes, desk: Desk) -> None:
    trusted(desk, settings)
    between = fakes((), "reset", 0)
    with screen(desk, *behind("codex"), **between.environ, **between.places) as terminal:
        terminal.wait_for(CODEX_IS_UP)
        terminal.interrupt_until_ended()

    assert gone(desk.mark)
    assert terminal.said.endswith(b"trooper: no turn came this way\r\n")


def test_codexs_server_of_before_is_neither_asked_nor_ended(fakes: Fakes, desk: Desk) -> None:
    """By itself Codex hands it all turns, and those would go past Trooper."""
    between = fakes((), "reset", 0)
    trusted(desk, OWN.replace("http://127.0.0.1:9/own/path", f"{between.cloud}/v1"))
    with screen(desk, "codex") as terminal:
        terminal.wait_for(CODEX_IS_UP)
        terminal.wait_until(lambda: len(servers(desk)) > 0)
        terminal.interrupt_until_ended()
    before = servers(desk)
    with screen(desk, *behind("codex"), **between.environ) as terminal:
        terminal.wait_for(CODEX_IS_UP)
        terminal.type(ASK_TEXT.encode())
        terminal.wait_for(ASK_TEXT.split()[-1].encode())
        terminal.type(b"\r")
        terminal.wait_until(lambda: between.asked() != [])
        terminal.interrupt_until_ended()

    assert servers(desk) == before != []
    assert b"no turn came this way" not in terminal.said


def test_claude_codes_server_ends_by_itself(fakes: Fakes, desk: Desk) -> None:
    """A while after the last of its list of agents, where nobody has given it a task."""
    between = fakes((), "reset", 0)
    with screen(desk, *behind("claude", "agents"), **between.environ, **between.places) as terminal:
        terminal.wait_for(b"shortcuts")
        terminal.wait_until(lambda: len(servers(desk)) > 0)
        # It wants two that come together.
        terminal.interrupt_until_ended(2)

    assert gone(desk.mark)

"""
Trooper between fakes, once for all agents, and a folder with the agents in it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import define

from deployed import WAYS, Process, running

HERE = Path(__file__).parent
_REQUEST = '"event": "request"'
TOML = """
[server]
# Every turn must meet its fault, also behind one that asked to be left alone.
memory = false
# Codex offers its provider's web search with every request.
foreign_tools = "drop"
"""
CLOUD = """
[[targets]]
name = "{name}"
wire = "{name}"
base_url = "{url}/v1"
key = "client"
ttft_timeout_s = 1.5
stall_timeout_s = 1.5
alive_timeout_s = 1.5
whole_timeout_s = 1.5
"""
LOCAL = """
[[targets]]
name = "local"
wire = "llama-server"
base_url = "{url}"
"""


@define
class Served:
    """A running Trooper, its fakes, and the plan of what goes wrong."""

    url: str
    process: Process
    provider: Process
    plan: Path
    _seen: int = 0
    _asked: int = 0
    _requests: int = 0

    def break_turn(self, turn: str, fault: str, position: int | str) -> None:
        """From now on this goes wrong; what was seen before counts no more."""
        self.plan.write_text(json.dumps({"turn": turn, "fault": fault, "position": position}))
        self._seen, self._asked = len(self.process.lines), len(self.provider.lines)
        self._requests = len(self.process.matches(_REQUEST))

    def reports(self) -> list[dict[str, Any]]:
        """The log lines of the requests since then."""
        # The agent may be gone before Trooper has written what it did for it.
        self.process.wait_for(_REQUEST, times=self._requests + len(self.turns()))
        return [json.loads(line) for line in self.process.lines[self._seen :] if _REQUEST in line]

    def turns(self) -> list[str]:
        """The turns that the provider was asked for since then."""
        return [json.loads(line)["turn"] for line in self.provider.lines[self._asked :] if '"turn"' in line]


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """`hypercorn trooper.app` between the fakes."""
    folder = tmp_path_factory.mktemp("trooper")
    plan = folder / "plan.json"
    with (
        running(sys.executable, str(HERE / "provider.py"), str(plan)) as provider,
        running(sys.executable, str(HERE / "local.py")) as local,
    ):
        told = [fake.wait_for(r'"url": "([^"]+)"')[1] for fake in (provider, local)]
        wires = ("openai-chat", "openai-responses", "anthropic-messages")
        clouds = "".join(CLOUD.format(name=name, url=told[0]) for name in wires)
        (folder / "trooper.toml").write_text(TOML + clouds + LOCAL.format(url=told[1]))
        with running(*WAYS["hypercorn"], cwd=folder) as process:
            url = process.wait_for(r"on (http://127\.0\.0\.1:\d+)")[1]
            process.wait_for('"standby_ready"')
            yield Served(url, process, provider, plan)


@pytest.fixture(scope="session")
def agents() -> Path:
    """The folder that the nox session has filled: `node_modules`, and aider's environment."""
    folder = os.environ.get("AGENTS_FOLDER", "")
    assert folder, "run `nox -s agents`: it installs the agents and says where they are"
    return Path(folder)


@pytest.fixture
def environ(tmp_path: Path) -> Mapping[str, str]:
    """What an agent sees: a home of its own, and no way out but loopback."""
    home = tmp_path / "home"
    home.mkdir()
    dead = "http://127.0.0.1:9"
    return {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "HTTP_PROXY": dead,
        "HTTPS_PROXY": dead,
        "NO_PROXY": "127.0.0.1,localhost",
        "OPENAI_API_KEY": "sk-of-nobody",
        "ANTHROPIC_API_KEY": "sk-of-nobody",
        # Claude Code asks for it where it is run by root.
        "IS_SANDBOX": "1",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
    }

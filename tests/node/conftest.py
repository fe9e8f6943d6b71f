"""
The packages of Node, installed once for the session, and the servers.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from attrs import frozen

from deployed import IMPATIENT, Deployed, Fake, deployed, fake

HERE = Path(__file__).parent
QUICK = {**IMPATIENT, "TROOPER_BREAKER": "off"}


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packages of `package.json` in it."""
    assert shutil.which("npm"), "npm is missing: install Node 22 or newer, which brings it"
    folder = tmp_path_factory.mktemp("node")
    shutil.copy(HERE / "package.json", folder)
    command = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@frozen
class Pair:
    """Behind one Trooper the local model answers, behind the other it fails."""

    healthy: Deployed
    forsaken: Deployed
    local: Fake
    cloud: Fake

    def answers(self) -> int:
        """How many answers the local model has given."""
        return len(self.local.state()["endings"])


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """`hypercorn trooper.app`, twice, between fakes."""
    folder = tmp_path_factory.mktemp("cwd")
    with ExitStack() as stack:
        cloud, local = stack.enter_context(fake("provider")), stack.enter_context(fake("ollama"))
        dying = stack.enter_context(fake("ollama", "--fault", "status@500"))
        environ = {**QUICK, "TROOPER_ANTHROPIC_BASE_URL": cloud.url}
        healthy, forsaken = (
            stack.enter_context(deployed("hypercorn", cloud.url, ollama.url, folder, **environ))
            for ollama in (local, dying)
        )
        local.forget()
        yield Pair(healthy, forsaken, local, cloud)
        assert local.state()["mismatches"] == []

"""
Trooper as a newcomer has it, between fakes: no file, no key of its own, an Ollama
at its own window. All of it anew for each row, so that every turn meets its fault
and a window that has not grown yet.
"""

from __future__ import annotations

import json
import os
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from deployed import IMPATIENT, ROOT, WAYS, Fake, running
from headless.desk import Desk
from headless.served import Between, Fakes, Serve, Served
from left_running import marked

HERE = Path(__file__).parent
#: Where nothing listens, in a network of its own.
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def fakes() -> Iterator[Fakes]:
    """
    Starts the fakes; `there` is whether the provider listens at all. With a `slow`
    local model, its load and its reading in seconds, Trooper's limits are the default ones.
    """
    with ExitStack() as stack:

        def started(
            turns: tuple[str, ...],
            fault: str,
            position: int | str,
            there: bool = True,
            slow: tuple[float, float] | None = None,
        ) -> Between:
            plan = json.dumps({"turns": turns, "fault": fault, "position": position})
            provider = stack.enter_context(running(sys.executable, str(HERE / "provider.py"), plan))
            local = stack.enter_context(
                running(sys.executable, str(HERE / "local.py"), *map(str, slow or ()))
            )
            cloud, ollama = (fake.wait_for(r'"url": "([^"]+)"')[1] for fake in (provider, local))
            env = {
                # Ollama's own variable.
                "OLLAMA_HOST": urlsplit(ollama).netloc,
                # A silence must be noticed in a test's time.
                **(IMPATIENT if slow is None else {}),
            }
            return Between(cloud if there else NOWHERE, env, provider, Fake(ollama, local))

        yield started


@pytest.fixture
def serve(tmp_path: Path, fakes: Fakes) -> Iterator[Serve]:
    """Starts `trooper serve` between fakes."""
    with ExitStack() as stack:

        def started(
            turns: tuple[str, ...],
            fault: str,
            position: int | str,
            there: bool = True,
            slow: tuple[float, float] | None = None,
        ) -> Served:
            between = fakes(turns, fault, position, there, slow)
            empty = tmp_path / "trooper"
            empty.mkdir()
            env = between.environ | between.places
            process = stack.enter_context(running(*WAYS["trooper serve"], cwd=empty, **env))
            url = process.wait_for(r"on (http://127\.0\.0\.1:\d+)")[1]
            process.wait_for('"standby_ready"')
            return Served(url, process, between.provider, between.local)

        yield started


@pytest.fixture(scope="session")
def agents() -> Path:
    """The folder that the nox session has filled: `node_modules`, and aider's environment."""
    folder = os.environ.get("AGENTS_FOLDER", "")
    assert folder, "run `nox -s agents`: it installs the agents and says where they are"
    return Path(folder)


@pytest.fixture
def environ(agents: Path, tmp_path: Path) -> Mapping[str, str]:
    """What an agent sees: all agents by their names, a home of its own, and no way out but loopback."""
    home = tmp_path / "home"
    home.mkdir()
    programs = [str(agents / "node_modules" / ".bin"), str(agents / "aider" / "bin")]
    return {
        "HOME": str(home),
        "PATH": ":".join([*programs, os.environ["PATH"]]),
        "PYTHONPATH": str(ROOT),
        "HTTP_PROXY": NOWHERE,
        "HTTPS_PROXY": NOWHERE,
        "NO_PROXY": "127.0.0.1,localhost",
        "OPENAI_API_KEY": "sk-of-nobody",
        "ANTHROPIC_API_KEY": "sk-of-nobody",
        # Claude Code asks for it where it is run by root.
        "IS_SANDBOX": "1",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
        "OPENCODE_DISABLE_AUTOUPDATE": "1",
    }


@pytest.fixture
def desk(environ: Mapping[str, str], tmp_path: Path) -> Desk:
    cwd = tmp_path / "work"
    cwd.mkdir()
    mark = f"TROOPER_TEST_{uuid.uuid4().hex}"
    return Desk(cwd, {**environ, **marked(mark)}, mark)

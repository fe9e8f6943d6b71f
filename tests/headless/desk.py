"""Where an agent works: its programs, its folder, what it sees around it."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from attrs import frozen


@frozen
class Desk:
    """An agent's programs, its folder, its environment, and how long it may take."""

    agents: Path
    cwd: Path
    environ: Mapping[str, str]
    timeout_s: float = 120.0

    def run(self, *command: str, **more: str) -> str:
        """What the agent prints; it must end well."""
        done = subprocess.run(
            command,
            cwd=self.cwd,
            env={**self.environ, **more},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=self.timeout_s,
            check=False,
        )
        assert done.returncode == 0, (done.stdout, done.stderr)
        return done.stdout

    def program(self, name: str) -> str:
        return str(self.agents / "node_modules" / ".bin" / name)

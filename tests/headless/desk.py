"""Where an agent works: its folder, what it sees around it."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from attrs import frozen


@frozen
class Desk:
    """
    An agent's folder, its environment, and how long it may take.

    Attributes:
        mark: what all its processes have in their environment, see `left_running.py`.
    """

    cwd: Path
    environ: Mapping[str, str]
    mark: str
    timeout_s: float = 120.0

    @property
    def home(self) -> Path:
        return Path(self.environ["HOME"])

    def run(self, *command: str, **more: str) -> str:
        """What the agent prints; it must end well."""
        done = self.ended(*command, **more)
        assert done.returncode == 0, (done.stdout, done.stderr)
        return done.stdout

    def ended(self, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
        """The agent behind its end."""
        return subprocess.run(
            command,
            cwd=self.cwd,
            env={**self.environ, **more},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=self.timeout_s,
            check=False,
        )

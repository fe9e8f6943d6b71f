"""
What a running Trooper holds, seen from outside, and how long its loop was held, told by the watch inside.
"""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import frozen

from deployed import ROOT
from figures import resident_bytes

WATCH = ROOT / "tests" / "attack" / "watch"
_SIZE_BYTES = 64
_THREAD, _PROCESS, _WALL, _TURNS = range(4)
_ESTABLISHED, _CLOSE_WAIT = "01", "08"


@frozen
class Numbers:
    """The numbers of the watch; see `attack/watch/sitecustomize.py`."""

    file: Path
    _shared: Any

    @property
    def environment(self) -> dict[str, str]:
        """What a Trooper is started with to be watched."""
        return {"PYTHONPATH": f"{WATCH}:{ROOT}", "ATTACK_WATCH": str(self.file)}

    def reset(self) -> None:
        """Forget the longest pause."""
        for slot in (_THREAD, _PROCESS, _WALL, _TURNS):
            self._shared[slot] = 0.0

    @property
    def pause_s(self) -> float:
        """How long the loop did not look at its sockets, at most, in processor time of its thread."""
        return self._shared[_THREAD]

    @property
    def process_s(self) -> float:
        """The same in processor time of all threads."""
        return self._shared[_PROCESS]

    @property
    def wall_s(self) -> float:
        """The same by the clock, with the time that other processes had."""
        return self._shared[_WALL]

    @property
    def turns(self) -> int:
        """How often it has looked."""
        return int(self._shared[_TURNS])


@contextmanager
def numbers() -> Iterator[Numbers]:
    """A place for them, which a Trooper gets by its environment."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "watch"
        file.write_bytes(bytes(_SIZE_BYTES))
        with file.open("r+b") as opened:
            shared = mmap.mmap(opened.fileno(), _SIZE_BYTES)
        yield Numbers(file, memoryview(shared).cast("d"))


@frozen
class Watched:
    """
    One running Trooper.

    Attributes:
        pid: the process that serves.
        port: where it listens.
        numbers: what the watch inside tells.
        targets: the ports of its targets, to which it may keep connections.
    """

    pid: int
    port: int
    numbers: Numbers
    targets: Callable[[], frozenset[int]]

    @property
    def memory_bytes(self) -> int:
        """What is resident."""
        return resident_bytes(self.pid)

    @property
    def descriptors(self) -> int:
        """
        All that are open, but for what is kept for the next request: connections to targets, and the
        two pipes and the handle of each process aside, of which there are two at most.
        """
        links = _links(self.pid)
        return len(links) - len(self._kept(links)) - 3 * len(self.children)

    @property
    def children(self) -> list[int]:
        """The processes that it has begun and that still run."""
        tasks = Path(f"/proc/{self.pid}/task").iterdir()
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]

    @property
    def kept(self) -> int:
        """Those connections."""
        return len(self._kept(_links(self.pid)))

    def _kept(self, links: list[str]) -> list[str]:
        targets = self.targets()
        to_targets = {
            f"socket:[{inode}]"
            for _, remote, state, inode in _sockets()
            if remote in targets and state != "0A"
        }
        return [link for link in links if link in to_targets]

    @property
    def clients(self) -> int:
        """Connections of clients that it has not closed."""
        return sum(
            local == self.port and state in {_ESTABLISHED, _CLOSE_WAIT} for local, _, state, _ in _sockets()
        )


def _links(pid: int) -> list[str]:
    links = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            links.append(str(entry.readlink()))
        except FileNotFoundError:
            continue
    return links


def _sockets() -> Iterator[tuple[int, int, str, str]]:
    """The own port, the other's, the state and the inode of each TCP socket on this machine."""
    for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
        _, local, remote, state, *rest = line.split()
        yield int(local.rpartition(":")[2], 16), int(remote.rpartition(":")[2], 16), state, rest[5]

"""A Trooper of one row, and its fakes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeAlias

from attrs import frozen

from deployed import Fake, Process

_REQUEST = '"event": "request"'
_TURN = '"turn": "([a-z]+)"'


@frozen
class Between:
    """The fakes of a Trooper that is yet to be started."""

    cloud: str
    #: All that it has to be told, but for where the clouds are.
    environ: dict[str, str]
    provider: Process
    local: Fake

    @property
    def places(self) -> dict[str, str]:
        """Where the clouds are, in Trooper's own variables."""
        return {f"TROOPER_{cloud}_BASE_URL": self.cloud for cloud in ("OPENAI", "ANTHROPIC")}

    def asked(self) -> list[str]:
        """The turns that the provider was asked for."""
        return [match[1] for match in self.provider.matches(_TURN)]


@frozen
class Served:
    """A running Trooper and its fakes."""

    url: str
    process: Process
    provider: Process
    local: Fake

    def reports(self, requests: int) -> list[dict[str, Any]]:
        """The log lines of the requests, of at least that many."""
        # The agent may be gone before Trooper has written what it did for it.
        self.process.wait_for(_REQUEST, times=requests)
        return [json.loads(line) for line in self.process.lines if _REQUEST in line]

    def asked(self) -> list[str]:
        """The turns that the provider was asked for."""
        return [match[1] for match in self.provider.matches(_TURN)]

    def proofs(self) -> set[str]:
        """What the provider was shown of who asks."""
        told = [json.loads(line) for line in self.provider.lines if '"proofs"' in line]
        return {proof for each in told for proof in each["proofs"] if proof}


#: Turns, a fault, and its place → a running Trooper, or the fakes alone.
Serve: TypeAlias = Callable[..., Served]
Fakes: TypeAlias = Callable[..., Between]

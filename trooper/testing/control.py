"""
A fake in another process, asked what it has seen and told what to do next.
"""

from __future__ import annotations

import json
from typing import Any

from trooper.testing.client import fetch

_PATH = "/__trooper_testing__/"


async def state(port: int) -> dict[str, Any]:
    """What the fake on `port` has seen."""
    return await _asked("GET", port, "state", b"")


async def reset(port: int) -> None:
    """Make it forget what it has seen. What it was told to do it keeps doing."""
    await _asked("POST", port, "reset", b"")


async def play(port: int, fault: str | None, *, keepalive_s: float | None = None) -> None:
    """
    Make a provider fail in every answer from now on.

    Args:
        port: where the provider is.
        fault: `name@position`; `None` is a healthy answer.
        keepalive_s: the pause between keep-alives, where the fault has them.
    """
    await _asked("POST", port, "play", json.dumps({"fault": fault, "keepalive_s": keepalive_s}).encode())


async def hang_up(port: int) -> None:
    """Make it close the connections that wait for a next request."""
    await _asked("POST", port, "hang-up", b"")


async def _asked(method: str, port: int, word: str, body: bytes) -> dict[str, Any]:
    answered = await fetch(port, method, f"{_PATH}{word}", body)
    if answered.status != 200:
        raise ValueError(
            f"the fake does not {word}: {answered.status} {answered.body.decode(errors='replace')}"
        )
    value: dict[str, Any] = answered.json()
    return value

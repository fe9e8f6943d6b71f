"""
The part of ASGI that Trooper speaks, and what the web layer asks of the layers
below it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeAlias, TypeVar

import trio

from trooper.config import Config
from trooper.core.headers import Headers
from trooper.relay.client import Message, Receive, Send
from trooper.relay.request import ClientRequest

__all__ = [
    "Answering",
    "HangUp",
    "Headers",
    "Message",
    "OpenServices",
    "Receive",
    "S",
    "Scope",
    "Send",
    "Serve",
    "Serving",
]

Scope: TypeAlias = MutableMapping[str, Any]
Serve: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

#: Hangs up on the one client; see `hang_up`.
HangUp: TypeAlias = Callable[[], object]


class Serving(Protocol):
    """What the web layer asks of the running services."""

    def credentials(self, headers: Headers, query: bytes) -> str:
        """What owners are told apart by."""

    async def models(self, headers: Headers, via_name: str) -> tuple[int, Headers, bytes]:
        """Status, headers and body for `GET /v1/models`; `via_name` is our name for targets that are asked."""

    def readiness(self) -> Mapping[str, object]:
        """
        What `/readyz` says, with 200.

        That there are services to ask is what ready means. Before they are open
        and once they close, `Application` answers every path with 503.
        """


S = TypeVar("S", bound=Serving)

OpenServices: TypeAlias = Callable[[Config, trio.Nursery], AbstractAsyncContextManager[S]]
Answering: TypeAlias = Callable[[S, ClientRequest, Receive, Send, HangUp], Awaitable[None]]

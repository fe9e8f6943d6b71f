"""
One target in a memory network, and what a leg at it hands on.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import trio

from trooper.config import Target
from trooper.core.events import Event, Received
from trooper.core.outcome import Outcome
from trooper.targets.inbox import Bell, Ended, Inbox, Item
from trooper.targets.upstream import Upstream, open_upstream
from trooper.testing import MemoryNetwork

LONG_S = 3600
Serve = Callable[[trio.abc.HalfCloseableStream], Awaitable[None]]


@asynccontextmanager
async def opened(target: Target, serve: Serve | None) -> AsyncIterator[tuple[Upstream, MemoryNetwork]]:
    """The connections to `target`, where `serve` serves; without it nobody is there."""
    async with trio.open_nursery() as nursery:
        network = MemoryNetwork(nursery)
        if serve is not None:
            place = urlsplit(target.base_url)
            assert place.hostname is not None
            network.listen(place.hostname, place.port or {"https": 443, "http": 80}[place.scheme], serve)
        async with open_upstream(target, network) as upstream:
            yield upstream, network
        nursery.cancel_scope.cancel()


async def heard(run: Callable[[Inbox], Awaitable[object]]) -> list[Item]:
    """All that is put into an inbox with room for it, by what runs to its end."""
    inbox = Inbox(Bell(), 10_000_000)
    with trio.fail_after(LONG_S):
        await run(inbox)
    return list(iter(inbox.take, None))


def outcome(items: Sequence[Item]) -> Outcome:
    """How the leg ended: the last item, and the only one of its kind."""
    assert [isinstance(item, Ended) for item in items] == [False] * (len(items) - 1) + [True]
    last = items[-1]
    assert isinstance(last, Ended)
    return last.outcome


def events(items: Sequence[Item]) -> list[Event]:
    """All that was said, in order."""
    return [event for item in items if isinstance(item, Received) for event in item.events]


def text(items: Sequence[Item]) -> str:
    """The visible text."""
    return "".join(item.text for item in items if isinstance(item, Received))

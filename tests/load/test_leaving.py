"""
A thousand clients leave, each at a moment of its own: what worked for them
stops at once, and nothing of them stays.

The fakes run in this process, so that one clock tells when a client left and
when its provider was let go.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

import hypercorn.trio
import pytest
import trio
from attrs import define, field
from hypercorn.config import Config as HypercornConfig
from hypercorn.typing import Framework

from chat_client import ChatClient
from deployed import deployed
from figures import Figures, open_sockets, percentile, resident_bytes
from trooper.config import load
from trooper.relay.conductor import relay
from trooper.services import open_services
from trooper.testing import FakeOllama, Request, Response, ScriptedProvider, serve_tcp
from trooper.testing.http import ClosedByPeer, Handler, Server
from trooper.web.asgi import Application
from trooper.wires import WIRES

STREAMS = 1000
WARM_UP = 300
AT_ONCE = 8
#: Every so many clients one has no Trooper in between: how slow the machine is just now.
CONTROL_EVERY = 10
SEED = 20261126
#: The acceptance line: a leg ends so long after its client left.
WITHIN_S = 0.05
#: Hypercorn's own keep-alive time is 5 s, and some of its connections are closed at its end only.
QUIET_S = 6.0

CONFIG = """
[server]
port = 0
[[targets]]
name = "openai"
wire = "openai-chat"
base_url = "{cloud}"
key = "client"
[[targets]]
name = "ollama"
wire = "ollama-chat"
base_url = "{local}"
slots = 4
"""


@define
class Watch:
    """Counts the answers that a fake is at, and knows whose they were."""

    server: Server
    number_of: Callable[[Request], int | None]
    under_way: int = 0
    _handler: Handler = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._handler = self.server.handler
        self.server.handler = self._watched

    async def _watched(self, request: Request, response: Response) -> None:
        self.under_way += 1
        try:
            await self._handler(request, response)
        finally:
            self.under_way -= 1
            self.server.changed()

    def abandoned(self) -> Iterator[tuple[int, ClosedByPeer]]:
        for closed in self.server.abandoned:
            if closed.request is not None and (number := self.number_of(closed.request)) is not None:
                yield number, closed


def number_in_query(request: Request) -> int | None:
    found = re.fullmatch(r"number=(-?\d+)", request.query)
    return int(found[1]) if found else None


def number_in_question(request: Request) -> int | None:
    found = re.search(rb"lighthouses\. \((\d+)\)", request.body)
    return int(found[1]) if found else None


@define
class Scene:
    """The two fakes on real sockets, and the clients that leave."""

    cloud: ScriptedProvider
    local: FakeOllama
    chance: random.Random = field(factory=lambda: random.Random(SEED))
    left: dict[int, float] = field(factory=dict)
    phases: Counter[str] = field(factory=Counter)
    ports: dict[str, int] = field(factory=dict)
    _turn: trio.CapacityLimiter = field(factory=lambda: trio.CapacityLimiter(AT_ONCE))
    _watches: list[Watch] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        self._watches = [
            Watch(self.cloud.server, number_in_query),
            Watch(self.local.server, number_in_question),
        ]

    async def abandon(self, port: int, count: int) -> None:
        """So many clients come and leave, and everything they caused comes to its end."""
        async with trio.open_nursery() as nursery:
            for number in range(1, count + 1):
                nursery.start_soon(self._one, port, number)
                if number % CONTROL_EVERY == 0:
                    nursery.start_soon(self._one, self.ports["cloud"], -number)
        with trio.fail_after(10):
            for watch in self._watches:
                await watch.server.wait_until(lambda watch=watch: watch.under_way == 0)  # type: ignore[misc]

    async def _one(self, port: int, number: int) -> None:
        phases = [
            self._in_its_request,
            self._before_headers,
            self._before_content,
            self._in_the_cloud_part,
            self._before_the_local_part,
            self._in_the_local_part,
        ]
        chosen = phases[number % len(phases)] if number > 0 else self._in_the_cloud_part
        async with self._turn:
            client = await ChatClient.connect(port, number)
            with trio.fail_after(60):
                await chosen(client)
            client.leave(reset=self.chance.random() < 0.3)
            self.left[number] = trio.current_time()
            if number > 0:
                self.phases[chosen.__name__] += 1

    async def _in_its_request(self, client: ChatClient) -> None:
        request = client.request("gpt-4o")
        await client.stream.send_all(request[: self.chance.randrange(len(request))])
        await self._a_moment()

    async def _before_headers(self, client: ChatClient) -> None:
        await client.ask("fault/no-headers/start")
        await self._a_moment()

    async def _before_content(self, client: ChatClient) -> None:
        await client.ask(self.chance.choice(["fault/headers-only/start", "fault/silence-comments/start"]))
        await self._a_moment()

    async def _in_the_cloud_part(self, client: ChatClient) -> None:
        await client.ask("gpt-4o")
        for _ in range(self.chance.randrange(1, 30)):
            assert await client.piece() is not None

    async def _before_the_local_part(self, client: ChatClient) -> None:
        await client.ask("fault/clean-eof/3")
        for _ in range(2):
            assert await client.piece() is not None
        await self._a_moment()

    async def _in_the_local_part(self, client: ChatClient) -> None:
        await client.ask("fault/clean-eof/3")
        while b"trooper seam" not in (await client.piece() or b""):
            pass
        for _ in range(self.chance.randrange(1, 10)):
            assert await client.piece() is not None

    async def _a_moment(self, up_to_s: float = 0.08) -> None:
        await trio.sleep(self.chance.uniform(0, up_to_s))

    def let_go_after(self, *, control: bool = False) -> list[float]:
        """How long after its client left each leg was let go; `control`: without Trooper."""
        return sorted(
            closed.time - self.left[number]
            for watch in self._watches
            for number, closed in watch.abandoned()
            if (number < 0) is control
        )

    def forget(self) -> None:
        self.left.clear()
        self.phases.clear()
        for watch in self._watches:
            watch.server.forget()

    @property
    def urls(self) -> dict[str, str]:
        return {name: f"http://127.0.0.1:{port}" for name, port in self.ports.items()}

    @property
    def kept(self) -> int:
        """Connections to the fakes that wait for the next request."""
        return self.cloud.open_connections + self.local.open_connections


@asynccontextmanager
async def scene() -> AsyncIterator[Scene]:
    cloud = ScriptedProvider(pace_s=0.01)
    local = FakeOllama(token_s=0.01, prefill_s=0.001, parallel=4)
    async with trio.open_nursery() as nursery:
        built = Scene(cloud, local)
        for name, fake in (("cloud", cloud), ("local", local)):
            built.ports[name] = await serve_tcp(fake, nursery)
        yield built
        nursery.cancel_scope.cancel()


async def settled(count: Callable[[], int]) -> int:
    """The count, once it has stayed the same for longer than hypercorn waits for a client that has closed."""
    with trio.fail_after(60):
        last, since = count(), trio.current_time()
        while trio.current_time() < since + QUIET_S:
            await trio.sleep(0.05)
            if (now := count()) != last:
                last, since = now, trio.current_time()
    return last


def in_ms(values: Sequence[float]) -> str:
    median, most, worst = percentile(values, 0.5), percentile(values, 0.99), values[-1]
    return f"{median * 1000:.1f} ms (median), {most * 1000:.1f} ms (99 %), {worst * 1000:.1f} ms (worst)"


def check(figures: Figures, title: str, there: Scene, *facts: str) -> None:
    """Print the figures, and hold them against the acceptance line."""
    after, control = there.let_go_after(), there.let_go_after(control=True)
    phases = ", ".join(f"{name.strip('_').replace('_', ' ')} {n}" for name, n in there.phases.items())
    figures.add(
        title,
        f"left {phases}",
        f"{len(after)} legs were under way; let go after {in_ms(after)}",
        f"{len(control)} without Trooper, at the same time: {in_ms(control)}",
        *facts,
    )
    # What the machine alone needs to tell a server of its client's end is not ours.
    assert percentile(after, 0.99) <= WITHIN_S + percentile(control, 0.99)


@pytest.mark.parametrize("way", ["hypercorn", "hypercorn -k trio", "trooper serve"])
async def test_nothing_stays(way: str, figures: Figures, tmp_path: Path) -> None:
    async with scene() as there:
        file = tmp_path / "trooper.toml"
        file.write_text(CONFIG.format(**there.urls))
        context = deployed(way, there.urls["cloud"], there.urls["local"], tmp_path)
        trooper = await trio.to_thread.run_sync(context.__enter__)
        try:
            await there.abandon(trooper.port, WARM_UP)
            there.forget()
            sockets = await settled(lambda: open_sockets(trooper.pid) - there.kept)
            before_bytes = resident_bytes(trooper.pid)
            await there.abandon(trooper.port, STREAMS)
            left = await settled(lambda: open_sockets(trooper.pid) - there.kept) - sockets
            grown_bytes = resident_bytes(trooper.pid) - before_bytes
        finally:
            with trio.move_on_after(120, shield=True):
                await trio.to_thread.run_sync(context.__exit__, None, None, None)
        assert left == 0
        assert grown_bytes < 10_000_000
        title = f"{STREAMS} abandoned streams, {way}"
        check(figures, title, there, f"sockets {left:+d}, memory {grown_bytes / 1e6:+.1f} MB")


async def test_no_task_stays(figures: Figures, tmp_path: Path) -> None:
    """The same with Trooper in this process, where its tasks can be counted."""

    def tasks() -> int:
        # The fakes have two for each connection that is kept.
        return trio.lowlevel.current_statistics().tasks_living - 2 * there.kept

    async with scene() as there, trio.open_nursery() as nursery:
        (tmp_path / "trooper.toml").write_text(CONFIG.format(**there.urls))
        app = Application(load({}, tmp_path, WIRES.known), open_services, relay)
        settings = HypercornConfig()
        settings.bind = ["127.0.0.1:0"]
        settings.errorlog = None
        serve = partial(
            hypercorn.trio.serve, cast("Framework", app), settings, shutdown_trigger=trio.sleep_forever
        )
        addresses: Any = await nursery.start(partial(serve, mode="asgi"))
        port = int(addresses[0].rpartition(":")[2])
        await there.abandon(port, WARM_UP)
        there.forget()
        before = await settled(tasks)
        await there.abandon(port, STREAMS)
        left = await settled(tasks) - before
        check(figures, f"{STREAMS} abandoned streams, in one process", there, f"tasks {left:+d}")
        assert left == 0
        nursery.cancel_scope.cancel()

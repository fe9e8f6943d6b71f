"""The services end behind the requests: what these say of themselves at their end is kept."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import trio
import trio.testing
from attrs import evolve

from asgi_server import Exchange, body_messages, chat_scope, running
from opened import STREAMED, MemoryNetwork, application
from scenes import configured
from stores import ANN, NOW, Clock, opened, session
from trooper.services import Services, open_services
from trooper.web.asgi import Application
from trooper.web.running import ENDING_S, Running


async def test_a_request_that_is_cancelled_with_everything_is_kept(tmp_path: Path) -> None:
    """A second SIGTERM: the server cancels the requests and the services in one go."""
    place, began = str(tmp_path / "data"), trio.Event()

    async def held(services: Services, *_: object) -> None:
        began.set()
        try:
            await trio.sleep_forever()
        finally:
            # He closes his connections, while the services would be closed.
            with trio.CancelScope(shield=True):
                await trio.testing.wait_all_tasks_blocked(0.05)
            services.store.put_session(session())

    config = configured()
    config = evolve(config, store=evolve(config.store, data_dir=place))
    exchange = Exchange(body_messages(STREAMED))
    with trio.CancelScope() as everything:
        async with trio.open_nursery() as requests:
            network = MemoryNetwork(requests)
            app = Application(config, partial(open_services, network=network), held)
            async with running(app):
                requests.start_soon(app, chat_scope(), exchange.receive, exchange.send)
                await began.wait()
                everything.cancel()
                await trio.sleep_forever()

    async with opened(place, clock=Clock(NOW)) as store:
        assert [kept.id for kept in await store.list_sessions(ANN)] == ["s"]


async def test_one_that_does_not_end_holds_nobody_up(autojump_clock: trio.abc.Clock) -> None:
    began = trio.Event()

    async def held(*_: object) -> None:
        began.set()
        await trio.sleep_forever()

    app, exchange = application(answers=held), Exchange(body_messages(STREAMED))
    async with trio.open_nursery() as requests:
        async with running(app):
            requests.start_soon(app, chat_scope(), exchange.receive, exchange.send)
            await began.wait()
            stopped_at = trio.current_time()
        assert trio.current_time() - stopped_at == ENDING_S
        requests.cancel_scope.cancel()


async def test_who_waits_for_two_waits_for_both(autojump_clock: trio.abc.Clock) -> None:
    requests, began = Running(), trio.current_time()

    async def take(seconds: float) -> None:
        with requests.one():
            await trio.sleep(seconds)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take, 0.5)
        nursery.start_soon(take, 1.0)
        await trio.testing.wait_all_tasks_blocked()
        await requests.ended()
        assert trio.current_time() - began == 1.0

"""
Trio as a guest of the server's asyncio loop.

`hypercorn trooper.app`, exactly as typed, runs hypercorn's asyncio worker. All
of Trooper is written for Trio, so here, and only here, the two meet:

* One guest run per loop, begun and ended by the lifespan scope.
* Each other scope is one Trio task; the server's asyncio task waits for it.
* `receive` and `send` belong to asyncio. A Trio task that calls one starts an
  asyncio task for it and sleeps until that is done: one crossing each way.
* Cancellation goes both ways, and waits for the other side to end.

Both loops run in one thread. Trio lets its host call what does not wait
(start a task, cancel a scope, reschedule), so no thread-safe token is needed;
going through one costs a task switch per call.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NoReturn, Protocol, TypeVar

import trio
from attrs import define, field
from outcome import Outcome

from trooper.web.protocol import Receive, Scope, Send, Serve

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: How long a Trio task may take to end after the server cancelled its scope.
#: Cleanup that waits is bounded below this everywhere; more is a bug, and the
#: server must not hang for it.
CANCEL_S = 5.0

#: How long the services may take to close.
CLOSE_S = 5.0


class Live(Protocol):
    """Keeps the services open until `stop`; reports `None` or why it cannot."""

    async def __call__(self, stop: trio.Event, *, task_status: trio.TaskStatus[str | None]) -> None:
        """Live until `stop`."""


@define(eq=False)
class Guest:
    """
    Serves scopes that arrive on asyncio.

    Attributes:
        live: the services' life, run on Trio.
        serve: answers one scope, on Trio.
        refuse: answers one while Trio does not run, on asyncio.
    """

    live: Live
    serve: Serve
    refuse: Serve
    #: Where scopes run; `None` while Trio does not.
    _scopes: trio.Nursery | None = field(default=None, init=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one scope; called on asyncio."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif self._scopes is not None:
            await self._run(self._scopes, scope, receive, send)
        else:
            await self.refuse(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        loop = asyncio.get_running_loop()
        started: asyncio.Future[str | None] = loop.create_future()
        over: asyncio.Future[Outcome[None]] = loop.create_future()
        stop = trio.Event()
        trio.lowlevel.start_guest_run(
            self._main,
            started,
            stop,
            run_sync_soon_threadsafe=loop.call_soon_threadsafe,
            run_sync_soon_not_threadsafe=loop.call_soon,
            done_callback=over.set_result,
            host_uses_signal_set_wakeup_fd=True,
        )
        await _first_of(started, over)
        failure = started.result() if started.done() else None
        if failure is None:
            if not over.done():
                await send({"type": "lifespan.startup.complete"})
                await self._until_shutdown(receive, over)
            stop.set()
        await _despite_cancellation(over)
        if over.done():
            over.result().unwrap()
        else:
            logger.error("Trio did not end within %s s of the shutdown", 2 * CLOSE_S)
        if failure is None:
            # Last of all: hypercorn cancels this task as soon as it has read
            # the message, and prints a traceback if that hits a wait.
            await send({"type": "lifespan.shutdown.complete"})
        else:
            # From this very task: hypercorn looks whether it has ended right
            # after the message, and would go on to serve if another task had
            # sent it.
            await send({"type": "lifespan.startup.failed", "message": failure})

    async def _until_shutdown(self, receive: Receive, over: asyncio.Future[Outcome[None]]) -> None:
        """Wait for the shutdown message; a crash, or cancellation, means the same."""
        asked = asyncio.ensure_future(receive())
        try:
            await _first_of(asked, over)
        except asyncio.CancelledError:
            logger.info("the server cancelled the lifespan")
        finally:
            asked.cancel()

    async def _main(self, started: asyncio.Future[str | None], stop: trio.Event) -> None:
        """The guest run; on Trio."""
        async with trio.open_nursery() as nursery:
            failure = await nursery.start(self.live, stop)
            if failure is None:
                nursery.start_soon(self._hold_scopes, started, stop)
                await stop.wait()
            else:
                started.set_result(failure)
            nursery.cancel_scope.deadline = trio.current_time() + CLOSE_S

    async def _hold_scopes(self, started: asyncio.Future[str | None], stop: trio.Event) -> None:
        async with trio.open_nursery() as scopes:
            self._scopes = scopes
            started.set_result(None)
            try:
                await stop.wait()
            finally:
                self._scopes = None
            scopes.cancel_scope.cancel()

    async def _run(self, scopes: trio.Nursery, scope: Scope, receive: Receive, send: Send) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        cancel_scope = trio.CancelScope()
        scopes.start_soon(self._serve_on_trio, cancel_scope, done, scope, receive, send)
        try:
            await asyncio.shield(done)
        except asyncio.CancelledError:
            cancel_scope.cancel()
            await asyncio.wait([done], timeout=CANCEL_S)
            if not done.done():
                logger.error(  # noqa: TRY400  # the cancellation says nothing about why
                    "a scope did not end within %s s of its cancellation", CANCEL_S
                )
            raise

    async def _serve_on_trio(
        self,
        cancel_scope: trio.CancelScope,
        done: asyncio.Future[None],
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        try:
            with cancel_scope:
                await self.serve(scope, partial(_on_asyncio, receive), partial(_on_asyncio, send))
        except Exception as error:
            if cancel_scope.cancel_called:
                logger.exception("a cancelled scope failed")
            else:
                done.set_exception(error)
        finally:
            if not done.done():
                done.set_result(None)


async def _on_asyncio(call: Callable[..., Awaitable[T]], *args: object) -> T:
    """Await `call(*args)` on asyncio; on Trio, in the same thread."""
    waiter = trio.lowlevel.current_task()
    task = asyncio.ensure_future(call(*args))
    task.add_done_callback(lambda _: trio.lowlevel.reschedule(waiter))
    cancelled: Callable[[], NoReturn] | None = None

    def abort(raise_cancel: Callable[[], NoReturn]) -> trio.lowlevel.Abort:
        # Not given up at once: whoever is cancelled must know that no message
        # of its own is still going out, or coming in to be lost.
        nonlocal cancelled
        cancelled = raise_cancel
        task.cancel()
        return trio.lowlevel.Abort.FAILED

    await trio.lowlevel.wait_task_rescheduled(abort)
    if not task.cancelled():
        return task.result()
    if cancelled is not None:
        cancelled()
    raise trio.BrokenResourceError("the server's loop is ending")


async def _first_of(*futures: asyncio.Future[Any]) -> None:
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)


async def _despite_cancellation(over: asyncio.Future[Outcome[None]]) -> None:
    """
    Wait for the end of the guest run, bounded.

    The server's cancellation is absorbed: a run that is left before its end
    loses its tasks' cleanup, and a lifespan that ends as cancelled is printed
    as an error by each worker.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + 2 * CLOSE_S
    while not over.done() and loop.time() < deadline:
        try:
            await asyncio.wait([over], timeout=deadline - loop.time())
        except asyncio.CancelledError:
            continue

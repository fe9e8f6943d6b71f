"""
The ASGI application.

    scope ── on asyncio ── guest ──┐
      └───── on Trio ──────────────┴── lifespan: the services, for as long as it lasts
                                   ├── http: front door ─┬─ an answer ── relay
                                   │                     └─ the rest ─── routes (Quart)
                                   └── websocket: 426

Requests for answers go round Quart, to the relay with the raw `receive` and `send`.
Quart sends the status line before it asks for the body, and gives the status
away while a failure can still become another answer; it enters view and body
in two places, and a client that leaves in between leaks what the view opened;
and its response class takes async generators only.
"""

from __future__ import annotations

import logging
import math
import platform
import uuid
from contextlib import AsyncExitStack
from functools import partial
from typing import Generic, cast
from urllib.parse import quote

import sniffio
import trio
from attrs import define, field

from trooper.config import Config
from trooper.errors import RequestRejected, TrooperError
from trooper.relay.dispatch import is_ours
from trooper.relay.request import ClientRequest, Packed
from trooper.web import paths
from trooper.web.answers import (
    ErrorShape,
    answer_error,
    answer_preflight,
    answer_rejection,
)
from trooper.web.body import Upload, read_body
from trooper.web.budget import Budget, Share, no_memory
from trooper.web.front_door import (
    RequestHead,
    admit,
    allowed_origin,
    announced_bytes,
    announces_body,
    is_preflight,
)
from trooper.web.guest import Guest
from trooper.web.hang_up import hang_up_on
from trooper.web.paths import Asked, asked, query
from trooper.web.protocol import (
    Answering,
    HangUp,
    Message,
    OpenServices,
    Receive,
    S,
    Scope,
    Send,
    Serve,
)
from trooper.web.routes import SERVICES_KEY, VIA_NAME_KEY, create_routes
from trooper.web.running import ENDING_S, Running
from trooper.web.websockets import answer_offer, can_be_answered, check_no_offer, close_offer, is_offer
from trooper.wires import WIRES, Wires

logger = logging.getLogger(__name__)


@define(eq=False)
class Application(Generic[S]):
    """
    What an ASGI server calls, on Trio or on asyncio.

    Attributes:
        config: the configuration; it does not change while we run.
        open_services: opens what the relay and the routes need, with a nursery
            for background tasks.
        answer: answers one request that is not for the routes.
        wires: the table that `config` was loaded with; it says which requests
            are not for the routes, and in which shape a client is refused.
    """

    config: Config
    open_services: OpenServices[S]
    answer: Answering[S]
    wires: Wires = WIRES

    #: Set while we serve. Anything that ends the services unsets it, so that a
    #: server which carries on without its lifespan (hypercorn does) answers
    #: 503, `/healthz` included, and is restarted.
    _services: S | None = field(default=None, init=False)
    _machine: str = field(init=False)
    _routes: Serve = field(init=False)
    _guest: Guest = field(init=False)
    _budget: Budget = field(init=False)
    _running: Running = field(factory=Running, init=False)

    def __attrs_post_init__(self) -> None:
        self._machine = this_machine()
        self._routes = cast("Serve", create_routes(self.wires))
        self._budget = Budget(self.config.server.max_total_bytes)
        self._guest = Guest(self._live, self._serve, self._refuse)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one scope, on whichever loop the server runs."""
        if sniffio.current_async_library() != "trio":
            await self._guest(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        else:
            await self._serve(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        stop = trio.Event()
        async with trio.open_nursery() as nursery:
            failure = await nursery.start(self._live, stop)
            if failure is None:
                await send({"type": "lifespan.startup.complete"})
                await receive()
                stop.set()
        if failure is None:
            await send({"type": "lifespan.shutdown.complete"})
        else:
            await send({"type": "lifespan.startup.failed", "message": failure})

    async def _live(self, stop: trio.Event, *, task_status: trio.TaskStatus[str | None]) -> None:
        """Open the services, report how that went, keep them until `stop`."""
        async with trio.open_nursery() as nursery, AsyncExitStack() as stack:
            background = await nursery.start(_hold_open)
            stack.callback(background.cancel_scope.cancel)
            try:
                services = await stack.enter_async_context(self.open_services(self.config, background))
            except Exception as error:  # noqa: BLE001  # whatever it is, the server must hear of it
                task_status.started(_why(error))
            else:
                self._services = services
                task_status.started(None)
                try:
                    await stop.wait()
                finally:
                    self._services = None
                    # Before the services close: a background task must not
                    # find its HTTP client closed under it.
                    background.cancel_scope.cancel()
                    with trio.move_on_after(ENDING_S, shield=True):
                        await self._running.ended()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        services = self._services
        if services is None or scope["type"] == "websocket":
            await self._refuse(scope, receive, send)
            return
        with self._running.one():
            await self._serve_with(services, scope, receive, send)

    async def _serve_with(self, services: S, scope: Scope, receive: Receive, send: Send) -> None:
        hang_up = partial(hang_up_on, scope.get("server"), scope.get("client"))
        async with trio.open_nursery() as nursery:
            answered = trio.Event()
            nursery.start_soon(_hang_up_when_cancelled, answered, hang_up)
            client = ClientSend(send, nursery.cancel_scope, self.config.server.drain_timeout_s)
            await self._answer(services, scope, receive, client, hang_up)
            answered.set()

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a scope that is not to be served, or while there is nothing to serve it with; on any loop."""
        if not can_be_answered(scope):
            await close_offer(receive, send)
            return
        shape = self._error_shape(_head(scope, _asked(scope)))
        if _is_offer(scope):
            await answer_offer(scope, shape, receive, send)
            return
        await answer_error(send, shape, 503, "not_running", "Trooper is not running. Its log says why.")

    def _error_shape(self, head: RequestHead) -> ErrorShape:
        return ErrorShape(self.wires.asking_side(head.path, head.headers))

    async def _answer(
        self, services: S, scope: Scope, receive: Receive, response: ClientSend, hang_up: HangUp
    ) -> None:
        with self._budget.share() as held:
            await self._answer_with(held, services, scope, receive, response, hang_up)

    async def _answer_with(
        self, held: Share, services: S, scope: Scope, receive: Receive, response: ClientSend, hang_up: HangUp
    ) -> None:
        target = _asked(scope)
        head, upload = _head(scope, target), Upload(receive)
        try:
            check_no_offer(scope["http_version"], head)
            paths.check(_raw(scope) + scope["query_string"], target, head.query)
            response.origin = allowed_origin(self.config, head)
            admitted = admit(self.config, self._machine, head)
            ours = not is_preflight(head) and is_ours(
                self.wires, self.config, head.method, head.path, admitted.headers, admitted.query
            )
            coding = admitted.coding if ours else None
            if ours:
                held.check(announced_bytes(head))
            body = await read_body(self.config, upload, held, keep=ours, coding=coding, typed=admitted.typed)
        except (RequestRejected, MemoryError) as rejected:
            # Else it would keep what came of the body while the rest is swallowed.
            bare = rejected.with_traceback(None)
            refused = bare if isinstance(bare, RequestRejected) else no_memory()
            held.give_back()
            close = announces_body(head) and scope["http_version"].startswith("1")
            await answer_rejection(refused, self._error_shape(head), upload, response.in_time, close=close)
            return
        if body is None:
            return
        if is_preflight(head):
            await answer_preflight(response.in_time, head.only(b"access-control-request-headers"))
        elif ours:
            request = ClientRequest(
                path=head.path,
                query=admitted.query,
                headers=admitted.headers,
                body=body.read,
                via_name=admitted.via_name,
                method=head.method,
                raw_path=target.raw,
                # Before the front door's own keys are taken out: they tell clients apart, too.
                owner=services.credentials(head.headers, head.query),
                door=services.credentials(taken, b"") if (taken := admitted.taken_from(head)) else "",
                packed=Packed(head.only(b"content-encoding") or b"", body.came) if admitted.coding else None,
            )
            await self._answer_ours(services, request, head, receive, response, hang_up)
        else:
            known = {SERVICES_KEY: services, VIA_NAME_KEY: admitted.via_name}
            clean = {"path": target.path, "raw_path": target.raw.encode("ascii"), "root_path": ""}
            headers = list(admitted.headers)
            inner = {**scope, **clean, "query_string": admitted.query, "headers": headers, **known}
            await self._routes(inner, _after_body(receive), response.in_time)

    async def _answer_ours(
        self,
        services: S,
        request: ClientRequest,
        head: RequestHead,
        receive: Receive,
        response: ClientSend,
        hang_up: HangUp,
    ) -> None:
        try:
            await self.answer(services, request, receive, response, hang_up)
        except Exception:
            # A bug of ours. Once the answer has begun the server must end it:
            # without a terminator, so that nobody takes it for a whole one.
            if response.started:
                raise
            logger.exception("the relay failed before it answered")
            message = "Trooper failed to answer. Its log says why."
            await answer_error(response, self._error_shape(head), 500, "internal_error", message)


@define(eq=False)
class ClientSend:
    """
    The server's `send`, with what every answer of ours needs.

    The last message is shielded. Inside that call hypercorn first says
    `http.disconnect` and then recycles or closes the connection; Quart-Trio,
    and any relay that watches for the client, cancels itself at the former and
    so would stop the latter: the socket stayed open for good, `Connection:
    close` or not.
    """

    _send: Send
    _request: trio.CancelScope
    _drain_timeout_s: float
    started: bool = field(default=False, init=False)
    #: The page that may read this answer.
    origin: bytes | None = field(default=None, init=False)

    async def __call__(self, message: Message) -> None:
        """Send one message of the answer."""
        if message["type"] == "http.response.start":
            self.started = True
            if self.origin is not None:
                message = {**message, "headers": [*message["headers"], *_cors(self.origin)]}
        elif not message.get("more_body", False):
            with trio.CancelScope(shield=True):
                await self._send(message)
            return
        await self._send(message)

    async def in_time(self, message: Message) -> None:
        """
        Send one message of an answer beside which nobody watches whether the client reads it.

        Past the time the request is cancelled, which hangs up.
        """
        self._request.deadline = trio.current_time() + self._drain_timeout_s
        try:
            await self(message)
        finally:
            self._request.deadline = math.inf


def this_machine() -> str:
    """What tells this machine from others, the same in each of its processes."""
    node = uuid.getnode()
    # With the multicast bit set it is a random stand-in for a missing network
    # card (RFC 4122, 4.1.6), another one in each worker.
    card = "" if node >> 40 & 1 else f"{node:012x}"
    return f"{card} {platform.node()}"


def _raw(scope: Scope) -> bytes:
    raw: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    # Some servers leave the query behind it.
    return raw.partition(b"?")[0]


def _asked(scope: Scope) -> Asked:
    return asked(_raw(scope), scope.get("root_path", ""))


def _head(scope: Scope, target: Asked) -> RequestHead:
    server = scope.get("server")
    return RequestHead(
        # A websocket's scope has none: an offer is a GET.
        method=scope.get("method", "GET"),
        path=target.path,
        scheme=scope["scheme"],
        headers=tuple((bytes(name).lower(), bytes(value)) for name, value in scope["headers"]),
        # Some servers give a unix socket's path and no port.
        server=None if server is None or server[1] is None else (server[0], server[1]),
        authority=target.authority,
        query=query(scope["query_string"]),
    )


def _is_offer(scope: Scope) -> bool:
    if scope["type"] == "websocket":
        return True
    return is_offer(scope["method"], ((bytes(name).lower(), value) for name, value in scope["headers"]))


def _cors(origin: bytes) -> list[tuple[bytes, bytes]]:
    return [
        (b"access-control-allow-origin", origin),
        (b"access-control-expose-headers", b"*"),
        (b"vary", b"origin"),
    ]


def _after_body(receive: Receive) -> Receive:
    """`receive` for somebody who comes after the body was read."""
    told = False

    async def remaining() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": b"", "more_body": False}

    return remaining


def _why(error: Exception) -> str:
    """What the server prints when the services could not be opened."""
    if isinstance(error, TrooperError):
        return str(error)
    logger.error("the services could not be opened", exc_info=error)
    return f"{type(error).__name__}: {error}"


async def _hold_open(*, task_status: trio.TaskStatus[trio.Nursery]) -> None:
    """
    A nursery of its own for background tasks, so that they can be ended while
    the services they use are still open.
    """
    async with trio.open_nursery() as nursery:
        task_status.started(nursery)
        await trio.sleep_forever()


async def _hang_up_when_cancelled(answered: trio.Event, hang_up: HangUp) -> None:
    """
    Hang up on the client when the server cancels its scope.

    That is the end of the grace period, or a fault of ours. The answer is lost
    in any case, and a client that does not read would keep the server's
    shielded write, and with it the process, alive.
    """
    try:
        await answered.wait()
    except trio.Cancelled:
        hang_up()
        raise

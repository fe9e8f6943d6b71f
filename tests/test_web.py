"""
The ASGI application on Trio: as a callable, with the server's side driven by
the test, and inside hypercorn's Trio server over real sockets.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Any, Self, cast

import pytest
import trio
import trio.testing
from attrs import define, evolve, field

from trooper.commands import cli
from trooper.config import Config
from trooper.errors import ConfigError
from trooper.relay.request import ClientRequest
from trooper.web.asgi import Application, this_machine
from trooper.web.front_door import hop_name
from trooper.web.hang_up import hang_up
from trooper.web.protocol import Cut, Message, Receive, Send
from trooper.web.serve import Server, open_listeners
from web_fakes import (
    CHAT,
    HOST,
    JSON,
    Exchange,
    FakeHouse,
    FakeRelay,
    FakeServices,
    Served,
    application,
    ask,
    body_messages,
    configured,
    http_scope,
    running,
    served_on_asyncio,
    served_on_trio,
)

START: Message = {"type": "http.response.start", "status": 200, "headers": []}
END: Message = {"type": "http.response.body", "body": b"", "more_body": False}


def piece(body: bytes) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": True}


class TestRoutes:
    async def test_liveness(self) -> None:
        app = application()
        async with running(app):
            answer = await ask(app)

        assert answer.status == 200
        assert answer.header(b"content-type") == b"application/json"
        assert answer.whole

    @pytest.mark.parametrize(("ready", "status"), [(True, 200), (False, 503)])
    async def test_readiness_decides_the_status(self, ready: bool, status: int) -> None:
        app = application(house=FakeHouse(FakeServices(ready)))
        async with running(app):
            answer = await ask(app, path="/readyz")

        assert answer.status == status
        assert json.loads(answer.body) == {"ready": ready, "targets": {"openai": "unknown"}}

    async def test_models_come_from_the_services_as_they_are(self) -> None:
        services = FakeServices()
        app = application(house=FakeHouse(services), config=configured(client_keys=("door-key",)))
        headers = (HOST, (b"authorization", b"Bearer door-key"), (b"X-Custom", b"1"))
        async with running(app):
            answer = await ask(app, path="/v1/models", headers=headers)

        assert (answer.status, answer.body) == (203, b'{"data": []}')
        assert [value for name, value in answer.headers if name == b"x-request-id"] == [b"one", b"two"]
        assert [value for name, value in answer.headers if name == b"content-type"] == [b"application/json"]
        assert services.headers_seen == [(HOST, (b"x-custom", b"1"))]
        # A list of models is asked of a target too, and must not come back here for ever.
        assert services.hops_seen == [hop_name(this_machine(), "8642")]

    @pytest.mark.parametrize(("path", "hint"), [("/chat/completions", True), ("/v1/a/../b", False)])
    async def test_an_unknown_path_is_answered_like_the_api_does(self, path: str, hint: bool) -> None:
        app = application()
        async with running(app):
            answer = await ask(app, "POST", path, (HOST, JSON), (b"{}",))

        error = json.loads(answer.body)["error"]
        assert answer.status == 404
        assert set(error) == {"message", "type", "param", "code"}
        assert (error["type"], error["param"], error["code"]) == (
            "invalid_request_error",
            None,
            "unknown_url",
        )
        assert ("ends in /v1" in error["message"]) is hint

    @pytest.mark.parametrize(
        ("method", "path", "allowed"),
        [("GET", CHAT, b"POST"), ("OPTIONS", CHAT, b"POST"), ("POST", "/v1/models", b"GET, HEAD")],
    )
    async def test_a_wrong_method_names_the_right_one(self, method: str, path: str, allowed: bytes) -> None:
        app = application()
        async with running(app):
            answer = await ask(app, method, path, (HOST, JSON))

        assert (answer.status, answer.header(b"allow")) == (405, allowed)
        assert json.loads(answer.body)["error"]["code"] == "method_not_allowed"

    async def test_a_fault_of_ours_says_nothing_about_itself(self, caplog: pytest.LogCaptureFixture) -> None:
        class Broken(FakeServices):
            async def models(self, headers: object, hop: str) -> Any:
                raise ValueError("sk-secret")

        app = application(house=FakeHouse(Broken()))
        async with running(app):
            answer = await ask(app, path="/v1/models")

        assert answer.status == 500
        assert json.loads(answer.body)["error"]["type"] == "server_error"
        assert b"sk-secret" not in answer.body
        assert "sk-secret" in caplog.text

    async def test_the_root_path_is_not_part_of_ours(self) -> None:
        app = application()
        async with running(app):
            assert (await ask(app, path="/llm/healthz", root_path="/llm")).status == 200


class TestChat:
    async def test_a_request_reaches_the_relay_as_it_came(self) -> None:
        relay = FakeRelay()
        app = application(relay)
        headers = (HOST, JSON, (b"Authorization", b"Bearer sk-mine"), (b"x-a", b"1"), (b"x-a", b"2"))
        async with running(app):
            answer = await ask(app, "POST", CHAT, headers, (b'{"mod', b'el"', b":1}"), query_string=b"a=1&b")

        assert (answer.status, answer.body, answer.whole) == (200, b"relayed", True)
        (request,) = relay.requests
        assert [evolve(request, owner="")] == [
            ClientRequest(
                path=CHAT,
                raw_path=CHAT,
                query=b"a=1&b",
                headers=(HOST, JSON, (b"authorization", b"Bearer sk-mine"), (b"x-a", b"1"), (b"x-a", b"2")),
                body=b'{"model":1}',
                hop=hop_name(this_machine(), "8642"),
                client_key_used=False,
            )
        ]

    async def test_a_key_of_the_front_door_is_not_handed_on(self) -> None:
        relay = FakeRelay()
        app = application(relay, config=configured(client_keys=("door-key",)))
        async with running(app):
            await ask(app, "POST", CHAT, (HOST, JSON, (b"authorization", b"Bearer door-key")), (b"{}",))

        assert relay.requests[0].client_key_used
        assert relay.requests[0].headers == (HOST, JSON)

    async def test_a_refused_request_reaches_nobody(self) -> None:
        relay = FakeRelay()
        app = application(relay)
        async with running(app):
            answer = await ask(app, "POST", CHAT, ((b"host", b"attacker.example"), JSON), (b"{}",))

        assert answer.status == 403
        assert answer.header(b"x-should-retry") == b"false"
        assert json.loads(answer.body)["error"]["code"] == "host_not_allowed"
        assert relay.requests == []

    async def test_a_missing_key_is_asked_for(self) -> None:
        app = application(config=configured(client_keys=("door-key",)))
        async with running(app):
            answer = await ask(app, "POST", CHAT, (HOST, JSON), (b"{}",))

        assert (answer.status, answer.header(b"www-authenticate")) == (401, b"Bearer")

    async def test_a_fault_before_the_answer_becomes_one(self, caplog: pytest.LogCaptureFixture) -> None:
        async def broken(*_: object) -> None:
            raise ValueError("sk-secret")

        app = application(broken)
        async with running(app):
            answer = await ask(app, "POST", CHAT, (HOST, JSON), (b"{}",))

        assert answer.status == 500
        assert b"sk-secret" not in answer.body
        assert "sk-secret" in caplog.text

    async def test_a_fault_after_the_start_never_looks_like_an_end(self) -> None:
        async def broken(services: object, request: object, receive: object, send: Send, cut: object) -> None:
            await send(START)
            await send(piece(b"half"))
            raise ValueError

        app = application(broken)
        exchange = Exchange(body_messages(b"{}"))
        async with running(app):
            with pytest.RaisesGroup(ValueError):
                await app(http_scope("POST", CHAT, (HOST, JSON)), exchange.receive, exchange.send)

        assert exchange.heard == [START, piece(b"half")]

    async def test_the_last_message_goes_out_whole(self) -> None:
        """P1: the server tells of the disconnect in the middle of the last `send`."""
        passed: list[str] = []
        gone = trio.Event()

        async def receive() -> Message:
            if not passed:
                passed.append("body")
                return body_messages()[0]
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.body" and not message["more_body"]:
                gone.set()
                await trio.testing.wait_all_tasks_blocked()
                passed.append("closed")

        app = application(watching_relay)
        async with running(app):
            await app(http_scope("POST", CHAT, (HOST, JSON)), receive, send)

        assert passed == ["body", "closed"]


async def watching_relay(
    services: FakeServices, request: ClientRequest, receive: Receive, send: Send, cut: Cut
) -> None:
    """Like the real one: a client that leaves ends everything."""

    async def watch(scope: trio.CancelScope) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch, nursery.cancel_scope)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send(piece(b"relayed"))
        await send(END)
        nursery.cancel_scope.cancel()


class TestBody:
    async def test_bytes_are_counted_not_messages(self) -> None:
        relay = FakeRelay()
        app = application(relay, config=configured(max_request_bytes=1000))
        async with running(app):
            assert (await ask(app, "POST", CHAT, (HOST, JSON), (b"x" * 10,) * 100)).status == 200
            refused = await ask(app, "POST", CHAT, (HOST, JSON), (b"x" * 10,) * 101)

        assert refused.status == 413
        assert len(relay.requests) == 1

    async def test_an_announced_length_is_refused_before_it_comes(self, autojump_clock: object) -> None:
        app = application(config=configured(max_request_bytes=1000))
        exchange = Exchange([])
        async with running(app):
            scope = http_scope("POST", CHAT, (HOST, JSON, (b"content-length", b"1001")))
            await app(scope, exchange.receive, exchange.send)

        assert exchange.answer.status == 413
        assert exchange.answer.header(b"connection") == b"close"
        # The client never sent a byte nor left: it is waited for, but not for ever.
        assert trio.current_time() == 5.0

    async def test_a_refusal_swallows_what_still_comes(self) -> None:
        app = application(config=configured(max_request_bytes=1000))
        async with running(app):
            exchange = Exchange(body_messages(*(b"x" * 600,) * 50))
            await app(http_scope("POST", CHAT, (HOST, JSON)), exchange.receive, exchange.send)

        assert exchange.says == []
        # The answer was whole before the rest of the body came; only its end waited.
        assert [message.get("more_body") for message in exchange.heard] == [None, True, False]

    async def test_a_body_that_stops_coming_is_given_up(self, autojump_clock: object) -> None:
        app = application(config=configured(drain_timeout_s=30.0))
        exchange = Exchange([{"type": "http.request", "body": b"{", "more_body": True}])
        async with running(app):
            await app(http_scope("POST", CHAT, (HOST, JSON)), exchange.receive, exchange.send)

        assert exchange.answer.status == 408
        assert exchange.answer.header(b"x-should-retry") is None

    async def test_a_client_that_leaves_is_not_answered(self) -> None:
        relay = FakeRelay()
        app = application(relay)
        exchange = Exchange(
            [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]
        )
        async with running(app):
            await app(http_scope("POST", CHAT, (HOST, JSON)), exchange.receive, exchange.send)

        assert (exchange.heard, relay.requests) == ([], [])


class TestPages:
    config = configured(allowed_origins=("https://chat.example",))
    origin = (b"origin", b"https://chat.example")

    async def test_a_preflight_is_answered(self) -> None:
        asking = ((b"access-control-request-method", b"POST"), (b"access-control-request-headers", b"x-a"))
        app = application(config=self.config)
        async with running(app):
            answer = await ask(app, "OPTIONS", CHAT, (HOST, self.origin, *asking))

        assert answer.status == 204
        assert answer.header(b"access-control-allow-origin") == b"https://chat.example"
        assert answer.header(b"access-control-allow-headers") == b"x-a"

    @pytest.mark.parametrize(("method", "path"), [("POST", CHAT), ("GET", "/v1/models"), ("GET", "/nothing")])
    async def test_an_allowed_page_may_read_the_answer(self, method: str, path: str) -> None:
        app = application(config=self.config)
        async with running(app):
            answer = await ask(app, method, path, (HOST, JSON, self.origin))

        assert answer.header(b"access-control-allow-origin") == b"https://chat.example"
        assert answer.header(b"vary") == b"origin"

    async def test_it_may_read_why_it_was_refused(self) -> None:
        app = application(config=self.config)
        async with running(app):
            answer = await ask(app, "POST", CHAT, (HOST, self.origin, (b"content-type", b"text/plain")))

        assert (answer.status, answer.header(b"access-control-allow-origin")) == (
            415,
            b"https://chat.example",
        )

    async def test_another_page_may_not(self) -> None:
        app = application(config=self.config)
        async with running(app):
            answer = await ask(app, "POST", CHAT, (HOST, JSON, (b"origin", b"https://attacker.example")))

        assert (answer.status, answer.header(b"access-control-allow-origin")) == (403, None)


class TestLife:
    async def test_background_work_ends_before_the_services_close(self) -> None:
        house = FakeHouse()
        async with running(application(house=house)):
            pass

        assert house.events == ["opened", "background ended", "closed"]

    async def test_before_and_after_it_answers_unavailable(self) -> None:
        app = application()
        before = await ask(app)
        async with running(app):
            pass
        after = await ask(app)

        assert (before.status, after.status) == (503, 503)
        assert json.loads(before.body)["error"]["type"] == "server_error"

    @pytest.mark.parametrize(
        ("error", "message"),
        [
            (ConfigError("server.port", "it is 99999", "Use less"), "server.port: it is 99999. Use less"),
            (
                FileNotFoundError(2, "No such file", "ca.pem"),
                "FileNotFoundError: [Errno 2] No such file: 'ca.pem'",
            ),
        ],
    )
    async def test_a_failed_start_says_why(self, error: Exception, message: str) -> None:
        app = application(house=FakeHouse(error=error))
        exchange = Exchange([{"type": "lifespan.startup"}])
        await app({"type": "lifespan"}, exchange.receive, exchange.send)

        assert exchange.heard == [{"type": "lifespan.startup.failed", "message": message}]
        assert (await ask(app)).status == 503

    async def test_a_crash_in_the_background_is_not_served_through(self) -> None:
        crash = trio.Event()

        async def background() -> None:
            await crash.wait()
            raise ValueError

        app = application(house=FakeHouse(background=background))
        with pytest.RaisesGroup(ValueError, flatten_subgroups=True):
            async with running(app):
                assert (await ask(app)).status == 200
                crash.set()
                await trio.sleep_forever()

        assert (await ask(app)).status == 503

    async def test_websockets_are_refused(self) -> None:
        app = application()
        exchange = Exchange([{"type": "websocket.connect"}])
        async with running(app):
            await app({"type": "websocket", "path": CHAT}, exchange.receive, exchange.send)

        assert exchange.heard == [{"type": "websocket.close", "code": 1008}]


@define
class Connected:
    """Two ends of one real connection, both ours."""

    listener: socket.socket = field(factory=lambda: socket.create_server(("127.0.0.1", 0)))
    client: socket.socket = field(init=False)
    server: socket.socket = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.client = socket.create_connection(self.listener.getsockname()[:2])
        self.server, _ = self.listener.accept()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for end in (self.listener, self.client, self.server):
            end.close()


class TestHangUp:
    def test_the_connection_is_found_and_ends(self) -> None:
        with Connected() as one, Connected() as other:
            one.server.sendall(b"sent before")

            assert hang_up(one.server.getsockname(), one.server.getpeername())
            assert one.client.recv(100) == b"sent before"
            assert one.client.recv(100) == b""
            with pytest.raises(BrokenPipeError):
                one.server.send(b"x")
            other.server.sendall(b"untouched")
            assert other.client.recv(100) == b"untouched"

    def test_both_families(self) -> None:
        with Connected(socket.create_server(("::1", 0), family=socket.AF_INET6)) as one:
            assert len(one.server.getsockname()) == 4
            assert hang_up(one.server.getsockname()[:2], one.server.getpeername()[:2])
            assert one.client.recv(100) == b""

    @pytest.mark.parametrize(
        ("server", "client"),
        [(None, ("127.0.0.1", 1)), (("127.0.0.1", 1), None), (("127.0.0.1", 1), ("127.0.0.1", 2))],
    )
    def test_what_is_not_there_is_not_found(self, server: Any, client: Any) -> None:
        with Connected():
            assert not hang_up(server, client)

    def test_it_takes_nothing_with_it(self) -> None:
        with Connected() as one:
            assert hang_up(one.server.getsockname(), one.server.getpeername())
            # The server's own descriptor stays its own: it is shut down, not closed.
            assert one.server.recv(100) == b""

    async def test_a_cancelled_request_is_cut_off(self) -> None:
        begun = trio.Event()

        async def endless(
            services: object, request: object, receive: object, send: Send, cut: object
        ) -> None:
            begun.set()
            await trio.sleep_forever()

        app = application(endless)
        with Connected() as one:
            scope = http_scope(
                "POST", CHAT, (HOST, JSON), server=one.server.getsockname(), client=one.server.getpeername()
            )
            exchange = Exchange(body_messages(b"{}"))
            async with running(app), trio.open_nursery() as nursery:
                nursery.start_soon(app, scope, exchange.receive, exchange.send)
                await begun.wait()
                nursery.cancel_scope.cancel()

            assert one.client.recv(100) == b""


class TestListeners:
    def test_a_port_is_taken_once(self) -> None:
        (listener,) = open_listeners("127.0.0.1", 0, 30.0)
        with listener, pytest.raises(OSError, match="in use"):
            open_listeners("127.0.0.1", listener.getsockname()[1], 30.0)

    def test_every_address_of_a_name_has_the_same_port(self) -> None:
        listeners = open_listeners("localhost", 0, 30.0)

        assert len({listener.getsockname()[1] for listener in listeners}) == 1
        assert {listener.getsockname()[0] for listener in listeners} <= {"127.0.0.1", "::1"}
        for listener in listeners:
            listener.close()

    def test_the_kernel_gives_up_on_clients_that_do_not_read(self) -> None:
        (listener,) = open_listeners("127.0.0.1", 0, 1.5)
        with listener:
            assert listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            if hasattr(socket, "TCP_USER_TIMEOUT"):
                assert listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 1500

    def test_an_address_of_another_machine_is_refused(self) -> None:
        with pytest.raises(OSError, match=r"assign|address"):
            open_listeners("192.0.2.1", 0, 30.0)


async def until_closed(stream: trio.SocketStream) -> bytes:
    return b"".join([part async for part in stream])


async def said_to(address: tuple[str, int], *requests: bytes) -> bytes:
    """What comes back until the server closes the connection."""
    async with await trio.open_tcp_stream(*address) as stream:
        for request in requests:
            await stream.send_all(request)
        return await until_closed(stream)


def spoken(method: str, path: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *headers]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


CONVERSATIONS = [
    pytest.param("GET", "/healthz", b"", id="quart"),
    pytest.param("GET", "/nothing", b"", id="quart error"),
    pytest.param("POST", CHAT, b"{}", id="relay"),
    pytest.param("POST", "/v1/models", b"{}", id="quart with a body"),
]


@define
class Flood:
    """Sends until the client has stopped reading, and says so, or cuts it off as well."""

    cuts: bool
    stuck: threading.Event = field(factory=threading.Event)
    sent: int = 0

    async def __call__(
        self, services: object, request: object, receive: object, send: Send, cut: Cut
    ) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch, cut, nursery.cancel_scope)
            await send({"type": "http.response.start", "status": 200, "headers": []})
            while True:
                await send(piece(b"x" * 1000))
                self.sent += 1

    async def _watch(self, cut: Cut, everything: trio.CancelScope) -> None:
        seen = -1
        while self.sent != seen:
            seen = self.sent
            await trio.sleep(0.1)
        if self.cuts:
            cut()
            everything.cancel()
        self.stuck.set()


#: Who ends a client that does not read: the server's cancellation, or the relay.
#: Since Python 3.12.1 hypercorn's asyncio worker never cancels (hypercorn#308).
STUCK = [
    pytest.param(served_on_trio, False, id="trio, cancelled"),
    pytest.param(served_on_trio, True, id="trio, cut"),
    pytest.param(served_on_asyncio, True, id="asyncio, cut"),
]
if sys.version_info < (3, 12, 1):
    STUCK.append(pytest.param(served_on_asyncio, False, id="asyncio, cancelled"))


@pytest.fixture(name="served", params=[served_on_trio, served_on_asyncio], ids=["trio", "asyncio"])
def _served(request: pytest.FixtureRequest) -> Served:
    return cast("Served", request.param)


class TestOnHypercorn:
    """
    P1 and P2, pinned on both workers: what hypercorn does to connections that
    we rely on, and what it does not do and we do for it.
    """

    @pytest.mark.parametrize(("method", "path", "body"), CONVERSATIONS)
    async def test_connection_close_closes(self, served: Served, method: str, path: str, body: bytes) -> None:
        async with served(application(watching_relay)) as address:
            answer = await said_to(address, spoken(method, path, body, "Connection: close"))

        assert answer.startswith(b"HTTP/1.1 ")

    @pytest.mark.parametrize(("method", "path", "body"), CONVERSATIONS)
    async def test_an_idle_connection_is_used_again_and_then_closed(
        self, served: Served, method: str, path: str, body: bytes
    ) -> None:
        async with served(application(watching_relay), keep_alive_s=0.2) as address:
            answer = await said_to(address, spoken(method, path, body), spoken(method, path, body))

        assert answer.count(b"HTTP/1.1 ") == 2

    @pytest.mark.parametrize("framing", ["announced", "chunked"])
    async def test_a_body_too_large_is_refused_while_it_is_sent(self, served: Served, framing: str) -> None:
        """
        The client sends all of it before it reads, as most do. It must get
        the answer, not a reset, and not hang.
        """
        size = 4_000_000
        length = f"Content-Length: {size}" if framing == "announced" else "Transfer-Encoding: chunked"
        head = spoken("POST", CHAT, b"", "Content-Type: application/json", length)
        data = b"x" * size
        if framing == "chunked":
            data = b"%x\r\n%s\r\n0\r\n\r\n" % (size, data)
        async with served(application(config=configured(max_request_bytes=1000))) as address:
            answer = await said_to(address, head + data)

        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"request_too_large" in answer

    async def test_a_refused_client_may_wait_before_it_sends(self, served: Served) -> None:
        """The answer is there before a byte of the body is: it is not waited for."""
        app = application(config=configured(max_request_bytes=1000))
        async with served(app) as address, await trio.open_tcp_stream(*address) as stream:
            await stream.send_all(
                spoken("POST", CHAT, b"", "Content-Type: application/json", "Content-Length: 5000")
            )
            answer = b""
            while b"request_too_large" not in answer:
                answer += await stream.receive_some()
            await stream.send_all(b"x" * 5000)

            assert await until_closed(stream) == b""

    async def test_a_client_that_leaves_is_noticed(self, served: Served) -> None:
        begun, gone = threading.Event(), threading.Event()

        async def waiting(
            services: object, request: object, receive: Receive, send: Send, cut: object
        ) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send(piece(b"first"))
            begun.set()
            assert (await receive())["type"] == "http.disconnect"
            gone.set()

        async with served(application(waiting)) as address:
            stream = await trio.open_tcp_stream(*address)
            await stream.send_all(spoken("POST", CHAT, b"{}"))
            await trio.to_thread.run_sync(begun.wait)
            await stream.aclose()
            await trio.to_thread.run_sync(gone.wait)

    @pytest.mark.parametrize(("served", "cuts"), STUCK, indirect=["served"])
    async def test_a_client_that_does_not_read_does_not_survive_the_shutdown(
        self, served: Served, cuts: bool
    ) -> None:
        flood = Flood(cuts)
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with client:
            async with served(application(flood)) as address:
                client.connect(address)
                client.sendall(spoken("POST", CHAT, b"{}"))
                await trio.to_thread.run_sync(flood.stuck.wait)
            # `served` has ended: the server is gone although nothing was read.

    async def test_a_fault_in_the_middle_is_no_end(self, served: Served) -> None:
        async def broken(
            services: object, request: object, receive: Receive, send: Send, cut: object
        ) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send(piece(b"half"))
            raise ValueError

        async with served(application(broken)) as address:
            answer = await said_to(address, spoken("POST", CHAT, b"{}"))

        assert b"4\r\nhalf\r\n" in answer
        assert not answer.endswith(b"0\r\n\r\n")


@define
class Operator:
    """Runs the server behind `trooper serve` and hears what it says."""

    app: Application[FakeServices]
    config: Config = field(factory=configured)
    heard: list[str] = field(factory=list)
    listening: trio.Event = field(factory=trio.Event)
    stopping: trio.Event = field(factory=trio.Event)
    status: int | None = None
    port: int = 0

    def say(self, line: str) -> None:
        self.heard.append(line)
        if line.startswith("listening on http://127.0.0.1:"):
            self.port = int(line.rpartition(":")[2])
            self.listening.set()
        if line.startswith("stopping"):
            self.stopping.set()

    async def run(self) -> None:
        with trio.fail_after(10):
            self.status = await Server(self.app, self.config, self.say).run(
                open_listeners("127.0.0.1", 0, 30.0)
            )


@define
class Gate:
    """Answers when it is opened."""

    begun: trio.Event = field(factory=trio.Event)
    opened: trio.Event = field(factory=trio.Event)

    async def __call__(
        self, services: object, request: object, receive: object, send: Send, cut: Cut
    ) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send(piece(b"begun"))
        self.begun.set()
        await self.opened.wait()
        await send(END)


class TestServer:
    async def test_the_first_signal_lets_a_stream_end(self) -> None:
        gate, house = Gate(), FakeHouse()
        operator = Operator(application(gate, house))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(operator.run)
            await operator.listening.wait()
            async with await trio.open_tcp_stream("127.0.0.1", operator.port) as stream:
                await stream.send_all(spoken("POST", CHAT, b"{}"))
                await gate.begun.wait()
                signal.raise_signal(signal.SIGTERM)
                await operator.stopping.wait()
                gate.opened.set()
                answer = await until_closed(stream)

        assert answer.endswith(b"0\r\n\r\n")
        assert b"server:" not in answer.lower()
        assert operator.status == 0
        assert house.events[-1] == "closed"

    @pytest.mark.parametrize(
        ("grace_s", "signals", "status"), [(0.1, 1, 0), (1000.0, 2, 128 + signal.SIGTERM)]
    )
    async def test_a_stream_is_cut_after_the_grace_or_at_once(
        self, grace_s: float, signals: int, status: int
    ) -> None:
        gate = Gate()
        operator = Operator(application(gate), configured(grace_s=grace_s))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(operator.run)
            await operator.listening.wait()
            async with await trio.open_tcp_stream("127.0.0.1", operator.port) as stream:
                await stream.send_all(spoken("POST", CHAT, b"{}"))
                await gate.begun.wait()
                for _ in range(signals):
                    signal.raise_signal(signal.SIGTERM)
                    await operator.stopping.wait()
                answer = await until_closed(stream)

        assert answer.endswith(b"begun\r\n")
        assert operator.status == status

    async def test_a_failed_start_is_said(self) -> None:
        error = ConfigError("server.port", "it is 99999", "Use less")
        operator = Operator(application(house=FakeHouse(error=error)))
        await operator.run()

        assert operator.status == 1
        assert any("server.port: it is 99999. Use less" in line for line in operator.heard)
        assert not operator.listening.is_set()

    async def test_it_does_not_serve_without_its_services(self) -> None:
        crash = trio.Event()

        async def background() -> None:
            await crash.wait()
            raise ValueError

        operator = Operator(application(house=FakeHouse(background=background)))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(operator.run)
            await operator.listening.wait()
            crash.set()

        assert operator.status == 1


class TestCommand:
    @pytest.fixture(autouse=True)
    def _nothing_configured(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.chdir(tmp_path)
        for name in os.environ:
            if name.startswith(("TROOPER_", "OLLAMA_")):
                monkeypatch.delenv(name)

    def test_a_port_in_use(self, capsys: pytest.CaptureFixture[str]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]

            assert cli.serve(port=port) == 1
        assert (
            f"trooper: cannot listen on 127.0.0.1 port {port}: Address already in use"
            in capsys.readouterr().err
        )

    def test_a_key_is_not_exposed(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("TROOPER_OPENAI_API_KEY", "sk-operator")

        assert cli.serve(host="0.0.0.0", port=0) == 2
        said = capsys.readouterr().err
        assert said.startswith("trooper: configuration error: server.host: ")
        assert "sk-operator" not in said

    def test_a_file_that_is_not_there(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert cli.serve(config=Path("nowhere.toml")) == 2
        assert "nowhere.toml" in capsys.readouterr().err

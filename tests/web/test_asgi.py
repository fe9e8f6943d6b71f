"""The ASGI application on Trio, with the server's side driven by the test."""

from __future__ import annotations

import json
from functools import partial

import pytest
import trio
import trio.testing
from attrs import define, evolve, field

from asgi_server import (
    CHAT,
    END,
    HOST,
    JSON,
    START,
    Exchange,
    ask,
    body_messages,
    chat_scope,
    http_scope,
    piece,
    running,
)
from opened import BEGUN, ENDED, STREAMED, BrokenNetwork, HeldProvider, Opening, Overheard, application
from scenes import WIRES, configured, with_target
from trooper.errors import ConfigError
from trooper.relay.request import ClientRequest
from trooper.testing import ANSWERS, ScriptedProvider
from trooper.web.asgi import this_machine
from trooper.web.front_door import name_in_via
from trooper.web.protocol import HangUp, Message, Receive, Send, Serve


async def test_the_root_path_is_not_part_of_ours() -> None:
    app = application()
    async with running(app):
        assert (await ask(app, path="/llm/healthz", root_path="/llm")).status == 200


class TestChat:
    async def test_a_request_reaches_the_relay_as_it_came(self) -> None:
        cloud, relay = ScriptedProvider(), Overheard()
        app = application(Opening(cloud), answers=relay)
        headers = (HOST, JSON, (b"Authorization", b"Bearer sk-mine"), (b"x-a", b"1"), (b"x-a", b"2"))
        async with running(app):
            answer = await ask(app, "POST", CHAT, headers, (b'{"mod', b'el"', b":1}"), query_string=b"a=1&b")

        assert (answer.status, answer.whole) == (200, True)
        assert WIRES["chat"].read_whole(answer.body).text == "".join(ANSWERS["text"].tokens)
        assert (cloud.requests[0].query, cloud.requests[0].body) == ("a=1&b", b'{"model":1}')
        (request,) = relay.requests
        assert [evolve(request, owner="")] == [
            ClientRequest(
                path=CHAT,
                raw_path=CHAT,
                query=b"a=1&b",
                headers=(HOST, JSON, (b"authorization", b"Bearer sk-mine"), (b"x-a", b"1"), (b"x-a", b"2")),
                body=b'{"model":1}',
                via_name=name_in_via(this_machine(), "8642"),
            )
        ]

    async def test_a_key_of_the_front_door_is_not_handed_on(self) -> None:
        cloud, relay = ScriptedProvider(), Overheard()
        app = application(Opening(cloud), configured(client_keys=("door-key",)), relay)
        async with running(app):
            await ask(app, "POST", CHAT, (HOST, JSON, (b"authorization", b"Bearer door-key")), (b"{}",))

        assert relay.requests[0].headers == (HOST, JSON)
        assert cloud.requests[0].header("authorization") is None

    async def test_a_refused_request_reaches_nobody(self) -> None:
        cloud, relay = ScriptedProvider(), Overheard()
        app = application(Opening(cloud), answers=relay)
        async with running(app):
            answer = await ask(app, "POST", CHAT, ((b"host", b"attacker.example"), JSON), (b"{}",))

        assert answer.status == 403
        assert answer.header(b"x-should-retry") == b"false"
        assert json.loads(answer.body)["error"]["code"] == "host_not_allowed"
        assert (relay.requests, cloud.requests) == ([], [])

    async def test_a_missing_key_is_asked_for(self) -> None:
        app = application(config=configured(client_keys=("door-key",)))
        async with running(app):
            answer = await ask(app, "POST", CHAT, (HOST, JSON), (b"{}",))

        assert (answer.status, answer.header(b"www-authenticate")) == (401, b"Bearer")

    async def test_a_fault_before_the_answer_becomes_one(self, caplog: pytest.LogCaptureFixture) -> None:
        app = application(Opening(new_network=BrokenNetwork))
        async with running(app):
            answer = await ask(app, "POST", CHAT, (HOST, JSON), (b"{}",))

        assert answer.status == 500
        assert b"sk-secret" not in answer.body
        assert "sk-secret" in caplog.text

    async def test_a_fault_after_the_start_never_looks_like_an_end(self) -> None:
        """The network breaks when the provider, which has begun, says the rest."""
        cloud = HeldProvider()
        app = application(
            Opening(cloud, new_network=partial(BrokenNetwork, at=ENDED.encode())), configured(gate=False)
        )
        exchange = Exchange(body_messages(STREAMED))

        async def send(message: Message) -> None:
            await exchange.send(message)
            if BEGUN.encode() in message.get("body", b""):
                cloud.let_go.set()

        async with running(app):
            with pytest.RaisesGroup(ValueError, flatten_subgroups=True):
                await app(chat_scope(), exchange.receive, send)

        start, *pieces = exchange.heard
        assert (start["type"], start["status"]) == ("http.response.start", 200)
        assert all(message["more_body"] for message in pieces)
        assert pieces[-1]["body"].endswith(b"\n\n")
        assert BEGUN.encode() in pieces[-1]["body"]

    @pytest.mark.parametrize(
        ("method", "path", "asks"),
        [("POST", CHAT, STREAMED), ("POST", CHAT, b"{}"), ("GET", "/healthz", b"")],
        ids=["relay", "relay, whole", "quart"],
    )
    async def test_the_last_message_goes_out_whole(self, method: str, path: str, asks: bytes) -> None:
        app = application()
        async with running(app):
            assert await Disconnecting(body_messages(asks)).passes(app, method, path) == ["body", "closed"]


class TestAnyAnsweringFunction:
    """What the web layer does to whatever answers: here functions of the tests' own, not the relay."""

    async def test_a_fault_after_its_start_never_looks_like_an_end(self) -> None:
        async def broken(
            services: object, request: object, receive: object, send: Send, hang_up: object
        ) -> None:
            await send(START)
            await send(piece(b"half"))
            raise ValueError

        app = application(answers=broken)
        exchange = Exchange(body_messages(b"{}"))
        async with running(app):
            with pytest.RaisesGroup(ValueError):
                await app(chat_scope(), exchange.receive, exchange.send)

        assert exchange.heard == [START, piece(b"half")]

    async def test_its_last_message_goes_out_whole_although_it_cancels_itself(self) -> None:
        async def watching(
            services: object, request: object, receive: Receive, send: Send, hang_up: HangUp
        ) -> None:
            async def watch(scope: trio.CancelScope) -> None:
                while (await receive())["type"] != "http.disconnect":
                    pass
                scope.cancel()

            async with trio.open_nursery() as nursery:
                nursery.start_soon(watch, nursery.cancel_scope)
                await send(START)
                await send(piece(b"relayed"))
                await send(END)
                nursery.cancel_scope.cancel()

        app = application(answers=watching)
        async with running(app):
            assert await Disconnecting(body_messages()).passes(app, "POST", CHAT) == ["body", "closed"]


@define
class Disconnecting:
    """P1: a server that tells of the disconnect in the middle of the last `send`."""

    says: list[Message]
    passed: list[str] = field(factory=list)
    gone: trio.Event = field(factory=trio.Event)

    async def passes(self, app: Serve, method: str, path: str) -> list[str]:
        """Play one request; returns what got through."""
        await app(http_scope(method, path, (HOST, JSON)), self.receive, self.send)
        return self.passed

    async def receive(self) -> Message:
        if self.says:
            if len(self.says) == 1:
                self.passed.append("body")
            return self.says.pop(0)
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.body" and not message["more_body"]:
            self.gone.set()
            await trio.testing.wait_all_tasks_blocked()
            self.passed.append("closed")


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
            answer = await ask(app, method, path, (HOST, JSON, self.origin), (b"{}",))

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
        opening = Opening()
        async with running(application(opening)):
            pass

        assert opening.events == ["opened", "background ended", "closed"]

    async def test_before_and_after_it_answers_unavailable(self) -> None:
        app = application()
        before = await ask(app)
        async with running(app):
            pass
        after = await ask(app)

        assert (before.status, after.status) == (503, 503)
        assert json.loads(before.body)["error"]["type"] == "server_error"

    async def test_a_failed_start_says_why(self) -> None:
        """A target's certificates are read at the start."""
        target = {"base_url": "https://api.openai.com/v1", "ca_file": "/nonexistent/ca.pem"}
        app = application(config=with_target(configured(), "openai", **target))
        exchange = Exchange([{"type": "lifespan.startup"}])
        await app({"type": "lifespan"}, exchange.receive, exchange.send)

        message = "FileNotFoundError: [Errno 2] No such file or directory"
        assert exchange.heard == [{"type": "lifespan.startup.failed", "message": message}]
        assert (await ask(app)).status == 503

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
    async def test_whatever_fails_at_the_start_is_said(self, error: Exception, message: str) -> None:
        app = application(Opening(error=error))
        exchange = Exchange([{"type": "lifespan.startup"}])
        await app({"type": "lifespan"}, exchange.receive, exchange.send)

        assert exchange.heard == [{"type": "lifespan.startup.failed", "message": message}]
        assert (await ask(app)).status == 503

    async def test_a_crash_in_the_background_is_not_served_through(self) -> None:
        crash = trio.Event()

        async def background() -> None:
            await crash.wait()
            raise ValueError

        app = application(Opening(background=background))
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

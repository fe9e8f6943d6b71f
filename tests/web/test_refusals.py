"""
Whoever is refused reads why in the shape of his own wire's errors; status and code are the same.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from typing import Any

import pytest
import trio
from attrs import evolve, field, frozen

from asgi_server import HOST, JSON, Answer, Exchange, ask, http_scope
from opened import serving
from scenes import configured
from trooper.core.headers import Headers
from trooper.relay.dispatch import answer
from trooper.relay.request import ClientRequest
from trooper.services import Services, open_services
from trooper.web.asgi import Application
from trooper.web.protocol import HangUp, Receive, Send

X_API_KEY, BEARER = (b"x-api-key", b"sk-ant-mine"), (b"authorization", b"Bearer sk-mine")
VERSION = (b"anthropic-version", b"2023-06-01")


@frozen
class Refused:
    """A request that is refused; `headers` are those of a good one."""

    status: int
    code: str
    headers: Headers = (HOST, JSON)
    method: str = "POST"
    body: bytes = b"{}"
    server: Mapping[str, Any] = field(factory=dict)
    scope: Mapping[str, Any] = field(factory=dict)
    environ: Mapping[str, str] = field(factory=dict)


REFUSED = {
    "a header twice": Refused(400, "duplicate_header", (HOST, JSON, JSON)),
    "no host": Refused(400, "host_missing", (JSON,)),
    "no such host": Refused(400, "host_invalid", ((b"host", b"a b"), JSON)),
    "a strange host": Refused(403, "host_not_allowed", ((b"host", b"attacker.example"), JSON)),
    "a web page": Refused(403, "origin_not_allowed", (HOST, JSON, (b"origin", b"https://a.example"))),
    "an open door": Refused(
        403,
        "client_keys_needed",
        ((b"host", b"192.0.2.1"), JSON),
        scope={"server": ("192.0.2.1", 8642)},
        environ={"TROOPER_OPENAI_API_KEY": "sk-ours"},
    ),
    "a server in front": Refused(
        403,
        "client_keys_needed",
        (HOST, JSON, (b"x-forwarded-for", b"203.0.113.9")),
        environ={"TROOPER_OPENAI_API_KEY": "sk-ours"},
    ),
    "no key": Refused(401, "client_key_invalid", server={"client_keys": ("door-key",)}),
    "no length": Refused(400, "content_length_invalid", (HOST, JSON, (b"content-length", b"x"))),
    "a long body": Refused(413, "request_too_large", server={"max_request_bytes": 1}),
    "a long body, said": Refused(413, "request_too_large", (HOST, JSON, (b"content-length", b"9" * 9))),
    "not JSON": Refused(415, "content_type_not_json", (HOST,)),
    "compressed": Refused(
        415, "request_body_encoding_unsupported", (HOST, JSON, (b"content-encoding", b"br"))
    ),
    "not what it says": Refused(
        400, "request_body_encoding_invalid", (HOST, JSON, (b"content-encoding", b"gzip"))
    ),
    "a bomb": Refused(
        413,
        "request_body_too_large_after_decoding",
        (HOST, JSON, (b"content-encoding", b"gzip")),
        body=gzip.compress(b" " * 5_000_000),
    ),
    "a websocket": Refused(
        426, "websockets_not_served", (HOST, JSON, (b"upgrade", b"websocket")), method="GET"
    ),
    "a long URL": Refused(414, "url_too_long", scope={"query_string": b"a" * 40_000}),
    "a wrong method": Refused(405, "method_not_allowed", method="PATCH"),
}
ANTHROPIC_TYPES = {401: "authentication_error", 403: "permission_error", 413: "request_too_large"}


def check_openai(got: Answer, status: int, code: str) -> None:
    error = json.loads(got.body)["error"]
    kind = "invalid_request_error" if status < 500 or status == 508 else "server_error"
    assert (got.status, error.pop("message") != "") == (status, True)
    assert error == {"type": kind, "param": None, "code": code}


def check_anthropic(got: Answer, status: int, code: str, kind: str) -> None:
    body = json.loads(got.body)
    assert (got.status, body["error"].pop("message") != "") == (status, True)
    assert body == {"type": "error", "error": {"type": kind, "details": {"error_code": code}}}


async def refusal(refused: Refused, path: str, *more: tuple[bytes, bytes]) -> Answer:
    config = configured(refused.environ, **refused.server)
    async with serving(config) as app:
        headers = (*refused.headers, *more)
        return await ask(app, refused.method, path, headers, (refused.body,), **refused.scope)


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses"])
async def test_as_openai_does(name: str, path: str, autojump_clock: Any) -> None:
    refused = REFUSED[name]
    check_openai(await refusal(refused, path), refused.status, refused.code)


@pytest.mark.parametrize("name", REFUSED)
async def test_as_anthropic_does(name: str, autojump_clock: Any) -> None:
    refused = REFUSED[name]
    kind = ANTHROPIC_TYPES.get(refused.status, "invalid_request_error")
    check_anthropic(await refusal(refused, "/v1/messages"), refused.status, refused.code, kind)


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/v1/messages/count_tokens", ()),
        ("/v1/files", (VERSION,)),
        ("/x", (VERSION,)),
        ("/v1/models", (X_API_KEY,)),
        ("//v1//messages/", ()),
    ],
)
async def test_other_paths_of_anthropics_clients(path: str, headers: Headers, autojump_clock: Any) -> None:
    got = await refusal(REFUSED["a strange host"], path, *headers)
    check_anthropic(got, 403, "host_not_allowed", "permission_error")


async def test_other_paths_of_everybody_else(autojump_clock: Any) -> None:
    for path in ("/v1/files", "/v1/responses/resp_1/cancel", "/x"):
        check_openai(await refusal(REFUSED["a strange host"], path), 403, "host_not_allowed")
    # A key in Anthropic's header tells nothing on a path of OpenAI's own, nor beside a key in another one.
    for path, *headers in (("/v1/responses", X_API_KEY), ("/v1/models", X_API_KEY, BEARER)):
        check_openai(await refusal(REFUSED["a strange host"], path, *headers), 403, "host_not_allowed")


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize(
    ("path", "id_header"), [("/v1/responses", b"x-request-id"), ("/v1/messages", b"request-id")]
)
async def test_each_has_an_id_where_its_sdk_looks_for_one(
    name: str, path: str, id_header: bytes, autojump_clock: Any
) -> None:
    first, second = [(await refusal(REFUSED[name], path)).header(id_header) for _ in range(2)]
    assert first is not None
    assert first.startswith(b"req_")
    assert first != second


async def test_nothing_there(autojump_clock: Any) -> None:
    async with serving(configured()) as app:
        check_openai(await ask(app, "GET", "/x"), 404, "unknown_url")
        got = await ask(app, "GET", "/x", (HOST, VERSION))
        check_anthropic(got, 404, "unknown_url", "not_found_error")


async def test_a_loop(autojump_clock: Any) -> None:
    async with serving(configured()) as app:
        via_name = b""

        async def learn(
            _services: Services, request: ClientRequest, _r: Receive, send: Send, _c: HangUp
        ) -> None:
            nonlocal via_name
            via_name = request.via_name.encode()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b""})

        app.answer = learn
        await ask(app, "POST", "/v1/messages", (HOST, JSON), (b"{}",))
        via = (b"via", b"1.1 " + via_name)
        got = await ask(app, "POST", "/v1/chat/completions", (HOST, JSON, via), (b"{}",))
        check_openai(got, 508, "loop_detected")
        got = await ask(app, "POST", "/v1/messages", (HOST, JSON, via), (b"{}",))
        check_anthropic(got, 508, "loop_detected", "invalid_request_error")


async def test_a_body_that_does_not_come(autojump_clock: Any) -> None:
    async with serving(configured()) as app:
        for path in ("/v1/chat/completions", "/v1/messages"):
            late = Exchange([{"type": "http.request", "body": b"{", "more_body": True}])
            await app(http_scope("POST", path, (HOST, JSON)), late.receive, late.send)
            if path == "/v1/messages":
                check_anthropic(late.answer, 408, "body_timeout", "invalid_request_error")
            else:
                check_openai(late.answer, 408, "body_timeout")


async def test_a_body_that_is_over_is_not_waited_for(autojump_clock: Any) -> None:
    """What is wrong with it may be seen at its very end only."""
    torn = evolve(REFUSED["not what it says"], body=gzip.compress(b"{}")[:-1])
    began = trio.current_time()
    assert (await refusal(torn, "/v1/responses")).whole
    assert trio.current_time() - began < 1


async def test_nobody_is_served(autojump_clock: Any) -> None:
    app = Application(configured(), open_services, answer)
    check_openai(await ask(app, "POST", "/v1/chat/completions"), 503, "not_running")
    check_anthropic(await ask(app, "POST", "/v1/messages"), 503, "not_running", "api_error")


async def test_a_fault_of_ours(autojump_clock: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def broken(*_: object) -> None:
        raise ValueError("sk-secret")

    async with serving(configured()) as app:
        app.answer = broken
        got = await ask(app, "POST", "/v1/chat/completions", (HOST, JSON), (b"{}",))
        check_openai(got, 500, "internal_error")
        got = await ask(app, "POST", "/v1/messages", (HOST, JSON), (b"{}",))
        check_anthropic(got, 500, "internal_error", "api_error")


async def test_who_asks_is_known_by_all_credentials(autojump_clock: Any) -> None:
    """Also by a key to our own door, which nobody behind the door is given."""
    seen: list[ClientRequest] = []

    async def note(_services: Services, request: ClientRequest, _r: Receive, send: Send, _c: HangUp) -> None:
        seen.append(request)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    bearer, door = (b"authorization", b"Bearer sk-mine"), (b"x-trooper-key", b"door-key")
    async with serving(configured(client_keys=("door-key",))) as app:
        app.answer = note
        await ask(app, "POST", "/v1/responses", (HOST, JSON, bearer, door), (b"{}",))
        services = app._services
        assert services is not None
        assert seen[0].owner == services.credentials((bearer, door), b"")
        assert seen[0].owner != services.credentials((bearer,), b"")
    assert "sk-mine" not in seen[0].owner

"""
A path with a slip in it works like the plain one, wherever it leads; the
provider gets the clean one. What climbs gets nowhere.
"""

from __future__ import annotations

from typing import Any

import pytest

from asgi_server import HOST, JSON, ask
from edge import BEARER, asks, code_of, edge
from scenes import WIRES

#: What clients make of a path, most of them by a base URL with a slip in it.
SPELLINGS = {
    "a slash more in front": "/{path}",
    "the SDK's own v1 once more": "/v1{path}",
    "a slash behind": "{path}/",
    "slashes inside": "//v1//{below}",
    "all of it": "//v1//v1//{below}//",
    "the absolute form": "http://127.0.0.1:8642{path}",
    "the absolute form, and more": "HTTP://LocalHost//v1{path}/",
    "letters encoded": "/%76%31/%{first:02x}{rest}",
}
PASSED = [
    ("GET", "/v1/files/file-1/content"),
    ("POST", "/v1/embeddings"),
    ("DELETE", "/v1/responses/resp_1"),
    ("POST", "/v1/messages/count_tokens"),
]


def spelled(spelling: str, path: str) -> str:
    below = path.removeprefix("/v1/")
    return SPELLINGS[spelling].format(path=path, below=below, first=ord(below[0]), rest=below[1:])


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("wire", WIRES)
async def test_a_request_for_an_answer(wire: str, spelling: str) -> None:
    path = WIRES[wire].path
    async with edge() as e:
        plain = await e.post(path, BEARER, body=asks(wire))
        got = await e.post(spelled(spelling, path), BEARER, body=asks(wire))
        assert (plain.status, got.status) == (200, 200)
        assert WIRES[wire].read(got.body).text == WIRES[wire].read(plain.body).text
        assert (e.asked.path, e.asked.body) == (path, asks(wire))


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize(("method", "path"), PASSED)
async def test_a_request_that_is_passed(method: str, path: str, spelling: str) -> None:
    async with edge() as e:
        body = b"{}" if method == "POST" else b""
        got = await e.ask(method, spelled(spelling, path), JSON, BEARER, body=body, query_string=b"a=%2F&b")
        assert got.status == 200
        assert (e.asked.method, e.asked.path, e.asked.query) == (method, path, "a=%2F&b")


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_the_list_of_models(spelling: str) -> None:
    async with edge() as e:
        assert (await e.ask("GET", spelled(spelling, "/v1/models"))).status == 200


@pytest.mark.parametrize("spelling", ["{path}/", "/{path}", "http://localhost{path}", "/%68{rest}"])
@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_what_is_answered_here(path: str, spelling: str) -> None:
    target = spelling.format(path=path, rest=path[2:]) if path == "/healthz" else f"/{path}/"
    async with edge(client_keys=("door-key",)) as e:
        key = () if path == "/healthz" else ((b"authorization", b"Bearer door-key"),)
        assert (await e.ask("GET", target, *key)).status == 200


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_another_method_is_told_the_right_one(spelling: str) -> None:
    async with edge() as e:
        got = await e.ask("GET", spelled(spelling, "/v1/chat/completions"))
        assert (got.status, got.header(b"allow"), code_of(got)) == (405, b"POST", "method_not_allowed")


async def test_an_id_keeps_what_is_encoded_in_it() -> None:
    async with edge() as e:
        await e.ask("GET", "/v1//models/org%2fname%3Atag", BEARER)
        assert e.asked.path == "/v1/models/org%2Fname%3Atag"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/../admin",
        "/v1/files/../../admin",
        "/v1/files/..",
        "/v1/files/.",
        "/v1/v1/../admin",
        "/v1//../admin",
        "/v1/%2e%2e/admin",
        "/v1/files/%2E%2E%2f%2e%2E%2fadmin",
        "/v1/files/..%2fadmin",
        "/v1/files/%252e%252e/admin",
        "/v1/files/..%255cadmin",
        "/v1/files/..\\admin",
        "/v1/files/..%5C..%5Cadmin",
        "/v1/files/..;/admin",
        "/v1/files/..;a=b/admin",
        "/v1/files/..%00/admin",
        "/v1/files/..%2500",
        "/v1/files/..%20/admin",
        "/v1/files/..%3f",
        "/v1/files/.%23a",
        "/v1/files/%00",
        "http://127.0.0.1/v1/../admin",
    ],
)
async def test_what_climbs_is_refused(path: str) -> None:
    async with edge() as e:
        got = await e.ask("GET", path, BEARER)
        assert (got.status, code_of(got)) == (404, "unknown_url")
        assert e.cloud.requests == []


@pytest.mark.parametrize(
    "path",
    [
        "/%2fv1/chat/completions",
        "/%2F%2Fv1/messages",
        "/v1/chat%2f%2fcompletions",
        "/v1/chat/%2Fcompletions",
        "/v1%2F%2Fresponses",
        "/v1/%2Fmodels",
    ],
)
@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_an_encoded_slash_too_many_is_another_path(
    method: str, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The router had its own mind about slashes: a 500, or a redirect to the plain path."""
    async with edge() as e:
        got = await e.ask(method, path, JSON, BEARER, body=b"{}" if method == "POST" else b"")
        assert got.status in ((404,) if method == "POST" or "models" in path else (404, 405))
        assert code_of(got) in ("unknown_url", "method_not_allowed")
        assert (got.header(b"location"), e.cloud.requests) == (None, [])
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(
    "path",
    [
        "/v1/chat/completions;a=b",
        "/v1/chat;/completions",
        "/v1/chat/completions%3Ba",
        "/v1/messages%00",
        "/v1/messages%3Fa=b",
        "/v1/responses%23",
        "/v1/responses%20",
        "/v1/responses%0a",
    ],
)
@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_what_a_provider_could_take_for_a_request_for_an_answer_is_not_passed(
    method: str, path: str
) -> None:
    """Nobody would go on with that answer."""
    async with edge() as e:
        got = await e.ask(method, path, JSON, BEARER, body=b"{}" if method == "POST" else b"")
        assert (got.status, code_of(got)) == (404, "unknown_url")
        assert e.cloud.requests == []


@pytest.mark.parametrize(
    "target",
    [
        "/v1/files/a%23b",
        "/v1/files/a%3Fb=c",
        "/v1/files/a%0D%0AHost:%20b",
        "/v1/files/a%2Fb",
        "/v1/files/%zz%2%65",
        "/v1/files/@evil.example",
        "/v1/:80/files",
        "/v1/files/a;b=c",
        "/v1/files/%FF%FE",
    ],
)
@pytest.mark.parametrize("query", [b"", b"a=%23%00%0D%0A", b"?&&=&%", b"//evil.example/?a=b@c:80"])
async def test_what_is_encoded_means_the_same_to_the_provider(target: str, query: bytes) -> None:
    async with edge() as e:
        got = await e.ask("GET", target, BEARER, query_string=query)
        assert got.status == 200
        assert (e.asked.path, e.asked.query) == (target, query.decode())


@pytest.mark.parametrize(
    ("target", "query"),
    [
        ("/v1/files/a#b", b""),
        ("/v1/files", b"a=b#c"),
        ("/v1/chat/completions#", b""),
        ("/v1/messages", b"#"),
        ("/healthz#", b""),
        ("http://127.0.0.1/v1/models#a", b""),
    ],
)
@pytest.mark.parametrize("method", ["POST", "GET", "OPTIONS"])
async def test_a_fragment_is_refused(method: str, target: str, query: bytes) -> None:
    """One server drops it, and the next one takes it for a part of the path."""
    async with edge() as e:
        got = await e.ask(method, target, JSON, BEARER, body=b"{}", query_string=query)
        assert (got.status, code_of(got)) == (400, "malformed_request")
        assert e.cloud.requests == []


@pytest.mark.parametrize("method", ["CONNECT", "TRACE"])
async def test_a_tunnel_and_an_echo_are_nobodys(method: str) -> None:
    async with edge() as e:
        assert (await e.ask(method, "/v1/files", BEARER)).status == 404
        assert e.cloud.requests == []


@pytest.mark.parametrize(
    ("target", "status", "code"),
    [
        ("http://attacker.example/v1/chat/completions", 403, "host_not_allowed"),
        ("https://a@127.0.0.1/v1/chat/completions", 400, "host_invalid"),
        ("http:///v1/chat/completions", 400, "host_invalid"),
    ],
)
async def test_a_host_in_the_request_line_counts_like_any_other(target: str, status: int, code: str) -> None:
    async with edge() as e:
        got = await e.post(target, BEARER)
        assert (got.status, code_of(got)) == (status, code)
        assert e.cloud.requests == []


async def test_a_longer_url_than_anybody_takes() -> None:
    async with edge() as e:
        for target, query in (
            ("/v1/files/" + "a" * 40_000, b""),
            ("/v1/files", b'"' * 20_000),
            ("/" * 40_000, b""),
            ("/x", b"a" * 40_000),
        ):
            got = await e.ask("GET", target, BEARER, query_string=query)
            assert (got.status, code_of(got)) == (414, "url_too_long")


@pytest.mark.parametrize(
    "path", ["", "*", "v1/models", "/v1/a%23b", "/v1/%zz", "/v1/\\", "/[", "/v1/%00", "/v1/é/%ff"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "HEAD", "PATCH", "FOO"])
async def test_an_odd_path_is_no_fault_of_ours(
    method: str, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with edge() as e:
        headers: Any = (HOST, JSON, BEARER, (b"x-a", b"\xff"), (b"cookie", b"\xff"))
        for server in ({"raw_path": path.encode()}, {"raw_path": None}):
            got = await ask(e.app, method, path, headers, (b"{}",), query_string=b"a=\xff&%zz", **server)
            assert got.status in (200, 404, 405)
    assert "Traceback" not in caplog.text

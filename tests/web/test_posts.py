"""
What a POST may bring: JSON, compressed or not, or nothing at all. A page that
asks for nothing must not come in by that.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import trio

from asgi_server import HOST, JSON, Exchange, ask, http_scope
from edge import BEARER, X_API_KEY, asks, code_of, edge
from scenes import WIRES, dies
from trooper.core.headers import Headers
from trooper.testing import DEFAULT_ANSWER

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

CANCEL = "/v1/responses/resp_1/cancel"
PACKED: Mapping[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "zstd": zstd.compress,
}
SITE = b"sec-fetch-site"


class TestNothing:
    """The Node SDK's `responses.cancel` sends neither a body nor a type."""

    @pytest.mark.parametrize(
        "headers", [(), ((b"content-length", b"0"),), ((b"transfer-encoding", b"chunked"),)]
    )
    @pytest.mark.parametrize("path", [CANCEL, "/v1/batches/b_1/cancel", "/v1/threads/t_1/runs/r_1/cancel"])
    async def test_it_passes(self, path: str, headers: Headers) -> None:
        async with edge() as e:
            got = await e.ask("POST", path, BEARER, *headers)
            assert (got.status, got.body) == (200, b'{"object":"thing"}')
            assert (e.asked.method, e.asked.path, e.asked.body) == ("POST", path, b"")
            assert e.asked.header("content-length") == "0"
            assert e.asked.header("content-type") is None

    async def test_with_a_type_it_passes_too(self) -> None:
        async with edge() as e:
            assert (await e.ask("POST", CANCEL, JSON, BEARER)).status == 200
            assert e.asked.header("content-type") == "application/json"

    async def test_with_a_type_that_says_nothing_it_passes_too(self) -> None:
        """What aiohttp sends; a page would have to ask first."""
        kind = (b"content-type", b"application/octet-stream")
        async with edge() as e:
            assert (await e.ask("POST", CANCEL, kind, BEARER)).status == 200
            assert e.asked.header("content-type") == "application/octet-stream"
            for headers in ((), ((b"content-length", b"2"),), ((b"transfer-encoding", b"chunked"),)):
                got = await e.ask("POST", CANCEL, kind, BEARER, *headers, body=b"{}")
                assert (got.status, code_of(got)) == (415, "content_type_not_json")
            assert len(e.cloud.requests) == 1

    @pytest.mark.parametrize(
        "headers", [(), ((b"content-length", b"2"),), ((b"transfer-encoding", b"chunked"),)]
    )
    async def test_something_needs_a_type(self, headers: Headers) -> None:
        """HTTP/2 need not say that a body follows."""
        async with edge() as e:
            got = await e.ask("POST", CANCEL, BEARER, *headers, body=b"{}")
            assert (got.status, code_of(got)) == (415, "content_type_not_json")
            assert e.cloud.requests == []

    @pytest.mark.parametrize(
        "kind", [b"", b"text/plain", b"application/x-www-form-urlencoded", b"multipart/form-data"]
    )
    async def test_a_forms_type_is_refused_without_a_body_too(self, kind: bytes) -> None:
        async with edge() as e:
            got = await e.ask("POST", CANCEL, BEARER, (b"content-type", kind))
            assert (got.status, code_of(got)) == (415, "content_type_not_json")

    @pytest.mark.parametrize(
        "header",
        [
            (b"origin", b"https://a.example"),
            (b"origin", b"null"),
            (SITE, b"cross-site"),
            (SITE, b"same-site"),
        ],
    )
    @pytest.mark.parametrize("method", ["POST", "DELETE", "PUT"])
    async def test_a_page_does_not_come_in_by_it(self, method: str, header: tuple[bytes, bytes]) -> None:
        async with edge() as e:
            got = await e.ask(method, CANCEL, header)
            assert (got.status, code_of(got)) == (403, "origin_not_allowed")
            assert e.cloud.requests == []

    async def test_a_name_that_was_pointed_here_does_not_either(self) -> None:
        async with edge() as e:
            got = await ask(e.app, "POST", CANCEL, ((b"host", b"attacker.example"),))
            assert (got.status, code_of(got)) == (403, "host_not_allowed")

    async def test_what_may_come_in(self) -> None:
        origin = (b"origin", b"https://chat.example")
        async with edge(allowed_origins=("https://chat.example",)) as e:
            assert (await e.ask("POST", CANCEL, origin, (SITE, b"cross-site"))).status == 200
            assert (await e.ask("POST", CANCEL, (SITE, b"same-origin"))).status == 200
            assert (await e.ask("POST", CANCEL, (SITE, b"none"))).status == 200
            # Node's own `fetch` says how, and never from where.
            assert (await e.ask("POST", CANCEL, (b"sec-fetch-mode", b"cors"))).status == 200
            # No page can read the answer; its provider would be asked all the same.
            assert (await e.ask("GET", "/v1/files", (SITE, b"cross-site"))).status == 403

    @pytest.mark.parametrize("body", [b"", b'{"a": 1}'])
    async def test_a_delete_has_a_body_or_none(self, body: bytes) -> None:
        async with edge() as e:
            assert (await e.ask("DELETE", "/v1/files/f", BEARER, body=body)).status == 200
            assert (e.asked.method, e.asked.body) == ("DELETE", body)


@pytest.mark.parametrize("coding", PACKED)
class TestCompressed:
    @pytest.mark.parametrize("wire", WIRES)
    async def test_its_provider_gets_it_as_it_came(self, coding: str, wire: str) -> None:
        packed = PACKED[coding](asks(wire))
        async with edge() as e:
            got = await e.post(WIRES[wire].path, BEARER, (b"Content-Encoding", coding.encode()), body=packed)
            assert WIRES[wire].read(got.body).text == DEFAULT_ANSWER
            assert e.asked.body == packed
            assert e.asked.header("content-encoding") == coding
            assert e.asked.header("content-length") == str(len(packed))

    @pytest.mark.parametrize("wire", WIRES)
    async def test_others_go_on_from_what_it_holds(self, coding: str, wire: str, autojump_clock: Any) -> None:
        async with edge(dies(), warm=True) as e:
            encoding = (b"content-encoding", coding.encode())
            got = await e.post(WIRES[wire].path, BEARER, encoding, body=PACKED[coding](asks(wire)))
            assert WIRES[wire].read(got.body).text == DEFAULT_ANSWER
            assert b"seam" in got.body

    async def test_what_is_changed_is_sent_plain(self, coding: str) -> None:
        """A thought that nobody has signed is taken out before the provider sees it."""
        thought = {"role": "assistant", "content": [{"type": "thinking", "thinking": "x", "signature": ""}]}
        body = asks(
            "messages", messages=[{"role": "user", "content": "a"}, thought, {"role": "user", "content": "b"}]
        )
        async with edge() as e:
            encoding = (b"content-encoding", coding.encode())
            await e.post("/v1/messages", X_API_KEY, encoding, body=PACKED[coding](body))
            assert e.asked.header("content-encoding") is None
            assert len(e.asked.json()["messages"]) == 2

    async def test_what_asks_for_no_answer_is_passed_as_it_came(self, coding: str) -> None:
        packed = PACKED[coding](b'{"input":"x"}')
        async with edge() as e:
            await e.post("/v1/embeddings", BEARER, (b"content-encoding", coding.encode()), body=packed)
            assert (e.asked.body, e.asked.header("content-encoding")) == (packed, coding)

    async def test_the_door_is_asked_first(self, coding: str) -> None:
        async with edge(client_keys=("door-key",)) as e:
            got = await e.post("/v1/responses", (b"content-encoding", coding.encode()), body=b"no such thing")
            assert (got.status, code_of(got)) == (401, "client_key_invalid")

    async def test_what_cannot_be_undone_is_refused(self, coding: str) -> None:
        encoding = (b"content-encoding", coding.encode())
        async with edge(max_request_bytes=2000) as e:
            for body, status, code in (
                (PACKED[coding](b"{}")[:-1], 400, "request_body_encoding_invalid"),
                (PACKED[coding](b"{}") + b"x", 400, "request_body_encoding_invalid"),
                (b"{}", 400, "request_body_encoding_invalid"),
                (PACKED[coding](b" " * 2001), 413, "request_body_too_large_after_decoding"),
            ):
                got = await e.post("/v1/responses", BEARER, encoding, body=body)
                assert (got.status, code_of(got)) == (status, code)
                assert got.header(b"x-should-retry") == b"false"
            assert e.cloud.requests == []

    async def test_others_have_their_turn_meanwhile(self, coding: str) -> None:
        """Each piece is little work, and between two of them somebody else may run."""
        packed, turns = PACKED[coding](json.dumps({"x": ["y" * 100] * 20_000}).encode()), 0

        async def somebody_else() -> None:
            nonlocal turns
            while True:
                await trio.lowlevel.checkpoint()
                turns += 1

        async with edge() as e, trio.open_nursery() as nursery:
            headers = (HOST, JSON, (b"content-encoding", coding.encode()))
            exchange = Exchange([{"type": "http.request", "body": packed, "more_body": False}])
            # Its provider is not asked: a piece behind the door is what is counted.
            scope = http_scope("POST", "/v1/embeddings", headers)
            nursery.start_soon(somebody_else)
            await e.app(scope, exchange.receive, exchange.send)
            nursery.cancel_scope.cancel()
        assert turns > 2_000_000 // 65_536


@pytest.mark.parametrize("value", [b"br", b"deflate", b"gzip, zstd", b"aws-chunked"])
async def test_another_compression_is_told_what_is_taken(value: bytes) -> None:
    async with edge() as e:
        for path in ("/v1/responses", "/v1/messages", "/v1/embeddings"):
            got = await e.post(path, BEARER, (b"content-encoding", value))
            assert (got.status, code_of(got)) == (415, "request_body_encoding_unsupported")
            assert b"gzip, zstd" in got.body
            assert got.header(b"accept-encoding") == b"gzip, zstd"
        assert e.cloud.requests == []


@pytest.mark.parametrize("value", [b"identity", b"Identity", b""])
async def test_no_compression_is_none(value: bytes) -> None:
    async with edge() as e:
        assert (
            await e.post("/v1/chat/completions", BEARER, (b"content-encoding", value), body=asks("chat"))
        ).status == 200
        assert e.asked.body == asks("chat")


async def test_what_is_no_post_is_not_read() -> None:
    """It is passed on as it came, whatever it is; nobody here needs to know what it holds."""
    async with edge() as e:
        await e.ask("PUT", "/v1/files/f", BEARER, (b"content-encoding", b"br"), body=b"\x00\xff")
        assert (e.asked.body, e.asked.header("content-encoding")) == (b"\x00\xff", "br")

"""
The HTTP edge on real sockets, through each way to serve: what a client's bytes
come to before any of our code has seen them.
"""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import sys
from collections.abc import Iterator

import pytest
from attrs import frozen

from deployed import LONG_S, WAYS, Deployed, Fake, deployed, fake
from trooper.testing import DEFAULT_ANSWER
from wire_validator import validate_chat

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

SERVED = [way for way in WAYS if "--workers" not in way]
KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
OFFER = ("Connection: Upgrade", "Upgrade: websocket", KEY, "Sec-WebSocket-Version: 13")
OFFERS = {
    "as Codex makes it": OFFER,
    "another case, other tokens": ("connection: keep-alive, UPGRADE", "UPGRADE: WebSocket", *OFFER[2:]),
    "other protocols beside it": (
        "Connection: Upgrade, HTTP2-Settings",
        "Upgrade: foo, websocket",
        *OFFER[2:],
    ),
    "two lines": ("Connection: keep-alive", *OFFER),
    "without a key": OFFER[:2],
    "of another version": (*OFFER[:3], "Sec-WebSocket-Version: 8"),
    "with extensions": (
        *OFFER,
        "Sec-WebSocket-Extensions: permessage-deflate",
        "Sec-WebSocket-Protocol: a, b",
    ),
    "from a page": (*OFFER, "Origin: https://a.example", "Sec-Fetch-Site: cross-site"),
}


@frozen
class Place:
    cloud: Fake
    trooper: Deployed


@pytest.fixture(scope="module", params=SERVED)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("cwd")
    with (
        fake("provider") as cloud,
        fake("ollama") as local,
        deployed(request.param, cloud.url, local.url, folder) as trooper,
    ):
        yield Place(cloud, trooper)
    assert "Traceback" not in trooper.process.said


@frozen
class Heard:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        error = json.loads(self.body)["error"]
        return str(error["code"] if "code" in error else error["details"]["error_code"])


def said(place: Place, line: str, *headers: str, body: bytes = b"", host: str = "127.0.0.1") -> Heard:
    """Bytes there, and the answer that comes back."""
    head = "\r\n".join([f"{line} HTTP/1.1", f"Host: {host}", *headers, "", ""]).encode()
    with socket.create_connection(("127.0.0.1", place.trooper.port), timeout=LONG_S) as stream:
        stream.sendall(head + body)
        response = http.client.HTTPResponse(stream)
        response.begin()
        named = {name.lower(): value for name, value in response.getheaders()}
        return Heard(response.status, named, response.read())


def post(place: Place, path: str, body: bytes, *headers: str) -> Heard:
    fields = ("Authorization: Bearer sk-x", "Content-Type: application/json", *headers)
    return said(place, f"POST {path}", *fields, f"Content-Length: {len(body)}", body=body)


def chat(model: str = "gpt-4o") -> bytes:
    messages = [{"role": "user", "content": "Lighthouses?"}]
    return json.dumps({"model": model, "stream": True, "messages": messages}).encode()


class TestWebsockets:
    @pytest.mark.parametrize("path", ["/v1/responses", "//v1/v1/responses/", "/v1/messages", "/nothing", "/"])
    @pytest.mark.parametrize("offer", OFFERS)
    def test_an_offer_is_answered_with_426(self, place: Place, offer: str, path: str) -> None:
        heard = said(place, f"GET {path}", *OFFERS[offer])
        assert (heard.status, heard.code) == (426, "websockets_not_served")
        assert heard.headers["upgrade"] == "HTTP/1.1"
        assert heard.headers["content-length"] == str(len(heard.body))

    @pytest.mark.parametrize(
        "eager", [b"\x81\x85\x00\x00\x00\x00hello", b"\x88\x80\x00\x00\x00\x00", b"\xff" * 9000]
    )
    def test_frames_that_come_before_an_answer_change_nothing(self, place: Place, eager: bytes) -> None:
        heard = said(place, "GET /v1/responses", *OFFER, body=eager)
        assert (heard.status, heard.code) == (426, "websockets_not_served")

    def test_a_host_of_somebody_elses_makes_no_difference(self, place: Place) -> None:
        assert said(place, "GET /v1/responses", *OFFER, host="attacker.example").status == 426


class TestPaths:
    @pytest.mark.parametrize(
        "path",
        [
            "//v1/chat/completions",
            "/v1/v1/chat/completions",
            "/v1/chat//completions/",
            "http://127.0.0.1/v1/chat/completions",
            "/v1/%63hat/completions",
        ],
    )
    def test_a_slip_in_it_works(self, place: Place, path: str) -> None:
        heard = post(place, path, chat())
        assert (heard.status, validate_chat(heard.body).text) == (200, DEFAULT_ANSWER)

    @pytest.mark.parametrize(
        "path", ["//v1/models", "/v1/v1/models/", "http://localhost//v1/models", "//healthz/"]
    )
    def test_what_is_answered_here_too(self, place: Place, path: str) -> None:
        assert said(place, f"GET {path}").status == 200

    @pytest.mark.parametrize(
        ("line", "status"),
        [
            ("GET /v1/../admin", 404),
            ("GET /v1/files/%2e%2e%2f%2e%2e/admin", 404),
            ("GET http://attacker.example/v1/models", 403),
            ("OPTIONS *", 404),
            ("CONNECT localhost:443", 404),
            ("GET v1", 400),
            ("GET /v1/a#b", 400),
            ("GET /v1/ab<>[]|^`{}%zz%", 404),
            ("GET /v1/files?" + "a" * 12_000 + "#<>", 400),
            ("GET /v1/files?" + "a" * 12_000 + "<>", 404),
        ],
    )
    def test_others_are_refused_in_order(self, place: Place, line: str, status: int) -> None:
        heard = said(place, line, "Authorization: Bearer sk-x")
        assert heard.status == status
        assert json.loads(heard.body)["error"]


class TestPosts:
    def test_one_with_nothing_in_it_reaches_its_provider(self, place: Place) -> None:
        """The Node SDK's `responses.cancel`. The fake says in its own words that it has no such thing."""
        line, key = "POST /v1/responses/resp_1/cancel", "Authorization: Bearer sk-x"
        for more in ((), ("Content-Length: 0",)):
            assert said(place, line, key, *more).status == 404
            asked = place.cloud.state()["requests"][-1]
            assert (asked["method"], asked["path"], asked["body_bytes"]) == ("POST", line.split()[1], 0)

    @pytest.mark.parametrize(("coding", "pack"), [("zstd", zstd.compress), ("gzip", gzip.compress)])
    @pytest.mark.parametrize("model", ["gpt-4o", "fault/reset/middle"])
    def test_a_compressed_one_is_answered_and_gone_on_with(
        self, place: Place, coding: str, pack: object, model: str
    ) -> None:
        assert callable(pack)
        heard = post(place, "/v1/chat/completions", pack(chat(model)), f"Content-Encoding: {coding}")
        assert (heard.status, validate_chat(heard.body).text) == (200, DEFAULT_ANSWER)

    def test_in_pieces(self, place: Place) -> None:
        packed = zstd.compress(chat())
        chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in packed) + b"0\r\n\r\n"
        fields = ("Content-Type: application/json", "Content-Encoding: zstd", "Transfer-Encoding: chunked")
        heard = said(place, "POST /v1/chat/completions", *fields, body=chunks)
        assert (heard.status, validate_chat(heard.body).text) == (200, DEFAULT_ANSWER)

    @pytest.mark.parametrize(
        ("body", "coding", "status", "code"),
        [
            (b"{}", "br", 415, "request_body_encoding_unsupported"),
            (b"{}", "zstd", 400, "request_body_encoding_invalid"),
            (gzip.compress(b"{}")[:-1], "gzip", 400, "request_body_encoding_invalid"),
            (zstd.compress(b" " * 9_000_000), "zstd", 413, "request_body_too_large_after_decoding"),
        ],
        ids=["another way", "something else", "torn", "a bomb"],
    )
    def test_what_cannot_be_undone_is_refused(
        self, place: Place, body: bytes, coding: str, status: int, code: str
    ) -> None:
        heard = post(place, "/v1/messages", body, f"Content-Encoding: {coding}")
        assert (heard.status, heard.code) == (status, code)
        assert json.loads(heard.body)["type"] == "error"
        assert heard.headers["request-id"].startswith("req_")

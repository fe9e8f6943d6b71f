"""
Requests as odd as they come, made of odd parts by chance (with seeds): each is
answered, none is a fault of ours, and every error of ours has a shape.
"""

from __future__ import annotations

import gzip
import json
import random
import sys
from urllib.parse import unquote

import pytest

from asgi_server import HOST, JSON, ask, running
from opened import Opening, application
from scenes import configured
from trooper.testing import Request, Response, Server

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

#: No server lets a blank or a control character through: they would not be one request line.
WORDS = (
    *(
        "/",
        "//",
        "v1",
        "/v1/",
        "/chat/completions",
        "/messages",
        "/responses",
        "/models",
        "/healthz",
        "/files",
    ),
    *(
        "..",
        ".",
        "%2e%2e",
        "%2F",
        "%5c",
        "\\",
        "%00",
        "%",
        "%zz",
        "%ff",
        "é",
        "\u2028",
        ";a=b",
        ":",
        "*",
        "@",
        "~",
    ),
    *(
        "http://127.0.0.1:8642",
        "HTTP://localhost",
        "https://x@127.0.0.1",
        "?",
        "#",
        "[",
        "]",
        "|",
        "{}",
        "<>",
        '"',
    ),
)
HEADERS = (
    JSON,
    *((b"content-type", value) for value in (b"", b"\xff", b"text/plain", b"multipart/form-data")),
    *((b"content-length", value) for value in (b"0", b"2", b"-1", b"9" * 30)),
    *((b"content-encoding", value) for value in (b"gzip", b"zstd", b"br", b", identity", b"\xff")),
    *((b"authorization", value) for value in (b"\xff", b"Bearer", b"Bearer sk-mine")),
    *((b"cookie", value) for value in (b"\xff\x00", b"a=b; c")),
    *((b"upgrade", value) for value in (b"h2c", b"\xff", b"websocket")),
    *(
        (name, b"\xff\xfe")
        for name in (b"x-api-key", b"anthropic-version", b"accept", b"range", b"via", b"te", b"x-a")
    ),
    *(
        (name, b"")
        for name in (b"transfer-encoding", b"expect", b"x-trooper-key", b"x-trooper-failover", b"host")
    ),
    *(
        (b"connection", b"upgrade, x-a"),
        (b"sec-fetch-site", b"cross-site"),
        (b"origin", b"null"),
        (b"x b", b"y"),
    ),
)
BODIES = (
    *(b"", b"{}", b"[]", b"null", b'"x"', b"\xff\xfe", b"{", b'{"model":1,"messages":2,"stream":"x"}'),
    *(gzip.compress(b"{}"), zstd.compress(b"{}"), gzip.compress(b"{}")[:-1]),
    *(
        b'\xef\xbb\xbf{"model":"m"}',
        rb'{"model":"\ud83d","stream":true}',
        b'{"messages":[{"role":NaN}],"n":1e400}',
    ),
)
METHODS = ("GET", "POST", "POST", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE", "FOO")


async def say_yes(request: Request, response: Response) -> None:
    await response.whole(200, [("content-type", "application/json")], b"{}")


@pytest.mark.parametrize("seed", range(5))
async def test_each_is_answered(seed: int, autojump_clock: object, caplog: pytest.LogCaptureFixture) -> None:
    chance = random.Random(seed)
    app = application(
        Opening(Server(say_yes)), configured({"TROOPER_ANTHROPIC_BASE_URL": "http://api.openai.com/v1"})
    )
    async with running(app):
        for _ in range(100):
            path = chance.choice(("", "/v1/", "//v1//", "/v1/v1/")) + "".join(
                chance.choices(WORDS, k=chance.randint(0, 5))
            )
            headers = (
                HOST,
                *chance.choices(HEADERS, k=chance.randint(0, 3)),
                *chance.choices(((), (JSON,)))[0],
            )
            method, body, query = (
                chance.choice(METHODS),
                chance.choice(BODIES),
                chance.choice((b"", b"a=\xff", b"%zz&&=#")),
            )
            raw = path.encode() if chance.random() < 0.7 else None
            got = await ask(app, method, unquote(path), headers, (body,), raw_path=raw, query_string=query)
            assert got.status < 500 or got.status in (502, 508), (method, path, headers, body)
            if got.status >= 400 and method != "HEAD":
                assert json.loads(got.body)["error"], (method, path, headers, body)
    assert "Traceback" not in caplog.text

"""A key to Trooper's own door leaves it nowhere."""

from __future__ import annotations

import base64

import pytest

from trooper.core.headers import Headers
from trooper.web.client_keys import without_keys

KEYS = ("door-key", "b+/=x")
OTHER: Headers = ((b"authorization", b"Bearer sk-mine"), (b"x-a", b"my-door-keys"))


@pytest.mark.parametrize(
    "header",
    [
        (b"authorization", b"Bearer door-key"),
        (b"x-api-key", b"door-key"),
        (b"api-key", b" door-key "),
        (b"helicone-auth", b"Bearer door-key"),
        (b"x-custom", b'{"api_key":"door-key"}'),
        (b"x-custom", b"b+/=x"),
        (b"authorization", b"Basic " + base64.b64encode(b"me:door-key")),
        (b"authorization", b"basic " + base64.b64encode(b":door-key").rstrip(b"=")),
        (b"forwarded-path", b"/v1/files?key=door-key"),
    ],
)
def test_wherever_it_stands_in_a_header(header: tuple[bytes, bytes]) -> None:
    assert without_keys(KEYS, (OTHER[0], header, OTHER[1]), b"a=1") == (OTHER, b"a=1")


@pytest.mark.parametrize(
    "part", [b"key=door-key", b"a=door-key", b"door-key", b"key=door%2Dkey", b"key=b%2B%2F%3Dx", b"a=b+/=x"]
)
def test_wherever_it_stands_in_a_query(part: bytes) -> None:
    assert without_keys(KEYS, OTHER, b"b=%2F&" + part + b"&c") == (OTHER, b"b=%2F&c")


def test_all_else_is_left_alone() -> None:
    broken = (b"authorization", b"Basic \xff\xff\xff=")
    headers = (*OTHER, broken, (b"x-b", b"another-door-key"))
    assert without_keys(KEYS, headers, b"key=door-keys&door") == (headers, b"key=door-keys&door")
    assert without_keys((), headers, b"a") == (headers, b"a")

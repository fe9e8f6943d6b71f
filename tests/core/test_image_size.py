"""How many tokens an image is: by the size that its first bytes say."""

from __future__ import annotations

import base64
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trooper.core.image_size import image_tokens


def png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + struct.pack(">II", width, height) + b"\x08\x02\0\0\0"


def gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height) + b"\0\0\0"


def jpeg(width: int, height: int, before: bytes = b"") -> bytes:
    told = b"\xff\xe0" + struct.pack(">H", 2 + len(before)) + before
    tables = b"\xff\xc4" + struct.pack(">H", 4) + b"\0\0"
    return (
        b"\xff\xd8" + told + tables + b"\xff\xc2\0\x11\x08" + struct.pack(">HH", height, width) + b"\x03\0\0"
    )


def webp(kind: bytes, size: bytes) -> bytes:
    return b"RIFF\0\0\0\0WEBP" + kind + b"\0\0\0\0" + size


def lossy(width: int, height: int) -> bytes:
    return webp(b"VP8 ", b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", width | 0x4000, height))


def lossless(width: int, height: int) -> bytes:
    return webp(b"VP8L", b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14))


def extended(width: int, height: int) -> bytes:
    return webp(b"VP8X", b"\0\0\0\0" + struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3])


@pytest.mark.parametrize("make", [png, gif, jpeg, lossy, lossless, extended])
@pytest.mark.parametrize(
    ("width", "height", "tokens"),
    [(16, 16, 768), (1024, 1024, 37 * 37), (1920, 1080, 69 * 39), (1029, 1008, 37 * 36), (9000, 9000, 4096)],
)
def test_the_size_counts(make: object, width: int, height: int, tokens: int) -> None:
    assert callable(make)
    assert image_tokens(base64.b64encode(make(width, height)).decode()) == tokens


def test_a_thumbnail_stands_before_the_size() -> None:
    data = jpeg(1920, 1080, b"\xff\xd8" + b"t" * 60_000)
    assert image_tokens(base64.b64encode(data + b"x" * 300_000).decode()) == 69 * 39


@pytest.mark.parametrize(
    "data", [b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"BM" * 40, b"RIFF0000WEBPVP8 "]
)
def test_what_says_no_size(data: bytes) -> None:
    assert image_tokens(base64.b64encode(data).decode()) == 768


def test_what_is_no_base64() -> None:
    assert image_tokens("a") == image_tokens("é" * 9) == 768


@given(
    st.sampled_from([png, gif, jpeg, lossy, lossless, extended]), st.binary(max_size=60), st.integers(0, 40)
)
def test_whatever_comes(make: object, rest: bytes, cut: int) -> None:
    assert callable(make)
    assert 768 <= image_tokens(base64.b64encode(make(7, 7)[:cut] + rest).decode()) <= 4096

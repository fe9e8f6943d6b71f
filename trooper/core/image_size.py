"""
How many tokens an image is for a vision model, about: by its size, which stands in its first bytes.
"""

from __future__ import annotations

import base64
import binascii
import math
import struct
from typing import Final

#: What models with a fixed number spend at most, as a rule; also where the size cannot be told.
_LEAST_TOKENS: Final = 768
#: Those that look closer stop there.
_MOST_TOKENS: Final = 4096
#: One token of those is a square of so many pixels.
_SQUARE_PIXELS: Final = 28
#: Behind a large thumbnail, too, the size is there.
_LOOKED_AT_CHARS: Final = 131_072
_PNG: Final = b"\x89PNG\r\n\x1a\n"
#: Of a JPEG: these frames have no size.
_NO_FRAME: Final = frozenset({0xC4, 0xC8, 0xCC})


def image_tokens(data_base64: str) -> int:
    """About how many tokens an image is, at most."""
    try:
        data = base64.b64decode(data_base64[:_LOOKED_AT_CHARS])
        width, height = _size(data)
    except (binascii.Error, ValueError, struct.error):
        return _LEAST_TOKENS
    squares = math.ceil(width / _SQUARE_PIXELS) * math.ceil(height / _SQUARE_PIXELS)
    return max(_LEAST_TOKENS, min(squares, _MOST_TOKENS))


def _size(data: bytes) -> tuple[int, int]:
    """Width and height; nothing of both where the format is another."""
    if data.startswith(_PNG):
        return _pair(">II", data, 16)
    if data.startswith(b"GIF8"):
        return _pair("<HH", data, 6)
    if data.startswith(b"\xff\xd8"):
        return _jpeg_size(data)
    if data[8:12] == b"WEBP":
        return _webp_size(data)
    return 0, 0


def _pair(form: str, data: bytes, at: int) -> tuple[int, int]:
    first, second = struct.unpack_from(form, data, at)
    return int(first), int(second)


def _jpeg_size(data: bytes) -> tuple[int, int]:
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAME:
            height, width = _pair(">HH", data, at + 5)
            return width, height
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return 0, 0


def _webp_size(data: bytes) -> tuple[int, int]:
    match data[12:16]:
        case b"VP8X":
            return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
        case b"VP8L":
            bits = int.from_bytes(data[21:25], "little")
            return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        case _:
            width, height = _pair("<HH", data, 26)
            return width & 0x3FFF, height & 0x3FFF

"""
Takes the keys to Trooper's own front door out of a request, wherever they stand.

The door looks for one in three places; gateways and SDKs have many more names
for where a key may be, and a key to this door is nobody else's business.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence

from trooper.core.headers import Headers
from trooper.core.secret import decoded, parts


def without_keys(keys: Sequence[str], headers: Headers, query: bytes) -> tuple[Headers, bytes]:
    """
    Headers and query without each header and each parameter that one of `keys` stands in.

    Only for requests that have come in: whoever has a key may learn from the
    clock where in his request it stands.
    """
    everything = b"\n".join([*(_readable(value) for _, value in headers), query, decoded(query)])
    found = [_alone(key.encode()) for key in keys if key.encode() in everything]
    if not found:
        return headers, query

    def holds(text: bytes) -> bool:
        return any(key.search(text) for key in found)

    kept = tuple((name, value) for name, value in headers if not holds(_readable(value)))
    left = (part for part in parts(query) if not holds(part) and not holds(decoded(part)))
    return kept, b"&".join(left)


def _alone(key: bytes) -> re.Pattern[bytes]:
    """`key` as a word of its own: a short one is part of many others."""
    return re.compile(rb"(?<![\w-])" + re.escape(key) + rb"(?![\w-])")


def _readable(value: bytes) -> bytes:
    """A header's value, and behind it the name and password in it, where it holds these."""
    scheme, _, packed = value.strip().partition(b" ")
    if scheme.lower() != b"basic":
        return value
    try:
        return value + b"\n" + base64.b64decode(packed.strip() + b"==")
    except ValueError:
        return value

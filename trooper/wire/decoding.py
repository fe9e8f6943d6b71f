"""
JSON from outside, where anything may come.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


def decoded(body: bytes | str) -> object:
    """The value that `body` is, or `None`: for what is no JSON, and for null."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def decoded_object(body: bytes | str) -> Mapping[str, object]:
    """The object that `body` is; an empty one for everything else."""
    value = decoded(body)
    return value if isinstance(value, dict) else {}

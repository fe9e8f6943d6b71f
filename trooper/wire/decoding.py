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


def with_model(body: bytes, model: str) -> bytes:
    """
    The same request for another model; all else, and its order, is kept.

    A wire looks at few fields of a request. Where another is no JSON, the
    provider gets the body as it is, to refuse it in its own words.
    """
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body
    value["model"] = model
    return msgspec.json.encode(value)

"""
JSON from outside, where anything may come.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

import msgspec

from trooper.core.conversation import ImagePart
from trooper.core.json_text import NOT_JSON

#: So many objects and lists, or fields on the slow road, are read in a few milliseconds.
_MOST_VALUES: Final = 16_384
_MOST_COMMAS: Final = 131_072
#: Reads all of a value and keeps nothing of it.
_check: Final = msgspec.json.Decoder(msgspec.Raw).decode


def strict(body: bytes) -> bytes:
    """
    A client's request as JSON that every reader takes: the very bytes, or the same said well.

    Clients write a byte order mark in front, cut strings inside an emoji and
    leave half a surrogate pair, say `NaN`, or send a line break inside a string.
    Their providers take some of that. What is no JSON at all is left as it is.
    """
    try:
        _check(body)
        # The decoder looks at no text that it does not keep.
        str(body, "utf-8")
    except NOT_JSON:
        return _said_well(body)
    return body


def _said_well(body: bytes) -> bytes:
    try:
        text = body.decode(json.detect_encoding(body), "replace")
        value = json.loads(text, strict=False, parse_constant=lambda _word: None)
        well = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (ValueError, RecursionError):
        return body
    # In this encoding, and in no other, half a pair is something that can be replaced.
    return well.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()


def is_intricate(data: bytes, *, slowly: bool = False) -> bool:
    """
    Whether `data` would cost far more time and memory than its size, since it has more values than words.

    Counting them costs next to nothing. What is read `slowly`, field by field,
    may have fewer: there, each field counts.
    """
    values = data.count(b"{") + data.count(b"[")
    if slowly:
        values += data.count(b'"') + data.count(b",")
    return values > _MOST_VALUES or data.count(b",") > _MOST_COMMAS


def decoded(body: bytes | str) -> object:
    """The value that `body` is, or `None`: for what is no JSON, and for null."""
    try:
        return msgspec.json.decode(body)
    except NOT_JSON:
        return None


def decoded_object(body: bytes | str) -> Mapping[str, object]:
    """The object that `body` is; an empty one for everything else."""
    value = decoded(body)
    return value if isinstance(value, dict) else {}


def number(value: object) -> float | None:
    """A number, and nothing that only looks like one."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def arguments_text(value: object) -> str:
    """A call's arguments as JSON text, also where a client sends them as an object."""
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value if value is not None else {}).decode()


def arguments_said(value: object) -> str:
    """The arguments that an answer says, in whatever type; null says nothing."""
    return "" if value is None else arguments_text(value)


def image_at(url: str) -> ImagePart:
    """An image behind a URL, or inside one."""
    if not url.startswith("data:") or ";base64," not in url:
        return ImagePart(url=url)
    head, _, data = url.partition(";base64,")
    return ImagePart(media_type=head[len("data:") :].partition(";")[0], base64=data)


def with_model(body: bytes, model: str) -> bytes:
    """
    The same request for another model; all else, and its order, is kept.

    A wire looks at few fields of a request. Where another is no JSON, the
    provider gets the body as it is, to refuse it in its own words.
    """
    try:
        value = msgspec.json.decode(body)
    except NOT_JSON:
        return body
    value["model"] = model
    return msgspec.json.encode(value)

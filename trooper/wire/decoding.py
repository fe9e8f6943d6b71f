"""
JSON from outside, where anything may come.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from trooper.core.conversation import ImagePart
from trooper.core.json_text import NOT_JSON
from trooper.wire.weight import is_dense, is_light, is_long

#: Reads all of a value and keeps nothing of it.
_check: Final = msgspec.json.Decoder(msgspec.Raw).decode
#: Finds the fields of an object, and makes nothing of them: gigabytes a second.
_fields: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_SEARCHED_BYTES: Final = 4 << 20
#: What is checked for its encoding at once; as text it may be four times as large.
_SLICE_BYTES: Final = 1 << 20


def strict(body: bytes) -> bytes:
    """
    A client's request as JSON that every reader takes: the very bytes, or the same said well.

    Clients write a byte order mark in front, cut strings inside an emoji and
    leave half a surrogate pair, say `NaN`, or send a line break inside a string.
    Their providers take some of that. What is no JSON at all is left as it is.
    """
    return body if is_strict(body) else said_well(body)


def is_strict(body: bytes) -> bool:
    """Whether every reader takes `body`."""
    return all(strict_steps(body))


def strict_steps(body: bytes) -> Iterator[bool]:
    """The same in steps, between which others may have their turn: it is where all of them are true."""
    try:
        _check(body)
    except NOT_JSON:
        yield False
        return
    # The decoder looks at no text that it does not keep.
    if body.isascii():
        return
    decode = codecs.getincrementaldecoder("utf-8")().decode
    try:
        for at in range(0, len(body), _SLICE_BYTES):
            yield True
            decode(body[at : at + _SLICE_BYTES])
        decode(b"", final=True)
    except UnicodeError:
        yield False


def said_well(body: bytes | bytearray) -> bytes:
    """A client's request as JSON that every reader takes; what is none is left as it is."""
    body = bytes(body)
    try:
        text = body.decode(json.detect_encoding(body), "replace")
        value = json.loads(text, strict=False, parse_constant=lambda _word: None)
        well = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (ValueError, RecursionError):
        return body
    # In this encoding, and in no other, half a pair is something that can be replaced.
    return well.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()


def mended(body: bytes | bytearray) -> str:
    """The same, for who has to send it back: nothing, where there is nothing to mend or no way to."""
    well = said_well(body)
    return "" if well == body else well.decode()


def top_level(body: bytes) -> Mapping[str, msgspec.Raw]:
    """The fields of the object that `body` is, unread; none, where it is something else."""
    try:
        return _fields(body)
    except NOT_JSON:
        return {}


def may_have(body: bytes, name: bytes) -> bool:
    """
    Whether it is worth to look for a field of that name, somewhere in a body.

    Of a long one it always is: to search it for the name, in a text of that name's
    last letters, takes ten times as long as to find its fields.
    """
    return len(body) > _SEARCHED_BYTES or b'"%s"' % name in body


def field_of(body: bytes, name: str) -> object:
    """One field of an object; `None` where it is not there, or long, in a body that is not light."""
    raw = None if is_dense(body) else top_level(body).get(name)
    if raw is None or (is_long(memoryview(raw)) and not is_light(body)):
        return None
    return decoded(raw)


def with_field(body: bytes, name: str, value: object) -> bytes:
    """The same object with another value of one field; all others, and their order, are kept. What is none stays."""
    try:
        return msgspec.json.encode({**_fields(body), name: value})
    except NOT_JSON:
        return body


def decoded(body: bytes | str | msgspec.Raw) -> object:
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


def grammar_of(format_: object) -> tuple[str, str]:
    """The grammar of a custom tool, and what it is written in; the chat API has it one level deeper."""
    match format_:
        case {"type": "grammar", "grammar": {"definition": str(definition), **more}}:
            return definition, str(more.get("syntax") or "")
        case {"type": "grammar", "definition": str(definition), **more}:
            return definition, str(more.get("syntax") or "")
        case _:
            return "", ""


def image_at(url: str) -> ImagePart:
    """An image behind a URL, or inside one."""
    if not url.startswith("data:") or ";base64," not in url:
        return ImagePart(url=url)
    head, _, data = url.partition(";base64,")
    return ImagePart(media_type=head[len("data:") :].partition(";")[0], base64=data)


def with_model(body: bytes, model: str) -> bytes:
    """
    The same request for another model; all else, and its order, is kept.

    What is no JSON is its provider's to refuse, as it is, in its own words.
    """
    return body if is_dense(body) else with_field(body, "model", model)

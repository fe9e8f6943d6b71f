"""
Reads the few fields that route a request; cheap, since it is done for every one.

They are the same on all wires of providers.
"""

from __future__ import annotations

import json
import re
from typing import Final

import msgspec

from trooper.core.json_text import NOT_JSON
from trooper.core.session_key import Marks
from trooper.core.unfit import Unfit
from trooper.wire.client_side import Routing, Unreadable
from trooper.wire.decoding import decoded
from trooper.wire.weight import MOST_MENDED_BYTES, is_dense

#: Where clients write these fields: SDKs put them in front of the conversation, or behind it.
_GLANCE_BYTES: Final = 65_536
#: A longer one names no model.
_NAME_BYTES: Final = 4_096
#: … nor does a number of more digits count anything.
_COUNT_BYTES: Final = 16
_MODEL: Final = re.compile(rb'"model"\s*:\s*("(?:[^"\\]|\\.){0,1024}")')
_STREAMS: Final = re.compile(rb'"stream"\s*:\s*true')


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Routing(msgspec.Struct):
    # As it stands there: to make a text of forty megabytes, and to look at it, takes as long as all others may wait.
    model: msgspec.Raw = msgspec.Raw(b'""')
    # … and so does a number of that length.
    n: msgspec.Raw = msgspec.Raw(b"1")
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    # What tells one conversation from another.
    prompt_cache_key: msgspec.Raw = msgspec.Raw(b"")
    metadata: msgspec.Raw = msgspec.Raw(b"")
    system: msgspec.Raw = msgspec.Raw(b"")
    instructions: msgspec.Raw = msgspec.Raw(b"")
    messages: msgspec.Raw = msgspec.Raw(b"")
    input: msgspec.Raw = msgspec.Raw(b"")
    tools: msgspec.Raw = msgspec.Raw(b"")
    store: msgspec.Raw = msgspec.Raw(b"")


_decode_routing: Final = msgspec.json.Decoder(_Routing).decode
_decode_model: Final = msgspec.json.Decoder(str).decode


def read_routing(body: bytes) -> Routing | Unreadable:
    """Read the routing fields, or say why the body cannot be read."""
    if is_dense(body):
        return _glanced_at(body)
    try:
        routing = _decode_routing(body)
        model = _decode_model(routing.model) if len(routing.model) <= _NAME_BYTES else ""
    except NOT_JSON:
        return _glanced_at(body) if len(body) > MOST_MENDED_BYTES else _read_routing_leniently(body)
    options = routing.stream_options
    choices = decoded(routing.n) if len(routing.n) <= _COUNT_BYTES else 1
    return Routing(
        model,
        bool(routing.stream),
        bool(options and options.include_usage),
        _choices_of(choices),
        _marks_of(routing),
    )


def read_marks(body: bytes) -> Marks:
    """What of a body tells its conversation from others; nothing, where it cannot be read as it is."""
    if is_dense(body):
        return Marks()
    try:
        return _marks_of(_decode_routing(body))
    except NOT_JSON:
        return Marks()


def _marks_of(routing: _Routing) -> Marks:
    """What stands there is looked at, and not copied: a conversation may be the whole of a large body."""
    user_id: object = None
    if 0 < len(routing.metadata) <= _NAME_BYTES:
        metadata = decoded(routing.metadata)
        user_id = metadata.get("user_id") if isinstance(metadata, dict) else None
    cache_key = (
        decoded(routing.prompt_cache_key) if 0 < len(routing.prompt_cache_key) <= _NAME_BYTES else None
    )
    return Marks(
        cache_key if isinstance(cache_key, str) else "",
        user_id if isinstance(user_id, str) else "",
        memoryview(routing.system or routing.instructions),
        memoryview(routing.messages or routing.input),
        has_tools=len(routing.tools) > len("null"),
        may_be_stored=len(routing.store) != len("false") or decoded(routing.store) is not False,
    )


def _choices_of(asked: object) -> int:
    """How many answers are asked for; what is no number is for the provider to refuse."""
    return asked if isinstance(asked, int) and asked > 0 else 1


def _glanced_at(body: bytes) -> Routing:
    """What stands at both ends of a body; in a text it would have other quotes."""
    ends = body[:_GLANCE_BYTES] + body[_GLANCE_BYTES:][-_GLANCE_BYTES:]
    model = _MODEL.search(ends)
    named = decoded(model[1]) if model is not None else ""
    return Routing(named if isinstance(named, str) else "", stream=bool(_STREAMS.search(ends)))


def _read_routing_leniently(body: bytes) -> Routing | Unreadable:
    """
    Read what can be read of a body that is not quite as it should be.

    Clients that cut strings inside an emoji send half of a surrogate pair;
    whether such a request streams still decides how its answer is read.
    """
    try:
        value = json.loads(body.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return Unreadable(Unfit.NOT_JSON)
    if not isinstance(value, dict):
        return Unreadable(Unfit.UNEXPECTED_SHAPE)
    model, options = value.get("model"), value.get("stream_options")
    usage = isinstance(options, dict) and bool(options.get("include_usage"))
    choices = _choices_of(value.get("n"))
    named = model if isinstance(model, str) and len(model) <= _NAME_BYTES else ""
    return Routing(named, bool(value.get("stream")), usage, choices)

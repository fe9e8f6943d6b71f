"""
Reads a request that is too large to be read where others wait: as much of it as can be taken back from there.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Final

import msgspec
from attrs import frozen

from trooper.core.conversation import Conversation
from trooper.core.fitting import bounded
from trooper.core.unfit import Unfit
from trooper.wire.client_side import Unreadable
from trooper.wire.weight import has_more_than

#: Up to so many values a conversation is read where others wait: some milliseconds.
MOST_VALUES: Final = 20_000
#: … and up to so many bytes, images for the most part.
MOST_BYTES: Final = 32 << 20
#: Messages, parts and calls that are taken back …
_MOST_PIECES: Final = 10_000
#: … and values beside them, of tools for the most part: two hundred with large schemas have 40,000.
_MOST_AROUND: Final = 100_000


@frozen
class Read:
    """A conversation, or why there is none."""

    conversation: Conversation | None
    reason: Unfit | None = None


def is_large(body: bytes) -> bool:
    """Whether reading the conversation would hold up others; found out without reading."""
    return len(body) > MOST_BYTES or has_more_than(body, MOST_VALUES)


def read_bounded(body: bytes | bytearray, module: str, function: str) -> Read:
    """
    A large request, with its latest turns alone where there are too many.

    Args:
        module: where the wire's reader is.
        function: its name there.
    """
    read: Callable[[bytes | bytearray], Conversation | Unreadable]
    read = getattr(importlib.import_module(module), function)
    conversation = read(body)
    if isinstance(conversation, Unreadable):
        return Read(None, conversation.reason)
    kept = bounded(conversation, _MOST_PIECES)
    if kept is None or _is_too_much(kept):
        return Read(None, Unfit.TOO_LARGE)
    return Read(kept)


def _is_too_much(conversation: Conversation) -> bool:
    """Whether what is no message (tools, a schema) or what is in one takes too long to be taken back."""
    told = msgspec.json.encode(conversation)
    around = msgspec.json.encode((conversation.tools, conversation.json_schema, conversation.sampling.stop))
    return len(told) > MOST_BYTES or has_more_than(around, _MOST_AROUND)

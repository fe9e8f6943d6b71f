"""
What all wires say in the same way: comments, and under the key `trooper` who said what.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from trooper.wire.client_side import LegNote

#: The first brace of a JSON body, or of an event's data.
_OBJECT: Final = re.compile(rb"(?:\A|[\r\n]data:|\Adata:)\s*\{\s*(\}?)")


#: What an event with an id of its own has in it; that words have it, too, does no harm.
ID: Final = b"id:"


def comment_line(words: str, *, has_ids: bool = False) -> bytes:
    """
    A comment of server-sent events; every client ignores it.

    The empty line behind it is for those who split a stream at empty lines. Where events
    have ids there is none: SDKs that keep the last id take each for the end of an event,
    also of one without data, and fail on that. An empty id in front would forget theirs.
    """
    return f": {words}\n".encode() + (b"" if has_ids else b"\n")


def alive_line(progress: str, *, has_ids: bool = False) -> bytes:
    """The comment that says that we are still here, and what somebody is at."""
    return progress_line(progress, has_ids=has_ids) or comment_line("trooper keep-alive", has_ids=has_ids)


def progress_line(progress: str, *, has_ids: bool = False) -> bytes:
    """What somebody is at, as a comment beside an event; nothing where that is not known."""
    return comment_line(f"trooper keep-alive: {progress}", has_ids=has_ids) if progress else b""


def legs_note(legs: Sequence[LegNote]) -> dict[str, object]:
    """The value of the key. SDKs keep and ignore keys that they do not know."""
    return {
        "legs": [
            {
                "target": leg.target,
                "model": leg.model,
                "tokens": leg.tokens,
                "estimated": leg.estimated,
                "outcome": leg.outcome,
                **({"left_out_tools": leg.left_out_tools} if leg.left_out_tools else {}),
                **({"shortened": leg.shortened} if leg.shortened else {}),
            }
            for leg in legs
        ]
    }


def with_note(raw: bytes, legs: Sequence[LegNote]) -> bytes:
    """
    An event, or a whole answer, with the note under the key `trooper`.

    The key is put in front of the others, and all other bytes stay as they
    are: whoever takes the key out has what the provider said.
    """
    found = _OBJECT.search(raw)
    if found is None:
        return raw
    at = raw.index(b"{", found.start()) + 1
    note = b'"trooper":' + msgspec.json.encode(legs_note(legs))
    return raw[:at] + note + (b"" if found[1] else b",") + raw[at:]

"""
Takes out of a request what OpenAI would refuse: items that the provider has never made.

A reasoning item is looked up by its id, or opened by the provider that sealed
it. Ours are neither, and those of an answer that another target finished are
not to be found. They are taken out before the request leaves; ids of ours are
taken off the other items. A seal that is somebody else's cannot be seen: that
400 is healed by asking once more without any reasoning.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container
from typing import Final

from trooper.wire.decoding import field_of, may_have, with_field
from trooper.wire.openai_responses.read_request import kind_of

#: Every id that we make has it in it.
OURS: Final = "trooper"
#: Message text is the only sign there is; it may change, and then the refusal is the client's.
_REFUSED_ITEM: Final = re.compile(rb"encrypted|reasoning|item .{0,80}not found|item with id", re.IGNORECASE)


def cleaned(body: bytes, unknown: Container[str]) -> bytes:
    """
    The request without reasoning that its provider has not made; the very bytes where there is none.

    Args:
        unknown: ids of items that a provider began and somebody else finished.
    """
    if not may_have(body, b"id"):
        return body

    def is_unknown(item_id: object) -> bool:
        return isinstance(item_id, str) and (OURS in item_id or item_id in unknown)

    return _without(body, lambda item: is_unknown(item.get("id")), lambda item: is_unknown(item.get("id")))


def sanitised(body: bytes, refusal: bytes, _instruction: str) -> bytes | None:
    """The request once more, without any reasoning and ids; `None` if something else was refused."""
    if not _REFUSED_ITEM.search(refusal):
        return None
    changed = _without(body, bool, lambda item: "id" in item)
    return None if changed == body else changed


def _without(
    body: bytes,
    is_bad_reasoning: Callable[[dict[str, object]], bool],
    has_bad_id: Callable[[dict[str, object]], bool],
) -> bytes:
    items = field_of(body, "input")
    if not isinstance(items, list):
        return body
    kept: list[object] = []
    for item in items:
        if not isinstance(item, dict):
            kept.append(item)
        elif item.get("type") == "reasoning" and is_bad_reasoning(item):
            continue
        elif kind_of(item) != "item_reference" and has_bad_id(item):
            # The id is optional on everything else that a client sends back.
            kept.append({key: field for key, field in item.items() if key != "id"})
        else:
            kept.append(item)
    return body if kept == items else with_field(body, "input", kept)

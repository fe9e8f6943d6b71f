"""What a reader of a Responses stream keeps of it: little, however long it is and whatever it says."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest

from trooper.core.events import Other
from trooper.wire.openai_responses.reader import ResponsesReader

CREATED = {"type": "response.created", "response": {"id": "resp_1", "model": "m", "output": []}}
#: Ten megabytes of a stream, of which a megabyte is text.
EVENTS = 40_000
MOST_KEPT_BYTES = 1_000_000


def delta(number: int, at: int, part: int) -> bytes:
    value = {
        "type": "response.output_text.delta",
        "sequence_number": number,
        "item_id": f"msg_{at}",
        "output_index": at,
        "content_index": part,
        "delta": f"word {number} and some more ",
    }
    return f"data: {json.dumps(value)}\n\n".encode()


STREAMS: dict[str, Any] = {
    "one long text": lambda number: delta(number, 0, 0),
    "parts without end": lambda number: delta(number, 0, number),
    "items without end": lambda number: delta(number, number, 0),
    "texts that take turns": lambda number: delta(number, number % 500, 0),
}


@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
def test_little_is_kept(stream: Any) -> None:
    reader = ResponsesReader(1 << 20)
    reader.feed(f"data: {json.dumps(CREATED)}\n\n".encode())
    tracemalloc.start()
    try:
        for number in range(EVENTS):
            reader.feed(stream(number))
        kept_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert kept_bytes < MOST_KEPT_BYTES


def test_more_parts_than_are_known_pass_without_a_net() -> None:
    reader = ResponsesReader(1 << 20)
    last = [reader.feed(STREAMS["parts without end"](number)) for number in range(1_100)][-1]

    assert Other(continuable=False) in [event for received in last for event in received.events]

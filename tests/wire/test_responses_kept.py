"""What a reader of a Responses stream keeps of it: little, however long it is and whatever it says."""

from __future__ import annotations

import json
import tracemalloc
from functools import partial
from typing import Any

import pytest

from trooper.core.events import Other
from trooper.wire.openai_responses import reader as reader_module
from trooper.wire.openai_responses import sums
from trooper.wire.openai_responses import voice as voice_module
from trooper.wire.openai_responses.reader import ResponsesReader
from trooper.wire.openai_responses.voice import ResponsesVoice

CREATED = {"type": "response.created", "response": {"id": "resp_1", "model": "m", "output": []}}
#: Two megabytes of a stream, a tenth of it text.
EVENTS = 8_000
MOST_KEPT_BYTES = 600_000


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


def told(number: int) -> bytes:
    """An item of a hundred kilobytes that nobody began."""
    item = {
        "type": "message",
        "id": f"msg_{number}",
        "content": [{"type": "output_text", "text": f"{number:06}" * 16_000}],
    }
    value = {"type": "response.output_item.done", "output_index": number, "item": item}
    return f"data: {json.dumps(value)}\n\n".encode()


def thought(number: int, times: int = 80) -> bytes:
    value = {
        "type": "response.reasoning_summary_text.delta",
        "item_id": "rs",
        "output_index": 0,
        "summary_index": 0,
        "delta": f"{number:06}" * times,
    }
    return f"data: {json.dumps(value)}\n\n".encode()


@pytest.mark.parametrize(
    ("stream", "events", "most_kept_bytes"),
    [
        (STREAMS["one long text"], EVENTS, 600_000),
        (thought, 8_000, 1_500_000),
        (partial(thought, times=20), 5_000, 600_000),
        (told, 60, 3_500_000),
    ],
    ids=["one long text", "thoughts without end", "short thoughts without end", "items that are told"],
)
def test_who_speaks_keeps_no_more_than_could_be_gone_on_from(
    stream: Any, events: int, most_kept_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A sixteenth of what they are: it takes less time.
    monkeypatch.setattr(sums, "MOST_CHARS", sums.MOST_CHARS // 16)
    for module in (reader_module, voice_module):
        monkeypatch.setattr(module, "MOST_TOLD_BYTES", sums.MOST_TOLD_BYTES // 16)
    reader, voice = ResponsesReader(1 << 20), ResponsesVoice("r", {"id": "resp_ours", "output": []})
    last: list[object] = []
    tracemalloc.start()
    try:
        for event in (f"data: {json.dumps(CREATED)}\n\n".encode(), *map(stream, range(events))):
            for received in reader.feed(event):
                assert voice.forward(received) == received.raw
                last = list(received.events)
        kept_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert kept_bytes < most_kept_bytes
    assert (Other(continuable=False) in last) == (stream is not STREAMS["one long text"])

"""Where a Responses voice begins to speak itself, it goes on with the numbers of the events before it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from trooper.core.events import FinishReason, Text
from trooper.core.outcome import FailureKind
from trooper.testing import ANSWERS
from trooper.testing.responses import responses_events
from trooper.wire.client_side import Trouble
from trooper.wire.openai_responses.reader import ResponsesReader
from trooper.wire.openai_responses.voice import ResponsesVoice

#: With the numbers 0 to 6.
BEGUN = responses_events(ANSWERS["text"])[:7]


def numbers(*pieces: bytes) -> list[int]:
    """The numbers of what a voice says behind pieces that came one by one."""
    reader, voice = ResponsesReader(1 << 20), ResponsesVoice("r", {"id": "resp_ours", "output": []})
    for piece in pieces:
        for item in reader.feed(piece):
            voice.forward(item)
    for item in reader.end():
        voice.forward(item)
    told = voice.speak([Text(" more")]) + voice.finish(FinishReason.STOP, ()) + voice.terminate()
    said: list[dict[str, Any]] = [
        json.loads(line[6:]) for line in told.splitlines() if line.startswith(b"data: ")
    ]
    return [value["sequence_number"] for value in said]


@pytest.mark.parametrize(
    "behind",
    [
        b"",
        b"\n",
        b"\r\n\r\n",
        b": a comment\n\n",
        b"event: ping\ndata: {}\n\n",
        b"data: \n\n",
        b'data: {"type": "keepalive"}\n\n',
        b"data: {not json\n\n",
    ],
)
def test_what_has_no_number_does_not_begin_anew(behind: bytes) -> None:
    assert numbers(*BEGUN, behind) == [7, 8, 9, 10, 11]


@pytest.mark.parametrize("size", [1, 2, 7, 100])
def test_an_empty_line_may_come_alone(size: int) -> None:
    """Then the event before it was handed out already, and it is a piece of its own."""
    stream = b"".join(BEGUN)
    assert numbers(*(stream[at : at + size] for at in range(0, len(stream), size)))[0] == 7


def test_two_events_may_come_in_one() -> None:
    *others, one, other = BEGUN
    assert numbers(*others, one.removesuffix(b"\n") + other.partition(b"\n")[2])[0] == 7


def test_no_numbers_at_all() -> None:
    bare = [event.replace(b'"sequence_number":', b'"number":') for event in BEGUN]
    assert numbers(*bare)[:2] == [0, 1]


LONG = b'data: {"type": "response.output_text.delta", "sequence_number": 7, "delta": "' + b"x" * 9_000


@pytest.mark.parametrize(("pieces", "first"), [((b"\n",), 7), ((LONG,), 8), ((LONG, b'x"}\n\n'), 8)])
def test_an_error_goes_on_as_well(pieces: tuple[bytes, ...], first: int) -> None:
    reader, voice = ResponsesReader(4_000), ResponsesVoice("r", {"id": "resp_ours", "output": []})
    for piece in (*BEGUN, *pieces):
        for item in reader.feed(piece):
            voice.forward(item)
    told = voice.error(Trouble(FailureKind.CONN_RESET, "It broke."))
    said = [json.loads(line[6:]) for line in told.splitlines() if line.startswith(b"data: ")]
    assert [value["sequence_number"] for value in said] == [first, first + 1]

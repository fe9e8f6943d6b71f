"""What decides about an event that nobody keeps whole: its type, and a finish."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pieces import cuts, singles
from trooper.wire.large import LargeEvent
from work import work_of


def seen(pieces: list[bytes]) -> tuple[str, str]:
    event = LargeEvent()
    for piece in pieces:
        event.feed(piece)
    return event.type, event.finish


def data(value: object, **how: Any) -> bytes:
    return b"data: " + json.dumps(value, **how).encode() + b"\n\n"


LONG = 'a "b" \\ {[ "type": "no", é\n' * 40
CASES = (
    (
        data({"type": "response.completed", "response": {"type": "x", "text": LONG}}),
        ("response.completed", ""),
    ),
    # Sorted keys: what is inside stands in front.
    (data({"response": {"type": "x", "text": LONG}, "type": "y"}), ("y", "")),
    (b"event: named\n" + data({"type": "other", "text": LONG}), ("named", "")),
    (data({"choices": [{"delta": {"content": LONG}, "finish_reason": "stop"}]}), ("", "stop")),
    (data({"choices": [{"finish_reason": None, "delta": {"finish_reason": "no"}}], "x": LONG}), ("", "")),
    (data({"finish_reason": "no", "choices": [{"delta": {"x": {"type": "z"}}}]}), ("", "")),
    (data({"type": "indented", "x": [1, {"y": LONG}]}, indent=3), ("indented", "")),
)


@pytest.mark.parametrize(("raw", "expected"), CASES, ids=range(len(CASES)))
def test_what_decides_is_found_however_it_is_cut(raw: bytes, expected: tuple[str, str]) -> None:
    assert seen([raw]) == expected
    assert seen(singles(raw)) == expected
    for at in range(0, len(raw), 7):
        assert seen([raw[:at], raw[at:]]) == expected


@given(st.sampled_from(CASES).flatmap(lambda case: st.tuples(cuts(case[0]), st.just(case[1]))))
def test_over_any_cuts(case: tuple[list[bytes], tuple[str, str]]) -> None:
    pieces, expected = case
    assert seen(pieces) == expected


@given(st.lists(st.binary(max_size=50) | st.sampled_from([b'"', b"\\", b'":"', b"{", b"}"]), max_size=30))
def test_no_bytes_are_a_crash(pieces: list[bytes]) -> None:
    assert seen(pieces) is not None


def test_nothing_of_it_is_kept() -> None:
    event = LargeEvent()
    event.feed(b'data: {"type": "x", "image": "')
    tracemalloc.start()
    for _ in range(100):
        event.feed(b"A" * 65_536)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 10_000
    event.feed(b'", "choices": [{"finish_reason": "length"}]}')
    assert (event.type, event.finish) == ("x", "length")


def test_not_all_of_an_event_is_looked_through() -> None:
    """Its type stands in front; so many values are nobody's, and each costs more than its size."""
    event = LargeEvent()
    piece = b'{"type": "message_delta", "x": [' + b"{}," * 4_000

    def feed() -> None:
        for _ in range(50):
            event.feed(piece)

    assert work_of(feed) < 120_000
    event.feed(b'{}], "delta": {"stop_reason": "end_turn"}}')
    assert (event.type, event.finish, event.is_closed) == ("message_delta", "", False)
    pictures = LargeEvent()
    for piece in (b'{"type": "a", "b64": "', *[b"x" * 100_000] * 100, b'"}'):
        pictures.feed(piece)
    assert pictures.is_closed

"""A text in pieces costs what its letters cost."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trooper.core.events import Text, ToolCallDelta
from trooper.core.pieces import Pieces
from trooper.core.tool_calls import ToolCalls
from trooper.core.transcript import Transcript

PIECES = 200_000
#: Two letters each; half as much again for what is not joined yet, and for growth.
MOST_BYTES = PIECES * 3


@given(st.lists(st.one_of(st.text(max_size=3), st.sampled_from(["look", "clear"])), max_size=2_000))
def test_it_is_the_text_whenever_it_is_asked_for(steps: list[str]) -> None:
    pieces, said = Pieces(), ""
    for step in [*steps, *["ab"] * 600, *steps]:
        if step == "look":
            assert pieces.text == said
        elif step == "clear":
            pieces.clear()
            said = ""
        else:
            pieces.add(step)
            said += step

    assert pieces.text == said
    assert pieces.text == said


def transcript() -> Callable[[str], object]:
    kept = Transcript(1 << 30)
    return lambda piece: kept.add((Text(piece),))


def arguments() -> Callable[[str], object]:
    calls = ToolCalls(1 << 30)
    return lambda piece: calls.add(ToolCallDelta(0, "call", "name", piece))


@pytest.mark.parametrize("keeper", [transcript, arguments])
def test_small_pieces_are_no_burden(keeper: Callable[[], Callable[[str], object]]) -> None:
    add = keeper()
    tracemalloc.start()
    try:
        for number in range(PIECES):
            add(f"{number % 100:02}")
        kept_bytes, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert kept_bytes < MOST_BYTES

"""The law of the mirror, on some hundred streams of each wire; the sweep has a hundred thousand."""

from __future__ import annotations

import pytest

from mirror import Block, Framing, Stream, framed, play_all
from mirror_streams import every_one_passes
from scenes import WIRES


@pytest.mark.parametrize("wire", WIRES)
def test_a_healthy_stream_passes_untouched(wire: str) -> None:
    assert every_one_passes(wire, examples=30, ways=3) >= 700


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_an_empty_line_that_comes_too_late_is_the_one_that_was_said(line_end: bytes) -> None:
    """The end was read in the line before it, and nobody waits for long."""
    said = [
        b'data: {"choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}]}',
        b"data: [DONE]",
    ]
    blocks = tuple(Block(line + line_end * 2, "quiet", is_end=line == said[-1]) for line in said)
    stream = Stream("chat", blocks)
    at = len(stream.raw) - len(line_end)
    assert play_all(stream, [Framing(((0.0, stream.raw[:at]), (0.7, stream.raw[at:])))]) > 0


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_empty_lines_behind_the_terminator_do_not_come_late(line_end: bytes) -> None:
    """The first of them was said already, and the others are nobody's."""
    said = Block(b"data: [DONE]" + line_end * 2, is_end=True)
    stream = Stream("chat", (said, Block(line_end)))
    for place in range(len(b"data: [DONE]"), len(stream.raw)):
        assert framed(stream, [place], [0.7]).chunks[-1][0] == 0.0

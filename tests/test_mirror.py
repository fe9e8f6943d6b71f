"""The law of the mirror, on some hundred streams of each wire; the sweep has a hundred thousand."""

from __future__ import annotations

import pytest

from mirror_streams import every_one_passes
from scenes import WIRES


@pytest.mark.parametrize("wire", WIRES)
def test_a_healthy_stream_passes_untouched(wire: str) -> None:
    assert every_one_passes(wire, examples=30, ways=3) >= 700

"""
Over a thousand random cuts inside tool arguments: nested, with escapes and all
kinds of characters, two calls in parallel.
"""

from __future__ import annotations

from typing import Any

import pytest

from half_calls import cut_calls
from scenes import WIRES

CUTS = 400


@pytest.mark.parametrize("wire", WIRES)
async def test_held(autojump_clock: Any, wire: str, tallies: Any) -> None:
    """With `hold` every turn completes."""
    tally = await cut_calls(wire, "hold", CUTS, seed=11)
    tallies.add_calls(wire, "hold", tally)
    assert (tally.wrong, tally.raised, tally.whole) == ([], 0, CUTS)


@pytest.mark.parametrize("wire", WIRES)
async def test_streamed(autojump_clock: Any, wire: str, tallies: Any) -> None:
    """With `stream`, where a grammar binds the model to the rest: nine of ten at least; the others raise."""
    tally = await cut_calls(wire, "stream", CUTS, seed=12)
    tallies.add_calls(wire, "stream", tally)
    assert tally.wrong == []
    assert tally.whole >= 0.9 * CUTS

"""
Cuts of the bench with times made up, and a result of them; shared by the tests
of the bench.
"""

from __future__ import annotations

from typing import Any

from trooper.bench import switchover
from trooper.bench.cuts import BEFORE, FULL, HISTORIES, KINDS, POSITIONS, Cell, Cut, Kind, Moments, Proxy
from trooper.bench.result import Asked, Compare, Mode, Result

MIDDLE = POSITIONS[1]
SHORT = HISTORIES[0]
RESET = Cell(KINDS[0], MIDDLE, SHORT)
LIMITED = Cell(Kind("status-429", "429", before=True), BEFORE, SHORT)
SILENCE = Cell(Kind("silence", "silence"), MIDDLE, SHORT)


def cut(cell: Cell, overhead_ms: float) -> Cut:
    """A cut with this overhead: asked after a quarter of it, known after an eighth."""
    overhead_s = overhead_ms / 1000
    known = None if cell.proxy is Proxy.OTHER else 100 + overhead_s / 8
    last = None if cell.kind.before else 99.99
    return Cut(cell, Moments(100, 100 + overhead_s / 4, 101 + overhead_s / 4, known, last, 101 + overhead_s))


def measured(
    cuts: list[Cut], *, mode: Mode = Mode.FULL, compare: Compare | None = None, **changes: Any
) -> Result:
    settings = {
        "serving": "hypercorn (asyncio guest)",
        "provider_token_s": 0.003,
        "stall_timeout_s": 0.2,
        "local_model": "stand-in",
    }
    return switchover.result(cuts, Asked(mode, compare=compare), FULL, settings | changes)

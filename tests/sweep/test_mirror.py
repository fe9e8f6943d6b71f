"""
The law of the mirror, on a hundred thousand streams: whatever a healthy stream
holds and however it comes, the client gets its bytes, in order and in time.
"""

from __future__ import annotations

from typing import Any, Final

import pytest

from mirror_streams import every_one_passes
from scenes import WIRES
from sweep_share import EVERY

#: So many tests for each wire, for as many processes; each draws streams of its own.
PARTS: Final = 8
ALL: Final = 140
EXAMPLES: Final = ALL // EVERY
WAYS: Final = 4


@pytest.mark.parametrize("part", range(1, PARTS + 1))
@pytest.mark.parametrize("wire", WIRES)
def test_a_healthy_stream_passes_untouched(wire: str, part: int, tallies: Any) -> None:
    played = every_one_passes(wire, examples=EXAMPLES, ways=WAYS, part=part)
    tallies.add_mirrored(wire, part, played)
    assert played >= 4450 * EXAMPLES / ALL

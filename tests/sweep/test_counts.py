"""
Five thousand generated conversations at servers that refuse what is longer than their window: they never have to.
"""

from __future__ import annotations

from typing import Any

import pytest

from counted_legs import all_fit

PARTS, EACH = 20, 250


@pytest.mark.parametrize("part", range(PARTS))
async def test_no_generated_request_is_longer_than_the_window(part: int, autojump_clock: Any) -> None:
    asked, too_long = await all_fit(range(part * EACH, part * EACH + EACH), of_llama=5)
    assert asked == EACH + EACH // 5
    assert too_long < asked / 2

"""Virtual time beside real disks."""

from __future__ import annotations

import pytest
import trio.testing


@pytest.fixture
def autojump_clock() -> trio.testing.MockClock:
    """One that lets threads come back before it jumps: the folder of sockets is looked into in one."""
    return trio.testing.MockClock(autojump_threshold=0.3)

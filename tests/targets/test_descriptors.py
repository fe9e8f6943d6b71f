"""How many descriptors there are: what the system allows at most, and no more than we need."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from attrs import define

from scenes import configured
from trooper.targets import upstream
from trooper.targets.descriptors import MOST_DESCRIPTORS, descriptor_limit

INFINITE = resource.RLIM_INFINITY


@pytest.fixture(autouse=True)
def _asked_anew() -> Iterator[None]:
    descriptor_limit.cache_clear()
    yield
    descriptor_limit.cache_clear()


@define
class System:
    """In place of `resource`: what a system answers."""

    limits: tuple[int, int]
    obeys: bool = True
    RLIMIT_NOFILE: int = resource.RLIMIT_NOFILE
    RLIM_INFINITY: int = INFINITE

    def getrlimit(self, _: int) -> tuple[int, int]:
        return self.limits

    def setrlimit(self, _: int, limits: tuple[int, int]) -> None:
        if not self.obeys:
            raise ValueError("current limit exceeds maximum limit")
        self.limits = limits


@pytest.mark.parametrize(
    ("limits", "found", "set_to"),
    [
        ((100, 100), 100, (100, 100)),
        ((256, 4096), 4096, (4096, 4096)),
        ((1024, INFINITE), MOST_DESCRIPTORS, (MOST_DESCRIPTORS, INFINITE)),
        ((1024, 1_048_576), MOST_DESCRIPTORS, (MOST_DESCRIPTORS, 1_048_576)),
        ((1_048_576, 1_048_576), MOST_DESCRIPTORS, (1_048_576, 1_048_576)),
        ((INFINITE, INFINITE), MOST_DESCRIPTORS, (INFINITE, INFINITE)),
    ],
)
def test_the_limit_is_raised_to_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, limits: tuple[int, int], found: int, set_to: tuple[int, int]
) -> None:
    system = System(limits)
    monkeypatch.setitem(sys.modules, "resource", system)

    assert descriptor_limit() == found
    assert system.limits == set_to


def test_where_the_system_refuses_the_limit_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resource", System((256, 4096), obeys=False))

    assert descriptor_limit() == 256


def test_where_there_is_no_limit_ours_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resource", None)

    assert descriptor_limit() == MOST_DESCRIPTORS


@pytest.mark.parametrize(("limit", "kept"), [(100, 3), (1024, 32), (65_536, 64)])
async def test_few_connections_are_kept_where_there_are_few(
    monkeypatch: pytest.MonkeyPatch, limit: int, kept: int
) -> None:
    monkeypatch.setattr(upstream, "descriptor_limit", lambda: limit)
    async with upstream.open_upstream(configured().target("openai")) as opened:
        pool: Any = opened._client._transport

        assert pool._pool._max_keepalive_connections == kept

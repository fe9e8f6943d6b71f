from __future__ import annotations

from collections.abc import Iterator

import pytest

from attack_place import SERVED, Place, attack_place


@pytest.fixture(scope="session", params=SERVED)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """One Trooper of each way for all attacks; pytest goes through the ways one after the other."""
    with attack_place(request.param, tmp_path_factory.mktemp("cwd")) as place:
        yield place

from __future__ import annotations

from typing import cast

import pytest

from hypercorn_server import Served, served_on_asyncio, served_on_trio


@pytest.fixture(params=[served_on_trio, served_on_asyncio], ids=["trio", "asyncio"])
def served(request: pytest.FixtureRequest) -> Served:
    """The server on a real socket, on each of its workers."""
    return cast("Served", request.param)

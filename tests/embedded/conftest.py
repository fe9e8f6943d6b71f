"""
The real thing: llama.cpp from the extra `embedded`, and the model that `trooper fetch-model` brings.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import trio

from trooper.targets.embedded.fetch import NotFetched, fetch
from trooper.targets.embedded.model import is_installed


@pytest.fixture(scope="session")
def gguf() -> Path:
    """The model's file, fetched into the user's own cache if it is not there."""
    assert is_installed(), "the extra is missing: pip install -e '.[embedded]'"
    environ = {name: value for name, value in os.environ.items() if name != "TROOPER_CACHE"}
    found = trio.run(fetch, environ)
    assert not isinstance(found, NotFetched), found
    return found

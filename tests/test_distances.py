"""How far a request and a token walk through our own code; counted, so the same on every machine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def counted() -> Any:
    command = [sys.executable, str(ROOT / "bench" / "calls.py"), "--json"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(found.stdout)


def test_a_token_makes_few_calls(counted: Any) -> None:
    """It was 89; each costs a tenth of a microsecond for every token of everybody."""
    assert 20 < counted["token_calls"] <= 60


def test_a_request_visits_few_rooms_and_climbs_once(counted: Any) -> None:
    """The one climb is the answer: the relay calls what the web layer gave it to send with."""
    assert len(counted["rooms"]) <= 10
    assert set(counted["climbs"]) == {"relay → web"}

"""The checks of `nox -s ollama`, of the imitation: they say nothing of a real server, but they work."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployed import ROOT, running
from ollama_checks import CHECKS, Check, OllamaServer
from ollama_stand_in import WINDOW


@pytest.fixture
def server() -> Iterator[OllamaServer]:
    with running(sys.executable, str(ROOT / "tests" / "ollama_stand_in.py")) as process:
        yield OllamaServer(process.wait_for(r'"url": "([^"]+)"')[1], WINDOW, 2 * WINDOW)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_it_holds(check: Check, server: OllamaServer, tmp_path: Path) -> None:
    check(server, tmp_path)

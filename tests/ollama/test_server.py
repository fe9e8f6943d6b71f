"""Trooper in front of a real Ollama: everything of `tests/ollama_checks.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from ollama_checks import CHECKS, Check, OllamaServer


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_it_holds(check: Check, server: OllamaServer, tmp_path: Path) -> None:
    check(server, tmp_path)

"""
Figures that tests hand in, printed at the end of a session: a `conftest.py` imports these by their names.
"""

from __future__ import annotations

from typing import Any

import pytest

from figures import Figures

_FIGURES: pytest.StashKey[Figures] = pytest.StashKey()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_FIGURES] = Figures()


@pytest.fixture
def figures(pytestconfig: pytest.Config) -> Figures:
    return pytestconfig.stash[_FIGURES]


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    terminalreporter.section("figures")
    for line in config.stash[_FIGURES].lines:
        terminalreporter.write_line(line)

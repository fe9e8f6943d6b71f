from __future__ import annotations

import pytest

from printed_figures import figures, pytest_configure, pytest_terminal_summary

__all__ = ["figures", "pytest_addoption", "pytest_configure", "pytest_terminal_summary"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--minutes", type=float, default=30.0, help="how long it runs, warm-up included")
    parser.addoption("--rate", type=float, default=20.0, help="requests in a second, for each way of serving")

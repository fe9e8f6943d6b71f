from __future__ import annotations

from printed_figures import figures, pytest_configure, pytest_terminal_summary

__all__ = ["figures", "pytest_configure", "pytest_terminal_summary"]

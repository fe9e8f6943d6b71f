"""
What a bench is asked, and what it returns. All benches share these.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence

from attrs import field, frozen

from trooper.bench.table import Table


class Mode(enum.Enum):
    """How long a bench may take: seconds, or minutes."""

    QUICK = "quick"
    FULL = "full"


@frozen
class Compare:
    """
    Another proxy, measured with the same client beside Trooper.

    Attributes:
        url: its base URL, plain HTTP, as an SDK takes it; it ends in `/v1`.
        model: the name that it wants.
        key: what it wants as a bearer token; from the environment, never shown.
        provider_port, ollama_port: where it was told to find provider and local model.
    """

    url: str
    model: str = "gpt-4o"
    key: str = field(default="", repr=False)
    provider_port: int = 8651
    ollama_port: int = 8652


@frozen
class Asked:
    """What every bench is asked."""

    mode: Mode = Mode.FULL
    seed: int = 1
    compare: Compare | None = None


@frozen
class Result:
    """
    A bench that ran.

    Attributes:
        settings: what it was told, in words and numbers.
        cells: the figures in detail; `summary` has those that are judged.
        tables: what a person is shown, and `notes` below them.
        problems: why the figures are not to be trusted; they make the exit status 1.
    """

    bench: str
    mode: Mode
    settings: Mapping[str, object]
    cells: Sequence[Mapping[str, object]]
    summary: Mapping[str, object]
    tables: tuple[Table, ...] = ()
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def is_bad(self) -> bool:
        """Whether the exit status has to say so."""
        return bool(self.problems)

    def as_json(self) -> dict[str, object]:
        """As JSON has it, without what is true of the whole machine."""
        return {
            "bench": self.bench,
            "mode": self.mode.value,
            "settings": dict(self.settings),
            "cells": [dict(cell) for cell in self.cells],
            "summary": dict(self.summary),
            "notes": list(self.notes),
            "problems": list(self.problems),
        }


@frozen
class NotRun:
    """A bench that did not run. `is_bad`: it should have; else something is not here that it needs."""

    bench: str
    why: str
    is_bad: bool = False

    def as_json(self) -> dict[str, object]:
        """As JSON has it."""
        return {"bench": self.bench, "not_run": self.why}

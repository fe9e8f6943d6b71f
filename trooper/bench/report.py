"""
Results for people and for programs.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping, Sequence

from trooper.bench import facts
from trooper.bench.progress import Progress
from trooper.bench.result import NotRun, Result
from trooper.bench.table import COLUMNS, joined


def document(result: Result | NotRun, machine: Mapping[str, object]) -> dict[str, object]:
    """
    One bench as JSON has it.

    Args:
        result: what was measured.
        machine: the machine's facts from before the bench began: how busy it was is one of them.
    """
    return result.as_json() | {"versions": facts.versions(), "machine": dict(machine)}


def together(results: Sequence[Result | NotRun], machine: Mapping[str, object]) -> dict[str, object]:
    """Several benches in one document, a part for each."""
    return {
        "bench": "all",
        "versions": facts.versions(),
        "machine": dict(machine),
        "benches": {result.bench: result.as_json() for result in results},
        "summary": {r.bench: dict(r.summary) for r in results if isinstance(r, Result)},
    }


def show(result: Result | NotRun, progress: Progress) -> None:
    """The tables, and what there is to say about them."""
    match result:
        case NotRun(bench, why):
            progress.say(f"{bench}: not run: {why}")
        case _:
            for line in [f"{result.bench}, {result.mode.value}", "", *joined(result.tables), ""]:
                progress.say(line)
            for words in [*result.notes, *(f"NOT TO BE TRUSTED: {problem}" for problem in result.problems)]:
                for line in textwrap.wrap(words, COLUMNS, subsequent_indent="  ", break_on_hyphens=False):
                    progress.say(line)


def as_text(document: Mapping[str, object]) -> str:
    """As JSON, for people to compare too."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"

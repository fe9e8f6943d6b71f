"""
Two checkouts, measured in turn: `python bench/against.py BEFORE AFTER [--pairs 9]`.

BEFORE and AFTER are the Pythons into which each Trooper is installed. The
benches of both are run one after the other, pair by pair, and every second
pair the other way round, so that a machine that gets slower or busier does so
for both. What is shown is AFTER divided by BEFORE, within a pair: the median of
all pairs, and the interval in which the true median lies.

That interval is the binomial one. Each ratio is above the true median with
probability 1/2, whatever the figures are distributed like; so the true median
is outside of the k-th smallest and the k-th largest of n ratios with
probability 2 · P(B(n, 1/2) < k). The largest k for which that is at most 5 % is
taken, and what it covers is shown: 96.1 % for 9 pairs. Fewer than 6 pairs
cannot say anything with 95 %; they show their smallest and largest ratio.

Quick runs by default: pairs say more than long runs on a machine that others
use too.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from attrs import frozen

#: Bench → the figures of its summary that are compared; less is better in all of them.
FIGURES: Final[Mapping[str, tuple[str, ...]]] = {
    "switchover": ("switchover_overhead_ms.p50", "asked_after_429_ms.p50"),
    "passthrough": ("cpu_per_token_us", "guest.cpu_per_token_us", "added_ttft_gate_on_ms.p50"),
}
COVERED: Final = 0.95


@frozen
class Interval:
    """The median of some ratios; `low` to `high` holds the true one with probability `covered`."""

    median: float
    low: float
    high: float
    covered: float


def interval(ratios: Sequence[float]) -> Interval:
    """The median of `ratios` with its binomial interval."""
    ordered, count = sorted(ratios), len(ratios)
    outside = [math.comb(count, k) / 2**count for k in range(count + 1)]
    k = 1
    while k < (count + 1) // 2 and 2 * sum(outside[: k + 1]) <= 1 - COVERED:
        k += 1
    return Interval(statistics.median(ordered), ordered[k - 1], ordered[-k], 1 - 2 * sum(outside[:k]))


def measured(python: str, bench: str, *, full: bool) -> dict[str, float]:
    """The figures of one run."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "result.json"
        command = [python, "-m", "trooper", "bench", bench, "--json", str(file)]
        done = subprocess.run(
            command if full else [*command, "--quick"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if not file.exists():
            raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
        summary = json.loads(file.read_text())["summary"]
    return {name: value for name in FIGURES[bench] if (value := _at(summary, name)) is not None}


def _at(summary: Any, name: str) -> float | None:
    for key in name.split("."):
        summary = summary.get(key) if isinstance(summary, dict) else None
    return summary


def compare(before: str, after: str, bench: str, pairs: int, *, full: bool) -> dict[str, list[float]]:
    """The ratios of each figure, pair by pair."""
    ratios: dict[str, list[float]] = {name: [] for name in FIGURES[bench]}
    for number in range(pairs):
        found: dict[str, dict[str, float]] = {}
        for who in (("before", "after"), ("after", "before"))[number % 2]:
            found[who] = measured(before if who == "before" else after, bench, full=full)
        told = []
        for name, values in ratios.items():
            one, other = found["before"].get(name), found["after"].get(name)
            if one and other:
                values.append(other / one)
                told.append(f"{name} {one:.2f} → {other:.2f}")
        print(f"{bench}, pair {number + 1} of {pairs}: " + ", ".join(told), file=sys.stderr, flush=True)
    return ratios


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("before", help="the Python of the code before")
    parser.add_argument("after", help="the Python of the code after")
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--bench", choices=list(FIGURES), action="append", help="only this one")
    parser.add_argument("--full", action="store_true", help="full runs, minutes each")
    parser.add_argument("--limit", type=float, default=1.05, help="the median that makes the exit status 1")
    parser.add_argument("--json", type=Path, help="write all ratios to this file")
    told = parser.parse_args()
    ratios: dict[str, list[float]] = {}
    for bench in told.bench or FIGURES:
        found = compare(told.before, told.after, bench, told.pairs, full=told.full)
        ratios |= {f"{bench} {name}": values for name, values in found.items() if values}
    if told.json is not None:
        told.json.write_text(json.dumps(ratios, indent=1) + "\n")
    too_much = False
    for name, values in ratios.items():
        i = interval(values)
        covers = f"{100 * i.covered:.1f} % from {i.low:.3f} to {i.high:.3f}"
        print(f"{name:<42} median {i.median:.3f}, {covers}, {len(values)} pairs")
        too_much |= i.median > told.limit
    return 1 if too_much else 0


if __name__ == "__main__":
    sys.exit(main())

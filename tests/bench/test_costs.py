"""
The pass-through bench, for real and briefly: what it says is there, and makes sense.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from trooper.bench import nginx

BENCH = "import sys; from trooper.bench.commands import bench_app; sys.exit(bench_app(sys.argv[1:]))"


def test_every_system_is_measured(tmp_path: Path) -> None:
    assert nginx.find() is not None, "nginx is what Trooper is compared with; install it"
    file = tmp_path / "figures.json"
    done = subprocess.run(
        [sys.executable, "-c", BENCH, "passthrough", "--quick", "--json", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    told: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    systems = {cell["system"]: cell for cell in told["cells"]}
    assert list(systems) == [
        "direct",
        "nginx",
        "trooper, -k trio",
        "trooper, -k trio, gate off",
        "trooper, asyncio guest",
    ]
    assert all(cell["broken_streams"] == 0 and cell["tokens"] > 500 for cell in systems.values())
    summary = told["summary"]
    assert summary["cpu_per_token_us"] > systems["nginx"]["cpu_per_token_us"] > 0
    assert summary["cpu_per_token_vs_nginx"] > 1
    assert summary["rss_mib"]["at_200"] > summary["rss_mib"]["idle"] > 10
    assert summary["added_ttft_ms"] is not None
    assert summary["guest"]["cpu_per_token_us"] > 0
    assert told["versions"]["trio"]
    assert told["machine"]["cores"] >= 1
    assert max(map(len, done.stdout.splitlines())) <= 80

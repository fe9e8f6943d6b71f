"""
Whether each file of the two wings is covered by its own test file alone.

    python tests/own_coverage.py [trooper/relay] [trooper/targets/inbox.py] …

A file that only other files' tests reach is one whose own faults nobody looks
for. The mapping is by name: `trooper/relay/splice.py` is tested by
`tests/relay/test_splice.py`, which has to reach 90 % of its lines and of its
branches without any other test.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
WINGS: Final = ("trooper/relay", "trooper/targets")
THRESHOLD: Final = 90.0
#: Files that cannot be measured so, and what tests them.
LEFT_OUT: Final = {
    "trooper/targets/embedded/child.py": "runs in a process of its own, with llama.cpp: tests/embedded/test_child.py",
}


def modules(named: list[str]) -> Iterator[str]:
    """The files to look at, without those that hold nothing but names."""
    for place in named or WINGS:
        path = ROOT / place
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            name = file.relative_to(ROOT).as_posix()
            if file.name != "__init__.py" and name not in LEFT_OUT:
                yield name


def test_of(module: str) -> Path:
    """The test file of `module`."""
    folder, _, name = module.removeprefix("trooper/").rpartition("/")
    return ROOT / "tests" / folder / f"test_{name}"


def measured(module: str, folder: Path) -> tuple[float, float] | str:
    """Per cent of lines and of branches of `module` that its own tests reach, or what is wrong."""
    test = test_of(module)
    if not test.exists():
        return f"there is no {test.relative_to(ROOT)}"
    environment = {**os.environ, "COVERAGE_FILE": str(folder / module.replace("/", "."))}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", *arguments]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    tested = run("coverage", "run", "-m", "pytest", "-q", "-p", "no:cacheprovider", str(test))
    if tested.returncode != 0:
        return f"its tests fail:\n{tested.stdout}{tested.stderr}"
    run("coverage", "combine", "-q")
    told = run("coverage", "json", "-q", "--fail-under=0", f"--include={module}", "-o", "-")
    if told.returncode != 0:
        return f"its tests do not reach it: {told.stdout}{told.stderr}"
    found = json.loads(told.stdout)["totals"]
    lines, branches = (
        100.0 * found[f"covered_{what}"] / (found[total] or 1) if found[total] else 100.0
        for what, total in (("lines", "num_statements"), ("branches", "num_branches"))
    )
    return lines, branches


def main(named: list[str]) -> int:
    """Measure; the number of files that are not covered by their own tests."""
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        for module in modules(named):
            found = measured(module, Path(folder))
            is_good = not isinstance(found, str) and min(found) >= THRESHOLD
            bad += not is_good
            words = (
                found
                if isinstance(found, str)
                else f"{found[0]:5.1f} % of lines, {found[1]:5.1f} % of branches"
            )
            sys.stdout.write(f"{'    ' if is_good else 'BAD '}{module}: {words}\n")
    return bad


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 1))

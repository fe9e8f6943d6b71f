"""
Do the tests notice when the program is wrong?

    python tests/mutation.py --seed 7 --count 30

picks lines of the decisions and of the relay, breaks each in one small way
(a condition negated, a comparison swapped, a constant changed, a statement
dropped, an early return), and runs the fast suite on a copy of the tree for
each. It prints which test caught which break. The exit status is 1 if a break
survives that `mutation_explained.toml` does not explain.

The same seed on the same source breaks the same lines in the same way. The
breaks themselves are in `mutants.py`.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from attrs import frozen

from mutants import Mutant, mutants_of

ROOT = Path(__file__).parent.parent
EXPLAINED = Path(__file__).parent / "mutation_explained.toml"
FILES = ("trooper/core/**/*.py", "trooper/wire/**/*.py", "trooper/relay/**/*.py", "trooper/targets/**/*.py")
#: What a run needs: the tests read the docs, the benches and the packaging as well.
COPIED = (
    "trooper",
    "tests",
    "bench",
    "docs",
    "pyproject.toml",
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "LICENSE",
    "noxfile.py",
)
#: A break may make a loop endless, and an endless loop may collect.
MAX_MEMORY_BYTES = 6 * 1024**3


@frozen
class Verdict:
    """What became of one mutant; `caught_by` is empty if it survived."""

    mutant: Mutant
    caught_by: str


def pick(seed: int, count: int) -> list[Mutant]:
    """`count` lines by chance, and one break for each."""
    paths = sorted(path for pattern in FILES for path in ROOT.glob(pattern))
    by_line: dict[tuple[str, int], list[Mutant]] = {}
    for path in paths:
        for mutant in mutants_of(path.relative_to(ROOT).as_posix(), path.read_bytes()):
            by_line.setdefault((mutant.file, mutant.line), []).append(mutant)
    chance = random.Random(seed)
    lines = chance.sample(sorted(by_line), min(count, len(by_line)))
    return [chance.choice(by_line[line]) for line in sorted(lines)]


def copy_tree(folder: Path) -> Path:
    """A copy of what the tests need, without anything compiled."""
    tree = folder / "tree"
    ignore = shutil.ignore_patterns("__pycache__", "_build", ".*")
    tree.mkdir(parents=True)
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=ignore)
        elif source.exists():
            shutil.copy2(source, tree / name)
    return tree


def likely_tests(tree: Path, file: str) -> list[str]:
    """Test files with a part of the file's own path in their name, which are asked first."""
    words = {word.removesuffix(".py") for word in Path(file).parts[1:]}
    names = {word for part in words for word in (part, *part.split("_"))} - {"chat", "core", "wire"}
    found = (
        path.relative_to(tree).as_posix()
        for path in (tree / "tests").rglob("test_*.py")
        if names & set(path.stem.removeprefix("test_").split("_")) or path.parent.name in names
    )
    slow = ("tests/e2e/", "tests/sdk/", "tests/sweep/", "tests/docs/")
    return sorted(name for name in found if not name.startswith(slow))


def run_tests(tree: Path, arguments: Sequence[str], timeout_s: float) -> str:
    """Run pytest in `tree`; the first test that fails, or nothing if all pass."""
    # `timeout` ends the whole group, whatever a test has started, also when this program is gone.
    bounds = ["prlimit", f"--as={MAX_MEMORY_BYTES}", "timeout", "--signal=KILL", f"{timeout_s:.0f}"]
    process = subprocess.run(
        [*bounds, sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=tree,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(tree)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if process.returncode == 0:
        return ""
    if process.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL):
        return f"(no end within {timeout_s:.0f} s)"
    named = re.search(r"^(?:FAILED|ERROR) (\S+)", process.stdout, re.MULTILINE)
    return named[1] if named else f"(pytest ended with {process.returncode})"


def try_mutant(tree: Path, mutant: Mutant, timeout_s: float) -> Verdict:
    """Break the file in `tree`, run the tests, and mend it."""
    path = tree / mutant.file
    whole = path.read_bytes()
    path.write_bytes(mutant.broken)
    try:
        likely = likely_tests(tree, mutant.file)
        caught_by = run_tests(tree, likely, timeout_s) if likely else ""
        return Verdict(mutant, caught_by or run_tests(tree, (), timeout_s))
    finally:
        path.write_bytes(whole)


def try_all(mutants: Sequence[Mutant], jobs: int) -> list[Verdict]:
    """Try each mutant, `jobs` at a time, each on a tree of its own."""
    with tempfile.TemporaryDirectory() as folder:
        trees: SimpleQueue[Path] = SimpleQueue()
        for number in range(jobs):
            trees.put(copy_tree(Path(folder) / str(number)))
        first = trees.get()
        started = time.monotonic()
        if failing := run_tests(first, (), 600.0):
            raise SystemExit(f"the suite fails without any break: {failing}")
        trees.put(first)
        # Two at a time on two cores, and a break may slow what it does not stop.
        timeout_s = 60.0 + 4 * (time.monotonic() - started)

        def one(mutant: Mutant) -> Verdict:
            tree = trees.get()
            try:
                verdict = try_mutant(tree, mutant, timeout_s)
            finally:
                trees.put(tree)
            print(".", end="", flush=True)
            return verdict

        with ThreadPoolExecutor(jobs) as pool:
            verdicts = list(pool.map(one, mutants))
    print()
    return verdicts


def explanations() -> dict[tuple[str, str, str], str]:
    """The survivors that are known: (file, before, after) → why no test can or need see them."""
    if not EXPLAINED.exists():
        return {}
    entries = tomllib.loads(EXPLAINED.read_text(encoding="utf-8")).get("survivor", [])
    return {(entry["file"], entry["before"], entry["after"]): entry["reason"] for entry in entries}


def report(verdicts: Sequence[Verdict], seed: int) -> int:
    """Print one block for each mutant; the number of survivors without an explanation."""
    known = explanations()
    unexplained = caught = 0
    for verdict in verdicts:
        mutant = verdict.mutant
        fate = f"caught by {verdict.caught_by}"
        if verdict.caught_by:
            caught += 1
        elif reason := known.get((mutant.file, mutant.before, mutant.after)):
            fate = f"survived, explained: {reason}"
        else:
            fate = "SURVIVED"
            unexplained += 1
        print(f"{mutant.file}:{mutant.line}  {mutant.kind}")
        print(f"    - {mutant.before}\n    + {mutant.after}\n    {fate}")
    explained = len(verdicts) - caught - unexplained
    print(
        f"\nseed {seed}: {len(verdicts)} breaks, {caught} caught, {explained} explained, {unexplained} survived"
    )
    return unexplained


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="break the program and see who notices")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=30)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--list", action="store_true", help="show the breaks without trying them")
    wanted = parser.parse_args()
    mutants = pick(wanted.seed, wanted.count)
    if wanted.list:
        for mutant in mutants:
            print(f"{mutant.file}:{mutant.line}  {mutant.kind}\n    - {mutant.before}\n    + {mutant.after}")
        return 0
    return 1 if report(try_all(mutants, wanted.jobs), wanted.seed) else 0


if __name__ == "__main__":
    sys.exit(main())

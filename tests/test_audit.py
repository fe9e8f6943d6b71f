"""What is told of known holes, with a database that is made up, and without one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from audit import KNOWN_HOLE, OURS, brought_along

SCRIPT = Path(__file__).parent / "audit.py"

#: In place of pip-audit: it knows the packages of `KNOWN`, with their holes.
STAND_IN = """
import json, os, sys
known = json.loads(os.environ["KNOWN"])
answers = []
for line in open(sys.argv[sys.argv.index("-r") + 1]):
    name = line.partition("==")[0]
    if line.strip() in known:
        holes = [{"id": one} for one in known[line.strip()]]
        answers.append({"name": name, "vulns": holes})
    elif "*" in known:
        answers.append({"name": name, "vulns": []})
    else:
        answers.append({"name": name, "skip_reason": "not found"})
print(json.dumps({"dependencies": answers}))
"""


def asked(tmp_path: Path, known: dict[str, list[str]] | None) -> tuple[int, str]:
    stand_in = STAND_IN if known is not None else "raise SystemExit('no network')"
    (tmp_path / "pip_audit.py").write_text(stand_in, encoding="utf-8")
    env = {**os.environ, "PYTHONPATH": str(tmp_path), "KNOWN": json.dumps(known)}
    done = subprocess.run([sys.executable, str(SCRIPT)], env=env, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def test_all_that_is_brought_along_is_asked_about() -> None:
    names = {pin.partition("==")[0] for pin in brought_along(OURS)}

    assert {"h11", "hypercorn", "h2", "hpack", "trio", "httpx", "certifi", "quart"} <= names
    assert not {"pytest", "hypothesis"} & names


@pytest.mark.parametrize("known", [None, {}, {"*": []}])
def test_nobody_who_knows_is_no_success(tmp_path: Path, known: dict[str, list[str]] | None) -> None:
    status, said = asked(tmp_path, known)

    assert status == 0
    assert said.startswith("NOT AUDITED: no advisory database")


def test_no_known_hole(tmp_path: Path) -> None:
    status, said = asked(tmp_path, {"*": [], KNOWN_HOLE: ["CVE-1"]})

    assert status == 0
    assert said.endswith("0 with a known hole; not known there: []\n")


def test_a_known_hole_is_named(tmp_path: Path) -> None:
    pin = next(pin for pin in brought_along(OURS) if pin.startswith("hypercorn=="))
    status, said = asked(tmp_path, {"*": [], KNOWN_HOLE: ["CVE-1"], pin: ["CVE-2", "CVE-3"]})

    assert status == 1
    assert "hypercorn: CVE-2, CVE-3\n" in said

"""
Asks the advisory database about everything that Trooper brings along: `nox -s audit`.

pip-audit calls a package that its database does not have "skipped", and ends
well; without a database that is each of them. So it is asked about a release
with a known hole first, and where it knows nothing of that one this says that
nothing was looked at.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

OURS = "trooper-proxy"
#: CVE-2025-43859: chunked bodies that two readers divide in two ways.
KNOWN_HOLE = "h11==0.14.0"


def brought_along(name: str, extra: str = "") -> set[str]:
    """The installed requirements of a distribution, and theirs, as `name==version`."""
    found: dict[str, str] = {}
    waiting = [(name, extra)]
    while waiting:
        name, extra = waiting.pop()
        for line in distribution(name).requires or []:
            wanted = Requirement(line)
            if wanted.marker is not None and not wanted.marker.evaluate({"extra": extra}):
                continue
            if wanted.name in found:
                continue
            try:
                found[wanted.name] = distribution(wanted.name).version
            except PackageNotFoundError as error:
                raise SystemExit(f"{wanted.name} is required by {name} and not installed") from error
            waiting += [(wanted.name, one) for one in wanted.extras or {""}]
    return {f"{one}=={version}" for one, version in found.items()}


def advisories(pins: set[str]) -> dict[str, list[str]] | None:
    """The known holes of `pins`; `None` where nobody could be asked."""
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "pins.txt"
        listed.write_text("\n".join(sorted(pins)) + "\n", encoding="utf-8")
        command = ["-m", "pip_audit", "-r", str(listed), "--no-deps", "--disable-pip", "-f", "json"]
        asked = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)
    try:
        answers: list[dict[str, Any]] = json.loads(asked.stdout)["dependencies"]
    except (ValueError, KeyError):
        return None
    return {a["name"]: [hole["id"] for hole in a["vulns"]] for a in answers if "vulns" in a}


def main() -> int:
    """Print what is known; 1 where there is a hole."""
    control = advisories({KNOWN_HOLE})
    pins = brought_along(OURS)
    if not control or not any(control.values()):
        print(f"NOT AUDITED: no advisory database can be reached from here ({len(pins)} packages).")
        return 0
    found = advisories(pins) or {}
    holes = {name: known for name, known in found.items() if known}
    for name, known in sorted(holes.items()):
        print(f"{name}: {', '.join(known)}")
    unknown = sorted({pin.partition("==")[0] for pin in pins} - found.keys())
    print(f"audited: {len(found)} packages, {len(holes)} with a known hole; not known there: {unknown}")
    return 1 if holes else 0


if __name__ == "__main__":
    raise SystemExit(main())

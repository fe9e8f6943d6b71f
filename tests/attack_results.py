"""What the attacks have cost: a row for each, printed, and kept in a file for the docs."""

from __future__ import annotations

import json
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from attrs import define, field

from attack_place import MIB, SERVED, Figures
from attacks import Attack

FILE = Path(__file__).parent / "attack" / "results.json"


@define
class Results:
    """The figures of each attack that has held, by the way to serve."""

    rows: dict[str, dict[str, Any]] = field(factory=dict)

    def add(self, attack: Attack, way: str, figures: Figures, told: str) -> None:
        """One attack that was borne."""
        row = self.rows.setdefault(attack.name, {"kind": attack.kind, "ways": {}})
        row["ways"][way] = {
            "told": told,
            "pause_ms": round(figures.pause_s * 1000, 1),
            "kept_mib": round(figures.grown_bytes / MIB, 1),
            "took_s": round(figures.took_s, 1),
        }

    def lines(self) -> list[str]:
        """The table, for people."""
        lines = [f"{'':<9} {'':<40} {'longest pause, ms':>20}  {'MiB':>6}  {'s':>5}"]
        for name, row in self.rows.items():
            ways = [row["ways"].get(way) for way in SERVED]
            pauses = " ".join(f"{one['pause_ms']:6.1f}" if one else f"{'–':>6}" for one in ways)
            held = [one for one in ways if one]
            kept, took = max(one["kept_mib"] for one in held), sum(one["took_s"] for one in held)
            lines.append(
                f"{row['kind']:<9} {name:<40} {pauses}  {kept:6.1f}  {took:5.1f}  {held[-1]['told']}"
            )
        return lines

    def write(self, names: list[str]) -> None:
        """Keep them, if they are all; raises `ValueError` where one is missing."""
        missing = [name for name in names if set(self.rows.get(name, {}).get("ways", ())) != set(SERVED)]
        if missing:
            raise ValueError(f"not written: these have not held in every way to serve: {', '.join(missing)}")
        said = {
            "date": datetime.now(UTC).date().isoformat(),
            "python": platform.python_version(),
            "versions": {name: version(name) for name in ("hypercorn", "trio", "h11", "httpx")},
            "attacks": {name: self.rows[name] for name in names},
            "drawn": {name: row for name, row in self.rows.items() if name not in names},
        }
        FILE.write_text(json.dumps(said, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

"""
What every generated page has in common: it is written, or checked.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path


def write_or_check(page: Path, text: str) -> int:
    """Obey the command line: write the page, or say that it is out of date. Returns the exit status."""
    return write_or_check_all({page: text})


def write_or_check_all(pages: Mapping[Path, str]) -> int:
    """The same for a page with its pictures."""
    script = Path(sys.argv[0]).name
    names = ", ".join(f"docs/{page.name}" for page in pages)
    parser = argparse.ArgumentParser(description=f"{names} from the code")
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--write", action="store_true")
    action.add_argument("--check", action="store_true")
    if parser.parse_args().write:
        for page, text in pages.items():
            page.write_text(text, encoding="utf-8")
        return 0
    old = [p.name for p, text in pages.items() if not p.exists() or p.read_text(encoding="utf-8") != text]
    for name in old:
        print(f"docs/{name} is out of date: python docs/{script} --write", file=sys.stderr)
    return 1 if old else 0

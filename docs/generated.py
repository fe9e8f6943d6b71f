"""
What every generated page has in common: it is written, or checked.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def write_or_check(page: Path, text: str) -> int:
    """Obey the command line: write the page, or say that it is out of date. Returns the exit status."""
    script = Path(sys.argv[0]).name
    parser = argparse.ArgumentParser(description=f"docs/{page.name} from the code")
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--write", action="store_true")
    action.add_argument("--check", action="store_true")
    if parser.parse_args().write:
        page.write_text(text, encoding="utf-8")
        return 0
    if page.exists() and page.read_text(encoding="utf-8") == text:
        return 0
    print(f"docs/{page.name} is out of date: python docs/{script} --write", file=sys.stderr)
    return 1

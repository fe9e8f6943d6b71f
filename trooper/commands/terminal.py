"""
Standard output as a person sees it.
"""

from __future__ import annotations

import os
import sys

from rich.console import Console


def open_console() -> Console:
    """Standard output: colours on a terminal, and nowhere else."""
    if hasattr(sys.stdout, "reconfigure"):
        # A terminal that cannot show a character is no reason to stop.
        sys.stdout.reconfigure(errors="replace")
    # With NO_COLOR rich would still write bold and the like.
    plain = bool(os.environ.get("NO_COLOR")) or not sys.stdout.isatty()
    return Console(color_system=None if plain else "auto", highlight=False, markup=False, emoji=False)

"""
Records `trooper demo` as a picture: `python docs/record_demo.py` writes docs/demo.svg.

The demo runs as users run it, in a terminal of 80 columns with colours. What
it prints is drawn by rich. Times differ from run to run, so this is not one of
the pages that are checked.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

PICTURE = Path(__file__).with_name("demo.svg")
#: Fonts of the reader's own machine: an image in a page may load none.
_FONT_FACE = re.compile(r"\s*@font-face \{.*?\}\n", re.DOTALL)
#: A colour that ends only to begin again: each piece would be set on its own.
_SAME_AGAIN = re.compile(r"(\x1b\[(\d+)m[^\x1b]*)\x1b\[0m\x1b\[\2m")


def record() -> str:
    """The output of one demo, with its colours."""
    command = [sys.executable, "-c", _COLOURED]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603


#: A pipe is no terminal, so rich must be told that this one ends in one.
_COLOURED = """
import sys
from rich.console import Console
from trooper import demo
demo.open_console = lambda: Console(
    color_system="standard", force_terminal=True, width=80, height=100, highlight=False, markup=False
)
sys.exit(demo.demo())
"""


def draw(output: str) -> str:
    """`output` as an SVG."""
    merged = output
    while (joined := _SAME_AGAIN.sub(r"\1", merged)) != merged:
        merged = joined
    console = Console(record=True, width=80, file=io.StringIO())
    console.print(Text.from_ansi(f"$ trooper demo\n{merged}"), soft_wrap=True)
    return _FONT_FACE.sub("\n", console.export_svg(title="trooper demo"))


if __name__ == "__main__":
    PICTURE.write_text(draw(record()), encoding="utf-8")

"""
How the documentation is built: `sphinx-build -W -n docs docs/_build/html`.
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent

project = "Trooper"
author = "The Trooper authors"
project_copyright = "The Trooper authors"
# Read, not imported: the pages build without the package.
source = (ROOT / "trooper" / "__init__.py").read_text(encoding="utf-8")
release = re.findall(r'__version__ = "(.+)"', source)[0]
version = release

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
root_doc = "index"
exclude_patterns = ["_build"]
# A link to a heading of another page is checked like any other reference.
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence", "deflist"]

html_theme = "furo"
html_title = f"Trooper {release}"
# Nothing is fetched from elsewhere, and what was copied from the source stays out.
html_copy_source = False
html_show_sourcelink = False

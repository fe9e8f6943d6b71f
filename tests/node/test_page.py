"""The script of `docs/clients/sdks.md` is run as it stands there: a cut answer is whole."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

from deployed import ROOT
from trooper.testing import DEFAULT_ANSWER


def test_the_script_of_the_page(servers: Any, packages: Path) -> None:
    page = (ROOT / "docs" / "clients" / "sdks.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"^```js\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    before = servers.answers()
    # The provider does what the model's name says.
    script = script.replace("http://127.0.0.1:8642", servers.healthy.url)
    (packages / "page.mjs").write_text(script.replace("gpt-5-mini", "fault/reset/middle"))
    environ = {**os.environ, "OPENAI_API_KEY": "sk-of-the-client"}

    done = subprocess.run(
        ["node", "page.mjs"], cwd=packages, env=environ, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (0, DEFAULT_ANSWER), done.stderr
    assert servers.answers() == before + 1

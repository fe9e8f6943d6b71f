"""
The code in the documentation works: each block is run, loaded or parsed.

Python blocks and `curl` lines meet a running Trooper between a fake cloud and
a fake Ollama. The README's own two commands are run by `.ci/run`. A block in
a language that nothing here can check is refused, so that none goes unseen.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import textwrap
import tomllib
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from attrs import frozen

from trooper.config import load
from trooper.wires import WIRES

ROOT = Path(__file__).parents[2]
CLIENTS = ROOT / "docs" / "clients"
PAGES = [
    *(ROOT / "README.md", ROOT / "CONTRIBUTING.md"),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted(CLIENTS.glob("*.md")),
]
BLOCK = re.compile(r"^ *(`{3,})([^\n`]*)\n(.*?)^ *\1$", re.MULTILINE | re.DOTALL)
#: Output, pictures and traffic to look at.
NOT_CODE = {"", "text", "console", "http", "mermaid"}
#: Run by `nox -s node`; what other programs read is tried in tests/e2e/test_client_blocks.py.
ELSEWHERE = {"js", "yaml"}
#: Where the pages say that Trooper listens: by itself, and under hypercorn.
ADDRESS = re.compile(r"(?:localhost|127\.0\.0\.1):(?:8642|8000)\b")
LONG_S = 60


@frozen
class Block:
    """One fenced block, and where it stands."""

    place: str
    language: str
    text: str


def blocks() -> list[Block]:
    found = []
    for page in PAGES:
        source = page.read_text(encoding="utf-8")
        for match in BLOCK.finditer(source):
            line = source.count("\n", 0, match.start()) + 1
            language = match[2].strip()
            if language not in NOT_CODE | ELSEWHERE and not language.startswith("{"):
                found.append(Block(f"{page.relative_to(ROOT)}:{line}", language, textwrap.dedent(match[3])))
    return found


BLOCKS = blocks()


@contextmanager
def running(*command: str, **environ: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env={**os.environ, **environ},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def said(process: subprocess.Popen[str], pattern: str) -> str:
    """What `pattern` captures in the first line that has it."""
    assert process.stdout is not None
    for line in process.stdout:
        if match := re.search(pattern, line):
            return match[1]
    raise AssertionError(f"it ended without saying {pattern!r}")


@pytest.fixture(scope="module", name="address")
def _address() -> Iterator[str]:
    """A Trooper whose cloud dies in the middle of every answer."""
    with (
        running("trooper.testing", "provider", "--fault", "reset@middle") as cloud,
        running("trooper.testing", "ollama") as local,
        running(
            "trooper",
            "serve",
            "--port=0",
            TROOPER_OPENAI_BASE_URL=(url := said(cloud, r'"url": "([^"]+)"')),
            TROOPER_ANTHROPIC_BASE_URL=url,
            TROOPER_OLLAMA_URL=said(local, r'"url": "([^"]+)"'),
        ) as server,
    ):
        where = said(server, r"on http://(127\.0\.0\.1:\d+)")
        # The blocks are about a Trooper that has had a moment to find its local model.
        assert any("ready" in standby_state(where) for _ in range(5000))
        yield where


def standby_state(address: str) -> str:
    with urllib.request.urlopen(f"http://{address}/readyz", timeout=LONG_S) as response:
        return " ".join(target.get("standby", "") for target in json.load(response)["targets"])


def run(command: list[str], text: str) -> None:
    outcome = subprocess.run(
        command,
        input=text,
        env={**os.environ, "OPENAI_API_KEY": "sk-test", "ANTHROPIC_API_KEY": "sk-test"},
        capture_output=True,
        text=True,
        timeout=LONG_S,
        check=False,
    )

    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.place)
def test_it_works(block: Block, address: str, tmp_path: Path) -> None:
    match block.language:
        case "python":
            run([sys.executable, "-"], ADDRESS.sub(address, block.text))
        case "sh" if block.text.startswith("curl "):
            text = ADDRESS.sub(address, block.text).replace("curl ", "curl --fail -sS ")
            run(["bash", "-euo", "pipefail"], text)
        case "sh":
            run(["bash", "-n"], block.text)
        case "toml" if "model_provider" in block.text:
            tomllib.loads(block.text)
        case "toml":
            (tmp_path / "trooper.toml").write_text(block.text, encoding="utf-8")
            named = re.findall(r'_?env = "([A-Z_]+)"', block.text)
            load(dict.fromkeys(named, "sk-test"), tmp_path, WIRES.known)
        case "json":
            json.loads(block.text)
        case _:
            pytest.fail(f"nothing here can check {block.language}")

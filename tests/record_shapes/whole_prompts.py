"""
The agents' requests whole, as they are with nothing configured, for `tests/prompts`:
the first turn, and the one behind a tool's result. What depends on the machine and
the day is replaced. Run by hand, with the folder that `nox -s agents` has filled:

    AGENTS_FOLDER=.nox/agents/tmp PYTHONPATH=tests:. python tests/record_shapes/whole_prompts.py
"""

from __future__ import annotations

import gzip
import json
import os
import platform
import re
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import trio
from attrs import frozen

from agent_turns import ASK_COMMAND, turn_of
from trooper.testing import ChatAnswer, Request, ScriptedProvider, serve_tcp

FOLDER = Path(__file__).parent.parent / "prompts"
AGENTS = Path(os.environ["AGENTS_FOLDER"]).resolve()
_NOWHERE = "http://127.0.0.1:9"
_CODEX = """
model_provider = "trooper"

[model_providers.trooper]
name = "trooper"
base_url = "{url}/v1"
wire_api = "responses"
env_key = "OPENAI_API_KEY"
"""
_UUID = re.compile(r"(?<![0-9a-f])[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?![0-9a-f])")
_MARK = re.compile(r"\b[0-9a-f]{64}\b")
_MILLISECONDS = re.compile(r"\b1[789]\d{11}\b")
_DAY = re.compile(r"\b20\d\d-\d\d-\d\d\b")
_WEEKDAY = re.compile(
    r"\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]* \d\d?,? 20\d\d\b"
)


@frozen
class Desk:
    """A folder to work in, a home, and what is seen of the machine."""

    home: Path
    cwd: Path
    url: str

    @property
    def environ(self) -> dict[str, str]:
        return {
            "HOME": str(self.home),
            "PATH": os.environ["PATH"],
            "HTTP_PROXY": _NOWHERE,
            "HTTPS_PROXY": _NOWHERE,
            "NO_PROXY": "127.0.0.1,localhost",
            "OPENAI_API_KEY": "sk-of-nobody",
            "ANTHROPIC_API_KEY": "sk-of-nobody",
            "IS_SANDBOX": "1",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
        }

    def replaced(self, text: str) -> str:
        """`text` as it is on no machine in particular."""
        for own, other in self._own():
            text = text.replace(own, other)
        text = _DAY.sub("2026-01-15", text)
        text = _WEEKDAY.sub("Thu Jan 15 2026", text)
        text = _MILLISECONDS.sub("1768435200000", _MARK.sub("0" * 64, text))
        known: dict[str, str] = {}
        return _UUID.sub(
            lambda found: known.setdefault(found[0], f"00000000-0000-7000-8000-{len(known):012d}"), text
        )

    def _own(self) -> tuple[tuple[str, str], ...]:
        dashed = re.sub(r"[/_.]", "-", str(self.cwd))
        return (
            (str(self.cwd), "/home/somebody/work"),
            (dashed, "-home-somebody-work"),
            (str(self.home), "/home/somebody"),
            (str(AGENTS), "/opt/agents"),
            (platform.release(), "6.8.0-generic"),
        )


def claude(desk: Desk) -> tuple[list[str], Mapping[str, str]]:
    program = str(AGENTS / "node_modules/.bin/claude")
    command = [program, "-p", ASK_COMMAND, "--dangerously-skip-permissions"]
    return command, {"ANTHROPIC_BASE_URL": desk.url}


def codex(desk: Desk, more: str = "") -> tuple[list[str], Mapping[str, str]]:
    home = desk.home / "codex"
    home.mkdir()
    (home / "config.toml").write_text(more + _CODEX.format(url=desk.url))
    options = ["--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]
    command = [str(AGENTS / "node_modules/.bin/codex"), "exec", *options, ASK_COMMAND]
    return command, {"CODEX_HOME": str(home)}


def codex_classic(desk: Desk) -> tuple[list[str], Mapping[str, str]]:
    return codex(desk, 'model = "gpt-5.5"\n')


def opencode(desk: Desk) -> tuple[list[str], Mapping[str, str]]:
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "models": {"some-model": {"tool_call": True}},
        "options": {"baseURL": f"{desk.url}/v1", "apiKey": "sk-of-nobody"},
    }
    config = {
        "autoupdate": False,
        "share": "disabled",
        "model": "trooper/some-model",
        "permission": {"bash": "allow", "edit": "allow"},
        "provider": {"trooper": provider},
    }
    (desk.cwd / "opencode.json").write_text(json.dumps(config))
    return [str(AGENTS / "node_modules/.bin/opencode"), "run", ASK_COMMAND], {}


def aider(desk: Desk) -> tuple[list[str], Mapping[str, str]]:
    """It knows no results of tools; a test that fails once is what it asks again behind."""
    fails_once = "test -f once || { touch once; echo 'no light'; exit 1; }"
    options = ["--no-git", "--yes-always", "--no-check-update", "--no-show-model-warnings", "--no-pretty"]
    options += ["--analytics-disable", "--no-show-release-notes", "--auto-test", "--test-cmd", fails_once]
    model = ["--model", "openai/gpt-4o", "--openai-api-base", f"{desk.url}/v1"]
    said = ["--message", "Add the line.", "notes.txt"]
    return [str(AGENTS / "aider/bin/python"), "-m", "aider", *model, *options, *said], {}


PROGRAMS: Mapping[str, Callable[[Desk], tuple[list[str], Mapping[str, str]]]] = {
    "claude": claude,
    "codex": codex,
    "codex-classic": codex_classic,
    "opencode": opencode,
    "aider": aider,
}


async def record(name: str) -> None:
    """Run one agent, and keep what it asked."""
    kept: list[tuple[str, Any]] = []

    def script(request: Request) -> ChatAnswer:
        asked: Any = request.json()
        turn = turn_of(asked)
        if turn.name != "aside":
            kept.append((request.path, asked))
        return turn.answer

    with tempfile.TemporaryDirectory() as folder:
        async with trio.open_nursery() as nursery:
            port = await serve_tcp(ScriptedProvider(script=script), nursery)
            desk = Desk(Path(folder, "home"), Path(folder, "work"), f"http://127.0.0.1:{port}")
            desk.home.mkdir()
            desk.cwd.mkdir()
            command, more = PROGRAMS[name](desk)
            env = {**desk.environ, **more}
            await trio.run_process(
                command, cwd=desk.cwd, env=env, stdin=subprocess.DEVNULL, capture_stdout=True
            )
            nursery.cancel_scope.cancel()
        assert len(kept) == 2, [path for path, _ in kept]
        for turn, (path, asked) in zip(("first", "behind-a-result"), kept, strict=True):
            keep(f"{name}-{turn}", desk.replaced(json.dumps({"path": path, "body": asked}, indent=0)))


def keep(name: str, text: str) -> None:
    """The same bytes whenever it is recorded: no name and no time in the archive."""
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.json.gz").write_bytes(gzip.compress(text.encode(), mtime=0))
    print(f"{name}: {len(text)} characters")


def main() -> None:
    for name in PROGRAMS:
        trio.run(record, name)


if __name__ == "__main__":
    main()

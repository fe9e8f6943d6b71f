"""
Coding agents, headless: a turn with a shell command survives whatever breaks
the provider's stream. The command runs exactly once, the answer is whole, and
the agent sees no error.
"""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from agent_turns import COMMAND, FINAL, LOOK

FAULTS = ("reset", "clean-eof", "in-band", "silence")
#: In the text before the call, in the call's arguments, and in the last answer.
PLACES = (("call", 6), ("call", 22), ("final", "middle"))
ASK = "Write a line into the file with one command."
LONG_S = 120

CODEX = """
model = "some-model"
model_provider = "trooper"

[model_providers.trooper]
name = "trooper"
base_url = "{url}/v1"
wire_api = "responses"
env_key = "OPENAI_API_KEY"
"""
OPENCODE = {
    "autoupdate": False,
    "share": "disabled",
    "model": "trooper/some-model",
    "permission": {"bash": "allow", "edit": "allow"},
    "provider": {
        "trooper": {
            "npm": "@ai-sdk/openai-compatible",
            "name": "trooper",
            "models": {"some-model": {"name": "some-model", "tool_call": True}},
        }
    },
}


def run(command: list[str], cwd: Path, environ: Mapping[str, str]) -> str:
    """What the agent prints; it must end well."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LONG_S,
        check=False,
    )
    assert done.returncode == 0, (done.stdout, done.stderr)
    return done.stdout


def claude(agents: Path, cwd: Path, url: str, environ: Mapping[str, str]) -> str:
    command = [str(agents / "node_modules/.bin/claude"), "-p", ASK, "--dangerously-skip-permissions"]
    return run(command, cwd, {**environ, "ANTHROPIC_BASE_URL": url})


def codex(agents: Path, cwd: Path, url: str, environ: Mapping[str, str]) -> str:
    home = Path(environ["HOME"]) / "codex"
    home.mkdir()
    (home / "config.toml").write_text(CODEX.format(url=url))
    options = ["--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]
    command = [str(agents / "node_modules/.bin/codex"), "exec", *options, ASK]
    return run(command, cwd, {**environ, "CODEX_HOME": str(home)})


def codex_by_websocket(agents: Path, cwd: Path, url: str, environ: Mapping[str, str]) -> str:
    """The same, offering a websocket first; it may offer it once and no more."""
    offering = {**environ, "RUST_LOG": "codex_api=info"}
    home = Path(environ["HOME"]) / "codex"
    home.mkdir()
    (home / "config.toml").write_text(CODEX.format(url=url) + "supports_websockets = true\n")
    options = ["--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]
    command = [str(agents / "node_modules/.bin/codex"), "exec", *options, ASK]
    return run(["sh", "-c", f"{shlex.join(command)} 2>&1"], cwd, {**offering, "CODEX_HOME": str(home)})


def opencode(agents: Path, cwd: Path, url: str, environ: Mapping[str, str]) -> str:
    config: dict[str, Any] = json.loads(json.dumps(OPENCODE))
    config["provider"]["trooper"]["options"] = {"baseURL": f"{url}/v1", "apiKey": "sk-of-nobody"}
    (cwd / "opencode.json").write_text(json.dumps(config))
    return run([str(agents / "node_modules/.bin/opencode"), "run", ASK], cwd, environ)


AGENTS = {"claude": claude, "codex": codex, "opencode": opencode}


@pytest.mark.parametrize("name", AGENTS)
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("turn", "position"), PLACES)
def test_a_turn_with_a_command(
    name: str,
    fault: str,
    turn: str,
    position: int | str,
    served: Any,
    agents: Path,
    environ: Mapping[str, str],
    tmp_path: Path,
) -> None:
    cwd = tmp_path / "work"
    cwd.mkdir()
    served.break_turn(turn, fault, position)
    said = AGENTS[name](agents, cwd, served.url, environ)

    assert (cwd / "marker.txt").read_text() == "ran\n", COMMAND
    assert said.count(FINAL) == 1
    assert LOOK not in said or said.count(LOOK) == 1
    assert "error" not in said.lower()
    # The agent asked for each turn once: it has noticed nothing.
    assert [one for one in served.turns() if one != "aside"] == ["call", "final"]
    broken = [report for report in served.reports() if report["legs"][0]["outcome"] != "completed"]
    assert [report["outcome"] for report in broken] == ["completed"]
    assert broken[0]["legs"][-1]["target"] == "local"


def test_codex_goes_on_by_http_at_once(
    served: Any, agents: Path, environ: Mapping[str, str], tmp_path: Path
) -> None:
    """A websocket that it offers gets 426: the turn is broken and gone on with like any other."""
    cwd = tmp_path / "work"
    cwd.mkdir()
    served.break_turn("call", "reset", 6)
    said = codex_by_websocket(agents, cwd, served.url, environ)

    assert said.count("connecting to Responses WebSocket") == 1
    assert (cwd / "marker.txt").read_text() == "ran\n", COMMAND
    assert FINAL in said
    assert [one for one in served.turns() if one != "aside"] == ["call", "final"]


@pytest.mark.parametrize("fault", FAULTS)
def test_an_edit_of_aider(
    fault: str, served: Any, agents: Path, environ: Mapping[str, str], tmp_path: Path
) -> None:
    """It calls no tools: an edit in the text, and a command of its own behind it."""
    served.break_turn("edit", fault, "middle")
    options = ["--no-git", "--yes-always", "--no-check-update", "--no-show-model-warnings", "--no-pretty"]
    options += ["--analytics-disable", "--no-show-release-notes", "--map-tokens", "0"]
    options += ["--auto-test", "--test-cmd", COMMAND, "--message", "Add the line.", "notes.txt"]
    model = ["--model", "openai/gpt-4o", "--openai-api-base", f"{served.url}/v1"]
    said = run([str(agents / "aider/bin/aider"), *model, *options], tmp_path, environ)

    assert (tmp_path / "marker.txt").read_text() == "ran\n"
    assert (tmp_path / "notes.txt").read_text() == "The lighthouse – café, 灯台, 🚢 – is lit.\n"
    assert said.count(FINAL) == 1
    assert served.turns() == ["edit"]
    (report,) = served.reports()
    assert (report["outcome"], report["legs"][-1]["target"]) == ("completed", "local")

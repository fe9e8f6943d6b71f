"""
Agents as `trooper connect … --write` sets them up, in a home that is empty
otherwise: one turn, whose stream is cut in the middle, is whole.

A subscription's and a plan's logins are made up, and have the form of real
ones: they reach the provider and nobody else.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from agent_turns import ASK_TEXT, FINAL
from deployed import ROOT, WAYS, running
from headless.served import Serve, Served

LONG_S = 120
#: Of the forms that the programs look at; nobody's.
OAUTH_TOKEN = "sk-ant-oat01-" + "n0b0dys" * 8
FAR_MS = 4_102_444_800_000
EDIT = ("--no-git", "--yes-always", "--no-check-update", "--no-show-model-warnings", "--no-pretty")
QUIET = ("--analytics-disable", "--no-show-release-notes", "--map-tokens", "0")


def jwt(**claims: Any) -> str:
    """A token that can be read, and that nobody has signed."""
    parts = ({"alg": "RS256", "typ": "JWT"}, claims)
    told = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join((*told, "c2lnbmF0dXJl"))


PLAN_TOKEN = jwt(exp=FAR_MS // 1000, **{"https://api.openai.com/auth": {"chatgpt_plan_type": "plus"}})
ACCOUNT = "0a0a0a0a-nobody"


def connect(environ: Mapping[str, str], *words: str) -> str:
    """What `trooper connect` says; it must work."""
    done = subprocess.run(
        [sys.executable, "-m", "trooper", "connect", *words],
        env={**environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=LONG_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def run(command: list[str], cwd: Path, environ: Mapping[str, str]) -> str:
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


def claude_code(agents: Path) -> list[str]:
    return [str(agents / "node_modules/.bin/claude"), "-p", ASK_TEXT, "--dangerously-skip-permissions"]


def codex(agents: Path) -> list[str]:
    options = ["--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]
    return [str(agents / "node_modules/.bin/codex"), "exec", *options, ASK_TEXT]


def opencode(agents: Path) -> list[str]:
    return [str(agents / "node_modules/.bin/opencode"), "run", "--model", "openai/gpt-5-mini", ASK_TEXT]


def opencode_claude(agents: Path) -> list[str]:
    return [*opencode(agents)[:3], "anthropic/claude-sonnet-4-5", ASK_TEXT]


def aider(agents: Path, model: str = "openai/gpt-4o") -> list[str]:
    asked = ["--model", model, "--message", "Add the line.", "notes.txt"]
    return [str(agents / "aider/bin/aider"), *EDIT, *QUIET, *asked]


def aider_claude(agents: Path) -> list[str]:
    return aider(agents, "anthropic/claude-sonnet-4-5")


ROWS = {
    "claude-code": claude_code,
    "codex": codex,
    "opencode": opencode,
    "opencode+claude": opencode_claude,
    "aider": aider,
    "aider+claude": aider_claude,
}


@pytest.fixture(name="stack")
def _stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@contextmanager
def at_the_plans_path(served: Served, cwd: Path) -> Iterator[Served]:
    """Another Trooper between the same fakes, that asks where ChatGPT plans are asked."""
    cloud = served.provider.wait_for(r'"url": "([^"]+)"')[1]
    env = {"TROOPER_OPENAI_BASE_URL": f"{cloud}/backend-api/codex", "TROOPER_OLLAMA_URL": served.local.url}
    with running(*WAYS["trooper serve"], cwd=cwd, **env) as process:
        url = process.wait_for(r"on (http://127\.0\.0\.1:\d+)")[1]
        process.wait_for('"standby_ready"')
        yield evolve(served, url=url, process=process)


def goes_well(served: Served, turn: str, said: str) -> None:
    assert said.count(FINAL) == 1
    reports = served.reports(1)
    assert served.asked().count(turn) == 1
    assert {report["outcome"] for report in reports} == {"completed"}
    assert "ollama" in [report["legs"][-1]["target"] for report in reports]


@pytest.mark.parametrize("name", ROWS)
def test_one_cut_turn(
    name: str, serve: Serve, agents: Path, environ: Mapping[str, str], tmp_path: Path
) -> None:
    turn = "edit" if name.startswith("aider") else "text"
    served = serve((turn,), "reset", "middle")
    client = name.partition("+")[0]
    connect(environ, client, "--write", "--url", served.url)
    cwd = tmp_path / "work"
    cwd.mkdir()

    said = run(ROWS[name](agents), cwd, environ)

    goes_well(served, turn, said)
    # The program may have written into its folder meanwhile, and into its file.
    connect(environ, client, "--undo")
    left = [f for f in Path(environ["HOME"]).rglob("*") if f.is_file() and "trooper" in f.name]
    assert left == []


def test_a_claude_subscription(
    serve: Serve, agents: Path, environ: Mapping[str, str], tmp_path: Path
) -> None:
    """Its token goes to the provider as `Authorization`, and the cut turn is whole."""
    served = serve(("text",), "reset", "middle")
    connect(environ, "claude-code", "--write", "--url", served.url)
    login = {"accessToken": OAUTH_TOKEN, "refreshToken": "sk-ant-ort01-nobody", "expiresAt": FAR_MS}
    login |= {"scopes": ["user:inference", "user:profile"], "subscriptionType": "max"}
    keys = Path(environ["HOME"]) / ".claude" / ".credentials.json"
    keys.write_text(json.dumps({"claudeAiOauth": login}))
    without_key = {name: value for name, value in environ.items() if name != "ANTHROPIC_API_KEY"}

    said = run(claude_code(agents), tmp_path, without_key)

    goes_well(served, "text", said)
    assert f"Bearer {OAUTH_TOKEN}" in served.proofs()
    assert any("oauth-" in proof for proof in served.proofs()), "the beta that such a token needs"
    assert OAUTH_TOKEN not in served.process.said + json.dumps(served.local.state())


@pytest.mark.parametrize("is_plan", [True, False], ids=["a-plan", "a-kept-key"])
def test_codex_with_its_own_login(
    is_plan: bool, serve: Serve, agents: Path, environ: Mapping[str, str], tmp_path: Path, stack: ExitStack
) -> None:
    served = serve(("text",), "reset", "middle")
    if is_plan:
        served = stack.enter_context(at_the_plans_path(served, tmp_path))
    connect(environ, "codex", "--write", "--login", "--url", served.url)
    tokens = {
        "id_token": PLAN_TOKEN,
        "access_token": PLAN_TOKEN,
        "refresh_token": "nobody",
        "account_id": ACCOUNT,
    }
    kept: dict[str, Any] = {"OPENAI_API_KEY": "sk-kept-by-nobody", "tokens": None, "last_refresh": None}
    if is_plan:
        kept = {"OPENAI_API_KEY": None, "tokens": tokens, "last_refresh": "2099-01-01T00:00:00Z"}
    (Path(environ["HOME"]) / ".codex" / "auth.json").write_text(json.dumps(kept))
    without_key = {name: value for name, value in environ.items() if name != "OPENAI_API_KEY"}

    said = run(codex(agents), tmp_path, without_key)

    goes_well(served, "text", said)
    secret = PLAN_TOKEN if is_plan else "sk-kept-by-nobody"
    assert f"Bearer {secret}" in served.proofs()
    assert not is_plan or ACCOUNT in served.proofs()
    path = "/backend-api/codex/responses" if is_plan else "/v1/responses"
    assert served.provider.matches(f'"asked_at": "{path}"')
    assert secret not in served.process.said + json.dumps(served.local.state())

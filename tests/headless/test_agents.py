"""
Coding agents, headless, as a newcomer has them: nothing is configured, Ollama is
there with its own window. A text turn and a turn with a shell command survive
whatever breaks the provider. The command runs exactly once, the answer is whole,
and the agent asks once for each turn and sees no error.
"""

from __future__ import annotations

import itertools
import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen

from agent_turns import ASK_COMMAND, ASK_PATCH, ASK_TEXT, COMMAND, FINAL, LOOK, PATCHED
from headless.desk import Desk
from headless.served import Serve, Served
from trooper.core.local_model import PROBE_TEXT

#: Those that break a stream, at a place in it, and those before any of it.
CUTS = ("reset", "early-end", "in-band", "silence")
REFUSALS = ("429", "529", "closed")
#: In the text before the call, in the call, and in the last answer.
PLACES = (("call", 6), ("call", 22), ("final", "middle"))


@frozen
class Row:
    """What the agent is asked, what goes wrong in which turns, and where."""

    ask: str
    fault: str
    broken: tuple[str, ...]
    position: int | str = "middle"

    @property
    def turns(self) -> tuple[str, ...]:
        """What the agent has to ask for, once each."""
        return ("text",) if self.ask == ASK_TEXT else ("call", "final")

    def __str__(self) -> str:
        return "-".join(map(str, (self.turns[0], self.fault, "+".join(self.broken), self.position)))


def rows() -> Iterator[Row]:
    """Every fault, in both kinds of turn, at three places."""
    for fault, position in itertools.product(CUTS, ("start", "middle", "end")):
        yield Row(ASK_TEXT, fault, ("text",), position)
    for fault in REFUSALS:
        yield Row(ASK_TEXT, fault, ("text",))
    for fault in CUTS:
        for turn, place in PLACES:
            yield Row(ASK_COMMAND, fault, (turn,), place)
    # Before any of a stream there is no place but the turn: the first, the last, and both.
    for fault, broken in itertools.product(REFUSALS, (("call",), ("final",), ("call", "final"))):
        yield Row(ASK_COMMAND, fault, broken)


#: Codex is pointed at Trooper, and no model is chosen: it takes its own.
CODEX = """
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


def claude(desk: Desk, url: str, ask: str) -> str:
    command = ("claude", "-p", ask, "--dangerously-skip-permissions")
    return desk.run(*command, ANTHROPIC_BASE_URL=url)


def codex(desk: Desk, url: str, ask: str, more: str = "") -> str:
    """By its defaults: its tools stand in the input, and one of them runs scripts."""
    command, home = _codex(desk, url, ask, more)
    return desk.run(*command, CODEX_HOME=str(home))


def codex_classic(desk: Desk, url: str, ask: str) -> str:
    """With a model that is offered web search and a freeform patch tool as they are."""
    return codex(desk, url, ask, 'model = "gpt-5.5"\n')


def _codex(desk: Desk, url: str, ask: str, more: str = "") -> tuple[list[str], Path]:
    home = desk.home / "codex"
    home.mkdir()
    (home / "config.toml").write_text(more + CODEX.format(url=url))
    options = ["--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]
    return ["codex", "exec", *options, ask], home


def opencode(desk: Desk, url: str, ask: str) -> str:
    config: dict[str, Any] = json.loads(json.dumps(OPENCODE))
    config["provider"]["trooper"]["options"] = {"baseURL": f"{url}/v1", "apiKey": "sk-of-nobody"}
    (desk.cwd / "opencode.json").write_text(json.dumps(config))
    return desk.run("opencode", "run", ask)


AGENTS = {"claude": claude, "codex": codex, "codex-classic": codex_classic, "opencode": opencode}
#: What an agent asks beside its turns: a title.
ASIDES = {"opencode": 1}


def goes_well(served: Served, row: Row, asides: int = 0) -> None:
    """The agent asked once for each turn, all were whole, and the local model spoke in them."""
    reports = served.reports(len(row.turns) + asides)
    assert [report["outcome"] for report in reports] == ["completed"] * (len(row.turns) + asides)
    spoke = [report for report in reports if report["legs"][-1]["target"] == "ollama"]
    assert len(spoke) >= len(row.broken)
    # Trooper itself asks once more where a connection that it had kept closes before any byte.
    asked = served.asked().count(row.broken[0])
    assert asked == 1 or (row.fault == "closed" and asked == 2)
    state = served.local.state()
    # A probe is a half answer that nobody gave.
    halves = [half for half in state["mismatches"] if not half.startswith(PROBE_TEXT)]
    assert (halves, state["truncations"]) == ([], 0)


@pytest.mark.parametrize("name", AGENTS)
@pytest.mark.parametrize("row", list(rows()), ids=str)
def test_a_turn_that_breaks(name: str, row: Row, serve: Serve, desk: Desk) -> None:
    served = serve(row.broken, row.fault, row.position)
    said = AGENTS[name](desk, served.url, row.ask)

    marker = desk.cwd / "marker.txt"
    assert (marker.read_text() if marker.exists() else "") == ("ran\n" if "call" in row.turns else "")
    assert said.count(FINAL) == 1
    assert LOOK not in said or said.count(LOOK) == 1
    assert "error" not in said.lower()
    goes_well(served, row, ASIDES.get(name, 0))


@pytest.mark.parametrize("name", AGENTS)
def test_nobody_is_there(name: str, serve: Serve, desk: Desk) -> None:
    """The provider refuses every connection."""
    row = Row(ASK_COMMAND, "closed", ("call", "final"))
    served = serve(row.broken, row.fault, row.position, there=False)
    said = AGENTS[name](desk, served.url, row.ask)

    assert (desk.cwd / "marker.txt").read_text() == "ran\n", COMMAND
    assert said.count(FINAL) == 1
    assert served.asked() == []
    reports = served.reports(2 + ASIDES.get(name, 0))
    assert {report["outcome"] for report in reports} == {"completed"}


@pytest.mark.parametrize("agent", [codex, codex_classic])
@pytest.mark.parametrize("fault", CUTS)
@pytest.mark.parametrize("position", [6, 22], ids=["in-the-text", "in-the-call"])
def test_codex_patches_a_file(agent: Any, fault: str, position: int, serve: Serve, desk: Desk) -> None:
    """Its patch tool takes text and no JSON; the local model's call of it is applied, once."""
    row = Row(ASK_PATCH, fault, ("call",), position)
    served = serve(row.broken, row.fault, row.position)
    said = agent(desk, served.url, row.ask)

    assert (desk.cwd / "patched.txt").read_text() == PATCHED
    assert said.count(FINAL) == 1
    goes_well(served, row)


def test_codex_goes_on_by_http_at_once(serve: Serve, desk: Desk) -> None:
    """A websocket that it offers gets 426: the turn is broken and gone on with like any other."""
    row = Row(ASK_COMMAND, "reset", ("call",), 6)
    served = serve(row.broken, row.fault, row.position)
    command, home = _codex(desk, served.url, row.ask)
    with (home / "config.toml").open("a") as config:
        config.write("supports_websockets = true\n")
    both = ("sh", "-c", f"{shlex.join(command)} 2>&1")
    said = desk.run(*both, CODEX_HOME=str(home), RUST_LOG="codex_api=info")

    assert said.count("connecting to Responses WebSocket") == 1
    assert (desk.cwd / "marker.txt").read_text() == "ran\n", COMMAND
    assert FINAL in said
    goes_well(served, row)


@pytest.mark.parametrize(
    ("fault", "position"),
    [*itertools.product(CUTS, ("start", "middle", "end")), *((fault, "middle") for fault in REFUSALS)],
)
def test_an_edit_of_aider(fault: str, position: str, serve: Serve, desk: Desk) -> None:
    """It calls no tools: an edit in the text, and a command of its own behind it."""
    served = serve(("edit",), fault, position)
    options = ["--no-git", "--yes-always", "--no-check-update", "--no-show-model-warnings", "--no-pretty"]
    options += ["--analytics-disable", "--no-show-release-notes", "--map-tokens", "0"]
    options += ["--auto-test", "--test-cmd", COMMAND, "--message", "Add the line.", "notes.txt"]
    model = ["--model", "openai/gpt-4o", "--openai-api-base", f"{served.url}/v1"]
    said = desk.run("aider", *model, *options)

    assert (desk.cwd / "marker.txt").read_text() == "ran\n"
    assert (desk.cwd / "notes.txt").read_text() == "The lighthouse – café, 灯台, 🚢 – is lit.\n"
    assert said.count(FINAL) == 1
    assert served.asked() == ["edit"]
    (report,) = served.reports(1)
    assert (report["outcome"], report["legs"][-1]["target"]) == ("completed", "ollama")

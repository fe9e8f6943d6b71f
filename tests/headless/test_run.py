"""
`trooper run -- AGENT …`: one command, from an empty folder, with nothing configured.
The cloud is cut in the middle; the answer is finished, the agent's exit status is
passed, its own files stay as they are, and nothing is left running.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Mapping

import pytest

from agent_turns import ASK_COMMAND, ASK_TEXT, COMMAND, FINAL
from headless.desk import Desk
from headless.served import Between, Fakes
from left_running import gone, on_terminal

AGENTS = ("claude", "codex", "opencode", "aider")
_AIDER = [
    *("--no-git", "--yes-always", "--no-check-update", "--no-show-model-warnings", "--no-pretty"),
    *("--analytics-disable", "--no-show-release-notes", "--map-tokens", "0", "--model", "openai/gpt-4o"),
    *("--auto-test", "--test-cmd", COMMAND, "--message", "Add the line.", "notes.txt"),
]
#: The words of a person, behind the agent's name.
WORDS: Mapping[str, tuple[str, ...]] = {
    "claude": ("--dangerously-skip-permissions", "-p"),
    "codex": ("exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"),
    "opencode": ("run",),
    "aider": tuple(_AIDER),
}
#: Files of the agents' own, as their users may have them, with a place in them.
FILES = {
    "claude": (".claude/settings.json", '{\n  "env": {"ANTHROPIC_BASE_URL": "%s"}\n}\n'),
    "codex": (
        ".codex/config.toml",
        (
            '# mine\nmodel = "gpt-5.5"\nmodel_provider = "mine"\n\n[model_providers.mine]\nname = "mine"\n'
            'base_url = "%s/v1"\nwire_api = "responses"\nenv_key = "OPENAI_API_KEY"\n'
        ),
    ),
    # Where the first line of it is missing, opencode itself puts it there.
    "opencode": (
        ".config/opencode/opencode.json",
        (
            '{\n  "$schema": "https://opencode.ai/config.json",\n  // mine\n  "provider": {\n'
            '    "anthropic": {"options": {"baseURL": "%s/v1"}},\n  },\n}\n'
        ),
    ),
    "aider": (".aider.conf.yml", "# mine\nopenai-api-base: %s/v1\n"),
}
#: What each would look at for where its provider is; Codex at none.
VARIABLES = {
    "claude": ("ANTHROPIC_BASE_URL",),
    "opencode": ("ANTHROPIC_BASE_URL", "OPENAI_BASE_URL"),
    "aider": ("OPENAI_API_BASE",),
}


def behind(name: str, *words: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "trooper", "run", "--", name, *words)


def asked(name: str, ask: str) -> tuple[str, ...]:
    return behind(name, *WORDS[name], *(() if name == "aider" else (ask,)))


def turn_of(name: str, ask: str) -> str:
    return "edit" if name == "aider" else "text" if ask == ASK_TEXT else "call"


def goes_well(desk: Desk, between: Between, name: str, ask: str, **more: str) -> None:
    done = desk.ended(*asked(name, ask), **between.environ, **more)

    assert done.returncode == 0, (done.stdout, done.stderr)
    assert (done.stdout + done.stderr).count(FINAL) == 1 or FINAL in done.stdout
    *_, last = done.stderr.splitlines()
    assert last.startswith("trooper: "), done.stderr
    assert "saved by ollama (" in last
    assert "lost" not in last
    assert turn_of(name, ask) in between.asked()
    if turn_of(name, ask) != "text":
        assert (desk.cwd / "marker.txt").read_text() == "ran\n"
    assert gone(desk.mark)


@pytest.mark.parametrize("name", AGENTS)
@pytest.mark.parametrize("fault", ["reset", "in-band", "silence", "529"])
def test_one_command(name: str, fault: str, fakes: Fakes, desk: Desk) -> None:
    """A turn with a command, for aider an edit: the answer is whole, the command ran once."""
    between = fakes((turn_of(name, ASK_COMMAND),), fault, 6)
    goes_well(desk, between, name, ASK_COMMAND, **between.places)


@pytest.mark.parametrize("name", ["claude", "codex", "opencode"])
def test_words_alone(name: str, fakes: Fakes, desk: Desk) -> None:
    between = fakes(("text",), "reset", "middle")
    goes_well(desk, between, name, ASK_TEXT, **between.places)


@pytest.mark.parametrize("name", VARIABLES)
def test_the_users_own_gateway_is_asked(name: str, fakes: Fakes, desk: Desk) -> None:
    """Somebody has said where his provider is, for the agent: Trooper asks there."""
    between = fakes((turn_of(name, ASK_COMMAND),), "reset", 6)
    goes_well(desk, between, name, ASK_COMMAND, **dict.fromkeys(VARIABLES[name], between.cloud))


@pytest.mark.parametrize("name", AGENTS)
@pytest.mark.parametrize("whose", ["gateway", "trooper"])
def test_their_own_files_are_untouched(name: str, whose: str, fakes: Fakes, desk: Desk) -> None:
    """Also where they say a place: a gateway's is asked, that of a `trooper serve` which does not run is none."""
    between = fakes((turn_of(name, ASK_COMMAND),), "reset", 6)
    path, text = FILES[name]
    file = desk.home / path
    file.parent.mkdir(parents=True, exist_ok=True)
    text %= between.cloud if whose == "gateway" else "http://127.0.0.1:8642"
    file.write_text(text)
    goes_well(desk, between, name, ASK_COMMAND, **(between.places if whose == "trooper" else {}))

    assert file.read_text() == text


@pytest.mark.parametrize("name", AGENTS)
def test_the_exit_status_is_the_agents(name: str, fakes: Fakes, desk: Desk) -> None:
    """Of a word that none of them knows."""
    between = fakes((), "reset", 0)
    alone = desk.ended(name, "--no-such-option-of-yours")
    through = desk.ended(*behind(name, "--no-such-option-of-yours"), **between.environ, **between.places)

    assert through.returncode == alone.returncode != 0
    assert through.stdout == alone.stdout


@pytest.mark.parametrize(("name", "moment"), list(itertools.product(AGENTS, ("start", "answer"))))
def test_nothing_is_left_behind_by_ctrl_c(name: str, moment: str, fakes: Fakes, desk: Desk) -> None:
    """On a terminal, while Trooper starts, and while an answer that never ends is awaited."""
    between = fakes((turn_of(name, ASK_COMMAND),), "silence", 6)
    env = {**desk.environ, **between.environ, **between.places, "TROOPER_STALL_TIMEOUT": "600"}
    env |= {"TROOPER_ALIVE_TIMEOUT": "600", "TERM": "xterm"}
    with on_terminal(asked(name, ASK_COMMAND), env, desk.cwd) as terminal:
        if moment == "answer":
            between.provider.wait_for(f'"turn": "{turn_of(name, ASK_COMMAND)}"')
        terminal.interrupt_until_ended()

    assert gone(desk.mark)

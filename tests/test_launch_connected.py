"""
Where the provider of a program is that has been told of a Trooper already: what it was
told of that says nothing, and whatever it would look at next does.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from attrs import evolve

from client_texts import WITH_FILES
from launched import around_in, places, with_variables, written
from trooper.clients.launch import ANTHROPIC, OPENAI, Surroundings
from trooper.clients.placing import place

TROOPER = "http://127.0.0.1:8642"
GATEWAY = "https://gateway"


@pytest.fixture
def around(tmp_path: Path) -> Surroundings:
    return evolve(around_in(tmp_path), is_trooper=lambda url: url.startswith(TROOPER))


def connected(around: Surroundings, name: str, before: str) -> Path:
    """The file of a client behind `trooper connect NAME --write`."""
    client = WITH_FILES[name]
    file = client.file({}, around.home)
    if before:
        written(file, before)
    place(client.form, file, client.fresh, client.wanted(TROOPER))
    assert TROOPER in file.read_text()
    return file


@pytest.mark.parametrize(
    ("name", "word", "variable", "provider"),
    [
        ("claude-code", "claude", "ANTHROPIC_BASE_URL", ANTHROPIC),
        ("opencode", "opencode", "ANTHROPIC_BASE_URL", ANTHROPIC),
        ("opencode", "opencode", "OPENAI_BASE_URL", OPENAI),
        ("aider", "aider", "OPENAI_API_BASE", OPENAI),
        ("codex", "codex", "OPENAI_BASE_URL", OPENAI),
    ],
)
def test_behind_a_file_that_says_trooper_the_shell_counts(
    around: Surroundings, name: str, word: str, variable: str, provider: str
) -> None:
    connected(around, name, "")

    assert places(around, word) == {}
    assert places(with_variables(around, **{variable: GATEWAY}), word) == {provider: (variable, GATEWAY)}
    assert places(with_variables(around, **{variable: f"{TROOPER}/v1"}), word) == {}


@pytest.mark.parametrize("word", ["python3", "aider", "codex"])
def test_behind_a_variable_that_says_trooper_the_next_counts(around: Surroundings, word: str) -> None:
    there = with_variables(around, OPENAI_BASE_URL=f"{TROOPER}/v1", OPENAI_API_BASE=GATEWAY)

    assert places(there, word) == {OPENAI: ("OPENAI_API_BASE", GATEWAY)}


def test_behind_the_programs_own_variable_that_says_trooper_its_files_count(around: Surroundings) -> None:
    written(around.cwd / ".aider.conf.yml", f"openai-api-base: {GATEWAY}\n")
    said = json.dumps({"provider": {"openai": {"options": {"baseURL": TROOPER}}}})
    written(around.cwd / "opencode.json", said.replace(TROOPER, GATEWAY))
    there = with_variables(around, AIDER_OPENAI_API_BASE=TROOPER, OPENCODE_CONFIG_CONTENT=said)

    assert places(there, "aider") == {OPENAI: (str(around.cwd / ".aider.conf.yml"), GATEWAY)}
    assert places(there, "opencode") == {OPENAI: (str(around.cwd / "opencode.json"), GATEWAY)}


CORP = 'model_provider = "corp"\n[model_providers.corp]\nbase_url = "https://gateway"\nenv_key = "%s"\n'


@pytest.mark.parametrize(
    ("name", "word", "before", "provider"),
    [
        ("claude-code", "claude", '{"env": {"ANTHROPIC_BASE_URL": "https://gateway"}}', ANTHROPIC),
        (
            *("opencode", "opencode"),
            '{"provider": {"anthropic": {"options": {"baseURL": "https://gateway"}}}}',
            ANTHROPIC,
        ),
        ("aider", "aider", "openai-api-base: https://gateway\n", OPENAI),
        ("codex", "codex", CORP % "OPENAI_API_KEY", OPENAI),
    ],
)
def test_what_connect_has_replaced_is_where_the_provider_is(
    around: Surroundings, name: str, word: str, before: str, provider: str
) -> None:
    file = connected(around, name, before)
    other = {ANTHROPIC: "ANTHROPIC_BASE_URL", OPENAI: "OPENAI_BASE_URL"}[provider]

    found = places(with_variables(around, **{other: "https://shell"}), word)
    assert {provider: url for provider, (_, url) in found.items()} == {provider: GATEWAY}
    # Somebody has said otherwise since.
    file.write_text(file.read_text().replace(TROOPER, "https://new"))
    assert "https://new" in places(around, word)[provider][1]


def test_a_key_of_another_name_was_made_for_another_place(around: Surroundings) -> None:
    """Codex sends `OPENAI_API_KEY` now, and that provider never had it."""
    connected(around, "codex", CORP % "CORP_KEY")

    assert places(around, "codex") == {}


@pytest.mark.parametrize("backup", ["../../x", "", 7, None])
def test_a_receipt_of_somebody_elses_is_nothing(around: Surroundings, backup: str | int | None) -> None:
    file = connected(around, "claude-code", '{"env": {"ANTHROPIC_BASE_URL": "https://gateway"}}')
    receipt = file.with_name(file.name + ".trooper-undo")
    receipt.write_text(json.dumps({**json.loads(receipt.read_text()), "backup": backup}))

    assert places(around, "claude") == {}

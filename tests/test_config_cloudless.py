"""
Clients whom no cloud answers: who they are, who answers them all the same, and what is said of it.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from config_files import OLLAMA, OPENAI, from_environment, from_toml
from trooper.config import Config
from trooper.config.cloudless import cloudless, local_by_wish, local_words
from trooper.wires import ANTHROPIC_MESSAGES, OPENAI_CHAT, OPENAI_RESPONSES

ROOT = Path(__file__).parent.parent
GROQ = '[[targets]]\nname = "groq"\nwire = "openai-chat"\nbase_url = "https://g.example"\nkey = "none"\n'
CLAUDE = '[[targets]]\nname = "anthropic"\nwire = "anthropic-messages"\nkey = "client"\n'
CODEX = '[[targets]]\nname = "openai-responses"\nwire = "openai-responses"\nkey = "client"\n'
ALL = '[chains]\n"*" = ["groq", "ollama"]\n'
ALONE = "are answered by ollama alone"


def words(config: Config) -> list[str]:
    return [" ".join(clients.words) for clients in cloudless(config)]


def test_the_configuration_without_a_file_has_a_cloud_for_everybody() -> None:
    for environ in ({}, {"TROOPER_OPENAI_API_KEY": "sk", "TROOPER_ANTHROPIC_API_KEY": "sk"}):
        assert cloudless(from_environment(**environ)) == ()
        assert local_by_wish(from_environment(**environ)) == {}


def test_a_cloud_that_is_not_told_which_model_to_give_answers_its_own_clients_only(tmp_path: Path) -> None:
    found = cloudless(from_toml(tmp_path, GROQ + OLLAMA + ALL))

    assert [clients.wire for clients in found] == [OPENAI_RESPONSES.wire, ANTHROPIC_MESSAGES.wire]
    assert found[1].words == (f"Claude clients {ALONE}.",)
    assert found[1].answers == {"*": ("ollama",)}
    assert found[1].is_plain
    assert 'Add a target with wire = "anthropic-messages"' in found[1].mend
    assert "what to ask groq for" in found[1].mend


def test_with_a_model_it_answers_everybody(tmp_path: Path) -> None:
    assert cloudless(from_toml(tmp_path, GROQ + 'model = "llama-70b"\n' + OLLAMA + ALL)) == ()


def test_with_a_model_for_some_names_it_answers_who_asks_for_those(tmp_path: Path) -> None:
    config = from_toml(tmp_path, GROQ + 'models = { "claude-haiku" = "llama-8b" }\n' + OLLAMA + ALL)

    assert words(config)[1] == f"Claude clients {ALONE}, but for claude-haiku."
    assert not config.lacks_cloud("claude-haiku", ANTHROPIC_MESSAGES.wire)
    assert config.lacks_cloud("claude-sonnet", ANTHROPIC_MESSAGES.wire)
    assert not config.lacks_cloud("whatever", OPENAI_CHAT.wire)


def test_a_cloud_that_gets_the_clients_key_answers_only_those_who_have_one_of_its_kind(
    tmp_path: Path,
) -> None:
    config = from_toml(tmp_path, OPENAI + 'model = "gpt-4o"\n' + OLLAMA)
    assert words(config) == [f"OpenAI Responses clients {ALONE}.", f"Claude clients {ALONE}."]


def test_a_provider_that_is_not_in_the_chain_is_named(tmp_path: Path) -> None:
    config = from_toml(tmp_path, OPENAI + CLAUDE + CODEX + OLLAMA + '[chains]\n"*" = ["openai", "ollama"]\n')
    assert [clients.mend for clients in cloudless(config)] == [
        'Put openai-responses into the chain "*".',
        'Put anthropic into the chain "*".',
    ]


def test_nobody_at_all_is_said_too(tmp_path: Path) -> None:
    config = from_toml(tmp_path, OPENAI)
    assert words(config)[1] == "Claude clients are answered by nobody."
    assert config.listed_chains()["* (anthropic-messages)"] == ()


def test_a_chain_of_one_models_name(tmp_path: Path) -> None:
    """Its clients hear it, but only who asks for that model: no warning while the rest has its cloud."""
    chains = '[chains]\n"claude-x" = ["groq", "ollama"]\n"*" = ["openai", "anthropic", "ollama"]\n'
    config = from_toml(tmp_path, GROQ + OPENAI + CLAUDE + OLLAMA + chains)

    responses, claude = cloudless(config)
    assert claude.words == (f"Claude clients that ask for claude-x {ALONE}.",)
    assert not claude.is_plain
    # These have no cloud whatever they ask for.
    assert responses.words == (f"OpenAI Responses clients {ALONE}.",)
    assert responses.is_plain
    alone = from_toml(tmp_path, GROQ + OLLAMA + '[chains]\n"claude-x" = ["groq", "ollama"]\n')
    assert [clients.is_plain for clients in cloudless(alone)] == [True, True]


def test_a_chain_of_one_name_that_a_cloud_knows_has_its_cloud(tmp_path: Path) -> None:
    """Said of it was: "Claude clients that ask for gpt-4o are answered by ollama alone, but for gpt-4o"."""
    groq = GROQ + 'models = { "gpt-4o" = "llama-8b" }\n'
    chains = '[chains]\n"gpt-4o" = ["openai", "groq", "ollama"]\n"*" = ["openai", "anthropic", "ollama"]\n'
    (responses,) = cloudless(from_toml(tmp_path, OPENAI + groq + CLAUDE + OLLAMA + chains))
    assert responses.wire == OPENAI_RESPONSES.wire
    assert responses.answers == {"*": ("ollama",)}
    # A pattern is more than the names that are known of it.
    config = from_toml(tmp_path, groq + OLLAMA + '[chains]\n"gpt-4[o]" = ["groq", "ollama"]\n')
    assert f"Claude clients that ask for gpt-4[o] {ALONE}, but for gpt-4o." in words(config)[-1]


def test_who_is_asked_behind_another_chain(tmp_path: Path) -> None:
    chains = '[chains]\n"claude-x" = ["anthropic"]\n"*" = ["groq", "ollama"]\n'
    claude = cloudless(from_toml(tmp_path, GROQ + CLAUDE + OLLAMA + chains))[-1]
    assert claude.words == (f"Claude clients that ask for anything else {ALONE}.",)
    assert claude.is_plain


def test_chains_that_differ_have_a_sentence_each(tmp_path: Path) -> None:
    chains = '[chains]\n"gpt-*" = ["openai", "ollama"]\n"*" = ["openai", "other"]\n'
    other = OLLAMA.replace('"ollama"', '"other"')
    claude = cloudless(from_toml(tmp_path, OPENAI + OLLAMA + other + chains))[-1]
    assert claude.words == (
        f"Claude clients that ask for gpt-* {ALONE}.",
        "Claude clients that ask for anything else are answered by other alone.",
    )


def test_local_targets_alone_are_somebodys_wish(tmp_path: Path) -> None:
    config = from_toml(tmp_path, OLLAMA)
    assert cloudless(config) == ()
    assert config.listed_chains() == {"*": config.targets}
    assert local_by_wish(config) == {"*": ("ollama",)}
    assert local_words("*", ("ollama",)) == "All requests are answered by ollama alone, as configured."

    chains = '[chains]\n"llama*" = ["ollama"]\n"*" = ["openai", "anthropic", "openai-responses", "ollama"]\n'
    config = from_toml(tmp_path, OPENAI + CLAUDE + CODEX + OLLAMA + chains)
    assert cloudless(config) == ()
    assert [local_words(*item) for item in local_by_wish(config).items()] == [
        "Requests for llama* are answered by ollama alone, as configured."
    ]


def test_chains_are_listed_with_who_can_be_asked() -> None:
    """With a key of ours the other wire's target was listed too; nothing says which of its models to ask."""
    listed = from_environment(TROOPER_OPENAI_API_KEY="sk", TROOPER_ANTHROPIC_API_KEY="sk").listed_chains()
    assert {name: [target.name for target in targets] for name, targets in listed.items()} == {
        "* (openai-chat)": ["openai", "ollama"],
        "* (openai-responses)": ["openai-responses", "ollama"],
        "* (anthropic-messages)": ["anthropic", "ollama"],
    }


@pytest.mark.parametrize("more", ["", 'model = "m"\n', 'models = { "gpt-4o" = "m" }\n'])
def test_a_written_chain_is_listed_once_where_it_is_the_same_for_all(more: str, tmp_path: Path) -> None:
    listed = from_toml(tmp_path, GROQ + more + OLLAMA + ALL).listed_chains()
    assert list(listed) == (
        ["*"] if more else ["* (openai-chat)", "* (openai-responses)", "* (anthropic-messages)"]
    )


@pytest.mark.parametrize("page", ["README.md", "docs/quickstart.md", "docs/trooper.example.toml"])
def test_no_example_of_ours_leaves_a_surface_without_its_cloud(page: str, tmp_path: Path) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    examples = (
        [text]
        if page.endswith("toml")
        else re.findall(r"^```toml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    )
    for example in examples:
        named = dict.fromkeys(re.findall(r'env = "([A-Z_]+)"', example), "sk-test")
        config = from_toml(tmp_path, example, **named)
        assert [clients.words for clients in cloudless(config) if clients.is_plain] == [], example

"""Who may be asked, in order, and for which model."""

from __future__ import annotations

from attrs import evolve

from relay_parts import MODEL, services_of
from scenes import configured, with_target
from trooper.config import Config
from trooper.core.local_model import LocalModel
from trooper.targets.chain import Link, links

CONFIG = configured()


def asked(
    model: str, config: Config = CONFIG, *, known: LocalModel | None = MODEL
) -> list[tuple[str, str | None]]:
    """The names of the links of a chain with a cloud and a server that has `known`."""
    chain = [config.target("openai"), config.target("ollama")]
    found = links(chain, services_of(config, known).standbys, model)
    assert all(link == Link(config.target(link.target.name), link.model) for link in found)
    return [(link.target.name, link.model) for link in found]


def test_a_cloud_is_asked_for_the_clients_model_and_a_local_one_is_chosen_by_rule() -> None:
    assert asked("gpt-4o") == [("openai", "gpt-4o"), ("ollama", None)]


def test_what_is_configured_comes_first() -> None:
    config = with_target(CONFIG, "openai", model="one-for-all", models={"gpt-4o": "gpt-5"})
    assert asked("gpt-4o", config) == [("openai", "gpt-5"), ("ollama", None)]
    assert asked("gpt-3", config) == [("openai", "one-for-all"), ("ollama", None)]


def test_a_local_model_by_its_own_name_is_asked_directly() -> None:
    """It is on our list of models, so it must work."""
    assert asked("qwen2.5:3b") == [("ollama", "qwen2.5:3b")]


def test_not_if_the_name_is_one_that_the_target_has_another_model_for() -> None:
    config = with_target(CONFIG, "ollama", models={"qwen2.5:3b": "llama3:8b"})
    assert asked("qwen2.5:3b", config) == [("openai", "qwen2.5:3b"), ("ollama", "llama3:8b")]


def test_not_while_nobody_knows_that_it_is_there() -> None:
    assert asked("qwen2.5:3b", known=None) == [("openai", "qwen2.5:3b"), ("ollama", None)]
    other = evolve(MODEL, name="llama3:8b")
    assert asked("qwen2.5:3b", known=other) == [("openai", "qwen2.5:3b"), ("ollama", None)]

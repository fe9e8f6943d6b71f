"""
What the findings of `trooper check` mean together is said once.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from trooper.commands.verdict import Finding, verdicts
from trooper.config import Chain, Target, load
from trooper.wires import LLAMA_SERVER, WIRES


def usable(name: str, place: str, *, yes: bool = True, way: str = "prefill") -> Finding:
    return Finding(name, place, "somewhere", yes, ("words",), facts={"continues": way})


CLOUDS = ("openai", "openai-responses", "anthropic")


@pytest.mark.parametrize(
    ("ollama", "embedded", "verdict"),
    [
        ({}, None, "A broken answer is finished by ollama."),
        ({}, {}, "A broken answer is finished by ollama."),
        ({"yes": False}, {}, "A broken answer is finished by embedded."),
        ({"yes": False}, {"yes": False}, "A broken answer ends in an error: nobody could go on."),
        ({"yes": False}, None, "A broken answer ends in an error: nobody could go on."),
        ({"way": "none"}, None, "A broken answer ends in an error: nobody could go on."),
        ({"way": "raw"}, None, "A broken answer is finished by ollama."),
    ],
)
def test_there_is_one_verdict(
    ollama: dict[str, Any], embedded: dict[str, Any] | None, verdict: str, tmp_path: Path
) -> None:
    """Beside an embedded model that was ready stood that a broken answer ends in an error."""
    config = load({}, tmp_path, WIRES.known)
    found = [usable(name, "cloud", way="instruction") for name in CLOUDS] + [
        usable("ollama", "local", **ollama)
    ]
    if embedded is not None:
        small = Target("embedded", LLAMA_SERVER.wire, "", gguf="m.gguf")
        chain = evolve(config.chains[0], targets=(*config.chains[0].targets, "embedded"))
        config = evolve(config, targets=(*config.targets, small), chains=(chain,))
        found.append(usable("embedded", "local", **embedded))

    lines = verdicts(config, found, has_small_model=False)

    assert [line for line in lines if "broken" in line] == [verdict]


def test_chains_of_another_fate_are_named(tmp_path: Path) -> None:
    chains = (Chain("gpt-*", ("openai",)), Chain("*", ("openai", "ollama")))
    config = evolve(load({}, tmp_path, WIRES.known), chains=chains)
    lines = verdicts(config, [usable("openai", "cloud"), usable("ollama", "local")], has_small_model=False)

    broken = [line for line in lines if "broken" in line]
    assert broken[0].startswith("A broken answer of chain gpt-*")
    assert broken[0].endswith("ends in an error: nobody could go on.")
    assert broken[1] == "A broken answer of chain * (openai-chat) is finished by ollama."


@pytest.mark.parametrize(
    ("has_small_model", "has_local", "words"),
    [
        (True, True, ["used by trooper demo alone; trooper serve --embedded asks for it"]),
        (True, False, ["used by trooper demo alone; trooper serve --embedded asks for it"]),
        (False, False, ["trooper fetch-model, then trooper serve --embedded"]),
        (False, True, []),
    ],
)
def test_that_the_small_model_could_be_asked_for(
    has_small_model: bool, has_local: bool, words: list[str], tmp_path: Path
) -> None:
    config = load({}, tmp_path, WIRES.known)
    found = [usable("openai", "cloud"), usable("ollama", "local", yes=has_local)]

    hints = [line for line in verdicts(config, found, has_small_model=has_small_model) if "small" in line]

    assert len(hints) == len(words)
    assert all(word in hint for word, hint in zip(words, hints, strict=True))

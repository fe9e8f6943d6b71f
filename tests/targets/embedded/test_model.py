"""The packaged model: where it is kept, how it is found, and what it is called."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from attrs import evolve

from trooper.config import load
from trooper.targets.embedded import model
from trooper.targets.embedded.model import MODEL, alias_of, cache_folder, cached, with_embedded
from trooper.wires import WIRES


def test_the_model_is_known_by_its_size(tmp_path: Path) -> None:
    environ = {"TROOPER_CACHE": str(tmp_path)}
    assert cached(environ) is None
    (tmp_path / MODEL.file).touch()
    assert cached(environ) is None
    os.truncate(tmp_path / MODEL.file, MODEL.size_bytes)
    assert cached(environ) == tmp_path / MODEL.file


def test_without_a_wish_it_is_in_the_users_cache() -> None:
    assert cache_folder({}).name == "trooper"


def test_a_fetched_model_is_the_last_of_the_chain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {"TROOPER_CACHE": str(tmp_path)}
    config = load({}, Path("/nonexistent"), WIRES.known)
    assert with_embedded(config, environ) == config

    (tmp_path / MODEL.file).touch()
    os.truncate(tmp_path / MODEL.file, MODEL.size_bytes)
    # The library itself is not loaded, so anything of its name will do.
    (tmp_path / "xllamacpp.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    found = with_embedded(config, environ)

    assert found.targets[-1].gguf == str(tmp_path / MODEL.file)
    assert found.chains[0].targets == ("openai", "openai-responses", "anthropic", "ollama", "embedded")
    assert "xllamacpp" not in sys.modules
    assert with_embedded(evolve(config, source="trooper.toml"), environ).targets == config.targets


@pytest.mark.parametrize(
    ("file", "alias"),
    [
        ("/a/SmolLM2-135M-Instruct.Q4_1.gguf", "smollm2-135m-instruct"),
        ("qwen2.5-0.5b-instruct-q4_k_m.gguf", "qwen2.5-0.5b-instruct"),
        ("model.gguf", "model"),
    ],
)
def test_what_a_model_is_called(file: str, alias: str) -> None:
    assert alias_of(file) == alias


@pytest.mark.parametrize(("cores", "threads"), [(8, 7), (2, 1), (1, 1), (None, 1)])
def test_one_core_is_left_to_trooper(
    cores: int | None, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert model.default_threads() == threads

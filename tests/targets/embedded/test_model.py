"""The packaged model: where it is kept, who asks for it, and what it is called; and which files are models."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import pytest
from attrs import evolve

from config_files import BOTH, OLLAMA, OPENAI
from trooper.commands.settings import settings
from trooper.config import Config, load
from trooper.errors import ConfigError
from trooper.targets.embedded import model
from trooper.targets.embedded.model import MODEL, VARIABLE, Packaged, alias_of, cache_folder, cached
from trooper.wires import WIRES

CONTENT = b"GGUF" + bytes(1000)


@pytest.fixture(name="pinned")
def _pinned(monkeypatch: pytest.MonkeyPatch) -> Packaged:
    """The model, as long as a test likes to hash."""
    small = evolve(MODEL, sha256=hashlib.sha256(CONTENT).hexdigest(), size_bytes=len(CONTENT))
    monkeypatch.setattr(model, "MODEL", small)
    return small


def test_the_model_is_known_by_its_hash(tmp_path: Path, pinned: Packaged) -> None:
    environ, path = {"TROOPER_CACHE": str(tmp_path)}, tmp_path / pinned.file
    assert cached(environ) is None
    path.touch()
    assert cached(environ) is None
    path.write_bytes(CONTENT)
    assert cached(environ) == path
    path.write_bytes(CONTENT[:-1] + b"x")
    assert cached(environ) is None
    path.write_bytes(CONTENT)
    assert cached(environ) == path


def test_without_a_wish_it_is_in_the_users_cache() -> None:
    assert cache_folder({}).name == "trooper"


@pytest.fixture(name="fetched")
def _fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pinned: Packaged) -> dict[str, str]:
    """A machine on which the demo has run: model and software are there."""
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / pinned.file).write_bytes(CONTENT)
    # The library itself is not loaded, so anything of its name will do.
    (cache / "xllamacpp.py").touch()
    monkeypatch.syspath_prepend(str(cache))
    return {"TROOPER_CACHE": str(cache), "TROOPER_DATA_DIR": ":memory:"}


@pytest.mark.parametrize("said", [{}, {VARIABLE: ""}, {VARIABLE: "off"}])
def test_a_fetched_model_finishes_nobodys_answer_unasked(
    said: dict[str, str], fetched: dict[str, str], tmp_path: Path
) -> None:
    """It joined every chain once the demo had run."""
    config = settings(fetched | said, tmp_path)

    assert [target.name for target in config.targets if target.is_local] == ["ollama"]
    assert config == load({}, tmp_path, WIRES.known)


def test_who_asks_for_it_has_it_behind_all_others(fetched: dict[str, str], tmp_path: Path) -> None:
    for config in (
        settings(fetched | {VARIABLE: "on"}, tmp_path),
        settings(fetched | {VARIABLE: "off"}, tmp_path, embedded=True),
    ):
        assert config.targets[-1].gguf == str(Path(fetched["TROOPER_CACHE"]) / MODEL.file)
        for row in config.listed_chains().values():
            assert [target.name for target in row][-2:] == ["ollama", "embedded"]
    assert "xllamacpp" not in sys.modules


def test_beside_a_file_it_is_the_last_of_each_chain(fetched: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "trooper.toml").write_text(BOTH + '[chains]\n"gpt-*" = ["openai"]\n', encoding="utf-8")

    config = settings(fetched, tmp_path, embedded=True)

    assert [chain.targets for chain in config.chains] == [
        ("openai", "embedded"),
        ("openai", "ollama", "embedded"),
    ]


@pytest.mark.parametrize("option", [True, False])
def test_what_is_missing_is_said(
    option: bool, fetched: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusal(environ: dict[str, str]) -> str:
        with pytest.raises(ConfigError) as caught:
            settings(environ | {VARIABLE: "" if option else "on"}, tmp_path, embedded=option)
        assert caught.value.key == ("--embedded" if option else VARIABLE)
        return str(caught.value)

    assert "Run: trooper fetch-model" in refusal({"TROOPER_CACHE": str(tmp_path / "nowhere")})
    (tmp_path / "trooper.toml").write_text(OLLAMA.replace('"ollama"', '"embedded"'), encoding="utf-8")
    assert "Rename that target" in refusal(fetched)
    monkeypatch.setattr(model, "is_installed", lambda: False)
    assert "pip install -e '.[embedded]'" in refusal(fetched)


def test_another_file_in_its_place_is_no_model(fetched: dict[str, str], tmp_path: Path) -> None:
    path = Path(fetched["TROOPER_CACHE"]) / MODEL.file
    for content in (CONTENT[:-1] + b"x", CONTENT[:-1]):
        path.write_bytes(content)
        with pytest.raises(ConfigError) as caught:
            settings(fetched, tmp_path, embedded=True)
        assert (caught.value.key, caught.value.fix) == (
            "--embedded",
            "Run: trooper fetch-model, which replaces it",
        )
        assert str(path) in caught.value.problem
        # Nobody has asked for it here.
        assert settings(fetched, tmp_path) == load({}, tmp_path, WIRES.known)


def test_neither_on_nor_off(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'maybe' is neither on nor off"):
        settings({VARIABLE: "maybe"}, tmp_path)


def own(folder: Path, gguf: str) -> Config:
    table = f'[[targets]]\nname = "own"\nwire = "llama-server"\ngguf = "{gguf}"\n'
    (folder / "trooper.toml").write_text(OPENAI + table, encoding="utf-8")
    return settings({}, folder)


def test_a_model_file_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "good.gguf").write_bytes(b"GGUF\x03\x00\x00\x00")
    (tmp_path / "link.gguf").symlink_to("good.gguf")

    for name in ("good.gguf", "link.gguf", str(tmp_path / "good.gguf")):
        assert own(tmp_path, name).target("own").gguf == str(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nope.gguf", "cannot be read (No such file or directory)"),
        ("folder", "is a folder"),
        ("empty.gguf", "is no GGUF file"),
        ("short.gguf", "is no GGUF file"),
        ("other.gguf", "is no GGUF file"),
        ("pipe.gguf", "is no regular file"),
        ("other.gguf/inside.gguf", "cannot be read (Not a directory)"),
        ("loop.gguf", "cannot be read (Too many levels of symbolic links)"),
        ("dangling.gguf", "cannot be read (No such file or directory)"),
        ("n\\u0000l.gguf", "cannot be read (embedded null byte)"),
        ("/proc/self/mem", "cannot be read (Input/output error)"),
    ],
)
def test_a_file_that_can_be_no_model_is_a_mistake(name: str, words: str, tmp_path: Path) -> None:
    """It passed every way to serve, and was found out by a request's failure."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty.gguf").touch()
    (tmp_path / "short.gguf").write_bytes(b"GGU")
    (tmp_path / "other.gguf").write_bytes(b"PK\x03\x04 a zip file")
    (tmp_path / "loop.gguf").symlink_to("loop.gguf")
    (tmp_path / "dangling.gguf").symlink_to("nowhere.gguf")
    os.mkfifo(tmp_path / "pipe.gguf")

    with pytest.raises(ConfigError) as caught:
        own(tmp_path, name)

    assert caught.value.key == "targets.own.gguf"
    assert caught.value.problem.endswith(words)
    assert caught.value.fix.startswith("Name a model file")


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

"""
Targets with llama.cpp behind them: a server of somebody else's, or a model file that Trooper runs.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from config_files import OLLAMA, OPENAI, SECRET, from_toml
from trooper.config import Key, Target
from trooper.errors import ConfigError
from trooper.wires import LLAMA_SERVER

LLAMA = '[[targets]]\nname = "own"\nwire = "llama-server"\n'


def target(folder: Path, more: str = "", **environ: str) -> Target:
    return from_toml(folder, LLAMA + more, **environ).target("own")


def refused(folder: Path, text: str, **environ: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        from_toml(folder, text, **environ)
    assert SECRET not in str(caught.value)
    assert caught.value.fix
    return caught.value


def test_somebody_elses_server_is_at_its_usual_place(tmp_path: Path) -> None:
    own = target(tmp_path)

    assert own == Target("own", LLAMA_SERVER.wire, "http://127.0.0.1:8080")
    assert (own.gguf, own.key, own.is_local, own.place) == (None, Key("none"), True, own.base_url)


@pytest.mark.parametrize("written", ["http://box:1", "http://box:1/", "http://box:1/v1", "http://box:1/v1/"])
def test_its_address_is_meant_without_the_route(written: str, tmp_path: Path) -> None:
    assert target(tmp_path, f'base_url = "{written}"').base_url == "http://box:1"


def test_a_model_file_has_no_address(tmp_path: Path) -> None:
    own = target(tmp_path, 'gguf = "models/small.gguf"')

    assert (own.base_url, own.gguf) == ("", str(tmp_path / "models/small.gguf"))
    # Where the user's models are is nobody else's business.
    assert own.place == "run by Trooper: small.gguf"


@pytest.mark.parametrize(
    ("written", "meant"), [("/a/b.gguf", "/a/b.gguf"), ("~/b.gguf", "/home/me/b.gguf"), ("b.gguf", None)]
)
def test_where_a_model_file_is(
    written: str, meant: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/me")

    assert target(tmp_path, f'gguf = "{written}"').gguf == (meant or str(tmp_path / written))


def test_without_a_chain_it_comes_behind_the_cloud(tmp_path: Path) -> None:
    config = from_toml(tmp_path, OPENAI + LLAMA + 'gguf = "m.gguf"')

    assert config.chains[0].targets == ("openai", "own")


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ("", "none"),
        ('key = "none"', "none"),
        ('key = { env = "GOOD" }', "value"),
        ('key_env = "GOOD"', "value"),
        ('gguf = "m.gguf"\nkey = "none"', "none"),
    ],
)
def test_a_key_is_the_servers_own(more: str, kind: str, tmp_path: Path) -> None:
    key = target(tmp_path, more, GOOD=SECRET).key

    assert (key.kind, key.value) == (kind, SECRET if kind == "value" else "")
    assert SECRET not in repr(key)


MISTAKES = {
    "the client's key": (LLAMA + 'key = "client"', "targets.own.key", "{ env ="),
    "a key in the file": (LLAMA + f'key = "{SECRET}"', "targets.own.key", "env"),
    "a key for a server of our own": (
        LLAMA + 'gguf = "m"\nkey_env = "GOOD"',
        "targets.own.key",
        "Leave it out",
    ),
    "a key that others could spend": (
        "[server]\nhost = '0.0.0.0'\n" + LLAMA + 'key_env = "GOOD"',
        "server.host",
        "client_keys_env",
    ),
    "a file and an address": (
        LLAMA + 'gguf = "m"\nbase_url = "http://127.0.0.1:1"',
        "targets.own.base_url",
        "Keep one of the two",
    ),
    "an empty file name": (LLAMA + 'gguf = ""', "targets.own.gguf", "it is empty"),
    "a blank file name": (LLAMA + 'gguf = " "', "targets.own.gguf", "it is empty"),
    "a file that is a number": (LLAMA + "gguf = 1", "targets.own.gguf", "not text"),
    "nobody's home": (LLAMA + 'gguf = "~no-such-user/m.gguf"', "targets.own.gguf", "the whole path"),
    "a file for Ollama": (OLLAMA + 'gguf = "m"', "targets.ollama.gguf", "belongs to llama-server"),
    "a file for a cloud": (OPENAI + 'gguf = "m"', "targets.openai.gguf", "belongs to llama-server"),
    "an empty address": (LLAMA + 'base_url = ""', "targets.own.base_url", "empty"),
    "Trooper's own address": (
        LLAMA + 'base_url = "http://127.0.0.1:8642"',
        "targets.own.base_url",
        "itself listens",
    ),
    "Ollama's keep_alive": (LLAMA + 'keep_alive = "1m"', "targets.own.keep_alive", "ollama-chat"),
    "Ollama's clouds": (LLAMA + "allow_remote = true", "targets.own.allow_remote", "ollama-chat"),
    "a proxy": (LLAMA + 'proxy = "http://p:1"', "targets.own.proxy", "openai-chat"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_is_refused(mistake: str, tmp_path: Path) -> None:
    text, key, words = MISTAKES[mistake]
    error = refused(tmp_path, text, GOOD=SECRET)

    assert error.key == key
    assert words in str(error)

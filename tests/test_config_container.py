"""The variables that a container is told by, where there is no file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from trooper.config import Config, load
from trooper.errors import ConfigError
from trooper.wires import WIRES


def loaded(tmp_path: Path, environ: Mapping[str, str], text: str = "") -> Config:
    if text:
        (tmp_path / "trooper.toml").write_text(text, encoding="utf-8")
    return load(environ, tmp_path, WIRES.known)


def test_the_front_door(tmp_path: Path) -> None:
    server = loaded(
        tmp_path,
        {
            "TROOPER_HOST": "0.0.0.0",
            "TROOPER_PORT": "80",
            "TROOPER_ALLOWED_HOSTS": "trooper, proxy.example:8080",
            "TROOPER_CLIENT_KEYS": " sk-one ,sk-two,",
            "TROOPER_FOREIGN_TOOLS": "unfit",
        },
        '[server]\nhost = "127.0.0.1"\nport = 9000\nforeign_tools = "drop"\n',
    ).server

    assert (server.host, server.port) == ("0.0.0.0", 80)
    assert server.allowed_hosts == ("trooper", "proxy.example:8080")
    assert server.client_keys == ("sk-one", "sk-two")
    assert server.foreign_tools == "unfit"


def test_client_keys_guard_a_key_of_ours(tmp_path: Path) -> None:
    """A container with a key of its own, open to others, starts with client keys and not without."""
    environ = {"TROOPER_HOST": "0.0.0.0", "TROOPER_OPENAI_API_KEY": "sk-ours"}
    with pytest.raises(ConfigError, match=r"server\.host"):
        loaded(tmp_path, environ)

    assert loaded(tmp_path, {**environ, "TROOPER_CLIENT_KEYS": "sk-door"}).server.client_keys == ("sk-door",)


def test_the_window_of_every_local_target(tmp_path: Path) -> None:
    text = """
[[targets]]
name = "one"
wire = "ollama-chat"
num_ctx = 4096

[[targets]]
name = "two"
wire = "llama-server"
base_url = "http://127.0.0.1:8080"

[[targets]]
name = "cloud"
wire = "openai-chat"
base_url = "https://cloud.example"
key = "client"
"""
    windows = [t.num_ctx for t in loaded(tmp_path, {"TROOPER_NUM_CTX": "32768"}, text).targets]
    assert windows == [32768, 32768, None]
    assert loaded(tmp_path, {"TROOPER_NUM_CTX": "auto"}, text).target("one").num_ctx is None


@pytest.mark.parametrize("value", ["tcp://10.96.0.7:8642", "TCP://[fd00::7]:8642", "udp://10.96.0.7:8642"])
def test_what_kubernetes_puts_there_is_nobodys_wish(tmp_path: Path, value: str) -> None:
    config = loaded(tmp_path, {"TROOPER_PORT": value, "TROOPER_SERVICE_PORT": "8642"})

    assert config.server.port == 8642
    assert config.origins == {}


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("TROOPER_PORT", "http", "not a whole number"),
        ("TROOPER_PORT", "-1", "not a whole number"),
        ("TROOPER_PORT", "٣", "not a whole number"),
        ("TROOPER_PORT", "70000", "70000"),
        ("TROOPER_PORT", "9" * 5000, "not a whole number"),
        ("TROOPER_HOST", "a b", "a b"),
        ("TROOPER_ALLOWED_HOSTS", "https://x/", "https"),
        ("TROOPER_ALLOWED_HOSTS", " , ", "nothing between its commas"),
        ("TROOPER_NUM_CTX", "large", "not a whole number"),
        ("TROOPER_NUM_CTX", "0", "0"),
        ("TROOPER_FOREIGN_TOOLS", "maybe", "maybe"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, name: str, value: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, {name: value})

    assert caught.value.key == name
    assert problem in caught.value.problem


def test_a_client_key_that_cannot_be_sent_is_not_shown(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, {"TROOPER_CLIENT_KEYS": "sk hidden"})

    assert caught.value.key == "TROOPER_CLIENT_KEYS"
    assert "hidden" not in str(caught.value)

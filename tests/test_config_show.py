"""`trooper config show`: what is in force, from where, and no secret."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from trooper.commands.cli import app
from trooper.commands.config_show import as_file, as_object
from trooper.commands.settings import settings
from trooper.config import Config, load
from trooper.wires import WIRES

FILE = """
[server]
port = 9000
client_keys_env = "DOOR"
gate = false

[[targets]]
name = "groq"
wire = "openai-chat"
base_url = "https://api.groq.com/openai/v1"
key_env = "GROQ"
models = { "gpt-4o" = "llama-3.3", plain = "a \\"quoted\\" name" }
proxy = "http://user:hidden-word@proxy:3128"

[[targets]]
name = "ollama"
wire = "ollama-chat"
num_ctx = 32768

[chains]
"gpt-*" = ["groq", "ollama"]
"""
SECRETS = {"DOOR": "sk-door-1,sk-door-2", "GROQ": "gsk-hidden"}


def written(tmp_path: Path, text: str, **environ: str) -> Config:
    (tmp_path / "trooper.toml").write_text(text, encoding="utf-8")
    return settings(environ, tmp_path)


def told(config: Config) -> dict[str, Any]:
    value = json.loads(as_object(config))
    assert isinstance(value, dict)
    return value


def test_each_value_has_who_said_it(tmp_path: Path) -> None:
    said = {"TROOPER_PORT": "9001", "TROOPER_STALL_TIMEOUT": "7", "TROOPER_BREAKER": "off"}
    shown = told(written(tmp_path, FILE, **SECRETS, **said, OLLAMA_HOST="10.0.0.7"))

    server, (groq, ollama) = shown["server"], shown["targets"]
    assert server["port"] == {"value": 9001, "from": "TROOPER_PORT"}
    assert server["gate"] == {"value": False, "from": "file"}
    assert server["host"] == {"value": "127.0.0.1", "from": "default"}
    assert server["memory"] == {"value": False, "from": "TROOPER_BREAKER"}
    assert groq["stall_timeout_s"] == {"value": 7.0, "from": "TROOPER_STALL_TIMEOUT"}
    assert ollama["stall_timeout_s"] == {"value": 30.0, "from": "default"}
    assert ollama["base_url"] == {"value": "http://10.0.0.7:11434", "from": "OLLAMA_HOST"}
    assert ollama["num_ctx"] == {"value": 32768, "from": "file"}
    assert shown["chains"]["gpt-*"] == {"value": ["groq", "ollama"], "from": "file"}
    assert shown["chains"]["*"]["from"] == "default"
    assert shown["config"] == str(tmp_path / "trooper.toml")


def test_a_variable_that_agrees_with_the_file_is_named(tmp_path: Path) -> None:
    """Not the difference counts but who has said it."""
    shown = told(written(tmp_path, "[server]\nport = 9000\n", TROOPER_PORT="9000"))

    assert shown["server"]["port"] == {"value": 9000, "from": "TROOPER_PORT"}


def test_targets_have_the_keys_of_their_wire(tmp_path: Path) -> None:
    groq, ollama = told(written(tmp_path, FILE, **SECRETS))["targets"]

    assert "num_ctx" not in groq
    assert "key" not in ollama


@pytest.mark.parametrize("shape", [as_file, as_object])
def test_no_secret_is_shown(tmp_path: Path, shape: Any) -> None:
    config = written(tmp_path, FILE, **SECRETS, TROOPER_OPENAI_API_KEY="sk-hidden")
    keyed = settings({"TROOPER_OPENAI_API_KEY": "sk-hidden"}, tmp_path / "nowhere")

    for shown in (shape(config), shape(keyed)):
        for secret in ("sk-door", "gsk-hidden", "sk-hidden", "hidden-word"):
            assert secret not in shown
    assert shape(config).count("(not shown)") == 2
    assert "http://proxy:3128" in shape(config)


def test_what_is_shown_says_the_same(tmp_path: Path) -> None:
    """It is a file; without a configured key it can be used as it is."""
    text = FILE.replace('key_env = "GROQ"', 'key = "client"').replace('client_keys_env = "DOOR"', "")
    text = text.replace("user:hidden-word@", "")
    config = written(tmp_path, text)
    again = tmp_path / "again"
    again.mkdir()
    (again / "trooper.toml").write_text(as_file(config), encoding="utf-8")

    loaded = load({}, again, WIRES.known)
    assert (loaded.server, loaded.targets) == (config.server, config.targets)
    assert [chain.targets for chain in loaded.chains] == [chain.targets for chain in config.chains]


def test_a_target_that_trooper_runs_has_no_place(tmp_path: Path) -> None:
    (tmp_path / "small.gguf").write_bytes(b"GGUF")
    text = '[[targets]]\nname = "own"\nwire = "llama-server"\ngguf = "small.gguf"\n'
    shown = as_file(written(tmp_path, text))

    assert "# base_url: none" in shown
    assert tomllib.loads(shown)["targets"][0]["gguf"] == str(tmp_path / "small.gguf")


def test_a_limit_that_follows_a_rule_is_told_in_words(tmp_path: Path) -> None:
    limits = [
        line.partition(" # default")[0].strip()
        for line in as_file(load({}, tmp_path, WIRES.known)).splitlines()
    ]
    assert limits.count("# ttft_timeout_s: 60.0") == 3
    assert limits.count("# ttft_timeout_s: 120.0, and the time to read the prompt") == 1
    assert limits.count("# alive_timeout_s: 120.0, and 400.0 inside a call or a thought") == 4
    own = written(tmp_path, '[[targets]]\nname = "own"\nwire = "ollama-chat"\nttft_timeout_s = 5\n')
    assert tomllib.loads(as_file(own))["targets"][0]["ttft_timeout_s"] == 5


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("here")
def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert app(["config", "show"], result_action="return_value") == 0
    assert tomllib.loads(capsys.readouterr().out)["server"]["port"] == 8642
    assert app(["config", "show", "--json"], result_action="return_value") == 0
    assert json.loads(capsys.readouterr().out)["server"]["port"]["from"] == "default"


def test_the_option_names_a_file(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "other.toml").write_text("[server]\nport = 9009\n")

    assert app(["config", "show", "--config", "other.toml"], result_action="return_value") == 0
    assert "port = 9009" in capsys.readouterr().out


@pytest.mark.usefixtures("here")
def test_what_cannot_be_read_ends_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TROOPER_PORT", "many")

    assert app(["config", "show"], result_action="return_value") == 2
    assert "TROOPER_PORT: 'many' is not a whole number" in capsys.readouterr().err

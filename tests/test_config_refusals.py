"""
What the configuration refuses. Every refusal names its key and a fix, and
shows no secret.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import attrs
import pytest

from config_files import MISTAKES, OLLAMA, OPENAI, SECRET, from_environment, from_toml
from trooper.config import Chain, Config, Key, Server, Target, checked, load
from trooper.errors import ConfigError
from trooper.wires import OLLAMA_CHAT, OPENAI_CHAT, WIRES


def refusal(folder: Path, text: str, **environ: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        from_toml(folder, text, **environ)
    assert SECRET not in str(caught.value)
    assert caught.value.fix
    assert caught.value.__cause__ is None
    return caught.value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TROOPER_OPENAI_BASE_URL", "api.openai.com"),
        ("TROOPER_OPENAI_BASE_URL", "ftp://api.openai.com"),
        ("TROOPER_OPENAI_BASE_URL", f"https://me:{SECRET}@api.openai.com"),
        ("TROOPER_OPENAI_BASE_URL", f"https://api.openai.com/v1?key={SECRET}"),
        ("TROOPER_OPENAI_API_KEY", f"{SECRET} {SECRET}"),
        ("TROOPER_OPENAI_API_KEY", f"{SECRET}ä"),
        ("TROOPER_OLLAMA_URL", "ftp://box"),
        ("TROOPER_OLLAMA_URL", f"http://me:{SECRET}@box"),
        ("OLLAMA_HOST", "box:port"),
        ("OLLAMA_HOST", "box:99999"),
        ("OLLAMA_HOST", "bo x"),
        ("OLLAMA_HOST", "[::1"),
        ("TROOPER_CONNECT_TIMEOUT", "10s"),
        ("TROOPER_CONNECT_TIMEOUT", "0"),
        ("TROOPER_TTFT_TIMEOUT", "-1"),
        ("TROOPER_TTFT_TIMEOUT", "nan"),
        ("TROOPER_STALL_TIMEOUT", "inf"),
        ("TROOPER_STALL_TIMEOUT", "1e9"),
        ("TROOPER_BREAKER", "perhaps"),
        ("TROOPER_CONFIG", "missing.toml"),
    ],
)
def test_a_bad_variable_is_named(tmp_path: Path, name: str, value: str) -> None:
    error = refusal(tmp_path, "", **{name: value})

    assert error.key == name
    assert str(error).startswith(f"{name}: ")


@pytest.mark.parametrize("case", MISTAKES)
def test_refusals_name_the_key_and_the_fix(tmp_path: Path, case: str) -> None:
    text, key, words = MISTAKES[case]
    environ = {"BROKEN": f"{SECRET} {SECRET}", "COMMAS": " , ,", "GOOD": SECRET}

    error = refusal(tmp_path, text, **environ)

    assert error.key == key
    assert words in str(error)


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "-inf", "86401"])
@pytest.mark.parametrize(
    ("attribute", "table"),
    [
        (a.name, "server" if cls is Server else "targets.ollama")
        for cls in (Server, Target)
        for a in attrs.fields(cls)
        if a.name.endswith("_s")
    ],
)
def test_no_duration_is_zero_negative_or_endless(
    tmp_path: Path, attribute: str, table: str, value: str
) -> None:
    head = "[server]\n" if table == "server" else OLLAMA

    error = refusal(tmp_path, f"{head}{attribute} = {value}")

    assert error.key == f"{table}.{attribute}"
    assert "number of seconds" in error.problem


def test_a_syntax_error_names_the_line(tmp_path: Path) -> None:
    error = refusal(tmp_path, "[server]\nport = \n")

    assert error.key == str(tmp_path / "trooper.toml")
    assert "line 2" in error.problem


def test_a_file_that_is_not_utf8_names_the_line(tmp_path: Path) -> None:
    (tmp_path / "trooper.toml").write_bytes(b"[server]\n# caf\xe9\nport = 1")
    with pytest.raises(ConfigError, match=r"line 2 is not UTF-8\. Save") as caught:
        load({}, tmp_path, WIRES.known)

    assert caught.value.key == str(tmp_path / "trooper.toml")


@pytest.mark.parametrize("text", [f"a = {'1' * 5000}", "a = " + "[" * 5000])
def test_a_file_too_much_for_the_parser(tmp_path: Path, text: str) -> None:
    assert refusal(tmp_path, text).key == str(tmp_path / "trooper.toml")


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    (tmp_path / "trooper.toml").mkdir()
    with pytest.raises(ConfigError, match="Is a directory"):
        load({}, tmp_path, WIRES.known)


@pytest.mark.parametrize(
    ("url", "host", "port", "same"),
    [
        ("http://localhost:9", "127.0.0.1", 9, True),
        ("http://LOCALHOST:9", "::1", 9, True),
        ("http://127.0.0.1:9", "localhost", 9, True),
        ("http://127.0.0.1:9", "0.0.0.0", 9, True),
        ("http://[::1]:9", "::", 9, True),
        ("http://0.0.0.0:9", "127.0.0.1", 9, True),
        ("http://10.0.0.1:9", "10.0.0.1", 9, True),
        ("http://box:9", "box", 9, True),
        ("http://127.0.0.1", "127.0.0.1", 80, True),
        ("https://127.0.0.1", "127.0.0.1", 443, True),
        ("http://127.0.0.1:9", "127.0.0.1", 10, False),
        ("http://127.0.0.2:9", "127.0.0.1", 9, False),
        ("http://10.0.0.1:9", "127.0.0.1", 9, False),
        ("http://10.0.0.1:9", "0.0.0.0", 9, False),
        ("http://box:9", "0.0.0.0", 9, False),
        ("http://localhost:9", "10.0.0.1", 9, False),
        ("http://0.0.0.0:9", "10.0.0.1", 9, False),
    ],
)
def test_trooper_sees_itself(url: str, host: str, port: int, same: bool) -> None:
    config = Config(
        Server(host=host, port=port),
        (Target("openai", OPENAI_CHAT.wire, f"{url}/v1"),),
        (Chain("*", ("openai",)),),
        WIRES.known,
    )
    if same:
        with pytest.raises(ConfigError, match="this Trooper itself"):
            checked(config)
    else:
        assert checked(config) is config


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_a_configured_key_needs_no_client_keys_on_loopback(host: str) -> None:
    config = from_environment(TROOPER_OPENAI_API_KEY="k")

    checked(attrs.evolve(config, server=Server(host=host)))


def test_a_key_is_safe_beyond_loopback_with_client_keys_or_none_of_ours() -> None:
    ours = from_environment(TROOPER_OPENAI_API_KEY="k")
    theirs = from_environment()

    checked(attrs.evolve(ours, server=Server(host="0.0.0.0", client_keys=("c",))))
    checked(attrs.evolve(theirs, server=Server(host="0.0.0.0")))
    with pytest.raises(ConfigError, match=r"^server\.host: "):
        checked(attrs.evolve(ours, server=Server(host="0.0.0.0")))


def test_remote_models_are_allowed_when_said(tmp_path: Path) -> None:
    text = OLLAMA + 'base_url = "https://ollama.com"\nmodel = "gpt-oss:120b-cloud"\nallow_remote = true'

    assert from_toml(tmp_path, text).target("ollama").model == "gpt-oss:120b-cloud"


def test_ca_file_is_relative_to_the_file_and_needs_https(tmp_path: Path) -> None:
    authorities = ssl.create_default_context().get_ca_certs(binary_form=True)
    (tmp_path / "ca.pem").write_text(ssl.DER_cert_to_PEM_cert(authorities[0]))
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "t.toml").write_text(OPENAI + 'ca_file = "../ca.pem"')

    config = load({"TROOPER_CONFIG": "conf/t.toml"}, tmp_path, WIRES.known)

    assert config.target("openai").ca_file == str(tmp_path / "conf" / "../ca.pem")
    error = refusal(tmp_path, OLLAMA + 'ca_file = "ca.pem"')
    assert error.key == "targets.ollama.ca_file"
    assert "https" in error.fix


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"key": Key("client")}, "targets.ollama.key"),
        ({"proxy": "http://p:1"}, "targets.ollama.proxy"),
    ],
)
def test_a_local_target_built_in_python_is_checked_too(changes: dict[str, Any], key: str) -> None:
    target = Target("ollama", OLLAMA_CHAT.wire, "http://127.0.0.1:11434", **changes)
    with pytest.raises(ConfigError) as caught:
        checked(Config(Server(), (target,), (Chain("*", ("ollama",)),), WIRES.known))

    assert caught.value.key == key


def test_values_built_in_python_are_checked() -> None:
    with pytest.raises(ConfigError, match=r"^port: 99999 is out of range\. "):
        Server(port=99999)
    with pytest.raises(ConfigError, match=r"^base_url: .* ends in a slash"):
        Target("a", OPENAI_CHAT.wire, "https://a.example/v1/")

"""
`trooper connect`: the block alone on standard output, everything else beside
it, an exit status that says how it went, and never a key of the user's.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
import yaml

from client_texts import WITH_FILES
from trooper.clients.client import Client
from trooper.clients.table import CLIENTS, client_named
from trooper.commands.cli import FAILED, MISUSED, app
from trooper.commands.connect import connect

SECRET = "sk-do-not-show"
GATEWAY = f'{{"env": {{"ANTHROPIC_BASE_URL": "https://me:{SECRET}@gateway.example/claude?key={SECRET}"}}}}'


@pytest.fixture(name="home", autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in (
        *("CLAUDE_CONFIG_DIR", "CODEX_HOME", "XDG_CONFIG_HOME", "OPENCODE_CONFIG", "CONTINUE_GLOBAL_DIR"),
    ):
        monkeypatch.delenv(name, raising=False)
    for name in ("ANTHROPIC_BASE_URL", "ANTHROPIC_API_BASE", "OPENAI_BASE_URL", "OPENAI_API_BASE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_all_clients_are_known() -> None:
    names = ["claude-code", "codex", "opencode", "aider", "cline", "continue", "open-webui"]
    assert [client.name for client in CLIENTS] == names
    assert [client_named(name) for name in names] == list(CLIENTS)


@pytest.mark.parametrize("name", [client.name for client in CLIENTS])
def test_the_block_is_all_of_the_output(name: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert connect(name) == 0
    out, err = capsys.readouterr()
    assert "http://127.0.0.1:8642" in out
    assert not [line for line in out.splitlines() if line.startswith("trooper:")]
    assert all(line.startswith("trooper: ") for line in err.splitlines())
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("client", WITH_FILES.values(), ids=list(WITH_FILES))
def test_there_and_back(client: Client, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = client.file({}, home)
    assert connect(client.name) == 0
    block = capsys.readouterr().out
    assert connect(client.name, write=True) == 0
    assert file.read_text() == block
    assert f"{client.title} asks Trooper at http://127.0.0.1:8642 now: {file}" in capsys.readouterr().err
    assert connect(client.name) == 0
    assert "says so already" in capsys.readouterr().err
    assert connect(client.name, write=True) == 0
    assert "says so already" in capsys.readouterr().err
    assert connect(client.name, undo=True) == 0
    assert f"{file} is gone, as before." in capsys.readouterr().err
    assert list(home.iterdir()) == []
    assert connect(client.name, undo=True) == 0
    assert "nothing of Trooper's" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("variables", "name", "place"),
    [
        ({}, "claude-code", ".claude/settings.json"),
        ({"CLAUDE_CONFIG_DIR": "{home}/c"}, "claude-code", "c/settings.json"),
        ({}, "codex", ".codex/config.toml"),
        ({"CODEX_HOME": "{home}/x"}, "codex", "x/config.toml"),
        ({}, "opencode", ".config/opencode/opencode.json"),
        ({"XDG_CONFIG_HOME": "{home}/xdg"}, "opencode", "xdg/opencode/opencode.json"),
        ({"XDG_CONFIG_HOME": "not/absolute"}, "opencode", "not/absolute/opencode/opencode.json"),
        ({"OPENCODE_CONFIG": "{home}/o.json"}, "opencode", "o.json"),
        ({}, "aider", ".aider.conf.yml"),
        ({}, "continue", ".continue/config.yaml"),
        ({"CONTINUE_GLOBAL_DIR": "{home}/cont"}, "continue", "cont/config.yaml"),
    ],
)
def test_the_file_that_the_program_reads(
    variables: dict[str, str], name: str, place: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value.format(home=home))
    assert connect(name, write=True) == 0
    assert (home / place).is_file()


@pytest.mark.parametrize("there", [["config.json"], ["config.json", "opencode.json"], ["opencode.jsonc"]])
def test_of_several_files_the_one_that_counts_most(there: list[str], home: Path) -> None:
    folder = home / ".config" / "opencode"
    folder.mkdir(parents=True)
    for name in there:
        (folder / name).write_text("{}")
    assert connect("opencode", write=True) == 0
    assert [name for name in there if "8642" in (folder / name).read_text()] == there[-1:]


def test_a_file_that_has_come_since_changes_nothing(home: Path) -> None:
    folder = home / ".config" / "opencode"
    assert connect("opencode", write=True) == 0
    (folder / "opencode.jsonc").write_text("{}")
    assert connect("opencode", write=True, url="http://127.0.0.1:1") == 0
    assert connect("opencode", undo=True) == 0
    assert [(file.name, file.read_text()) for file in folder.iterdir()] == [("opencode.jsonc", "{}")]


def test_another_value_is_shown_and_kept(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = home / ".claude" / "settings.json"
    file.parent.mkdir()
    file.write_text(GATEWAY)

    assert connect("claude-code") == 0
    shown = capsys.readouterr().err
    assert connect("claude-code", write=True) == 0
    written = capsys.readouterr()

    for said in (shown, written.err):
        assert (
            "env.ANTHROPIC_BASE_URL is https://gateway.example/claude there;"
            " with --write it becomes http://127.0.0.1:8642." in said
        )
        # A key that was made for that place must not go to another one unseen.
        assert "TROOPER_ANTHROPIC_BASE_URL=https://gateway.example/claude" in said
        assert SECRET not in said
    assert SECRET not in written.out + file.read_text()
    assert connect("claude-code", undo=True) == 0
    assert file.read_text() == GATEWAY


@pytest.mark.parametrize(
    ("client", "variable", "troopers"),
    [
        ("claude-code", "ANTHROPIC_BASE_URL", "TROOPER_ANTHROPIC_BASE_URL"),
        ("codex", "OPENAI_BASE_URL", "TROOPER_OPENAI_BASE_URL"),
        ("aider", "OPENAI_API_BASE", "TROOPER_OPENAI_BASE_URL"),
        ("opencode", "ANTHROPIC_BASE_URL", "TROOPER_ANTHROPIC_BASE_URL"),
    ],
)
def test_a_place_that_the_shell_says_is_told(
    client: str,
    variable: str,
    troopers: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its key may be for that place, and the file wins over the variable."""
    monkeypatch.setenv(variable, f"https://me:{SECRET}@gateway.example/v1?key={SECRET}")
    for write in (False, True):
        assert connect(client, write=write) == 0
        said = capsys.readouterr().err
        assert (
            f"{variable} is https://gateway.example/v1 in this shell. If your key is for that place,"
            f" start Trooper with {troopers}=https://gateway.example/v1." in said
        )
        assert SECRET not in said


@pytest.mark.parametrize("said", ["http://localhost:8642/v1", " ", "nowhere"])
def test_a_shell_that_says_no_other_place_is_not_told_of(
    said: str, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", said)
    assert connect("codex") == 0
    assert "in this shell" not in capsys.readouterr().err
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "https://gateway.example")
    (home / ".claude").mkdir()
    (home / ".claude" / "settings.json").write_text(GATEWAY)
    assert connect("claude-code") == 0
    # The file's place was obeyed; that one is told of.
    assert "in this shell" not in capsys.readouterr().err
    monkeypatch.delenv("ANTHROPIC_BASE_URL")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://gateway.example")
    for client, login in (("codex", True), ("claude-code", False)):
        assert connect(client, login=login) == 0
        assert "in this shell" not in capsys.readouterr().err


def test_a_value_that_is_no_address_is_not_shown(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / ".codex").mkdir()
    (home / ".codex" / "config.toml").write_text(
        f'model_provider = "corp"\n[model_providers.trooper]\nname = "{SECRET} or so"\nwire_api = 7\n'
    )
    assert connect("codex") == 0
    said = capsys.readouterr().err
    assert "model_provider is corp there" in said
    assert "model_providers.trooper.name is set otherwise there" in said
    assert "model_providers.trooper.wire_api is set otherwise there" in said
    assert SECRET not in said


@pytest.mark.parametrize(
    "text",
    [
        'model_provider = "corp"\n[model_providers.corp]\nbase_url = "{url}"\nenv_key = "CORP_KEY"\n',
        'openai_base_url = "{url}"\n',
    ],
)
@pytest.mark.parametrize("login", [True, False])
def test_a_provider_of_the_users_own_is_told_of(
    text: str, login: bool, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No value is replaced that says where it is, and its key would go to another place unseen."""
    monkeypatch.setenv("OPENAI_BASE_URL", "https://shell.example")
    (home / ".codex").mkdir()
    url = f"https://me:{SECRET}@gateway.example/v1"
    (home / ".codex" / "config.toml").write_text(text.replace("{url}", url))
    for write in (False, True):
        assert connect("codex", write=write, login=login) == 0
        said = capsys.readouterr().err
        key = "" if login else ", and have the key for it in OPENAI_API_KEY"
        assert (
            "It asks at https://gateway.example/v1 there. If it is to go on asking there, start Trooper with"
            f" TROOPER_OPENAI_BASE_URL=https://gateway.example/v1{key}.\n" in said
        )
        assert SECRET not in said
        assert "shell.example" not in said
    assert connect("codex", login=login) == 0
    assert "gateway.example" not in capsys.readouterr().err


def test_old_values_that_are_no_addresses_are_not_shown(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A key may be one short word."""
    (home / ".codex").mkdir()
    table = '[model_providers.trooper]\nname = "skdonotshow"\nenv_key = "skneither"\nwire_api = true\n'
    (home / ".codex" / "config.toml").write_text(table)
    assert connect("codex") == 0
    said = capsys.readouterr().err
    for key in ("name", "env_key", "wire_api"):
        assert f"model_providers.trooper.{key} is set otherwise there; with --write it becomes" in said


@pytest.mark.parametrize("text", ["model_provider = 7\n", 'model_provider = "a"\nmodel_providers = 7\n'])
def test_a_provider_that_is_none_says_no_place(
    text: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / ".codex").mkdir()
    (home / ".codex" / "config.toml").write_text(text)
    connect("codex")
    assert "It asks at" not in capsys.readouterr().err


def test_a_change_since_is_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = home / ".codex" / "config.toml"
    file.parent.mkdir()
    file.write_text("a = 1\n")
    connect("codex", write=True)
    file.write_text(file.read_text().replace('= "trooper"', '= "corp"'))
    capsys.readouterr()
    assert connect("codex", undo=True) == 0
    said = capsys.readouterr().err
    assert "has been changed since: only Trooper's own part was taken out" in said
    assert "These have another value now, and stay: model_provider." in said
    assert f"As it was before: {file}.before-trooper" in said


def test_a_file_that_cannot_be_used(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = home / ".codex" / "config.toml"
    file.parent.mkdir()
    file.write_text("a = \n")
    for write in (False, True):
        assert connect("codex", write=write) == FAILED
        said = capsys.readouterr().err
        assert f"trooper: {file}: it is no TOML" in said
        assert "Nothing was changed." in said
    assert file.read_text() == "a = \n"


def test_a_file_that_leads_nowhere(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = home / ".config" / "opencode"
    folder.mkdir(parents=True)
    (folder / "opencode.json").symlink_to(folder / "opencode.json")
    assert connect("opencode", write=True) == FAILED
    assert "Nothing was changed." in capsys.readouterr().err
    assert [file.name for file in folder.iterdir()] == ["opencode.json"]


def test_an_old_configuration_of_continue_stays_in_use(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A `config.yaml` beside it would be read in its place."""
    (home / ".continue").mkdir()
    (home / ".continue" / "config.json").write_text("{}")
    assert connect("continue") == 0
    assert "would not any more beside a config.yaml" in capsys.readouterr().err
    assert connect("continue", write=True) == FAILED
    assert [path.name for path in (home / ".continue").iterdir()] == ["config.json"]


def test_a_login_of_its_own(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert connect("codex", login=True) == 0
    out, err = capsys.readouterr()
    provider = tomllib.loads(out)["model_providers"]["trooper"]
    assert provider["requires_openai_auth"] is True
    assert "env_key" not in provider
    assert "TROOPER_OPENAI_BASE_URL=https://chatgpt.com/backend-api/codex" in err
    assert connect("claude-code", login=True) == MISUSED
    assert "makes no difference to Claude Code" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["cline", "open-webui"])
@pytest.mark.parametrize("write", [True, False])
def test_a_client_without_a_file(
    name: str, write: bool, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert connect(name, write=write, undo=not write) == MISUSED
    out, err = capsys.readouterr()
    assert out == ""
    assert "no file" in err
    assert f"trooper connect {name} shows what to set" in err
    assert list(home.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "becomes"),
    [
        ("http://127.0.0.1:9000/", "http://127.0.0.1:9000"),
        ("http://127.0.0.1:9000/v1", "http://127.0.0.1:9000"),
        ("https://trooper.example", "https://trooper.example"),
        ("http://[::1]:8642", "http://[::1]:8642"),
    ],
)
def test_an_address(url: str, becomes: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert connect("aider", url=url) == 0
    out = capsys.readouterr().out
    assert f"openai-api-base: {becomes}/v1\n" in out
    assert f"ANTHROPIC_API_BASE={becomes}\n" in out
    assert yaml.safe_load(out)["openai-api-base"] == f"{becomes}/v1"


@pytest.mark.parametrize(
    "url",
    [
        *(
            "127.0.0.1:8642",
            "ftp://x",
            "http://",
            "http://h:port",
            "http://h/path",
            "http://h?q=1",
            "http://h#f",
        ),
        *("http://me:key@h", 'http://h"x', "http://[::1", "http://灯台"),
    ],
)
def test_what_is_no_address(url: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert connect("codex", url=url, write=True) == MISUSED
    assert "--url takes where Trooper listens" in capsys.readouterr().err
    assert list(home.iterdir()) == []


def test_what_is_asked_wrongly(capsys: pytest.CaptureFixture[str]) -> None:
    assert connect("emacs") == MISUSED
    assert "emacs is no client; write one of claude-code, codex," in capsys.readouterr().err
    assert connect("codex", write=True, undo=True) == MISUSED
    assert "two commands" in capsys.readouterr().err


def test_it_is_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        app(["connect", "aider", "--url", "http://127.0.0.1:1"])
    assert ended.value.code in (0, None)
    assert capsys.readouterr().out.startswith("openai-api-base: http://127.0.0.1:1/v1\n")

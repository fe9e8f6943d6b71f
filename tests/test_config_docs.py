"""
`docs/configuration.md` says what the classes say, and its example works.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import attrs
import pytest

from config_files import from_toml
from trooper.config import Server, Store, Target
from trooper.config.documented import filled
from trooper.errors import ConfigError
from trooper.wires import ANTHROPIC_MESSAGES, OPENAI_CHAT, OPENAI_RESPONSES, WIRES

ROOT = Path(__file__).parent.parent


def test_every_key_has_its_sentence() -> None:
    for cls in (Server, Store, Target):
        for attribute in attrs.fields(cls):
            assert attribute.metadata["doc"].endswith("."), attribute.name
            assert attribute.metadata["reason"].endswith("."), attribute.name


def test_the_documentation_is_up_to_date() -> None:
    outcome = subprocess.run(
        [sys.executable, "docs/generate_configuration.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(ROOT)},
    )

    assert outcome.stdout + outcome.stderr == ""
    assert outcome.returncode == 0


def test_the_example_loads(tmp_path: Path) -> None:
    example = (ROOT / "docs" / "trooper.example.toml").read_text(encoding="utf-8")

    config = from_toml(tmp_path, example, GROQ_API_KEY="g")

    assert [target.name for target in config.targets] == [
        *("openai", "openai-responses", "anthropic", "groq", "ollama")
    ]
    assert [target.name for target in config.chain_for("llama-3.3-70b", OPENAI_CHAT.wire)] == [
        "groq",
        "ollama",
    ]
    for wire, cloud in ((OPENAI_RESPONSES, "openai-responses"), (ANTHROPIC_MESSAGES, "anthropic")):
        assert [target.name for target in config.chain_for("x", wire.wire)] == [cloud, "ollama"]


def test_what_stands_beside_the_tables_is_so(tmp_path: Path) -> None:
    """The sentences that no class says: how many may have the client's key, and who comes first."""
    page = " ".join((ROOT / "docs" / "configuration.md").read_text(encoding="utf-8").split())
    client_wires = [wire for wire in WIRES.known if not wire.is_local]
    tables = "".join(
        f'[[targets]]\nname = "t{number}"\nwire = "{wire.name}"\nbase_url = "https://a.example"\nkey = "client"\n'
        for number, wire in enumerate(client_wires)
    )
    config = from_toml(tmp_path, '[[targets]]\nname = "l"\nwire = "llama-server"\n' + tables)

    assert "Only one target of each wire can have it" in page
    assert "clouds first, and of those the ones that speak the client's own wire" in page
    for number, wire in enumerate(client_wires):
        assert f"`{wire.name}`" in page
        assert [target.name for target in config.chain_for("m", wire)] == [f"t{number}", "l"]
    with pytest.raises(ConfigError, match="one provider only"):
        from_toml(tmp_path, tables + tables.replace('"t', '"u'))


def test_the_documentation_is_filled_from_the_table() -> None:
    assert filled("<clouds>; <locals>", WIRES.known) == (
        '`"openai-chat"`, `"openai-responses"`, `"anthropic-messages"`; `"ollama-chat"` or `"llama-server"`'
    )
    assert filled("at <default URLs>", WIRES.known[2:]) == (
        "at `anthropic`: `https://api.anthropic.com/v1`;"
        " `ollama-chat`: `OLLAMA_HOST`, else `http://127.0.0.1:11434`; `llama-server`: `http://127.0.0.1:8080`"
    )
    assert filled("<locals>", WIRES.known[:1]) == ""

"""
`docs/configuration.md` says what the classes say, and its example works.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import attrs

from config_files import from_toml
from trooper.config import Server, Target
from trooper.config.documented import filled
from trooper.wires import OPENAI_CHAT, WIRES

ROOT = Path(__file__).parent.parent


def test_every_key_has_its_sentence() -> None:
    for cls in (Server, Target):
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

    assert [target.name for target in config.targets] == ["openai", "groq", "ollama"]
    assert [target.name for target in config.chain_for("llama-3.3-70b", OPENAI_CHAT.wire)] == [
        "groq",
        "ollama",
    ]


def test_the_documentation_is_filled_from_the_table() -> None:
    assert filled("<clouds>; <locals>", WIRES.known) == (
        '`"openai-chat"`, `"openai-responses"`, `"anthropic-messages"`; `"ollama-chat"` or `"llama-server"`'
    )
    assert filled("at <default URLs>", WIRES.known[2:]) == (
        "at `anthropic`: `https://api.anthropic.com/v1`;"
        " `ollama-chat`: `OLLAMA_HOST`, else `http://127.0.0.1:11434`; `llama-server`: `http://127.0.0.1:8080`"
    )
    assert filled("<locals>", WIRES.known[:1]) == ""

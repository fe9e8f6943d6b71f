"""
Continue: two models more, one of each provider. The models that are there
already keep their address; each can be given the `apiBase` of one of these.

The keys are those that Continue knows by these names, from its own `.env`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from trooper.clients import yaml
from trooper.clients.client import Client, folder_by
from trooper.clients.wanted import Wanted

_FRESH: Final = "name: Local Config\nversion: 1.0.0\nschema: v1\n"


def _model(name: str, provider: str, model: str, url: str, key: str) -> Wanted:
    lines = (
        f"name: {name} (Trooper)",
        f"provider: {provider}",
        f"model: {model}",
        # With the slash: a path is put behind it.
        f"apiBase: {url}/v1/",
        f"apiKey: ${{{{ secrets.{key} }}}}",
    )
    return Wanted(("models",), "\n".join(lines), is_item=True)


def _asked(url: str) -> tuple[Wanted, ...]:
    return (
        _model("GPT-5 mini", "openai", "gpt-5-mini", url, "OPENAI_API_KEY"),
        _model("Claude Sonnet", "anthropic", "claude-sonnet-4-5", url, "ANTHROPIC_API_KEY"),
    )


def _file(environ: Mapping[str, str], home: Path) -> Path:
    return folder_by(environ, "CONTINUE_GLOBAL_DIR", home, ".continue") / "config.yaml"


def _barred(file: Path) -> str:
    """A new `config.yaml` would put an old `config.json` out of use."""
    old = file.with_name("config.json")
    if file.exists() or not old.exists():
        return ""
    return (
        f"Continue still reads {old}, and would not any more beside a config.yaml; move to config.yaml first"
    )


CONTINUE: Final = Client(
    name="continue",
    title="Continue",
    asked=_asked,
    form=yaml,
    file=_file,
    fresh=_FRESH,
    barred=_barred,
)

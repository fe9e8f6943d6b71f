"""
How Codex is started behind Trooper: by `-c` in front of its own words.

Codex looks at no variable for where its provider is. Its built-in provider takes
`openai_base_url`, and keeps the user's login with it, an API key's or a ChatGPT
plan's; the two are asked at different places. Who has no login, and `OPENAI_API_KEY`
in the environment, gets a provider of Trooper's that reads it there.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from trooper.clients.launch import OPENAI, Place, Start, Surroundings

#: Where Codex asks with a ChatGPT plan's login.
CHATGPT: Final = "https://chatgpt.com/backend-api/codex"
_KEY: Final = "OPENAI_API_KEY"
#: What its built-in provider takes from the environment; `OPENAI_API_KEY` it does not.
_OWN_KEYS: Final = ("CODEX_API_KEY", "CODEX_ACCESS_TOKEN")


@frozen
class Codex:
    """OpenAI's Codex."""

    def places(self, around: Surroundings) -> Mapping[str, Place]:
        """Its own `openai_base_url`, or where a ChatGPT login belongs."""
        if url := _text(_settings(around), "openai_base_url"):
            return {OPENAI: Place("openai_base_url of Codex", url)}
        if _has_chatgpt_login(around):
            return {OPENAI: Place("Codex's ChatGPT login", CHATGPT)}
        return {}

    def start(self, words: Sequence[str], around: Surroundings, url: str) -> Start:
        """With the overrides in front; later ones are the user's, and win."""
        overrides = [word for said in _overrides(around, f"{url}/v1") for word in ("-c", said)]
        return Start((words[0], *overrides, *words[1:]), around.environ)


def _overrides(around: Surroundings, url: str) -> list[str]:
    if _text(_settings(around), "model_provider") not in ("", "openai"):
        # A provider of the user's own, with a key of its own.
        return []
    if _login(around) or any(map(around.variable, _OWN_KEYS)) or not around.variable(_KEY):
        return [f"openai_base_url={_toml(url)}"]
    ours = f'{{name="trooper", base_url={_toml(url)}, env_key="{_KEY}", wire_api="responses"}}'
    return ['model_provider="trooper"', f"model_providers.trooper={ours}"]


def _toml(text: str) -> str:
    return json.dumps(text)


def _home(around: Surroundings) -> Path:
    said = around.variable("CODEX_HOME")
    return around.cwd / said if said else around.home / ".codex"


def _settings(around: Surroundings) -> Mapping[str, Any]:
    try:
        return tomllib.loads((_home(around) / "config.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        # What is wrong with it Codex says itself.
        return {}


def _login(around: Surroundings) -> Mapping[str, Any]:
    """What `codex login` has left; only which kind of login it is, is looked at."""
    try:
        said = json.loads((_home(around) / "auth.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def _has_chatgpt_login(around: Surroundings) -> bool:
    login = _login(around)
    return bool(login.get("tokens")) and not login.get(_KEY)


def _text(table: Mapping[str, Any], key: str) -> str:
    value = table.get(key)
    return value.strip() if isinstance(value, str) else ""


CODEX: Final = Codex()

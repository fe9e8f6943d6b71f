"""
How Codex is started behind Trooper: by `-c` in front of its own words.

Codex looks at no variable for where its provider is. Its built-in provider takes
`openai_base_url`, and keeps the user's login with it, an API key's or a ChatGPT
plan's; the two are asked at different places. Who has no login, and `OPENAI_API_KEY`
in the environment, gets a provider of Trooper's that reads it there; a base URL that
the environment has beside it is where that key is good. A provider of the user's own
stays as it is, but for its address.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from trooper.clients.launch import OPENAI, Place, Start, Surroundings
from trooper.clients.placing import text_before

#: Where Codex asks with a ChatGPT plan's login.
CHATGPT: Final = "https://chatgpt.com/backend-api/codex"
_KEY: Final = "OPENAI_API_KEY"
_BUILT_IN: Final = "openai"
_PLAIN: Final = re.compile(r"[A-Za-z0-9_-]+")
#: What its built-in provider takes from the environment; `OPENAI_API_KEY` it does not.
_OWN_KEYS: Final = ("CODEX_API_KEY", "CODEX_ACCESS_TOKEN")

#: What in a provider's table wins over a login.
_PROVIDERS_KEYS: Final = ("env_key", "experimental_bearer_token", "auth")
#: The commands of Codex that run without a screen.
_WITHOUT_SCREEN: Final = frozenset({"exec", "e", "review"})
#: Where whoever has set `OPENAI_API_KEY` may have said what it is good for.
_PLACES: Final = ("OPENAI_BASE_URL", "OPENAI_API_BASE")


@frozen
class Codex:
    """OpenAI's Codex."""

    def places(self, words: Sequence[str], around: Surroundings) -> Mapping[str, Place]:
        """What its file says, else where its key is good: the environment's, or a ChatGPT login."""
        settings = _settings(around)
        key, url = _place(settings)
        if around.is_place(url):
            return {OPENAI: Place(f"{key} of Codex", url)}
        if _reads_the_key(settings, around):
            before = _toml_in(text_before(_home(around) / "config.toml") or "")
            key, url = _place(before)
            if _provider(before).get("env_key") == _KEY and around.is_place(url):
                return {OPENAI: Place(f"{key} of Codex, before trooper connect", url)}
            # It looks at neither itself; but the key that it is told to send is of the same environment.
            said = [(name, around.variable(name)) for name in _PLACES]
            places = [Place(name, url) for name, url in said if around.is_place(url)]
            return {OPENAI: places[0]} if places else {}
        if _proves_itself_by_login(settings, words, around) and _has_chatgpt_login(around):
            return {OPENAI: Place("Codex's ChatGPT login", CHATGPT, is_said=False)}
        return {}

    def start(self, words: Sequence[str], around: Surroundings, url: str) -> Start:
        """With the overrides in front; later ones are the user's, and win."""
        overrides = [word for said in _overrides(around, f"{url}/v1") for word in ("-c", said)]
        return Start((words[0], *overrides, *words[1:]), around.environ)


def _overrides(around: Surroundings, url: str) -> list[str]:
    settings = _settings(around)
    if _name(settings) != _BUILT_IN:
        key, said = _place(settings)
        # Another path than Trooper would ask at, or a name that no override can say.
        is_left = not key or not said.rstrip("/").endswith(("/v1", CHATGPT))
        return [] if is_left else [f"{key}={_toml(url)}"]
    if not _reads_the_key(settings, around):
        return [f"openai_base_url={_toml(url)}"]
    ours = f'{{name="trooper", base_url={_toml(url)}, env_key="{_KEY}", wire_api="responses"}}'
    return ['model_provider="trooper"', f"model_providers.trooper={ours}"]


def _reads_the_key(settings: Mapping[str, Any], around: Surroundings) -> bool:
    """Whether its key is `OPENAI_API_KEY`: its provider's word, or ours where it has no other key."""
    if _name(settings) != _BUILT_IN:
        return _provider(settings).get("env_key") == _KEY
    return not (_login(around) or any(map(around.variable, _OWN_KEYS))) and bool(around.variable(_KEY))


def _proves_itself_by_login(settings: Mapping[str, Any], words: Sequence[str], around: Surroundings) -> bool:
    """Whether the login is what it sends: no key of its provider's, or of its own variable, wins over that."""
    provider = _provider(settings)
    # A provider of the user's own says whether the login goes there.
    by_login = provider.get("requires_openai_auth", _name(settings) == _BUILT_IN)
    # `CODEX_API_KEY` is looked at without a screen only.
    has_key = around.variable("CODEX_API_KEY") and not _WITHOUT_SCREEN.isdisjoint(words)
    return by_login is True and not has_key and not any(provider.get(name) for name in _PROVIDERS_KEYS)


def _name(settings: Mapping[str, Any]) -> str:
    return _text(settings, "model_provider") or _BUILT_IN


def _provider(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """The table of the user's own provider; nothing where it is the built-in one."""
    providers = settings.get("model_providers")
    provider = providers.get(_name(settings)) if isinstance(providers, dict) else None
    return provider if isinstance(provider, dict) else {}


def _place(settings: Mapping[str, Any]) -> tuple[str, str]:
    """The key that says where its provider is, as an override names it, and what it says."""
    name = _name(settings)
    if name == _BUILT_IN:
        return "openai_base_url", _text(settings, "openai_base_url")
    key = f"model_providers.{name}.base_url" if _PLAIN.fullmatch(name) else ""
    return key, _text(_provider(settings), "base_url")


def _toml(text: str) -> str:
    return json.dumps(text)


def _home(around: Surroundings) -> Path:
    said = around.variable("CODEX_HOME")
    return around.cwd / said if said else around.home / ".codex"


def _settings(around: Surroundings) -> Mapping[str, Any]:
    try:
        return _toml_in((_home(around) / "config.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _toml_in(text: str) -> Mapping[str, Any]:
    try:
        return tomllib.loads(text)
    except ValueError:
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

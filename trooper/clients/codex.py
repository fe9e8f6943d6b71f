"""
Codex: a provider of its own, since the built-in one cannot be changed but for
its address, and would ask for a websocket first.

Its key is either in a variable, or Codex's own login: an API key that it keeps,
or a ChatGPT plan's tokens, which go along with `chatgpt-account-id`. A plan's
tokens are good at one address only, and it is Trooper that has to be told that
one: here it can not be said.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from trooper.clients import toml
from trooper.clients.client import Client, folder_by
from trooper.clients.editing import at
from trooper.clients.wanted import Path as Names
from trooper.clients.wanted import Wanted

BUILT_IN: Final = "openai"
_PROVIDER: Final = ("model_providers", "trooper")


def _provider(url: str) -> tuple[Wanted, ...]:
    return (
        Wanted(("model_provider",), "trooper"),
        Wanted((*_PROVIDER, "name"), "Trooper"),
        Wanted((*_PROVIDER, "base_url"), f"{url}/v1"),
        Wanted((*_PROVIDER, "wire_api"), "responses"),
    )


def _asked(url: str) -> tuple[Wanted, ...]:
    return (*_provider(url), Wanted((*_PROVIDER, "env_key"), "OPENAI_API_KEY"))


def _asked_by_login(url: str) -> tuple[Wanted, ...]:
    return (*_provider(url), Wanted((*_PROVIDER, "requires_openai_auth"), True))


def _file(environ: Mapping[str, str], home: Path) -> Path:
    return folder_by(environ, "CODEX_HOME", home, ".codex") / "config.toml"


def provider_named(settings: Mapping[str, Any]) -> str:
    """The name of the provider that its settings choose."""
    return _text_in(settings, "model_provider") or BUILT_IN


def provider_in(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """The table of the user's own provider; nothing where it is the built-in one."""
    table = at(settings, ("model_providers", provider_named(settings)))
    return table if isinstance(table, dict) else {}


def place_in(settings: Mapping[str, Any]) -> tuple[Names, str]:
    """Where its settings have the address of the provider that they choose, and the address."""
    if (name := provider_named(settings)) == BUILT_IN:
        return ("openai_base_url",), _text_in(settings, "openai_base_url")
    return ("model_providers", name, "base_url"), _text_in(provider_in(settings), "base_url")


def _text_in(table: Mapping[str, Any], key: str) -> str:
    """A text of a table; an empty one if there is none."""
    value = table.get(key)
    return value.strip() if isinstance(value, str) else ""


def _asks_at(settings: Mapping[str, Any]) -> str:
    """Where the provider is that ours takes the place of: the user's own, or the built-in one at another address."""
    return "" if provider_named(settings) == "trooper" else place_in(settings)[1]


CODEX: Final = Client(
    name="codex",
    title="Codex",
    asked=_asked,
    form=toml,
    file=_file,
    asked_by_login=_asked_by_login,
    asks_at=_asks_at,
    note="The key is the one in OPENAI_API_KEY; with a login of Codex's own, a ChatGPT plan for example, add --login.",
    login_note="With a ChatGPT plan, Trooper has to know the plan's address; start it as"
    " TROOPER_OPENAI_BASE_URL=https://chatgpt.com/backend-api/codex trooper serve",
)

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
from trooper.clients.wanted import Wanted

_BUILT_IN: Final = "openai"
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


def _asks_at(settings: Mapping[str, Any]) -> str:
    """Where the provider is that ours takes the place of: the user's own, or the built-in one at another address."""
    name = settings.get("model_provider", _BUILT_IN)
    tables = settings.get("model_providers")
    table = tables.get(name) if isinstance(tables, dict) and isinstance(name, str) else None
    url = (
        settings.get("openai_base_url")
        if name == _BUILT_IN
        else isinstance(table, dict) and table.get("base_url")
    )
    return url if isinstance(url, str) and name != "trooper" else ""


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

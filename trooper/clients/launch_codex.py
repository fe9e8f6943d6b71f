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

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from trooper.clients import jsonc, toml
from trooper.clients.codex import BUILT_IN, place_in, provider_in, provider_named
from trooper.clients.codex import CODEX as CLIENT
from trooper.clients.editing import readable
from trooper.clients.launch import OPENAI, Place, Start, Surroundings, texts
from trooper.clients.placing import text_before
from trooper.clients.wanted import Format

#: Where Codex asks with a ChatGPT plan's login.
CHATGPT: Final = "https://chatgpt.com/backend-api/codex"
_KEY: Final = "OPENAI_API_KEY"
#: A Codex with overrides runs all by itself; without any it starts a server that outlives it.
_NO_DAEMON: Final = "features.daemon_auto_start=false"
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
        names, url = place_in(settings)
        if around.is_place(url):
            return {OPENAI: Place(f"{'.'.join(names)} of Codex", url)}
        if _reads_the_key(settings, around):
            before = _read(toml, text_before(_file(around)))
            names, url = place_in(before)
            if provider_in(before).get("env_key") == _KEY and around.is_place(url):
                return {OPENAI: Place(f"{'.'.join(names)} of Codex, before trooper connect", url)}
            # It looks at neither itself; but the key that it is told to send is of the same environment.
            said = [(name, around.variable(name)) for name in _PLACES]
            places = [Place(name, url) for name, url in said if around.is_place(url)]
            return {OPENAI: places[0]} if places else {}
        if _proves_itself_by_login(settings, words, around) and _has_chatgpt_login(around):
            return {OPENAI: Place("Codex's ChatGPT login", CHATGPT, is_said=False)}
        return {}

    def start(self, words: Sequence[str], around: Surroundings, url: str) -> Start:
        """With the overrides in front; later ones are the user's, and win."""
        overrides = [word for said in _overrides(around, url) for word in ("-c", said)]
        return Start((words[0], *overrides, *words[1:]), around.environ)


def _overrides(around: Surroundings, url: str) -> list[str]:
    settings = _settings(around)
    names, said = place_in(settings)
    is_built_in = provider_named(settings) == BUILT_IN
    if is_built_in and _reads_the_key(settings, around):
        chosen, *fields = CLIENT.asked(url)
        table = ", ".join(f"{field.path[-1]}={toml.raw(field.value)}" for field in fields)
        return [f"{chosen.path[0]}={toml.raw(chosen.value)}", f"{'.'.join(fields[0].path[:-1])}={{{table}}}"]
    can_be_said = all(map(_PLAIN.fullmatch, names))
    if is_built_in or (can_be_said and said.rstrip("/").endswith(("/v1", CHATGPT))):
        return [f"{'.'.join(names)}={toml.raw(f'{url}/v1')}"]
    # Another path than Trooper would ask at, or a name that no override can say.
    return [_NO_DAEMON]


def _reads_the_key(settings: Mapping[str, Any], around: Surroundings) -> bool:
    """Whether its key is `OPENAI_API_KEY`: its provider's word, or ours where it has no other key."""
    if provider_named(settings) != BUILT_IN:
        return provider_in(settings).get("env_key") == _KEY
    return not (_login(around) or any(map(around.variable, _OWN_KEYS))) and bool(around.variable(_KEY))


def _proves_itself_by_login(settings: Mapping[str, Any], words: Sequence[str], around: Surroundings) -> bool:
    """Whether the login is what it sends: no key of its provider's, or of its own variable, wins over that."""
    provider = provider_in(settings)
    # A provider of the user's own says whether the login goes there.
    by_login = provider.get("requires_openai_auth", provider_named(settings) == BUILT_IN)
    # `CODEX_API_KEY` is looked at without a screen only.
    has_key = around.variable("CODEX_API_KEY") and not _WITHOUT_SCREEN.isdisjoint(words)
    return by_login is True and not has_key and not any(provider.get(name) for name in _PROVIDERS_KEYS)


def _file(around: Surroundings) -> Path:
    return around.cwd / CLIENT.file(around.environ, around.home)


def _settings(around: Surroundings) -> Mapping[str, Any]:
    return _read(toml, *(text for _, text in texts([_file(around)])))


def _login(around: Surroundings) -> Mapping[str, Any]:
    """What `codex login` has left; only which kind of login it is, is looked at."""
    return _read(jsonc, *(text for _, text in texts([_file(around).with_name("auth.json")])))


def _has_chatgpt_login(around: Surroundings) -> bool:
    login = _login(around)
    return bool(login.get("tokens")) and not login.get(_KEY)


def _read(form: Format, text: str | None = None) -> Mapping[str, Any]:
    """What a text says; nothing if there is none, or none that can be read."""
    return readable(form, text or "") or {}


CODEX: Final = Codex()

"""
How opencode is started behind Trooper: by `OPENCODE_CONFIG_CONTENT`, a configuration
in a variable that is laid over its files.

It says one thing, the `baseURL` of the two providers that opencode has built in
and Trooper speaks. Models, keys and logins stay as they are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from trooper.clients.launch import ANTHROPIC, OPENAI, Place, Start, Surroundings, git_root, place_in

CONTENT: Final = "OPENCODE_CONFIG_CONTENT"
#: What opencode calls them; whose place it is; the variable that its SDK for it looks at.
_PROVIDERS: Final = (
    ("anthropic", ANTHROPIC, "ANTHROPIC_BASE_URL"),
    ("openai", OPENAI, "OPENAI_BASE_URL"),
)
_FILES: Final = ("config.json", "opencode.json", "opencode.jsonc")
#: `{env:NAME}` or `{file:PATH}`, which opencode puts something in the place of.
_BRACES: Final = re.compile(r"[{}]")
#: A text, which stays; or a comment, and once those are gone a comma before a closing bracket.
_TEXT: Final = r'("(?:[^"\\]|\\.)*+")'
_COMMENT: Final = re.compile(rf"{_TEXT}|//[^\n]*|/\*.*?\*/", re.DOTALL)
_COMMA: Final = re.compile(rf"{_TEXT}|,(?=\s*[}}\]])", re.DOTALL)


@frozen
class Opencode:
    """opencode."""

    def places(self, words: Sequence[str], around: Surroundings) -> Mapping[str, Place]:
        """What its configuration says, the variable's word last; else the SDKs' own variables."""
        found: dict[str, Place] = {}
        files = list(_files(around))
        for name, provider, variable in _PROVIDERS:
            said_in = partial(_place_said_in, name)
            content = said_in(around.environ.get(CONTENT, ""))
            said = [
                Place(variable, around.variable(variable)),
                *filter(None, (place_in(path, text, said_in, around) for path, text in files)),
                Place(CONTENT, content),
            ]
            if places := [place for place in said if around.is_place(place.url)]:
                found[provider] = places[-1]
        return found

    def start(self, words: Sequence[str], around: Surroundings, url: str) -> Start:
        """With the places laid over what the variable says already."""
        content = _read(around.environ.get(CONTENT, "") or "{}")
        if content is None:
            # What is wrong with it opencode says itself.
            return Start(tuple(words), around.environ)
        files = [_read(text) for _, text in _files(around)]
        for name, _, _ in _PROVIDERS:
            # What cannot be read may say any place, and a reference may mean any.
            if not any(file is None or _BRACES.search(_base_url(file, name)) for file in files):
                content = _with_base_url(content, name, f"{url}/v1")
        return Start(tuple(words), {**around.environ, CONTENT: json.dumps(content)})


def _paths(around: Surroundings) -> list[Path]:
    """The configuration files that opencode would read; the later ones count more."""
    said = around.variable("XDG_CONFIG_HOME")
    folders = [(Path(said) if said else around.home / ".config") / "opencode", around.home / ".opencode"]
    named, further = around.variable("OPENCODE_CONFIG"), around.variable("OPENCODE_CONFIG_DIR")
    projects = _projects(around)
    inner = [*projects, *(project / ".opencode" for project in projects)]
    inner += [around.cwd / further] if further else []
    return [
        *(folder / name for folder in folders for name in _FILES),
        *([around.cwd / named] if named else []),
        *(folder / name for folder in inner for name in _FILES),
    ]


def _projects(around: Surroundings) -> list[Path]:
    """The folders of the project, from the repository's top to here; without a repository from the very top."""
    if around.variable("OPENCODE_DISABLE_PROJECT_CONFIG").lower() in ("true", "1"):
        return []
    folders, top = [around.cwd, *around.cwd.parents], git_root(around.cwd)
    return folders[folders.index(top) :: -1] if top else folders[::-1]


def _files(around: Surroundings) -> Iterator[tuple[Path, str]]:
    """Each of them that is there, and its text."""
    for path in _paths(around):
        with suppress(OSError, ValueError):
            yield path, path.read_text(encoding="utf-8")


def _place_said_in(name: str, text: str) -> str:
    """The `baseURL` of a provider, if it stands for no other."""
    url = _base_url(_read(text) or {}, name)
    return "" if _BRACES.search(url) else url


def _read(text: str) -> dict[str, Any] | None:
    """JSON with comments."""
    try:
        for beside in (_COMMENT, _COMMA):
            text = beside.sub(lambda found: found[1] or "", text)
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _base_url(content: Mapping[str, Any], name: str) -> str:
    inner: Any = content
    for key in ("provider", name, "options", "baseURL"):
        inner = inner.get(key) if isinstance(inner, dict) else None
    return inner.strip() if isinstance(inner, str) else ""


def _with_base_url(content: dict[str, Any], name: str, url: str) -> dict[str, Any]:
    providers = _table(content, "provider")
    provider = _table(providers, name)
    options = {**_table(provider, "options"), "baseURL": url}
    return {**content, "provider": {**providers, name: {**provider, "options": options}}}


def _table(content: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = content.get(key)
    return dict(value) if isinstance(value, dict) else {}


OPENCODE: Final = Opencode()

"""
How opencode is started behind Trooper: by `OPENCODE_CONFIG_CONTENT`, a configuration
in a variable that is laid over its files.

It says one thing, the `baseURL` of the two providers that opencode has built in
and Trooper speaks. Models, keys and logins stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from trooper.clients.editing import at, connected, readable
from trooper.clients.launch import (
    ANTHROPIC,
    OPENAI,
    Place,
    Start,
    Surroundings,
    git_root,
    place_in,
    provider_of,
    texts,
)
from trooper.clients.opencode import FILES, own_files
from trooper.clients.opencode import OPENCODE as CLIENT
from trooper.clients.placing import text_of
from trooper.clients.wanted import NotEdited
from trooper.clients.wanted import Path as Names

CONTENT: Final = "OPENCODE_CONFIG_CONTENT"
#: What its SDKs look at.
_VARIABLES: Final = {ANTHROPIC: "ANTHROPIC_BASE_URL", OPENAI: "OPENAI_BASE_URL"}
#: `{env:NAME}` or `{file:PATH}`, which opencode puts something in the place of.
_BRACES: Final = re.compile(r"[{}]")


@frozen
class Opencode:
    """opencode."""

    def places(self, words: Sequence[str], around: Surroundings) -> Mapping[str, Place]:
        """What its configuration says, the variable's word last; else the SDKs' own variables."""
        found: dict[str, Place] = {}
        files = list(texts(_paths(around)))
        for wanted in CLIENT.asked(""):
            provider = provider_of(wanted.name)
            said_in = partial(_said_in, wanted.path)
            variable = _VARIABLES[provider]
            said = [
                Place(variable, around.variable(variable)),
                *filter(None, (place_in(path, text, said_in, around) for path, text in files)),
                Place(CONTENT, said_in(around.environ.get(CONTENT, ""))),
            ]
            if places := [place for place in said if around.is_place(place.url)]:
                found[provider] = places[-1]
        return found

    def start(self, words: Sequence[str], around: Surroundings, url: str) -> Start:
        """With the places laid over what the variable says already."""
        said = around.environ.get(CONTENT, "")
        settings = [*map(_settings_in, _paths(around)), readable(CLIENT.form, said)]
        # What cannot be read may say any place, and a reference may mean any.
        free = [
            wanted
            for wanted in CLIENT.asked(url)
            if not any(each is None or _BRACES.search(str(at(each, wanted.path))) for each in settings)
        ]
        content = {CONTENT: connected(CLIENT.form, said, free).text} if free else {}
        return Start(tuple(words), {**around.environ, **content})


def _paths(around: Surroundings) -> list[Path]:
    """
    The configuration files that opencode would read; the later ones count more.

    Of the folders `.opencode` the outer ones do, which is not so with the files beside them.
    """
    named, further = around.variable("OPENCODE_CONFIG"), around.variable("OPENCODE_CONFIG_DIR")
    projects = _projects(around)
    inner = [*(project / ".opencode" for project in reversed(projects)), around.home / ".opencode"]
    inner += [around.cwd / further] if further else []
    return [
        *(around.cwd / file for file in own_files(around.environ, around.home)),
        *([around.cwd / named] if named else []),
        *(folder / name for folder in (*projects, *dict.fromkeys(inner)) for name in FILES[1:]),
    ]


def _projects(around: Surroundings) -> list[Path]:
    """The folders of the project, from the repository's top to here; without a repository from the very top."""
    if around.variable("OPENCODE_DISABLE_PROJECT_CONFIG").lower() in ("true", "1"):
        return []
    folders, top = [around.cwd, *around.cwd.parents], git_root(around.cwd)
    return folders[folders.index(top) :: -1] if top else folders[::-1]


def _said_in(names: Names, text: str) -> str:
    """What a text says at `names`, if it stands for nothing else."""
    url = CLIENT.says(names, text)
    return "" if _BRACES.search(url) else url


def _settings_in(file: Path) -> Mapping[str, Any] | None:
    try:
        return readable(CLIENT.form, text_of(file) or "")
    except NotEdited:
        return None


OPENCODE: Final = Opencode()

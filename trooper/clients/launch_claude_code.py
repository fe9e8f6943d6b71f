"""
How Claude Code is started behind Trooper: by `ANTHROPIC_BASE_URL`.

Its settings files can say variables, too, and those win over the environment. Where
one of them says this one, it is told by `--settings`, which wins over the files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Final

from attrs import frozen

from trooper.clients.claude_code import CLAUDE_CODE as CLIENT
from trooper.clients.claude_code import PLACE, VARIABLE
from trooper.clients.launch import ANTHROPIC, ByVariables, Place, Start, Surroundings, place_in, texts

_OPTION: Final = "--settings"
_SOURCES: Final = "--setting-sources"
_IN_BACKGROUND: Final = frozenset({"--bg", "--background"})
_BY_VARIABLE: Final = ByVariables({VARIABLE: ANTHROPIC})
_said_in: Final = partial(CLIENT.says, PLACE)


@frozen
class ClaudeCode:
    """Anthropic's Claude Code."""

    def places(self, words: Sequence[str], around: Surroundings) -> Mapping[str, Place]:
        """What the settings say, else the variable."""
        said = [place_in(path, text, _said_in, around) for path, text in _files(words, around)]
        places = [place for place in said if place]
        return {ANTHROPIC: places[-1]} if places else _BY_VARIABLE.places(words, around)

    def start(self, words: Sequence[str], around: Surroundings, url: str) -> Start:
        """With the variable set, and said once more above files that say it."""
        start = _BY_VARIABLE.start(words, around, url)
        # There can be one such option; where it is there, it is the user's.
        is_free = not (any(word.startswith(_OPTION) for word in words) or _is_for_later(words))
        if not is_free or not any(_said_in(text) for _, text in _files(words, around)):
            return start
        settings = json.dumps({"env": {VARIABLE: url}})
        return Start((words[0], _OPTION, settings, *words[1:]), start.environ)


def _files(words: Sequence[str], around: Surroundings) -> Iterator[tuple[Path, str]]:
    """Each settings file that it reads and that is there; the later ones count more."""
    paths = {
        "user": around.cwd / CLIENT.file(around.environ, around.home),
        "project": around.cwd / ".claude" / "settings.json",
        "local": around.cwd / ".claude" / "settings.local.json",
    }
    sources = _sources(words)
    return texts(path for source, path in paths.items() if sources is None or source in sources)


def _is_for_later(words: Sequence[str]) -> bool:
    """Whether it begins sessions that outlive it: they would keep the option, and ask where nobody is."""
    return "agents" in words[1:2] or not _IN_BACKGROUND.isdisjoint(words)


def _sources(words: Sequence[str]) -> list[str] | None:
    """Which of its files are read, if the words say so: `--setting-sources user,project`."""
    said = [word.partition("=")[2] for word in words if word.startswith(f"{_SOURCES}=")]
    said += [value for word, value in pairwise(words) if word == _SOURCES]
    return [source.strip() for source in said[-1].split(",")] if said else None


CLAUDE_CODE: Final = ClaudeCode()

"""
How Claude Code is started behind Trooper: by `ANTHROPIC_BASE_URL`.

Its settings files can say variables, too, and those win over the environment. Where
one of them says this one, it is told by `--settings`, which wins over the files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Final

from attrs import frozen

from trooper.clients.launch import ANTHROPIC, ByVariables, Place, Start, Surroundings, place_in

_VARIABLE: Final = "ANTHROPIC_BASE_URL"
_OPTION: Final = "--settings"
_SOURCES: Final = "--setting-sources"
_BY_VARIABLE: Final = ByVariables({_VARIABLE: ANTHROPIC})


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
        if not any(_said_in(text) for _, text in _files(words, around)) or any(
            word.startswith(_OPTION) for word in words
        ):
            # There can be one such option, and it is the user's.
            return start
        settings = json.dumps({"env": {_VARIABLE: url}})
        return Start((words[0], _OPTION, settings, *words[1:]), start.environ)


def _files(words: Sequence[str], around: Surroundings) -> Iterator[tuple[Path, str]]:
    """Each settings file that it reads and that is there; the later ones count more."""
    named = around.variable("CLAUDE_CONFIG_DIR")
    paths = {
        "user": (around.cwd / named if named else around.home / ".claude") / "settings.json",
        "project": around.cwd / ".claude" / "settings.json",
        "local": around.cwd / ".claude" / "settings.local.json",
    }
    sources = _sources(words)
    for source, path in paths.items():
        if sources is None or source in sources:
            with suppress(OSError, ValueError):
                yield path, path.read_text(encoding="utf-8")


def _sources(words: Sequence[str]) -> list[str] | None:
    """Which of its files are read, if the words say so: `--setting-sources user,project`."""
    said = [word.partition("=")[2] for word in words if word.startswith(f"{_SOURCES}=")]
    said += [value for word, value in pairwise(words) if word == _SOURCES]
    return [source.strip() for source in said[-1].split(",")] if said else None


def _said_in(text: str) -> str:
    """What settings say of the variable."""
    try:
        settings = json.loads(text)
    except (ValueError, RecursionError):
        # What is wrong with it Claude Code says itself.
        return ""
    variables = settings.get("env") if isinstance(settings, dict) else None
    url = variables.get(_VARIABLE) if isinstance(variables, dict) else None
    return url.strip() if isinstance(url, str) else ""


CLAUDE_CODE: Final = ClaudeCode()

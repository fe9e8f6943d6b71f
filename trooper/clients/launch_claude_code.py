"""
How Claude Code is started behind Trooper: by `ANTHROPIC_BASE_URL`.

Its settings files can say variables, too, and those win over the environment. Where
one of them says this one, it is told by `--settings`, which wins over the files.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from attrs import frozen

from trooper.clients.launch import ANTHROPIC, ByVariables, Place, Start, Surroundings

_VARIABLE: Final = "ANTHROPIC_BASE_URL"
_OPTION: Final = "--settings"
_BY_VARIABLE: Final = ByVariables({_VARIABLE: ANTHROPIC})


@frozen
class ClaudeCode:
    """Anthropic's Claude Code."""

    def places(self, words: Sequence[str], around: Surroundings) -> Mapping[str, Place]:
        """What the settings say, else the variable."""
        said = list(_said_by_files(around))
        return {ANTHROPIC: said[-1]} if said else _BY_VARIABLE.places(words, around)

    def start(self, words: Sequence[str], around: Surroundings, url: str) -> Start:
        """With the variable set, and said once more above files that say it."""
        start = _BY_VARIABLE.start(words, around, url)
        if not any(_said_by_files(around)) or any(word.startswith(_OPTION) for word in words):
            # There can be one such option, and it is the user's.
            return start
        settings = json.dumps({"env": {_VARIABLE: url}})
        return Start((words[0], _OPTION, settings, *words[1:]), start.environ)


def _said_by_files(around: Surroundings) -> Iterator[Place]:
    """What each settings file says; the later ones count more."""
    named = around.variable("CLAUDE_CONFIG_DIR")
    own = around.cwd / named if named else around.home / ".claude"
    paths = (own / "settings.json", *_of_project(around.cwd / ".claude"))
    for path in paths:
        try:
            settings = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            # What is wrong with it Claude Code says itself.
            continue
        variables = settings.get("env") if isinstance(settings, dict) else None
        url = variables.get(_VARIABLE) if isinstance(variables, dict) else None
        if isinstance(url, str) and url.strip():
            yield Place(str(path), url.strip())


def _of_project(folder: Path) -> tuple[Path, ...]:
    return folder / "settings.json", folder / "settings.local.json"


CLAUDE_CODE: Final = ClaudeCode()

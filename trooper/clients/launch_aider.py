"""
How aider is started behind Trooper: by the variables of LiteLLM, which it asks with.

Its files can say the place of OpenAI's API, too; where one of them does, it is
told by aider's own variable, which wins over the files. A place of Anthropic's
that stands there is obeyed: nothing wins over that one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from attrs import frozen

from trooper.clients.aider import AIDER as CLIENT
from trooper.clients.aider import PLACE
from trooper.clients.launch import (
    ANTHROPIC,
    OPENAI,
    ByVariables,
    Place,
    Start,
    Surroundings,
    git_root,
    place_in,
    texts,
)

_OWN: Final = "AIDER_OPENAI_API_BASE"
#: LiteLLM looks at `OPENAI_BASE_URL` before the variable that aider's own options set. So that
#: one is not passed on: what such an option says is to be obeyed.
_BY_VARIABLES: Final = ByVariables(
    {"OPENAI_API_BASE": OPENAI, "ANTHROPIC_BASE_URL": ANTHROPIC},
    {_OWN: OPENAI, "OPENAI_BASE_URL": OPENAI, "ANTHROPIC_API_BASE": ANTHROPIC},
)
_said_in: Final = partial(CLIENT.says, PLACE)


@frozen
class Aider:
    """aider."""

    def places(self, words: Sequence[str], around: Surroundings) -> Mapping[str, Place]:
        """What aider's own variable says, else its files, else the other variables."""
        places = dict(_BY_VARIABLES.places(words, around))
        said = [place_in(path, text, _said_in, around) for path, text in _files(around)]
        found = [place for place in said if place]
        if found and not around.is_place(around.variable(_OWN)):
            places[OPENAI] = found[-1]
        return places

    def start(self, words: Sequence[str], around: Surroundings, url: str) -> Start:
        """With the variables set, and aider's own above files that say another place."""
        start = _BY_VARIABLES.start(words, around, url)
        if not any(_said_in(text) for _, text in _files(around)):
            return start
        return Start(start.words, {**start.environ, _OWN: f"{url}/v1"})


def _files(around: Surroundings) -> Iterator[tuple[Path, str]]:
    """Each of its files that is there, of the home folder, the repository's top and here; the later ones count more."""
    user = around.cwd / CLIENT.file(around.environ, around.home)
    folders = (user.parent, git_root(around.cwd) or around.cwd, around.cwd)
    return texts(folder / user.name for folder in dict.fromkeys(folders))


AIDER: Final = Aider()

"""
How aider is started behind Trooper: by the variables of LiteLLM, which it asks with.

Its files can say the place of OpenAI's API, too; where one of them does, it is
told by aider's own variable, which wins over the files. A place of Anthropic's
that stands there is obeyed: nothing wins over that one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from attrs import frozen

from trooper.clients.launch import ANTHROPIC, OPENAI, ByVariables, Place, Start, Surroundings

_FILE: Final = ".aider.conf.yml"
_OWN: Final = "AIDER_OPENAI_API_BASE"
#: LiteLLM looks at `OPENAI_BASE_URL` before the variable that aider's own options set. So that
#: one is not passed on: what such an option says is to be obeyed.
_BY_VARIABLES: Final = ByVariables(
    {"OPENAI_API_BASE": OPENAI, "ANTHROPIC_BASE_URL": ANTHROPIC},
    {_OWN: OPENAI, "OPENAI_BASE_URL": OPENAI, "ANTHROPIC_API_BASE": ANTHROPIC},
)
_SAID: Final = re.compile(r"^openai-api-base:[ \t]*[\"']?([^\s\"'#]+)", re.MULTILINE)


@frozen
class Aider:
    """aider."""

    def places(self, words: Sequence[str], around: Surroundings) -> Mapping[str, Place]:
        """What aider's own variable says, else its files, else the other variables."""
        places = dict(_BY_VARIABLES.places(words, around))
        said = list(_said_by_files(around))
        if said and not around.variable(_OWN):
            places[OPENAI] = said[-1]
        return places

    def start(self, words: Sequence[str], around: Surroundings, url: str) -> Start:
        """With the variables set, and aider's own above files that say another place."""
        start = _BY_VARIABLES.start(words, around, url)
        if not any(_said_by_files(around)):
            return start
        return Start(start.words, {**start.environ, _OWN: f"{url}/v1"})


def _said_by_files(around: Surroundings) -> Iterator[Place]:
    """What each of its files says; the later ones count more."""
    for folder in dict.fromkeys((around.home, *reversed(around.cwd.parents), around.cwd)):
        try:
            found = _SAID.findall((folder / _FILE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        yield from (Place(str(folder / _FILE), url) for url in found[-1:])


AIDER: Final = Aider()

"""
How a program is started behind Trooper, for `trooper run`: the variables and the
arguments that tell it where its provider is.

Nothing of the program's own is written. What its user has said about where the
provider is, in the environment or in the program's own files, is where Trooper asks
then, and the program is told of Trooper instead, by something that wins over it:
a key that was made for that place goes to no other. Where that cannot be had the
program is left alone, and its turns do not come this way. What leads to a Trooper,
as `trooper connect` writes it, is no provider's place: what that has replaced is, else
whatever the program would look at next.

The facts were looked up in the programs themselves: Claude Code 2.1, Codex 0.169,
opencode 1.18, aider 0.86 with its LiteLLM.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePath
from typing import Final, Protocol

from attrs import field, frozen

from trooper.clients.placing import text_before, text_of
from trooper.clients.wanted import NotEdited

#: Trooper's own variables for where a provider is; also what a provider is called here.
OPENAI: Final = "TROOPER_OPENAI_BASE_URL"
ANTHROPIC: Final = "TROOPER_ANTHROPIC_BASE_URL"

#: Below it stand the paths of the wire; the clients of Anthropic add it themselves.
_VERSION: Final = {OPENAI: "/v1", ANTHROPIC: ""}
_PROXIES: Final = ("http_proxy", "https_proxy", "all_proxy")
_LOOPBACK: Final = "127.0.0.1,localhost"


@frozen
class Surroundings:
    """
    What a program finds when it starts: nothing of it is changed here.

    Attributes:
        is_trooper: whether a URL leads to where `trooper serve` would listen.
    """

    environ: Mapping[str, str]
    cwd: Path
    home: Path
    is_trooper: Callable[[str], bool] = field(default=lambda _url: False, eq=False, repr=False)

    def variable(self, name: str) -> str:
        """A variable without blanks around it; an empty one is not set."""
        return self.environ.get(name, "").strip()

    def is_place(self, url: str) -> bool:
        """Whether a provider may be there: somebody has said it, and it leads to no Trooper."""
        return bool(url) and not self.is_trooper(url)


@frozen
class Place:
    """
    Where the program's user has its provider.

    Attributes:
        said_by: what says so, as its user knows it.
        url: the place.
        is_said: whether it is the user's word; else it is only where the program's login is good.
    """

    said_by: str
    url: str
    is_said: bool = True


@frozen
class Start:
    """How the program is started."""

    words: tuple[str, ...]
    environ: Mapping[str, str]


class Program(Protocol):
    """A kind of program."""

    def places(self, words: Sequence[str], around: Surroundings) -> Mapping[str, Place]:
        """
        Where its providers are, as far as its user has said, also in `words`: `OPENAI` or `ANTHROPIC` → place.

        Whatever leads to a Trooper says nothing: what the program would look at next does then.
        """

    def start(self, words: Sequence[str], around: Surroundings, url: str) -> Start:
        """How it is started behind the Trooper at `url`, which has no path."""


@frozen
class ByVariables:
    """
    A program that is told by variables.

    Attributes:
        sets: variable → whose place it is; each is set.
        reads: the same for the variables that the program looks at before those.
            They are not passed on: the ones that are set stand for them.
    """

    sets: Mapping[str, str]
    reads: Mapping[str, str] = {}

    def places(self, words: Sequence[str], around: Surroundings) -> Mapping[str, Place]:
        """What the variables say; of several for one provider the one that the program looks at first."""
        found: dict[str, Place] = {}
        for name, provider in (*self.reads.items(), *self.sets.items()):
            if around.is_place(said := around.variable(name)):
                found.setdefault(provider, Place(name, said))
        return found

    def start(self, words: Sequence[str], around: Surroundings, url: str) -> Start:
        """With the variables set."""
        kept = {name: value for name, value in around.environ.items() if name not in self.reads}
        ours = {name: f"{url}{_VERSION[provider]}" for name, provider in self.sets.items()}
        return Start(tuple(words), {**kept, **ours})


#: The variables of the official SDKs, and the older one that many programs still look at.
ANY: Final = ByVariables(
    {"OPENAI_BASE_URL": OPENAI, "OPENAI_API_BASE": OPENAI, "ANTHROPIC_BASE_URL": ANTHROPIC},
    {"ANTHROPIC_API_BASE": ANTHROPIC},
)


def texts(files: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    """Each of them that is there and is text, and what it says."""
    for file in files:
        with suppress(NotEdited):
            if (text := text_of(file)) is not None:
                yield file, text


def place_in(path: Path, text: str, said_in: Callable[[str], str], around: Surroundings) -> Place | None:
    """The place that a file says by `said_in`; where `trooper connect` has put Trooper there, what it said before."""
    url = said_in(text)
    if url and around.is_trooper(url):
        url = said_in(text_before(path) or "")
    return Place(str(path), url) if around.is_place(url) else None


def git_root(folder: Path) -> Path | None:
    """The top of the git repository that `folder` is in."""
    # `os.path`: `Path.exists` raises in a folder that may not be looked into.
    tops = (top for top in (folder, *folder.parents) if os.path.exists(top / ".git"))  # noqa: PTH110
    return next(tops, None)


def provider_of(name: str) -> str:
    """Whose place a variable or a key of that name is."""
    return ANTHROPIC if "anthropic" in name.lower() else OPENAI


def called(word: str) -> str:
    """What a program is called, from the word that starts it."""
    return PurePath(word.replace("\\", "/")).name.lower().removesuffix(".exe").removesuffix(".cmd")


def started(program: Program, words: Sequence[str], around: Surroundings, url: str) -> Start:
    """
    How `words` are started behind the Trooper at `url`.

    Where the environment names a proxy, loopback is put on the list of what is asked without one.
    """
    start = program.start(words, around, url)
    if not any(around.variable(name) or around.variable(name.upper()) for name in _PROXIES):
        return start
    names = [name for name in ("no_proxy", "NO_PROXY") if name in start.environ] or ["no_proxy", "NO_PROXY"]
    without = {
        name: ",".join(filter(None, (start.environ.get(name, "").strip(", "), _LOOPBACK))) for name in names
    }
    return Start(start.words, {**start.environ, **without})

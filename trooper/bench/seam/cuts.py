"""
Where the answers of the seam bench are cut: five kinds of places, evenly mixed.
"""

from __future__ import annotations

import enum
import json
import random
import re
from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import Final

from attrs import frozen

_FENCE: Final = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
#: There has to be something to go on from, and something left to say.
_FROM_START: Final = 25
_TO_END: Final = 12


class Kind(enum.Enum):
    """A kind of place."""

    MID_WORD = "mid-word"
    AFTER_BLANK = "after a blank"
    AFTER_NEWLINE = "after a newline"
    AFTER_SENTENCE = "after a sentence"
    IN_FENCE = "in a code fence"


_PLACES: Final = {
    Kind.MID_WORD: re.compile(r"(?<=[A-Za-z]{2})(?=[A-Za-z]{2})"),
    Kind.AFTER_BLANK: re.compile(r"(?<=\S )(?=\S)"),
    Kind.AFTER_NEWLINE: re.compile(r"(?<=\n)(?=[^\n])"),
    Kind.AFTER_SENTENCE: re.compile(r"(?<=[a-z][.!?])(?=\s)"),
}


@frozen
class Prompt:
    """A question and the cloud's whole answer to it."""

    question: str
    answer: str


@frozen
class Cut:
    """The answer of a prompt, cut behind so many characters."""

    prompt: int
    at: int
    kind: Kind


def prompts() -> list[Prompt]:
    """The fixed prompts."""
    text = files("trooper.bench.seam").joinpath("prompts.json").read_text(encoding="utf-8")
    return [Prompt(item["question"], item["answer"]) for item in json.loads(text)]


def places(answer: str) -> Iterator[tuple[Kind, int]]:
    """Every place at which `answer` may be cut."""
    fences = [(found.start(), found.end()) for found in _FENCE.finditer(answer)]
    last = len(answer) - _TO_END
    for kind, pattern in _PLACES.items():
        for found in pattern.finditer(answer, _FROM_START, last):
            if not any(start <= found.start() <= end for start, end in fences):
                yield kind, found.start()
    for start, end in fences:
        # Behind the line that opens it, before the one that closes it.
        inside = answer.index("\n", start) + 1
        for at in range(inside, end - len("\n```")):
            yield Kind.IN_FENCE, at


def choose(known: Sequence[Prompt], per_kind: int, seed: int) -> list[Cut]:
    """
    `per_kind` cuts of each kind, spread over the prompts by chance.

    Those of one answer stand together and ascend: the local server then keeps
    what it has evaluated.
    """
    every = [Cut(n, at, kind) for n, prompt in enumerate(known) for kind, at in places(prompt.answer)]
    random.Random(seed).shuffle(every)  # noqa: S311  # chance that can be repeated
    chosen = [cut for kind in Kind for cut in [c for c in every if c.kind is kind][:per_kind]]
    return sorted(chosen, key=lambda cut: (cut.prompt, cut.at, cut.kind.value))

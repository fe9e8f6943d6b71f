"""Every half answer of every kind, and every model that goes on badly, at the join alone: the table is printed."""

from __future__ import annotations

from collections import Counter

import pytest

from half_answers import KINDS, pieces_of
from trooper.core.events import Received, Text
from trooper.core.gate import Gate
from trooper.core.overlap import Lost
from trooper.core.seam import Join, prefill
from trooper.testing import tokens
from trooper.testing.odd import ODD, GoesOn, announcing

ANNOUNCED = (
    "Of course! ",
    "Okay, let me continue: ",
    "Continuing from where I left off:\n\n",
    "Here is the continuation:\n\n",
    "I apologize for the interruption. Here is the rest of the answer:\n\n",
    "Natürlich, hier geht es weiter: ",
    "Bien sûr, voici la suite : ",
    "当然，以下是剩余部分：",
)
WAYS: dict[str, GoesOn] = {**ODD, **{words.strip(): announcing(words) for words in ANNOUNCED}}


def held(pieces: list[str]) -> tuple[str, Lost]:
    """What the client has when a stream of these pieces is cut, and what was lost with it."""
    gate, given = Gate(), ""
    for piece in pieces:
        given += "".join(item.text for item in gate.push(Received(b"", (Text(piece),))))
    given += gate.abandon()
    return given, Lost(gate.dropped)


@pytest.mark.parametrize("way", [*WAYS])
def test_wherever_it_is_cut(way: str) -> None:
    right, wrong = Counter[str](), Counter[str]()
    for kind, answer in KINDS.items():
        pieces = pieces_of(answer)
        for at in range(5, len(pieces) - 2):
            given, lost = held(pieces[:at])
            shown = prefill(given)
            join = Join(shown, False, lost=lost)
            said = WAYS[way](shown.text, answer[len(shown.text) :])
            out = "".join(map(join.feed, tokens(said))) + join.finish()
            (right if given + out == answer else wrong)[kind] += 1
    share = right.total() / (right.total() + wrong.total())
    print(f"TABLE {way:24} {share:7.1%}", dict(wrong))
    # What stands in rows and in code may come again: of the others nearly all is exact.
    others = sum(wrong[kind] for kind in KINDS if kind not in ("table", "code"))
    total = sum(len(pieces_of(answer)) for kind, answer in KINDS.items() if kind not in ("table", "code"))
    assert share >= 0.8
    assert others <= 0.1 * total

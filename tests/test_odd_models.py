"""
Models that go on badly, through all of Trooper: what the client gets is the answer, exactly.

Not each case can be told from honest text, so what is asked is a share; the table is printed.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from clouds import going_on
from half_answers import KINDS, pieces_of, places_in
from scenes import WIRES, at_llama, configured, stage, with_second
from trooper.testing import (
    FAULTS,
    ChatAnswer,
    FakeLlamaServer,
    FakeOllama,
    FaultAt,
    Model,
    ScriptedProvider,
)
from trooper.testing.odd import ODD

PLACES = 3
#: Who goes on, and how he is made to.
TARGETS = ("ollama", "raw", "quiet", "llama", "prefill", "instruction")


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("odd", [*ODD])
async def test_odd_models(odd: str, target: str, autojump_clock: Any) -> None:
    right, wrong = Counter[str](), Counter[str]()
    for number, (kind, answer) in enumerate(KINDS.items()):
        goes_on = ODD[odd]
        model = {"raw": Model(turn="closes"), "quiet": Model(path="C")}.get(target, Model())
        config = configured()
        if target == "llama":
            config = at_llama()
        elif target in ("prefill", "instruction"):
            config = with_second(config, [*WIRES][number % 3], continues=target)
        async with stage(
            ScriptedProvider(),
            FakeOllama(answer=answer, models=(model,), goes_on=goes_on),
            config,
            llama=FakeLlamaServer(answer=answer, goes_on=goes_on),
            second=going_on(answer, goes_on=goes_on),
        ) as s:
            await s.services.standbys["llama" if target == "llama" else "ollama"].ready(None)
            for turn, at in enumerate(places_in(answer, PLACES, TARGETS.index(target))):
                wire = [*WIRES][(number + turn) % 3]
                said = ChatAnswer(tokens=tuple(pieces_of(answer)))
                s.cloud.play_next(FaultAt(FAULTS["reset"], at, said))
                text = (await s.ask(wire=wire)).told().text
                if text == answer:
                    right[kind] += 1
                    continue
                wrong[kind] += 1
                half = "".join(said.tokens[: at - 1])
                print(f"{odd} {target} {kind} {wire} at {at}: {half[-40:]!r}")
                print(f"   is {text[len(half) - 10 :][:90]!r}")
                print(f"  not {answer[len(half) - 10 :][:90]!r}")
    share = right.total() / (right.total() + wrong.total())
    print(f"TABLE {odd:16} {target:12} {share:7.1%}", dict(wrong))
    assert share >= 0.8

"""The bench without its processes: what is cut."""

from __future__ import annotations

from collections import Counter

import pytest

from measured import SHORT
from trooper.bench.cuts import (
    ANSWER,
    BEFORE,
    FULL,
    HISTORIES,
    KINDS,
    POSITIONS,
    QUICK,
    Kind,
    Plan,
    Pool,
    Proxy,
)
from trooper.testing import FAULTS, chat_events, tokens


def test_every_kind_of_fault_is_cut_two_hundred_times() -> None:
    kept = [cell for cell in FULL.cells([Proxy.TROOPER]) if cell.pool is Pool.KEPT]
    counts = Counter(cell.kind.name for cell in kept)

    assert set(counts) == {kind.name for kind in KINDS}
    assert min(counts.values()) >= 200
    assert FULL.per_fault == counts["reset"]


@pytest.mark.parametrize("plan", [FULL, QUICK])
def test_every_cell_of_the_matrix_is_cut(plan: Plan) -> None:
    kept = {
        (c.kind.name, c.position.name, c.history.name)
        for c in plan.cells([Proxy.TROOPER])
        if c.pool is Pool.KEPT
    }
    midway = {(k.name, p.name, h.name) for k in KINDS if not k.before for p in POSITIONS for h in HISTORIES}
    before = {(k.name, "before", h.name) for k in KINDS if k.before for h in HISTORIES}

    assert kept == midway | before


def test_the_order_is_the_seeds() -> None:
    one, same, other = (FULL.order([Proxy.TROOPER], seed) for seed in (1, 1, 2))

    assert one == same != other
    assert Counter(one) == Counter(other)
    assert one != FULL.cells([Proxy.TROOPER])


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_answer_can_be_gone_on_with_at_every_place(kind: Kind) -> None:
    events = chat_events(ANSWER)
    for position in (BEFORE,) if kind.before else POSITIONS:
        wanted = "restart" if kind.before else "continue"
        assert FAULTS[kind.name].expected(events, position.words) == (kind.found_as, wanted)
        assert position.words < len(tokens(ANSWER))


def test_a_long_history_is_long_and_ends_with_the_question() -> None:
    long = HISTORIES[1].messages
    size = sum(len(str(message["content"]).encode()) for message in long)

    assert 64 * 1024 <= size < 68 * 1024
    assert [message["role"] for message in long[:3]] == ["user", "assistant", "user"]
    assert long[-2]["role"] == "assistant"
    assert long[-1] == SHORT.messages[0]

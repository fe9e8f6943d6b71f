"""
Real clients read every stream of their dialects through a running Trooper:
healthy ones as they read them of the provider itself, cut ones to their end.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from attrs import define, evolve, field

from dialect_cases import Case, said
from dialect_reading import Read
from dialect_rows import (
    CLIENTS,
    PLAIN,
    ROWS,
    TAGS_BY_PIECE,
    UNREADABLE,
    cuts,
    ends,
    expected,
    may_break,
    own_failure,
    tools,
)
from trooper.testing.dialects import DIALECTS, Then

AT_ONCE = 6
PAIRS = [
    pytest.param(row, client, id=f"{row.dialect} {row.wire} {client}")
    for row in ROWS
    for client in row.clients
]


def ask(client: str, url: str, cases: Sequence[Case]) -> dict[Case, Read]:
    """What the client has read of each; what it raises is a result."""

    def one(case: Case) -> Read:
        try:
            return CLIENTS[client](url, case.question, tools(case.golden))
        except Exception as error:
            return Read(raised=(type(error).__name__, str(error)))

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(cases, pool.map(one, cases), strict=True))


def all_words(read: Read) -> Read:
    """Whether they are thought or said is left out."""
    return evolve(read, text=re.sub(r"</?think>|\s", "", read.reasoning + read.text), reasoning="")


@define
class Count:
    """What was read, and what was read wrongly."""

    healthy: int = 0
    continued: int = 0
    broken: int = 0
    bad: list[object] = field(factory=list)

    def finished(self, case: Case, read: Read, want: tuple[object, object]) -> None:
        """An answer that somebody else has finished."""
        self.continued += 1
        if read.raised or (read.text, read.calls) != want or read.finish not in ends(case, read):
            self.bad.append((case, read, want))


@pytest.mark.parametrize(("row", "client"), PAIRS)
def test_a_client_reads_its_dialect(servers: Any, table: Any, row: Any, client: str) -> None:
    cases: list[Case] = row.cases
    # SDKs build their models at the first answer, not all of them safely from several threads.
    ask(client, servers.cloud, cases[:1])
    alone, through = (ask(client, url, cases) for url in (servers.cloud, servers.trooper))
    count = Count()
    cut: list[Case] = []
    for case, read in through.items():
        unreadable = UNREADABLE.get((client, case.dialect, case.kind))
        if unreadable is not None:
            table.unreadable.append((case.dialect, client, case.kind, unreadable.raised, unreadable.why))
            if {r.raised and r.raised[0] for r in (alone[case], read)} != {unreadable.raised}:
                count.bad.append((case, alone[case], read))
            continue
        golden, truth = case.golden, said(case.golden.wire, case.golden.pieces)
        if not golden.is_healthy and golden.then is Then.CONTINUED:
            count.finished(case, read, own_failure(case))
            continue
        count.healthy += 1
        exact = case.kind not in PLAIN or (read.text, read.calls) == (truth.text, truth.whole_calls)
        if read != alone[case] or (golden.is_healthy and read.raised) or not exact:
            count.bad.append((case, alone[case], read))
        if golden.is_healthy:
            cut.extend(cuts(case))
    for case, read in ask(client, servers.trooper, cut).items():
        if read.raised and may_break(case.golden):
            count.broken += 1
        else:
            by_itself = alone[Case(case.dialect, case.kind)]
            if (client, case.dialect, case.kind) in TAGS_BY_PIECE:
                count.finished(case, all_words(read), expected(case, all_words(by_itself)))
            else:
                count.finished(case, read, expected(case, by_itself))
    table.rows.append((row.dialect, client, count.healthy, count.continued, count.broken))
    assert count.bad == []


def test_each_dialect_has_a_client() -> None:
    """On each of its wires."""
    wires = {(name, golden.wire) for name, d in DIALECTS.items() for golden in d.goldens.values()}
    assert {(row.dialect, row.wire) for row in ROWS} == wires


def test_what_is_unreadable_is_there() -> None:
    asked = {
        (client, case.dialect, case.kind) for row in ROWS for client in row.clients for case in row.cases
    }
    assert set(UNREADABLE) <= asked

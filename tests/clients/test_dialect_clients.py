"""
Real clients read every stream of their dialects through a running Trooper:
healthy ones as they read them of the provider itself, cut ones to their end.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from dialect_answers import check, tools
from dialect_cases import Case
from dialect_reading import Read
from dialect_rows import CLIENTS, ROWS, UNREADABLE, by_piece, unreadable
from trooper.testing.dialects import DIALECTS

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


@pytest.mark.parametrize(("row", "client"), PAIRS)
def test_a_client_reads_its_dialect(servers: Any, table: Any, row: Any, client: str) -> None:
    cases: list[Case] = row.cases
    cannot = unreadable(client)
    cloud, trooper = (partial(ask, client, url) for url in (servers.cloud, servers.trooper))
    count = check(cases, cloud, trooper, cannot, by_piece(client))
    table.rows.append((row.dialect, client, count.healthy, count.continued, count.broken))
    table.unreadable += [
        (c.dialect, client, c.kind, cannot[c].raised, cannot[c].why) for c in cases if c in cannot
    ]
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

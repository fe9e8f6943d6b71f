"""
The rows of the failure table as requests of an SDK, and what each must come to.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from sdk_clients import WHOLE, WITH_USAGE, Seen, ask_all
from trooper.testing import DEFAULT_ANSWER, FAULTS, Fault, chat_events

POSITIONS = ("start", "middle", "end")
EVENTS = chat_events(DEFAULT_ANSWER)
Row: TypeAlias = tuple[Fault, str]
#: A fault of "before" or "after" has its one place in the stream.
STREAM_ROWS: tuple[Row, ...] = tuple(
    (fault, position)
    for fault in FAULTS.values()
    for position in (POSITIONS if fault.where == "both" else ("middle",))
)
WHOLE_ROWS: tuple[Row, ...] = tuple((f, "middle") for f in FAULTS.values() if f.whole is not None)


def action(row: Row) -> str:
    fault, position = row
    return fault.expected(EVENTS, position)[1]


FAILING_ROWS = tuple(row for row in STREAM_ROWS if action(row) in ("restart", "continue"))


def model(row: Row) -> str:
    """The provider fails as its model's name says."""
    fault, position = row
    return f"fault/{fault.name}/{position}"


def ask_rows(how: str, url: str, rows: Sequence[Row]) -> list[Seen]:
    return ask_all(how, url, [model(row) for row in rows])


@functools.cache
def from_the_provider(how: str, url: str, rows: tuple[Row, ...]) -> Mapping[Row, Seen]:
    """What the SDK gets without Trooper."""
    return dict(zip(rows, ask_rows(how, url, rows), strict=True))


def is_whole(seen: Seen, how: str) -> bool:
    """The complete answer, once, under one name."""
    exact = (seen.text, seen.role, seen.finishes) == (DEFAULT_ANSWER, "assistant", ("stop",))
    if how == WITH_USAGE or how in WHOLE:
        exact = exact and seen.usage is not None and seen.usage[0] + seen.usage[1] == seen.usage[2] > 0
    return exact and seen.raised is None and len(seen.ids) == 1


def is_passed_on(seen: Seen, alone: Seen, how: str) -> bool:
    """What the provider gives, whatever the SDK makes of it."""
    return seen.told == alone.told


def is_honest(row: Row, seen: Seen) -> bool:
    """Before content a status that the SDK raises, after it an error in the stream; no end that looks good."""
    fault, position = row
    kind, expected = fault.expected(EVENTS, position)
    if seen.raised is None or not seen.raised.is_api_error or seen.finishes:
        return False
    if seen.text:
        prefix = expected == "continue" and DEFAULT_ANSWER.startswith(seen.text)
        return prefix and seen.raised.status is None and seen.raised.code == kind
    if expected == "continue" and position != "start":
        # Only of one word nobody has seen anything: it waits at the gate.
        return False
    if kind == "timeout_ttft" and seen.raised.status is None:
        # The role had come and was passed on after a second: the status was given away.
        return seen.raised.code == kind
    return seen.raised.status is not None and seen.raised.status >= 400


def wrong(how: str, url: str, provider: str, rows: Sequence[Row]) -> list[Any]:
    """Ask for all rows; return those whose result is not what the table says."""
    whole = how in WHOLE
    passing = tuple(row for row in rows if (not row[0].fails if whole else action(row) == "pass"))
    alone = from_the_provider(how, provider, passing)
    results = ask_rows(how, url, rows)
    return [
        (model(row), action(row), seen, alone.get(row))
        for row, seen in zip(rows, results, strict=True)
        if not (is_passed_on(seen, alone[row], how) if row in alone else is_whole(seen, how))
    ]


def dishonest(how: str, url: str, rows: Sequence[Row]) -> list[Any]:
    """Ask for all rows where nobody can go on; return those that do not say so."""
    results = ask_rows(how, url, rows)
    return [
        (model(r), action(r), seen) for r, seen in zip(rows, results, strict=True) if not is_honest(r, seen)
    ]

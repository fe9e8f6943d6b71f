"""A report that a model has written is taken for what it says, and refused for what it makes up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trooper.core.conversation import Message, Role, TextPart, ToolCall
from trooper.core.report_check import Checked, Flaw, Refused, checked
from trooper.core.situation.dropped import Dropped
from trooper.core.situation.writing import written
from trooper.core.tokens import tokens_at_most

ROOM = 1000


def said(role: Role, text: str, *calls: ToolCall, of: str = "") -> Message:
    return Message(role, (TextPart(text),), calls, of)


DROPPED = Dropped(
    (
        said(Role.USER, "Our staging database listens on port 5433, and never touch /etc/harbour/keys.toml."),
        said(Role.ASSISTANT, "I look.", ToolCall("c1", "run", '{"command": "pytest tests/pool -x"}')),
        said(Role.TOOL, "FAILED tests/pool/test_lease.py - TimeoutError: no lease after 30s", of="c1"),
        said(
            Role.ASSISTANT, "We decided to use LeaseQueue instead of polling; the limit is 250 connections."
        ),
        said(Role.USER, "Agreed. The ticket is HAR-2214, due on 2026-12-04."),
    ),
    "",
    (said(Role.USER, "Make the pool faster."),),
)
SHOWN = written(DROPPED, ROOM)
WHOLE = (
    "The staging database listens on port 5433; never touch /etc/harbour/keys.toml. `pytest tests/pool -x` failed in"
    " tests/pool/test_lease.py with TimeoutError, no lease after 30s. Decided: LeaseQueue, limit 250 connections. Ticket"
    " HAR-2214, due 2026-12-04."
)


def judged(text: str, room: int = ROOM, dropped: Dropped = DROPPED) -> Checked | Refused:
    return checked(text, dropped, room, SHOWN)


def test_what_says_all_is_taken_as_it_is_under_the_heading() -> None:
    found = judged(f"\n{WHOLE}\n")
    assert found == Checked(f"{SHOWN.splitlines()[0]}\n{WHOLE}", share=1.0, lines=0)


def test_lines_of_the_rules_stand_behind_what_says_too_little() -> None:
    found = judged(WHOLE.partition(" Decided")[0])
    assert isinstance(found, Checked)
    assert found.lines == 2
    assert 0.4 < found.share < 0.7
    behind = found.text.splitlines()[2:]
    assert [line in SHOWN.splitlines() for line in behind] == [True, True]
    assert "LeaseQueue" in behind[0]
    assert "HAR-2214" in behind[1]


def test_without_room_for_them_it_is_refused() -> None:
    room = tokens_at_most(SHOWN)
    found = judged(
        "All went well, and there is nothing to say about it, whatever was said before. " * 6, room
    )
    assert found == Refused(Flaw.TOO_LITTLE, 0.0)


@pytest.mark.parametrize(
    "sentence",
    [
        "The database listens on port 5434.",
        "See /etc/harbour/key.toml.",
        "Set LEASE_LIMIT first.",
        "The ticket is HAR-2215.",
        "It is due on 2026-12-05.",
        "Ask ops@harbour.example.",
        "It took 45s.",
        "It waits in tests/pool/test_lease.py:88.",
        "Use v2.1.0.",
        "It raised LeaseError.",
    ],
)
def test_nothing_that_was_made_up_is_taken(sentence: str) -> None:
    assert judged(f"{WHOLE} {sentence}") == Refused(Flaw.INVENTED)


@pytest.mark.parametrize(
    "sentence",
    [
        "1. There were 3 steps and/or 2 errors.",
        "It waits 30 seconds for each of the 250.",
        "It fails at /etc/harbour/keys.toml:250.",
        "**5433** is the port.",
    ],
)
def test_other_forms_of_what_was_said_are_no_inventions(sentence: str) -> None:
    assert isinstance(judged(f"{WHOLE} {sentence}"), Checked)


@pytest.mark.parametrize("text", ["", "  \n "])
def test_nothing_is_nothing(text: str) -> None:
    assert judged(text) == Refused(Flaw.EMPTY)
    assert judged(WHOLE, 5) == Refused(Flaw.EMPTY)


def test_where_the_rules_find_nothing_anything_does() -> None:
    hello = Dropped((said(Role.USER, "hello"),))
    found = checked("Somebody says hello.", hello, ROOM, "hello")
    assert isinstance(found, Checked)
    assert found.share == 1
    assert isinstance(checked("Nothing was said.", Dropped(()), ROOM, ""), Checked)


def test_what_is_too_long_is_cut_at_a_sentence() -> None:
    room = tokens_at_most(SHOWN.splitlines()[0]) + tokens_at_most(WHOLE) + 6
    found = judged(f"{WHOLE} And so on and on and on, for ever and ever and ever.", room)
    assert isinstance(found, Checked)
    assert found.text.endswith("2026-12-04")


def test_it_is_in_the_language_of_the_conversation() -> None:
    turns = (
        said(
            Role.USER, "Bitte nicht an der Datei /etc/hafen.toml etwas ändern, und das ist wichtig für uns."
        ),
    )
    found = checked("Die Datei /etc/hafen.toml bleibt.", Dropped(turns), ROOM, "/etc/hafen.toml")
    assert isinstance(found, Checked)
    assert found.text.startswith("Bericht über")


@given(st.text(max_size=400), st.integers(0, 400))
def test_it_never_takes_more_than_its_room(text: str, room: int) -> None:
    found = judged(text, room)
    assert isinstance(found, Refused) or tokens_at_most(found.text) <= room

"""Reports that were written ahead: which of them stands for which turns, and how many are kept."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trooper.core.conversation import Message, Role, TextPart
from trooper.core.known_reports import KnownReports
from trooper.core.reported import Reported
from trooper.core.situation.dropped import Dropped
from trooper.core.tokens import tokens_at_most

ROOM = 1000
FIRST = (Message(Role.USER, (TextPart("Keep the lamp."),)),)


def user(text: str) -> Message:
    return Message(Role.USER, (TextPart(text),))


def turns(count: int, word: str = "Turn") -> tuple[Message, ...]:
    return tuple(user(f"{word} {number}.") for number in range(count))


def rules(dropped: Dropped, room_tokens: int) -> str:
    """Which turns it speaks of, and what it need not say again; cut where there is no room."""
    said = [turn.text for turn in dropped.turns] + ([f"begun {dropped.begun}"] if dropped.begun else [])
    text = f"rules({len(dropped.first)}): " + " ".join(said)
    return text if tokens_at_most(text) <= room_tokens else ""


def known(*reports: tuple[Sequence[Message], str]) -> KnownReports:
    made = KnownReports(rules)
    for of, text in reports:
        made.keep(Dropped(tuple(of), "", FIRST), text)
    return made


def test_without_one_the_rules_write() -> None:
    dropped = Dropped(turns(3), "", FIRST)
    assert known().write(dropped, ROOM) == rules(dropped, ROOM) != ""


def test_it_stands_for_its_turns_and_the_rules_speak_of_those_behind_it() -> None:
    reports = known((turns(3), "Three."))
    assert reports.write(Dropped(turns(3), "", FIRST), ROOM) == "Three."
    # What it says need not be said again.
    assert (
        reports.write(Dropped(turns(5), "", FIRST), ROOM)
        == f"Three.\n\nrules({len(FIRST) + 1}): Turn 3. Turn 4."
    )
    assert reports.write(Dropped(turns(3), "half", FIRST), ROOM) == "Three.\n\nrules(2): begun half"


def test_the_longest_that_has_room_stands() -> None:
    long = "word " * 200
    reports = known((turns(2), "Two."), (turns(4), "Four."), (turns(5), long))
    assert reports.write(Dropped(turns(6), "", FIRST), ROOM).startswith(long)
    assert reports.write(Dropped(turns(6), "", FIRST), 100).startswith("Four.\n\nrules(2): Turn 4.")
    # Behind it there is no room for more.
    assert reports.write(Dropped(turns(6), "", FIRST), tokens_at_most("Four.")) == "Four."
    assert reports.write(Dropped(turns(6), "", FIRST), 1) == ""


def test_one_that_speaks_of_a_few_turns_more_stands_where_none_speaks_of_just_these() -> None:
    """A server that counts leaves out a little more or less of the same conversation."""
    reports = known((turns(40), "Forty."))
    assert reports.write(Dropped(turns(36), "", FIRST), ROOM) == "Forty."
    assert reports.write(Dropped(turns(20), "", FIRST), ROOM) == rules(Dropped(turns(20), "", FIRST), ROOM)
    reports.keep(Dropped(turns(37), "", FIRST), "Nearer.")
    assert reports.write(Dropped(turns(36), "", FIRST), ROOM) == "Nearer."


@pytest.mark.parametrize(
    "other",
    [
        Dropped(turns(3, "Other"), "", FIRST),
        Dropped(turns(3), "", (user("Another task."),)),
        Dropped((*turns(2), user("Turn 2, in other words.")), "", FIRST),
    ],
)
def test_another_conversation_gets_nothing_of_it(other: Dropped) -> None:
    assert "Three." not in known((turns(3), "Three.")).write(other, ROOM)


def test_of_which_share_somebody_speaks() -> None:
    reports = known((turns(3), "Three."))
    assert reports.share(Reported(Dropped(turns(3), "", FIRST), ROOM)) == 1
    assert reports.share(Reported(Dropped(turns(6), "", FIRST), ROOM)) == 0.5
    assert reports.share(Reported(Dropped(turns(3), "", FIRST), 1)) == 0
    # The beginning of a half answer is the rules'.
    assert reports.share(Reported(Dropped((), "half", FIRST), ROOM)) == 1


def test_what_was_tried_in_vain_is_remembered() -> None:
    reports = known()
    reports.refuse(Dropped(turns(3), "", FIRST))
    assert reports.is_refused(Dropped(turns(3), "half", FIRST))
    assert not reports.is_refused(Dropped(turns(4), "", FIRST))
    for number in range(300):
        reports.refuse(Dropped(turns(1, str(number)), "", FIRST))
    assert not reports.is_refused(Dropped(turns(3), "", FIRST))


def test_few_are_kept_the_oldest_goes_first() -> None:
    reports = known(*((turns(1, str(number)), f"Report {number}.") for number in range(100)))
    assert len(reports) == 64
    assert reports.share(Reported(Dropped(turns(1, "35"), "", FIRST), ROOM)) == 0
    assert reports.write(Dropped(turns(1, "36"), "", FIRST), ROOM) == "Report 36."


def test_all_together_they_are_bounded() -> None:
    reports = known(*((turns(1, str(number)), "x" * 1_000_000) for number in range(10)))
    assert len(reports) == 4
    reports.keep(Dropped(turns(1, "huge"), "", FIRST), "x" * 5_000_000)
    assert len(reports) == 0
    # One that is written anew counts once.
    for _ in range(10):
        reports.keep(Dropped(turns(1), "", FIRST), "x" * 1_000_000)
    assert len(reports) == 1
    reports.keep(Dropped(turns(2), "", FIRST), "x" * 1_000_000)
    assert len(reports) == 2


@given(st.lists(st.integers(0, 12), max_size=6), st.integers(0, 12), st.integers(0, 60), st.text(max_size=20))
def test_there_is_always_room(kept: list[int], dropped: int, room: int, begun: str) -> None:
    reports = known(*((turns(count), f"About {count} turns.") for count in kept))
    written = reports.write(Dropped(turns(dropped), begun, FIRST), room)
    assert written == "" or tokens_at_most(written) <= room


def test_rules_that_say_too_much_are_left_out() -> None:
    reports = KnownReports(lambda _, room: "word " * (2 * room))
    reports.keep(Dropped(turns(3), "", FIRST), "Three.")
    assert reports.write(Dropped(turns(5), "", FIRST), 50) == "Three."

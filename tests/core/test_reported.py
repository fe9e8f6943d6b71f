"""What a prompt has a report on."""

from __future__ import annotations

import pytest

from trooper.core.conversation import Message, Role
from trooper.core.reported import Reported
from trooper.core.situation.dropped import Dropped

TURN = Message(Role.USER)


@pytest.mark.parametrize(
    ("reported", "is_wanted"),
    [
        (Reported(Dropped((TURN,)), 10), True),
        (Reported(Dropped((), "Half"), 10), True),
        (Reported(Dropped((TURN,)), 0), False),
        (Reported(Dropped((), "", (TURN,)), 10), False),
    ],
)
def test_where_a_report_is_wanted(reported: Reported, *, is_wanted: bool) -> None:
    assert reported.is_wanted is is_wanted

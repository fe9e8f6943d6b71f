"""What was held together goes out in portions, in its order, and none of it is lost."""

from __future__ import annotations

import pytest

from spliced import raw, splice
from trooper.core.events import Begin, Finish, FinishReason, Other, Received, Text, ToolCallDelta
from trooper.core.outcome import Completed
from trooper.relay.splice import Splice

PIECES = [ToolCallDelta(0, "c", "f", '{"a":"'), *(ToolCallDelta(0, arguments=str(i)) for i in range(1_000))]
STOP = Finish(FinishReason.TOOL_CALLS, "tool_calls")


def filled() -> tuple[Splice, list[Received]]:
    """A splice that holds a call in many pieces."""
    made, items = splice(), [raw(Begin("i")), raw(Text("Look: ")), *map(raw, PIECES)]
    out = [received for item in items for received in made.hear(item)]
    assert out == items[:2]
    return made, items[2:]


def drained(made: Splice) -> list[Received]:
    portions = []
    while made.behind:
        portions.append(list(made.more()))
    assert all(len(portion) <= 128 for portion in portions)
    return [item for portion in portions for item in portion]


def test_a_call_in_many_pieces() -> None:
    made, held = filled()
    first = list(made.hear(raw(STOP)))
    assert 0 < len(first) <= 128
    assert first + drained(made) == [*held, raw(STOP)]


def test_what_comes_meanwhile_waits_behind() -> None:
    made, held = filled()
    out = list(made.hear(raw(STOP)))
    out += made.hear(raw(Other()))
    assert out + drained(made) == [*held, raw(STOP), raw(Other())]


@pytest.mark.parametrize("how", ["open up", "release calls"])
def test_what_is_let_go(how: str) -> None:
    made, held = filled()
    first = list(made.open_up() if how == "open up" else made.release_calls())
    assert first + drained(made) == held


def test_the_last_words_have_all_of_it() -> None:
    made, held = filled()
    first = list(made.hear(raw(STOP)))
    outcome, rest = made.last_words(Completed())
    assert outcome == Completed()
    assert first + list(rest) == [*held, raw(STOP)]
    assert not made.behind

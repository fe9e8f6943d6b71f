"""The tally: whose count, and the sum that the client is told."""

from __future__ import annotations

from trooper.core.events import Usage
from trooper.core.tally import LegTally, Tally


def leg(text: str = "", reported: Usage | None = None) -> LegTally:
    made = LegTally("t", "m", reported=reported)
    for piece in (text[:3], text[3:]):
        made.add(piece)
    return made


def test_a_targets_own_count_beats_the_estimate() -> None:
    assert (leg("abcdefgh").tokens, leg("abcdefgh").estimated) == (2, True)
    counted = leg("abcdefgh", Usage(9, 77))
    assert (counted.tokens, counted.estimated) == (77, False)


def test_pieces_add_up_to_the_whole() -> None:
    pieces = LegTally("t", "m")
    for char in "a" * 40:
        pieces.add(char)
    assert pieces.tokens == 10


def test_the_prompt_once_and_the_completions_added() -> None:
    tally = Tally([leg("a" * 40), leg("b" * 40, Usage(500, 7))])
    assert tally.usage(33) == Usage(33, 17, estimated=True)


def test_a_leg_that_said_nothing_does_not_count() -> None:
    tally = Tally([leg(""), leg("b", Usage(12, 7))])
    assert tally.usage(99) == Usage(12, 7, estimated=False)


def test_two_reported_legs_are_no_estimate() -> None:
    tally = Tally([leg("a", Usage(12, 3)), leg("b", Usage(15, 7))])
    assert tally.usage(99) == Usage(12, 10, estimated=False)


def test_nobody_said_anything() -> None:
    assert Tally([leg("")]).usage(5) == Usage(5, 0, estimated=True)
    assert Tally().usage(5) == Usage(5, 0, estimated=True)


def test_choices_are_summed() -> None:
    both = leg("", Usage(10, 4))
    both.next_choice()
    both.reported = Usage(10, 5)
    assert both.tokens == 9
    none = leg("abcd")
    none.next_choice()
    assert none.tokens == 1

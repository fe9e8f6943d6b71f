"""Who said how much, and the sum the client is told."""

from __future__ import annotations

from trooper.core.events import Usage
from trooper.core.tally import LegTally, Tally


def leg(text: str = "", reported: Usage | None = None) -> LegTally:
    tally = LegTally("target", "model")
    tally.add(text)
    tally.reported = reported
    return tally


def test_a_new_leg_is_open_and_has_said_nothing() -> None:
    tally = LegTally("target", "model")
    assert (tally.tokens, tally.estimated, tally.outcome) == (0, True, None)


def test_what_is_said_piece_by_piece_counts_as_much_as_in_one() -> None:
    pieces, whole = LegTally("t", "m"), leg("Hello, world")
    for sign in "Hello, world":
        pieces.add(sign)
    assert pieces.tokens == whole.tokens == 3


def test_a_targets_own_count_wins_over_the_estimate() -> None:
    tally = leg("a" * 400, Usage(10, 7))
    assert tally.tokens == 7
    assert not tally.estimated


def test_an_estimate_of_a_target_stays_one() -> None:
    assert leg("a", Usage(10, 7, estimated=True)).estimated


def test_every_choice_is_counted() -> None:
    tally = leg("abcd" * 10)
    tally.next_choice()
    assert tally.tokens == 10
    tally.reported = Usage(5, 3)
    tally.next_choice()
    tally.reported = Usage(5, 4)
    assert tally.tokens == 7
    tally.next_choice()
    tally.reported = Usage(5, 1)
    assert tally.tokens == 8


def test_the_prompt_counts_once_and_the_answers_add_up() -> None:
    tally = Tally([leg("x", Usage(12, 5)), leg("y", Usage(20, 6))])
    assert tally.usage(99) == Usage(12, 11)


def test_the_sum_says_that_it_is_a_guess() -> None:
    assert Tally([leg("abcd"), leg("y", Usage(20, 6))]).usage(99) == Usage(99, 7, estimated=True)
    assert Tally([leg("x", Usage(12, 5)), leg("abcdefgh")]).usage(99) == Usage(12, 7, estimated=True)


def test_legs_that_said_nothing_do_not_count() -> None:
    tally = Tally([leg("", Usage(50, 0)), leg(""), leg("x", Usage(12, 5))])
    assert tally.usage(99) == Usage(12, 5)


def test_nobody_said_anything() -> None:
    assert Tally().usage(9) == Usage(9, 0, estimated=True)


def test_what_the_client_got_is_not_always_what_it_cost() -> None:
    """The half answer once more, or a thought, was counted as if the client had it."""
    tally = leg("abcd" * 10, Usage(10, 25))
    assert (tally.given_tokens, tally.was_cut) == (25, False)
    tally.cut_away("abcd" * 14)
    assert (tally.tokens, tally.given_tokens, tally.was_cut) == (25, 11, True)
    assert Tally([tally]).usage(99) == Usage(10, 11, estimated=True)
    # A server may count only what its model has made.
    tally.reported = Usage(10, 9)
    assert tally.given_tokens == 9
    # Without a count of its own only what was given is counted anyway.
    tally.reported = None
    assert (tally.tokens, tally.given_tokens) == (10, 10)

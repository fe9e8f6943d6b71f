"""Two legs' events at once: each has a splice of its own."""

from __future__ import annotations

from spliced import RESET, ended, given, heard, raw, said, splice, text_of
from trooper.core.events import Received, Text
from trooper.core.outcome import Completed
from trooper.core.seam import Prefill


def test_two_legs_are_spliced_side_by_side_and_one_is_delivered() -> None:
    """As a hedge would: the second is heard while the first one speaks, and nothing of it leaks."""
    has = given()
    slow, quick = splice(has), splice(has, is_first=False)
    waiting: list[Received] = []
    for ours, theirs in (("One", "Ein"), (" two", " zwei"), (" th", " drei"), (" fo", " vier")):
        for item in heard(slow, raw(Text(ours))):
            has.add(item.events)
        waiting += heard(quick, raw(Text(theirs)))
    assert (has.text, text_of(waiting)) == ("One two th", "Ein zwei drei")
    # Each has its own count, gate and end.
    assert (slow.tally.tokens, quick.tally.tokens) == (3, 4)
    assert ended(slow, RESET, has) == (RESET, "")
    assert text_of(quick.last_words(Completed())[1]) == " vier"
    assert has.text == "One two th"


def test_of_two_legs_that_go_on_each_has_its_own_join() -> None:
    text = "The keeper writes down every ship."
    has = given(Text(text))
    one = splice(has, goes_on=True, is_first=False)
    other = splice(has, goes_on=True, is_first=False)
    one.granted("a", Prefill(text, ""), echoes=True, overlaps=False)
    other.granted("b", Prefill(text, ""), echoes=False, overlaps=False)
    both = [
        text_of(heard(made, *(said(Text(t)) for t in (text, " And", " so", " on.")))) for made in (one, other)
    ]
    # To one it is an echo; the other one's model has really said it again, and is followed.
    assert both == [" And so", " And so"]
    assert (one.tally.model, other.tally.model) == ("a", "b")
    outcome, rest = one.last_words(Completed())
    assert (outcome, text_of(rest)) == (Completed(), " on.")
    assert ended(other, RESET, has)[0] == RESET

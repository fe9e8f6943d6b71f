"""
What a client must have read of each stream of its dialect: of whole ones, of
ones that somebody else has finished, and of ones behind which nobody could.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias

from attrs import define, evolve, field, frozen

from dialect_cases import CALL, MORE, NOTHING, Case, said
from dialect_reading import Read
from trooper.testing.dialects import DIALECTS, Golden, Then

#: Asks for each case; what a client raises is a result.
AskAll: TypeAlias = Callable[[Sequence[Case]], Mapping[Case, Read]]

TOOLS = ("get_weather", "get_time")
#: In these nothing is said that a client might tell otherwise: words and calls are those of the events.
PLAIN = ("text", "tool", "parallel", "text_tool")
#: How the ways to end are called, by the wires and by the frameworks; Responses have one word for both.
ENDED = ("stop", "completed", "end_turn")
CALLED = ("tool_calls", "tool-calls", "tool_call", "tool_use")


@frozen
class Row:
    """A dialect's streams on one wire, and who reads them."""

    dialect: str
    wire: str
    clients: tuple[str, ...]

    @property
    def cases(self) -> list[Case]:
        goldens = DIALECTS[self.dialect].goldens.values()
        return [Case(self.dialect, golden.kind) for golden in goldens if golden.wire == self.wire]


@frozen
class Unreadable:
    """What a client cannot read of a provider: the class that it raises, with Trooper and without."""

    raised: str
    why: str


def tools(golden: Golden) -> tuple[str, ...]:
    """A stream with calls answers a request with tools."""
    return TOOLS if said(golden.wire, golden.pieces).calls else ()


def cuts(case: Case) -> Iterator[Case]:
    """Words: in front of them and in their middle. Calls: behind the first piece of one, and behind all of them."""
    golden, sent = case.golden, range(1, len(case.golden.pieces))
    so_far = {n: said(golden.wire, golden.pieces[:n]) for n in sent}
    whole = said(golden.wire, golden.pieces)
    places = [
        0 if case.kind == "text" else None,
        next((n for n, s in so_far.items() if s.text and len(s.text) * 2 >= len(whole.text)), None),
        next((n for n, s in so_far.items() if s.calls), None),
        next((n for n, s in so_far.items() if s.calls and s.whole_calls == whole.whole_calls), None),
    ]
    for place in dict.fromkeys(places):
        if place is not None:
            yield Case(case.dialect, case.kind, place)


def expected(case: Case, alone: Read) -> tuple[str, tuple[object, ...]]:
    """Words and calls of an answer that somebody else has finished."""
    golden = case.golden
    whole, given = said(golden.wire, golden.pieces), said(golden.wire, case.sent)
    if given.calls and len(given.calls) == len(given.whole_calls):
        # Whole calls are a turn of their own.
        return given.text, given.whole_calls
    if not whole.calls:
        return alone.text, ()
    return (whole.text + MORE, ()) if given.text else ("", (CALL,))


def own_failure(case: Case) -> tuple[str, tuple[object, ...]]:
    """What an answer comes to whose provider fails by itself; behind a finish that is nothing more."""
    golden = case.golden
    text = said(golden.wire, golden.pieces).text
    return (text if text or _is_long(golden.pieces) else NOTHING), ()


def ends(case: Case, read: Read) -> tuple[str | None, ...]:
    """How an answer may end that its provider did not end by itself, or not in peace."""
    golden = case.golden
    if _is_long(case.sent):
        return ("length",)
    if not read.calls:
        return ENDED
    return (*CALLED, *ENDED) if golden.wire == "openai-responses" else CALLED


def _is_long(events: Sequence[bytes]) -> bool:
    """Whether its provider has said that it ends for its length."""
    return any(b'"finish_reason":"length"' in event for event in events)


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


def check(
    cases: Sequence[Case],
    cloud: AskAll,
    trooper: AskAll,
    unreadable: Mapping[Case, Unreadable],
    by_piece: Sequence[Case] = (),
) -> Count:
    """
    Ask for all, of the provider itself and through Trooper; then for the cut ones.

    Args:
        by_piece: where thoughts and words may be told apart otherwise behind a cut.
    """
    # SDKs build their models at the first answer, not all of them safely from several threads.
    cloud(cases[:1])
    alone, through = cloud(cases), trooper(cases)
    count = Count()
    cut: list[Case] = []
    for case, read in through.items():
        golden, truth = case.golden, said(case.golden.wire, case.golden.pieces)
        if case in unreadable:
            if {r.raised and r.raised[0] for r in (alone[case], read)} != {unreadable[case].raised}:
                count.bad.append((case, alone[case], read))
        elif not golden.is_healthy and golden.then is Then.CONTINUED:
            count.finished(case, read, own_failure(case))
        else:
            count.healthy += 1
            exact = case.kind not in PLAIN or (read.text, read.calls) == (truth.text, truth.whole_calls)
            if read != alone[case] or (golden.is_healthy and read.raised) or not exact:
                count.bad.append((case, alone[case], read))
            cut.extend(cuts(case) if golden.is_healthy else ())
    for case, read in trooper(cut).items():
        by_itself = alone[case.whole]
        if read.raised and case.golden.then is not Then.CONTINUED:
            count.broken += 1
        elif case.whole in by_piece:
            count.finished(case, all_words(read), expected(case, all_words(by_itself)))
        else:
            count.finished(case, read, expected(case, by_itself))
    return count

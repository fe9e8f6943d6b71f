"""Calls as other wires take them: one after the other, named first, each whole or not at all."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trooper.core.events import (
    Begin,
    Done,
    Event,
    Finish,
    FinishReason,
    NextChoice,
    Other,
    PartEnd,
    Text,
    ToolCallDelta,
    Usage,
)
from trooper.core.spoken_calls import SpokenCalls
from trooper.core.tool_calls import as_object, is_same

STOP = Finish(FinishReason.STOP, "stop")
CALLS = Finish(FinishReason.TOOL_CALLS, "stop")
F = ToolCallDelta(0, "a", "f", '{"x": 1}')
G = ToolCallDelta(1, "b", "g", '{"y": 2}')


def pieces_of(calls: SpokenCalls, *events: Event) -> list[Event]:
    return [said for event in events for said in calls.said_in((event,))]


def joined(events: Iterable[Event]) -> list[tuple[str, str]]:
    """Names and arguments; a strict client, to whom calls come one after the other."""
    calls: list[tuple[str, str]] = []
    for event in events:
        if isinstance(event, ToolCallDelta):
            if event.index == len(calls):
                assert event.name
                calls.append((event.name, event.arguments))
            else:
                assert event.index == len(calls) - 1
                assert not event.name
                calls[-1] = (calls[-1][0], calls[-1][1] + event.arguments)
    return calls


ARGUMENTS = st.dictionaries(st.text(max_size=4), st.integers() | st.text(max_size=6), max_size=3).map(
    json.dumps
)


@st.composite
def answers(draw: st.DrawFn) -> tuple[list[tuple[str, str]], list[ToolCallDelta]]:
    """Calls, and their pieces in any order that keeps each call's own."""
    called = draw(st.lists(ARGUMENTS, min_size=1, max_size=4))
    queues: list[list[ToolCallDelta]] = []
    for index, arguments in enumerate(called):
        cuts = sorted(draw(st.lists(st.integers(0, len(arguments)), max_size=4)))
        ends = [0, *cuts, len(arguments)]
        parts = [arguments[a:b] for a, b in itertools.pairwise(ends)]
        first = ToolCallDelta(index, f"c{index}", f"f{index}", parts[0])
        queues.append([first, *(ToolCallDelta(index, arguments=part) for part in parts[1:])])
    mixed: list[ToolCallDelta] = []
    # In the order in which they begin, whatever comes after that.
    waiting, begun = list(range(len(queues))), 0
    while waiting:
        at = draw(st.sampled_from([w for w in waiting if w <= begun]))
        mixed.append(queues[at].pop(0))
        begun = max(begun, at + 1)
        if not queues[at]:
            waiting.remove(at)
    return [(f"f{index}", arguments) for index, arguments in enumerate(called)], mixed


@given(answers(), st.booleans())
def test_any_order_of_pieces(answer: tuple[list[tuple[str, str]], list[ToolCallDelta]], waits: bool) -> None:
    called, mixed = answer
    calls = SpokenCalls()
    calls.waits = waits
    said = pieces_of(calls, *mixed, STOP)
    assert joined(said) == called
    assert said[-1] == CALLS
    assert not calls.holds
    if waits:
        assert sum(isinstance(event, ToolCallDelta) for event in said) == len(called)


def test_a_call_is_said_once_something_follows() -> None:
    for following in (PartEnd(), Text("x"), G):
        calls = SpokenCalls()
        assert pieces_of(calls, F) == []
        assert calls.holds
        assert joined(pieces_of(calls, following))[0] == ("f", F.arguments)
    calls = SpokenCalls()
    assert pieces_of(calls, F, Usage(1, 2), Begin(), Done(), Other()) == [
        Usage(1, 2),
        Begin(),
        Done(),
        Other(),
    ]
    assert joined(calls.cut_off()) == [("f", F.arguments)]


def test_of_a_whole_answer_all_is_said_at_the_end() -> None:
    calls = SpokenCalls(streams=False)
    assert pieces_of(calls, F, PartEnd(), Text("x"), G) == [PartEnd(), Text("x")]
    assert joined(calls.said_in((STOP,))) == [("f", F.arguments), ("g", G.arguments)]


@pytest.mark.parametrize(
    ("pieces", "arguments"),
    [
        ((ToolCallDelta(0, "a", "f"),), "{}"),
        ((ToolCallDelta(0, "a", "f", "{}"), ToolCallDelta(0, arguments='{"x": 1}')), '{"x": 1}'),
        ((ToolCallDelta(0, "a", "f", "{"), ToolCallDelta(0, arguments="}")), "{}"),
        ((ToolCallDelta(0, "a", "f", "null"),), "{}"),
        ((ToolCallDelta(0, "a", "f", '"{\\"x\\"'), ToolCallDelta(0, arguments=': 1}"')), '{"x": 1}'),
        ((ToolCallDelta(0), ToolCallDelta(0, arguments='{"x": 1}'), ToolCallDelta(0, name="f")), '{"x": 1}'),
        ((F, ToolCallDelta(0, arguments='{"x": 2}', replaces=True)), '{"x": 2}'),
        ((F, ToolCallDelta(0, arguments='{"x":1}', replaces=True)), '{"x":1}'),
        (
            (ToolCallDelta(0, "a", "f", '{"x'), ToolCallDelta(0, "", "f", '{"x": 2}', replaces=True)),
            '{"x": 2}',
        ),
        ((ToolCallDelta(0, "a", "g", "{}"), ToolCallDelta(0, "", "f", "{}", replaces=True)), "{}"),
    ],
)
@pytest.mark.parametrize("waits", [True, False])
def test_what_becomes_of_odd_arguments(pieces: Sequence[ToolCallDelta], arguments: str, waits: bool) -> None:
    calls = SpokenCalls()
    calls.waits = waits
    said = pieces_of(calls, *pieces, STOP)
    if not waits and pieces[0] == F and '"x": 2' in arguments:
        # The client has the other.
        assert calls.contradicted
        assert STOP not in said
        return
    told = joined(said)
    assert [name for name, _ in told] == ["f"]
    assert is_same(told[0][1], arguments)
    assert said[-1] == CALLS


@pytest.mark.parametrize(
    "arguments", ["[1]", "7", '"x"', "{x: 1}", '{"x', '{"x": 1} and more', '{"x": 1}{"x": 2}']
)
def test_what_is_no_object_is_no_call(arguments: str) -> None:
    calls = SpokenCalls()
    assert pieces_of(calls, ToolCallDelta(0, "a", "f", arguments), CALLS) == []
    assert calls.broken
    assert not calls.contradicted
    # Cut short it is nobody's, and no failure.
    calls = SpokenCalls()
    limit = Finish(FinishReason.LENGTH, "length")
    assert pieces_of(calls, ToolCallDelta(0, "a", "f", arguments), limit) == [limit]
    assert not calls.broken


@pytest.mark.parametrize("arguments", ["", " ", "{}", "{"])
def test_a_limit_behind_the_name_of_a_call(arguments: str) -> None:
    """Braces are all there is where their target says so, and not where it was cut short."""
    limit = Finish(FinishReason.LENGTH, "length")
    for waits in (True, False):
        calls = SpokenCalls()
        calls.waits = waits
        assert pieces_of(calls, ToolCallDelta(0, "a", "f", arguments), limit) == [limit]
    said = pieces_of(SpokenCalls(), ToolCallDelta(0, "a", "f", "{}"), PartEnd(), limit)
    assert joined(said) == [("f", "{}")]


def test_nobody_runs_a_call_without_a_name() -> None:
    calls = SpokenCalls()
    assert pieces_of(calls, ToolCallDelta(0, "a", arguments="{}"), PartEnd(), STOP) == [PartEnd()]
    assert calls.broken
    # A piece that says nothing is no call.
    calls = SpokenCalls()
    assert pieces_of(calls, ToolCallDelta(3), STOP) == [STOP]


@pytest.mark.parametrize(
    "unsaid",
    [
        ToolCallDelta(0, arguments=" and more"),
        ToolCallDelta(0, arguments='{"x": 2}', replaces=True),
        ToolCallDelta(0, "", "other", F.arguments, replaces=True),
    ],
)
def test_what_the_client_has_cannot_be_unsaid(unsaid: ToolCallDelta) -> None:
    calls = SpokenCalls()
    assert len(pieces_of(calls, F, PartEnd(), unsaid, STOP)) == 2
    assert calls.contradicted


def test_what_says_the_same_again_contradicts_nothing() -> None:
    again = (
        ToolCallDelta(0, arguments=" \n"),
        ToolCallDelta(0, arguments='{"x":1}', replaces=True),
        ToolCallDelta(0, "", "f", F.arguments, replaces=True),
        ToolCallDelta(0),
    )
    calls = SpokenCalls()
    assert pieces_of(calls, F, PartEnd(), *again, STOP)[-1] == CALLS
    assert not calls.contradicted


def test_half_of_one_that_was_shown_goes_on_or_contradicts() -> None:
    half = ToolCallDelta(0, "a", "f", '{"x": ')
    for whole, contradicts in (('{"x": 1}', False), ('{"y": 1}', True)):
        calls = SpokenCalls()
        calls.waits = False
        assert joined(pieces_of(calls, half)) == [("f", '{"x": ')]
        said = pieces_of(calls, ToolCallDelta(0, arguments=whole, replaces=True), STOP)
        assert calls.contradicted is contradicts
        assert said == ([] if contradicts else [ToolCallDelta(0, arguments="1}"), CALLS])
    calls = SpokenCalls()
    calls.waits = False
    assert len(pieces_of(calls, half, STOP)) == 1
    assert calls.contradicted
    # Cut short it stays as it is.
    calls = SpokenCalls()
    calls.waits = False
    limit = Finish(FinishReason.LENGTH)
    assert pieces_of(calls, half, limit)[-1] == limit


def test_ids_and_indexes_behind_what_the_client_has() -> None:
    calls = SpokenCalls(2, ids={"a"})
    said = [e for e in pieces_of(calls, F, G, STOP) if isinstance(e, ToolCallDelta)]
    assert [(e.index, e.id) for e in said] == [(2, ""), (3, "b")]


def test_the_rest_of_a_half_call_passes_as_it_comes() -> None:
    calls = SpokenCalls(1, half=0)
    rest = ToolCallDelta(0, arguments='": 1}')
    assert pieces_of(calls, rest, STOP) == [rest, CALLS]


def test_reasons() -> None:
    for reason in (FinishReason.LENGTH, FinishReason.CONTENT_FILTER):
        assert pieces_of(SpokenCalls(), F, Finish(reason))[-1] == Finish(reason)
    assert pieces_of(SpokenCalls(), CALLS) == [STOP]
    assert pieces_of(SpokenCalls(), STOP) == [STOP]


def test_each_choice_has_its_own_calls() -> None:
    calls = SpokenCalls()
    said = pieces_of(calls, F, STOP, NextChoice(1), Text("x"), STOP, NextChoice(2), F, STOP)
    assert [event for event in said if isinstance(event, Finish)] == [CALLS, STOP, CALLS]
    assert [event.index for event in said if isinstance(event, ToolCallDelta)] == [0, 0]


def test_what_waits_is_bounded() -> None:
    calls = SpokenCalls(max_bytes=10)
    assert pieces_of(calls, ToolCallDelta(0, "a", "f", '{"x": "')) == []
    assert pieces_of(calls, ToolCallDelta(0, arguments="12345")) != []
    assert (calls.waits, calls.broken) == (False, False)
    # Others wait behind it, and not without end.
    assert pieces_of(calls, ToolCallDelta(1, "b", "g", '{"y": "123456')) == []
    assert (calls.waits, calls.broken) == (False, True)
    whole = SpokenCalls(streams=False, max_bytes=10)
    assert joined(pieces_of(whole, ToolCallDelta(0, "a", "f", '{"x": "12345678"}'), STOP)) != []


def test_as_object() -> None:
    assert as_object(' {"x": 1}\n') == ' {"x": 1}\n'
    assert as_object('"\\"{}\\""') == "{}"
    assert as_object('"null"') == "{}"
    assert [as_object(text) for text in ("true", "[[]]", '"x"', "{", "\ud800")] == [None] * 5


# -- freeform ---------------------------------------------------------------------------------------

TEXT = 'a "b"\n\\ 🔦'
FREEFORM = '{"input": ' + json.dumps(TEXT) + "}"


def freeform(**more: object) -> SpokenCalls:
    return SpokenCalls(freeform={"patch"}, **more)  # type: ignore[arg-type]


def patch(arguments: str = "", index: int = 0, name: str = "") -> ToolCallDelta:
    return ToolCallDelta(index, "p" if name else "", name, arguments)


def test_a_freeform_call_is_said_in_one_form() -> None:
    """Whatever blanks and escapes its target wrote."""
    for arguments in (FREEFORM, f"\n{FREEFORM} ", json.dumps(FREEFORM)):
        calls = freeform()
        said = pieces_of(calls, patch(arguments, name="patch"), STOP)
        assert joined(said) == [
            ("patch", json.dumps({"input": TEXT}, ensure_ascii=False, separators=(",", ":")))
        ]
        assert not calls.broken


@pytest.mark.parametrize("arguments", ["{}", '{"patch": "x"}', '{"input": 1}', '{"input": "x", "y": 1}'])
@pytest.mark.parametrize("waits", [True, False])
def test_one_of_another_shape_is_broken(arguments: str, waits: bool) -> None:
    calls = freeform()
    calls.waits = waits
    said = pieces_of(calls, patch(arguments, name="patch"), ToolCallDelta(1, "a", "f", '{"x": 1}'), STOP)
    # Nothing behind it is said either.
    assert joined(said) == []
    assert calls.broken
    # The same is a call of any other tool.
    assert SpokenCalls().said_in((patch('{"patch": "x"}', name="patch"), STOP)) != ()


def test_its_pieces_go_out_once_its_text_has_begun() -> None:
    calls = freeform()
    calls.waits = False
    said = [
        calls.said_in((patch(piece, name=name),))
        for piece, name in [("{ ", "patch"), ('"input"', ""), (': "', "")]
    ]
    assert said == [(), (), (ToolCallDelta(0, "p", "patch", '{ "input": "'),)]
    assert calls.said_in((patch("a"),)) == (ToolCallDelta(0, arguments="a"),)
    assert pieces_of(calls, patch('"}'), STOP) == [ToolCallDelta(0, arguments='"}'), CALLS]
    assert not calls.contradicted


@pytest.mark.parametrize("rest", ['", "more": 1}', '", "input": "b"}', '\\ud800"}'])
def test_what_follows_its_text_contradicts_it(rest: str) -> None:
    calls = freeform()
    calls.waits = False
    pieces_of(calls, patch('{"input": "a', name="patch"), patch(rest), STOP)
    assert calls.contradicted


def test_one_that_never_begins_waits_up_to_the_bound() -> None:
    calls = freeform(max_bytes=1_000)
    calls.waits = False
    said = [
        calls.said_in((patch('{"patch": "' if n == 0 else "x" * 10, name="patch" if n == 0 else ""),))
        for n in range(200)
    ]
    assert all(one == () for one in said)
    assert calls.broken

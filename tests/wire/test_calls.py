"""Whose a piece of a call is, when index, id and name are not as they should be."""

from __future__ import annotations

from typing import TypeAlias

import pytest

from trooper.core.conversation import ToolCall
from trooper.core.events import ToolCallDelta
from trooper.wire.calls import CallPieces

#: Index, id, name, arguments.
Piece: TypeAlias = tuple[int | None, str, str, str]
F = ToolCall("a", "f", '{"x": 1}')
G = ToolCall("b", "g", '{"y": 2}')


def read(*pieces: Piece, made_up: str = "") -> tuple[ToolCall, ...]:
    calls = CallPieces()
    for piece in pieces:
        calls.piece(*piece, made_up=made_up)
    return calls.calls.whole()


@pytest.mark.parametrize(
    "pieces",
    [
        [(0, "a", "f", F.arguments), (1, "b", "g", G.arguments)],
        [(0, "a", "f", F.arguments), (0, "b", "g", G.arguments)],
        [(None, "a", "f", F.arguments), (None, "b", "g", G.arguments)],
        [(0, "a", "f", ""), (1, "b", "g", ""), (0, "", "", F.arguments), (1, "", "", G.arguments)],
        [(0, "a", "f", ""), (1, "b", "g", ""), (0, "b", "", G.arguments), (0, "a", "", F.arguments)],
        [(0, "a", "f", '{"x"'), (0, "", "", ": 1}"), (0, "b", "g", '{"y"'), (0, "", "", ": 2}")],
        [(0, "a", "f", '{"x"'), (1, "", "", ": 1}"), (2, "b", "g", '{"y"'), (3, "", "", ": 2}")],
        [(0, "a", "f", '{"x"'), (1, "a", "", ": 1}"), (2, "b", "g", '{"y"'), (3, "b", "", ": 2}")],
        [(3, "a", "f", F.arguments), (9, "b", "g", G.arguments)],
        [(0, "a", "f", F.arguments), (0, "a", "f", F.arguments), (1, "b", "g", G.arguments)],
        [(0, "a", "f", '{"x"'), (0, "a", "f", ": 1}"), (0, "b", "g", G.arguments), (0, "b", "g", "")],
        [(0, "a", "", ""), (0, "", "f", F.arguments), (1, "b", "g", G.arguments)],
    ],
)
def test_two_calls(pieces: list[Piece]) -> None:
    assert sorted(read(*pieces), key=lambda call: call.id) == [F, G]


@pytest.mark.parametrize(
    ("pieces", "arguments"),
    [
        ([(0, "", "f", F.arguments), (0, "", "f", F.arguments)], [F.arguments] * 2),
        ([(None, "", "f", F.arguments), (None, "", "f", G.arguments)], [F.arguments, G.arguments]),
        ([(0, "null", "f", F.arguments), (1, "null", "f", G.arguments)], [F.arguments, G.arguments]),
        ([(0, "a", "f", F.arguments), (0, "a", "f", G.arguments)], [F.arguments, G.arguments]),
        ([(0, "a", "f", F.arguments), (1, "a", "f", F.arguments)], [F.arguments] * 2),
        ([(0, "", "f", '{"x"'), (0, "", "f", ": 1}")], [F.arguments]),
        ([(0, "a", "f", ""), (0, "c", "", F.arguments)], [F.arguments]),
        ([(-1, "a", "f", F.arguments), (-1, "", "", " ")], [F.arguments + " "]),
    ],
)
def test_calls_of_one_function(pieces: list[Piece], arguments: list[str]) -> None:
    assert [(call.name, call.arguments) for call in read(*pieces)] == [("f", said) for said in arguments]


@pytest.mark.parametrize(
    ("names", "name"),
    [(["get_", "weather"], "get_weather"), (["get_", "get_weather"], "get_weather"), (["f", "f", "f"], "f")],
)
def test_a_name_in_pieces(names: list[str], name: str) -> None:
    pieces = [(0, "a" if not at else "", said, "") for at, said in enumerate(names)]
    assert read(*pieces, (0, "", "", "{}")) == (ToolCall("a", name, "{}"),)


def said_of(calls: CallPieces, index: int | None, *said: str, made_up: str = "") -> ToolCallDelta:
    piece = calls.piece(index, *said, made_up=made_up)
    assert piece is not None
    return piece


def test_names_tell_calls_without_arguments_apart() -> None:
    calls = CallPieces()
    numbers = [said_of(calls, None, "", name, "").index for name in ("f", "g", "g")]
    assert numbers == [0, 1, 1]


def test_a_number_of_its_own() -> None:
    """The client's own where it has one: what is said of it later goes by that."""
    calls = CallPieces()
    given = [(4, "a", "f"), (4, "b", "g"), (None, "c", "h"), (0, "d", "i"), (-2, "e", "j")]
    assert [said_of(calls, index, id_, name, "{}").index for index, id_, name in given] == [4, 5, 6, 0, 7]


def test_an_id_is_made_up_once() -> None:
    assert [call.id for call in read((0, "", "f", "{}"), (1, "b", "g", "{}"), made_up="call")] == [
        "call_0",
        "b",
    ]
    calls = CallPieces()
    first = said_of(calls, 0, "", "f", "{", made_up="call")
    second = said_of(calls, 0, "", "", "}", made_up="call")
    assert (first.id, second.id) == ("call_0", "")


def test_what_was_too_long_to_keep_is_not_said_twice() -> None:
    calls = CallPieces()
    calls.calls.max_bytes = 40
    arguments = '{"x": "' + "y" * 60 + '"}'
    calls.piece(0, "a", "f", arguments)
    assert calls.whole(0, "a", "f", arguments) is None


def test_said_once_more_as_a_whole() -> None:
    calls = CallPieces()
    calls.piece(0, "a", "f", '{"x": ')
    assert calls.whole(0, "a", "f", "") is None
    assert calls.whole(0, "a", "f", '{"x": 1}') == ToolCallDelta(0, arguments="1}")
    assert calls.whole(0, "a", "f", '{"x":1}') is None
    assert calls.whole(5, "a", "f", '{"x": 2}') == ToolCallDelta(0, "", "f", '{"x": 2}', replaces=True)
    assert calls.whole(0, "", "g", "") == ToolCallDelta(0, "", "g", '{"x": 2}', replaces=True)
    assert calls.whole(1, "b", "", "{}") is None
    assert calls.whole(1, "b", "h", "{}") == ToolCallDelta(1, "b", "h", "{}")
    assert [call.name for call in calls.calls.whole()] == ["g", "h"]

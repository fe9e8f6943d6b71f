"""Many calls, and long ones: the same as a scan of each character says, and no work that grows with its square."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trooper.core.events import ToolCallDelta
from trooper.core.tool_calls import ToolCalls, is_object, is_same
from work import work_of

PIECES = st.lists(
    st.sampled_from(
        ["{", "}", "[", "]", '"', "\\", "a", " ", ":", "{}", '{"a":1}', '"}', '\\"', "\\\\", "1,"]
    ),
    max_size=8,
).map("".join)


class Scanned:
    """One call as a scan of each character sees it."""

    def __init__(self) -> None:
        self.said, self.depth, self.in_string, self.escaped, self.closed, self.whole = (
            "",
            0,
            False,
            False,
            False,
            False,
        )

    def add(self, piece: str) -> None:
        was_closed, self.said = self.closed, self.said + piece
        for char in piece:
            if self.in_string:
                self.in_string = self.escaped or char != '"'
                self.escaped = not self.escaped and char == "\\"
            elif char == '"':
                self.in_string = True
            elif char in "{[":
                self.depth += 1
            elif char in "}]":
                self.depth -= 1
                self.closed = self.closed or self.depth == 0
        if self.closed and not was_closed:
            self.whole = is_object(self.said)
        elif piece.strip(" \t\r\n"):
            self.whole = False


@given(st.lists(PIECES, max_size=12))
def test_a_call_is_whole_when_a_scan_of_each_character_says_so(pieces: list[str]) -> None:
    calls, scanned = ToolCalls(), Scanned()
    calls.add(ToolCallDelta(0, "c", "f"))
    for piece in pieces:
        calls.add(ToolCallDelta(0, arguments=piece))
        scanned.add(piece)
        assert calls.is_whole(0) == calls.all_whole == scanned.whole
        assert calls.arguments_of(0) == scanned.said
        assert calls.says(0, scanned.said)
        assert not calls.says(0, scanned.said + "x")
        assert calls.size_of(0) == len(scanned.said)


@given(st.lists(st.tuples(st.integers(0, 3), PIECES, st.booleans(), st.booleans()), max_size=12))
def test_all_are_whole_when_each_is(said: list[tuple[int, str, bool, bool]]) -> None:
    calls = ToolCalls()
    for index, arguments, named, replaces in said:
        calls.add(ToolCallDelta(index, name="f" if named else "", arguments=arguments, replaces=replaces))
        assert calls.all_whole == all(call.is_done for call in calls._calls.values())
        assert len(calls.whole()) == sum(call.is_done for call in calls._calls.values())


@pytest.mark.parametrize(
    "arguments",
    ["{}", ' {"a": [1, "}"]}\n', "[]", "1", "", "{", '{"a":1', '{"a": tru}', '"{}"', "{1:2}", "null"],
)
def test_what_an_object_is(arguments: str) -> None:
    try:
        expected = isinstance(json.loads(arguments), dict)
    except ValueError:
        expected = False
    assert is_object(arguments) is expected


def test_texts_of_other_lengths_are_not_compared() -> None:
    assert is_same('{"a": 1}', '{ "a":\t1 }')
    assert is_same('{"a":"' + "é" * 100 + '"}', '{"a":"' + "\\u00e9" * 100 + '"}')
    assert not is_same("{}", '{"a":"' + "x" * 1000 + '"}')
    long = '{"a":"' + "x" * 1_000_000 + '"}'
    assert work_of(lambda: [is_same('{"a":1}', long) for _ in range(100)]) < 1_000


def add_all(deltas: list[ToolCallDelta]) -> Callable[[], object]:
    def add() -> None:
        calls = ToolCalls()
        for delta in deltas:
            calls.add(delta)
            assert calls.all_whole in (True, False)

    return add


@pytest.mark.parametrize("arguments", ["{", "{}", "", " "])
@pytest.mark.parametrize("replaces", [False, True])
def test_the_work_grows_with_the_number_of_calls_and_not_its_square(
    arguments: str, *, replaces: bool
) -> None:
    deltas = [ToolCallDelta(i, f"c{i}", "f", arguments, replaces) for i in range(400)]
    few, many = work_of(add_all(deltas[:200])), work_of(add_all(deltas))
    assert many < 2.2 * few


def test_the_work_grows_with_the_number_of_pieces_and_not_its_square() -> None:
    deltas = [ToolCallDelta(0, "c", "f", '{"a":"'), *(ToolCallDelta(0, arguments='"\\') for _ in range(400))]
    few, many = work_of(add_all(deltas[:201])), work_of(add_all(deltas))
    assert many < 2.2 * few
    # Strings are skipped in one step each, however much is in them.
    assert work_of(add_all([ToolCallDelta(0, "c", "f", '{"a":"' + "x[{" * 100_000 + '"}')])) < 200

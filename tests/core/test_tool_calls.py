"""Tool calls in the making: which are open, which are whole."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pieces import cuts, singles
from trooper.core import tool_calls
from trooper.core.conversation import ToolCall
from trooper.core.events import ToolCallDelta
from trooper.core.tool_calls import OpenCalls, ToolCalls, is_object

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.sampled_from('ab"\\{}[]\n é🚢'), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(max_size=4), JSON, max_size=4)


def fed(*pieces: str, index: int = 0) -> ToolCalls:
    calls = ToolCalls()
    for piece in pieces:
        calls.add(ToolCallDelta(index, "id", "f", piece))
    return calls


def state(calls: ToolCalls) -> tuple[bool, list[str]]:
    """Whether none is open, and the ids of those that are whole."""
    return calls.all_whole, [call.id for call in calls.whole()]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("{}", True),
        (' {"a": 1}\n', True),
        ("", False),
        ("{", False),
        ("[]", False),
        ('"{}"', False),
        ("1", False),
        ("{}{}", False),
        ('{"a": 1,}', False),
        ('{"a": NaN}', False),
        ('{"a": "\ud83d"}', False),
        ("{" + '"a":{' * 5000, False),
    ],
)
def test_objects(arguments: str, expected: bool) -> None:
    assert is_object(arguments) is expected


@given(OBJECTS, st.booleans(), st.data())
def test_a_call_is_whole_with_its_last_sign_and_not_before(
    value: dict[str, object], ascii_only: bool, data: st.DataObject
) -> None:
    arguments = json.dumps(value, ensure_ascii=ascii_only)
    calls = ToolCalls()
    pieces = data.draw(cuts(arguments))
    for number, piece in enumerate(pieces):
        assert not (number and calls.all_whole)
        calls.add(ToolCallDelta(0, name="" if number else "f", arguments=piece))
    assert calls.all_whole
    assert calls.whole() == (ToolCall("", "f", arguments),)


def test_nobody_runs_a_call_without_a_name() -> None:
    calls = ToolCalls()
    calls.add(ToolCallDelta(0, "id", arguments="{}"))
    assert (calls.all_whole, calls.whole(), calls.open_call()) == (False, (), None)
    calls.add(ToolCallDelta(0, name="f"))
    assert calls.whole() == (ToolCall("id", "f", "{}"),)


@pytest.mark.parametrize(
    "pieces",
    [
        ("{", '"a": "}"'),
        ('{"a": "\\"}',),
        ('{"a": "\\', '"}'),
        ('{"a": [1, {"b": 2}]',),
        ('{"a"}',),
        ("[1]",),
        ('"x"',),
        ("{}", "{"),
        ("{}", "x"),
        ("{}", '{"a": 1}'),
        ("}", "{}"),
        ("]",),
    ],
)
def test_an_open_call(pieces: tuple[str, ...]) -> None:
    calls = fed(*pieces)
    assert not calls.all_whole
    assert calls.whole() == ()


@pytest.mark.parametrize(
    "pieces",
    [
        ("{}",),
        ("{", "}"),
        ("", "{}", ""),
        (" \n", "{}", " \t\r\n"),
        ('{"a": "\\\\"}',),
        ('{"a": "\\', '\\"}'),
        ('{"a": "]}{["}',),
        ('{"a": {"b": [{}]}}',),
    ],
)
def test_a_whole_call(pieces: tuple[str, ...]) -> None:
    calls = fed(*pieces)
    assert calls.all_whole
    assert calls.whole() == (ToolCall("id", "f", "".join(pieces)),)


def test_no_calls_are_no_open_calls() -> None:
    calls = ToolCalls()
    assert calls.all_whole
    assert len(calls) == 0
    assert calls.whole() == ()


def test_the_first_id_and_name_count() -> None:
    calls = ToolCalls()
    for id_, name, arguments in [("", "", ""), ("one", "", "{"), ("two", "f", ""), ("", "g", "}")]:
        calls.add(ToolCallDelta(3, id_, name, arguments))
    assert calls.whole() == (ToolCall("one", "f", "{}"),)


def test_a_call_without_arguments_ends_where_the_next_begins() -> None:
    calls = ToolCalls()
    calls.add(ToolCallDelta(0, "a", "f"))
    calls.add(ToolCallDelta(0, arguments=" "))
    assert state(calls) == (False, [])
    calls.add(ToolCallDelta(1, "b", "g"))
    assert state(calls) == (False, ["a"])
    calls.add(ToolCallDelta(1, arguments="{}"))
    assert state(calls) == (True, ["a", "b"])
    assert calls.whole() == (ToolCall("a", "f", " "), ToolCall("b", "g", "{}"))
    assert len(calls) == 2


def test_an_open_call_stays_open_when_the_next_begins() -> None:
    calls = ToolCalls()
    calls.add(ToolCallDelta(0, "a", "f", "{"))
    calls.add(ToolCallDelta(1, "b", "g", "{}"))
    assert state(calls) == (False, ["b"])
    calls.add(ToolCallDelta(0, arguments="}"))
    assert state(calls) == (True, ["a", "b"])


def test_a_whole_call_stays_whole_when_another_begins() -> None:
    calls = fed("{}")
    calls.add(ToolCallDelta(1, "b", "g", "{"))
    assert [call.id for call in calls.whole()] == ["id"]


def test_what_is_too_much_is_forgotten_and_counts_as_open() -> None:
    calls = ToolCalls(max_bytes=12)
    calls.add(ToolCallDelta(0, "id", "f", '{"a": 1}'))
    assert (state(calls), calls.overflowed) == ((True, ["id"]), False)
    calls.add(ToolCallDelta(1))
    assert (state(calls), calls.overflowed) == ((False, []), True)
    assert len(calls) == 0
    calls.add(ToolCallDelta(2, "x", "y", "{}"))
    assert len(calls) == 0


@pytest.mark.parametrize("arguments", ['{"a": [' + "{}," * 99 + '{}], "b": {}} ', "{}" * 99, "[]" * 99])
def test_arguments_are_parsed_once(arguments: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A parse at every brace would be quadratic."""
    parsed: list[str] = []

    def counted(text: str) -> bool:
        parsed.append(text)
        return is_object(text)

    monkeypatch.setattr(tool_calls, "is_object", counted)
    calls = fed(*singles(arguments))
    assert len(parsed) == 1
    assert calls.all_whole is is_object(arguments)


@given(st.lists(st.text(st.sampled_from("{}[] ,a"), max_size=8), max_size=6), st.integers(0, 3))
def test_many_brackets_are_counted_as_few_are(pieces: list[str], deep: int) -> None:
    """At once, where there are a hundred thousand of them, and not one by one."""
    few, many = ToolCalls(), ToolCalls()
    # Opened and closed again below what the pieces close: no difference but in number.
    lists = "[]" * 100
    for calls, more in ((few, ""), (many, lists)):
        calls.add(ToolCallDelta(0, "c", "f", "{" * deep))
        for piece in pieces:
            calls.add(ToolCallDelta(0, "c", "f", piece + more))
    (one,), (other,) = few._calls.values(), many._calls.values()
    assert one.depth == other.depth
    if deep:
        assert one.closed <= other.closed


@pytest.mark.parametrize(
    ("text", "closes"),
    [
        ("[" * 100 + "]" * 100, True),
        ("[" * 100 + "]" * 99, False),
        ("[]" * 100, True),
        ("]" * 100 + "[" * 100, False),
        ("]" * 100 + "[" * 100 + "[]", True),
        ("][" * 100, False),
        ("灯\ud83d" + "{}" * 100, True),
    ],
)
def test_the_outermost_of_many_brackets_is_found(text: str, closes: bool) -> None:
    calls = ToolCalls()
    calls.add(ToolCallDelta(0, "c", "f", text))
    (call,) = calls._calls.values()
    assert call.closed is closes
    assert call.depth == sum({"[": 1, "{": 1, "]": -1, "}": -1}.get(sign, 0) for sign in text)


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.text(st.sampled_from('{}[]" ,:a1'), max_size=6) | st.just('{"a": 1}'))
    )
)
def test_who_only_knows_what_is_open_agrees_and_keeps_no_whole_call(pieces: list[tuple[int, str]]) -> None:
    """A call was kept three times: by the reader, by the gate and by the transcript."""
    knows, keeps = OpenCalls(), ToolCalls()
    for index, arguments in pieces:
        delta = ToolCallDelta(index, f"c{index}", "f", arguments)
        knows.add(delta)
        keeps.add(delta)
        assert knows.all_whole == keeps.all_whole
        assert len(knows) == len(keeps)
        assert all(not call.pieces.text for call in knows._calls.values() if call.whole and call.closed)


def test_what_waits_counts_until_it_goes_out() -> None:
    calls = OpenCalls(max_bytes=100)
    calls.add(ToolCallDelta(0, "c", "f", "{"), held_bytes=90)
    calls.hold(10)
    assert not calls.overflowed
    calls.released()
    calls.add(ToolCallDelta(0, arguments="}"), held_bytes=100)
    assert (calls.overflowed, calls.all_whole) == (False, True)
    calls.hold(1)
    assert (calls.overflowed, len(calls), calls.all_whole) == (True, 0, False)

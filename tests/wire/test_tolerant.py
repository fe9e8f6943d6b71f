"""What can be read of JSON that is not quite as a wire's document has it."""

from __future__ import annotations

import json
import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trooper.core.events import Event, Other, Reasoning, Refusal, Text
from trooper.wire.tolerant import (
    Read,
    content_of,
    fitted,
    is_nothing,
    objects_in,
    read_leniently,
    reasoning_of,
    text_of,
    texts_in,
    unknown_in,
    words_of,
)

UNKNOWN = Other(continuable=False)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"a": 1}', Read({"a": 1})),
        (b'{"a": "x\ty\x01"}', Read({"a": "x\ty\x01"})),
        (b'{"a": "\\ud83d"}', Read({"a": "?"}, is_lossy=True)),
        (b'{"a": "\xff"}', Read({"a": "\ufffd"}, is_lossy=True)),
        (b'{"a": "\\ud83d\\udea2"}', Read({"a": "\U0001f6a2"})),
        (b"{not json", None),
        (b"[DONE]", None),
        (b"", None),
        (b"[" * 100_000, None),
        (b"1" * 5000, Read(math.inf, is_lossy=True)),
    ],
)
def test_what_a_lenient_client_reads(data: bytes, expected: Read | None) -> None:
    assert read_leniently(data) == expected


def test_not_a_number_is_read() -> None:
    read = read_leniently(b'{"a": NaN, "b": Infinity}')
    assert read is not None
    assert not read.is_lossy
    assert isinstance(read.value, dict)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"a": 1}', (b'{"a": 1}',)),
        (b'{"a":\n1}', (b'{"a":\n1}',)),
        (b'{"a": 1}\n{"b": 2}', (b'{"a": 1}', b'{"b": 2}')),
        (b'{"a": 1}\n[DONE]', (b'{"a": 1}', b"[DONE]")),
        (b'{"a": 1}\n\n{no', (b'{"a": 1}', b"{no")),
        (b"no\nneither", (b"no\nneither",)),
        (b" \n", ()),
    ],
)
def test_events_without_an_empty_line_between_them(data: bytes, expected: tuple[bytes, ...]) -> None:
    assert tuple(texts_in(data)) == expected


def test_the_objects_of_an_event() -> None:
    assert list(objects_in(b'data: {"a": 1}\ndata: {"b": 2}\n\n')) == [{"a": 1}, {"b": 2}]
    assert list(objects_in(b"data: [1]\n\n")) == []
    assert list(objects_in(b": comment\n\n")) == []
    assert list(objects_in(b"data: {no\n\n")) == []


NOTHING: tuple[object, ...] = (None, False, 0, 0.0, "", [], {}, [None], {"a": [{}, ""], "b": {"c": 0}})


@pytest.mark.parametrize("value", NOTHING)
def test_zero_false_null_and_empty_are_nothing(value: object) -> None:
    assert is_nothing(value)
    assert not unknown_in({"x": value, "known": "y"}, ("known",))


@pytest.mark.parametrize("value", [1, True, "x", [0, "x"], {"a": {"b": 1}}, " "])
def test_everything_else_is_something(value: object) -> None:
    assert not is_nothing(value)
    assert unknown_in({"x": value}, ("known",))


def test_nothing_that_is_wrapped_too_deep_is_something() -> None:
    value: object = None
    for _ in range(500):
        value = [value]
    assert not is_nothing(value)
    assert words_of(value) == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [("a", "a"), (7, "7"), (0, "0"), (0.5, "0.5"), (True, ""), (None, ""), ({}, ""), (["a"], "")],
)
def test_a_number_is_text(value: object, text: str) -> None:
    assert text_of(value) == text


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a", [Text("a")]),
        ("", []),
        (None, []),
        ([], []),
        (["a", 7, None], [Text("a"), Text("7")]),
        ({"text": "a"}, [Text("a")]),
        ({"type": "output_text", "text": "a", "annotations": [{"url": "x"}]}, [Text("a")]),
        ([{"type": "refusal", "refusal": "no"}], [Refusal("no")]),
        ([{"type": "reasoning", "summary": [{"text": "r"}]}], [Reasoning("r")]),
        ([{"type": "thought", "reasoning_content": "r"}], [Reasoning("r")]),
        ([{"type": "thinking", "thinking": ""}], []),
        ([{"type": "image", "source": {"data": "x"}}], [UNKNOWN]),
        ([{"type": "image", "source": {}}], []),
        ([{"type": "text", "text": "a", "image": "x"}], [Text("a"), UNKNOWN]),
        ([{"image": "x"}], [UNKNOWN]),
    ],
)
def test_a_content(content: object, expected: list[Event]) -> None:
    assert content_of(content) == expected


def test_the_same_thought_is_not_said_twice() -> None:
    assert reasoning_of({"reasoning": "r", "reasoning_details": [{"text": "r"}]}) == "r"
    assert reasoning_of({"reasoning": None, "reasoning_details": [{"type": "encrypted", "data": "x"}]}) == ""
    assert reasoning_of({"thinking_blocks": [{"type": "thinking", "thinking": "r", "signature": "s"}]}) == "r"


class Inner(msgspec.Struct):
    name: str = ""


class Outer(msgspec.Struct):
    text: str = ""
    count: int = 0
    ratio: float = 0.0
    inner: Inner | None = None
    many: list[Inner] | None = None
    never: None = None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({}, Outer()),
        ({"text": None, "count": None, "inner": None, "many": None}, Outer()),
        ({"text": 7, "count": "3", "ratio": "0.5"}, Outer("7", 3, 0.5)),
        ({"text": ["a"], "count": "x", "ratio": {}, "inner": "x", "many": {"a": 1}, "never": "x"}, Outer()),
        ({"count": True, "ratio": False}, Outer()),
        (
            {"inner": {"name": 5, "more": 1}, "many": [{"name": "a"}, None, "x", {}]},
            Outer(inner=Inner("5"), many=[Inner("a"), Inner()]),
        ),
    ],
)
def test_what_does_not_fit_is_left_out(value: dict[str, object], expected: Outer) -> None:
    assert fitted(value, Outer) == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "text", "thinking", "x"]), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(JSON)
def test_any_json_can_be_looked_at(value: object) -> None:
    content_of(value)
    words_of(value)
    if isinstance(value, dict):
        fitted(value, Outer)
        reasoning_of(value)
    assert read_leniently(json.dumps(value).encode()) is not None


@pytest.mark.parametrize("digits", ["7" * 641, "7" * 100_000])
def test_a_number_without_end_costs_nobody_the_rest(digits: str) -> None:
    read = read_leniently(f'{{"n": {digits}, "said": "hello", "m": [{digits}, 7]}}'.encode())
    assert read is not None
    assert read == Read({"n": math.inf, "said": "hello", "m": [math.inf, 7]}, is_lossy=True)

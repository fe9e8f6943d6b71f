"""Freeform calls: a text as the one string of a call's arguments, and back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pieces import cuts
from trooper.core.freeform import (
    CLOSES,
    OPENS,
    InputText,
    as_arguments,
    begins_plain,
    described,
    escaped,
    input_of,
    is_plain,
)

PATCH = '*** Begin Patch\n*** Update File: a "b".txt\n@@\n-\told \\ 🔦\n+\u2028new é\x07\n*** End Patch'
TEXTS = st.text(st.characters(codec="utf-8"))


@given(TEXTS)
def test_there_and_back(text: str) -> None:
    assert json.loads(as_arguments(text)) == {"input": text}
    assert input_of(as_arguments(text)) == text
    assert is_plain(as_arguments(text))


@given(TEXTS, TEXTS)
def test_pieces_are_escaped_as_the_whole_is(one: str, other: str) -> None:
    assert escaped(one) + escaped(other) == escaped(one + other)


@given(
    st.sampled_from(
        [PATCH, "", '"', "\\", "\ud83d\udd26 x".encode("utf-16", "surrogatepass").decode("utf-16")]
    ),
    st.booleans(),
    st.data(),
)
def test_it_is_taken_out_of_pieces_cut_anywhere(text: str, ascii_only: bool, data: st.DataObject) -> None:
    said = json.dumps({"input": text}, ensure_ascii=ascii_only)
    read = InputText()
    told = "".join(map(read.add, data.draw(cuts(said))))
    assert (told, read.has_ended) == (text, True)
    assert read.add("more") == ""


def test_each_character_goes_out_as_soon_as_it_is_whole() -> None:
    read = InputText()
    pieces = ['{ "inp', 'ut" : "', "a", "b\\", "n", "\\ud83d", "\\udd26", "\\u00", "e9", '"', "}"]
    assert [read.add(piece) for piece in pieces] == ["", "", "a", "b", "\n", "", "🔦", "", "é", "", ""]


def test_it_goes_on_behind_what_was_said() -> None:
    read = InputText(has_begun=True)
    assert read.add(f"ab{CLOSES}") == "ab"
    assert read.has_ended


@pytest.mark.parametrize("text", [r"\ud83d", r"\udd26 x", "\n"])
def test_what_cannot_be_read_says_nothing(text: str) -> None:
    read = InputText()
    assert read.add(f"{OPENS}{text}{CLOSES}").strip() in ("", "x") or not read.has_ended


@pytest.mark.parametrize(
    "arguments",
    [
        "{}",
        '{"patch": "x"}',
        '{"input": 7}',
        '{"input": null}',
        '{"input": "x", "more": 1}',
        '["x"]',
        '"x"',
        '{"input": "x"',
        r'{"input": "\ud83d"}',
        "",
    ],
)
def test_what_is_no_freeform_call(arguments: str) -> None:
    assert input_of(arguments) is None
    assert not is_plain(arguments)


@pytest.mark.parametrize("arguments", ['{"input": "a", "input": "b"}', r'{"inp\u0075t": "b"}'])
def test_what_was_said_in_pieces_has_to_be_all_of_it(arguments: str) -> None:
    assert input_of(arguments) == "b"
    assert not is_plain(arguments)


@pytest.mark.parametrize(
    ("arguments", "begins"),
    [
        ('{"input":"', True),
        (' {\n "input" : "a', True),
        ('{"input":', False),
        ('{"inp', False),
        ('{"a":"', False),
    ],
)
def test_where_its_pieces_can_be_said(arguments: str, begins: bool) -> None:
    assert begins_plain(arguments) is begins


def test_what_a_model_is_told() -> None:
    assert described("Patches.", "start: x", "lark").splitlines() == [
        "Patches.",
        "",
        "Give the whole text as the string `input`.",
        "",
        "The text has to follow this lark grammar:",
        "start: x",
    ]
    assert described("") == "Give the whole text as the string `input`."
    assert "this grammar:" in described("", "start: x")
    assert len(described("", "x" * 100_000)) < 9_000

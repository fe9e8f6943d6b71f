"""
Structured answers: where a document ends, and whether it is what was asked for.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pieces import cuts
from trooper.core.structured import DocumentEnd, begins_anew, follows, opening

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
documents = st.dictionaries(st.text(max_size=8), values, max_size=4) | st.lists(values, max_size=4)


@given(documents, st.data())
def test_the_end_is_found_wherever_the_document_was_cut(document: Any, data: st.DataObject) -> None:
    text = json.dumps(document, ensure_ascii=data.draw(st.booleans()))
    at = data.draw(st.integers(0, len(text) - 1))
    end = DocumentEnd(text[:at])
    assert not end.closed
    said = text[at:] + "\n```\nThat is {all}."
    size = data.draw(st.integers(1, 7))
    kept = "".join(end.feed(said[i : i + size]) for i in range(0, len(said), size))
    assert (kept, end.closed) == (text[at:], True)


@given(st.text(alphabet='"\\{}[]a, ', max_size=40), st.data())
def test_however_it_comes_it_ends_in_one_place(text: str, data: st.DataObject) -> None:
    whole = DocumentEnd("").feed(text)
    ends, said = DocumentEnd(""), ""
    for piece in data.draw(cuts(text)):
        said += ends.feed(piece)
    assert said == whole


def test_what_is_too_much_to_look_through_is_taken_as_it_comes() -> None:
    """Whether it is a document is checked when it is there."""
    end = DocumentEnd("[" + "{}," * 60_000)
    assert end.feed("{}] and more") == "{}] and more"
    end = DocumentEnd("[" + "{}," * 20_000)
    assert end.feed("{}] and more") == "{}]"


def test_brackets_in_strings_close_nothing() -> None:
    end = DocumentEnd('{"a": "}')
    assert not end.closed
    assert end.feed('\\" ]"') == '\\" ]"'
    assert not end.closed
    assert (end.feed("} x"), end.closed) == ("}", True)
    assert end.feed("more") == ""


def test_what_stands_before_the_document_is_no_end() -> None:
    assert not DocumentEnd("  \n").closed
    assert DocumentEnd(" [1]").closed


SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


@pytest.mark.parametrize(
    ("text", "schema", "expected"),
    [
        ('{"n": 1}', SCHEMA, True),
        ('{"n": "1"}', SCHEMA, False),
        ('{"n": 1', SCHEMA, False),
        ('{"n": 1} {"n": 2}', SCHEMA, False),
        ('{"n": 1}', None, True),
        ('{"n": 1}', {}, True),
        ("[1]", None, False),
        ("[1]", {"type": "array"}, True),
        ("{}", {"type": {"x": [1]}}, False),
        ("", None, False),
        ('{"a": 1}', {"$ref": "https://schemas.example/x.json"}, False),
        ('{"a": 1}', {"type": 7}, False),
        ('{"a": "x"}', {"properties": {"a": {"pattern": "("}}}, False),
        ('{"a": 1}', {"properties": 7}, False),
        ("[" * 100_000, None, False),
    ],
)
def test_is_it_what_was_asked_for(text: str, schema: dict[str, Any] | None, expected: bool) -> None:
    assert follows(text.encode(), schema) is expected


def test_a_schema_may_speak_an_older_dialect_and_refer_to_itself() -> None:
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "definitions": {"n": {"type": "integer"}},
        "properties": {"n": {"$ref": "#/definitions/n"}},
    }
    assert follows(b'{"n": 1}', schema)
    assert not follows(b'{"n": "x"}', schema)


LEADS_UP = st.sampled_from(
    ["", " ", "Here is the JSON:\n", "```json\n", 'A 5" one: ', '[1] and {"a": "}"} ', "a}]b "]
)


@given(LEADS_UP, documents, st.data())
def test_what_a_prefill_opens_is_what_is_left_open(words: str, document: Any, data: st.DataObject) -> None:
    text = json.dumps(document, ensure_ascii=data.draw(st.booleans()))
    at = data.draw(st.integers(0, len(text)))
    assert opening(words + text[:at]) == ("" if at == len(text) else text[:at])


@pytest.mark.parametrize(
    ("prefill", "said", "anew"),
    [
        ("{", '"a": 1}', False),
        ("{", '{"a": 1}', True),
        (" {", '\n{"a"', True),
        ("```json\n{", "{", True),
        ('{"a": 1,', '{"a": 1, "b"', True),
        ('{"a": 1,', '{"a', True),
        ('{"a": 1,', ' "b": {', False),
        ('{"a":', '{"b": 1}}', False),
        ('{"a":', '{"a":1}', True),
        ('{"a":', "{", False),
        ('{"a": "x', '{"a": "xy"}', True),
        ('{"a": "x', '{"b"}"}', False),
        ('{"a": "x"', '{"b": 1}', True),
        ('{"a"', "{", True),
        ("[", '{"a": 1}]', False),
        ("[", "[1]", True),
        ('[{"a": 1},', '{"a": 2}]', False),
        ('[{"a": 1}', '{"a": 2}]', True),
        ("Here:", '{"a": 1}', False),
        ("", "{", False),
        ("{", "", False),
        ("{", "Sure: {", False),
    ],
)
def test_whether_an_answer_begins_anew(prefill: str, said: str, anew: bool) -> None:
    assert begins_anew(prefill, said) is anew


def test_a_prefill_that_it_would_take_too_long_to_look_through_is_taken_as_it_is() -> None:
    assert opening("{}" * 200_000) == "{}" * 200_000
    assert not begins_anew("{}" * 200_000, "{")

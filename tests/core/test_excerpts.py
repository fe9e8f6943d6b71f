"""Shorter forms of what a prompt holds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trooper.core.conversation import ImagePart, Message, Role, TextPart, Tool
from trooper.core.excerpts import (
    bare,
    beginning,
    beginning_of_end,
    briefly_described,
    first_and_last,
    with_text,
)
from trooper.core.tokens import tokens_at_most

LOG = "\n".join(f"{number}: all is well at the lamp, says the keeper." for number in range(100))


def test_the_first_and_last_lines_of_a_result() -> None:
    short = first_and_last(LOG)
    assert short.startswith("0: all is well")
    assert short.endswith(LOG[-40:])
    assert "\n[…]\n" in short
    assert "50: all" not in short
    assert short.count("\n") <= 8


def test_what_is_telling_stays_too() -> None:
    short = first_and_last(LOG, ["50: all is well", "0: all is well", "99: all"])
    assert short.count("50: all is well") == 1
    assert short.count("\n0: all") == 0
    assert short.index("0: all") < short.index("50: all") < short.index("99: all")


def test_what_is_short_stays_as_it_is() -> None:
    assert first_and_last(LOG[:900]) == LOG[:900]


@pytest.mark.parametrize(
    "text", ["x" * 100_000, "\n" * 100_000, "灯" * 5000, "a\n" + "x" * 5000, "x" * 5000 + "\nb\n"]
)
def test_one_line_or_none(text: str) -> None:
    short = first_and_last(text)
    assert len(short) < 900
    assert short[:1] in (text[:1], "[")


@given(st.text(alphabet="ab \n.灯", max_size=3000))
def test_a_result_becomes_no_longer(text: str) -> None:
    short = first_and_last(text)
    assert len(short) <= len(text)
    if short != text:
        head, gap, tail = short.partition("[…]")
        assert gap
        assert text.startswith(head.removesuffix("\n"))
        assert tail.strip() in text


def test_with_another_text_images_stay() -> None:
    picture = ImagePart("image/png", "aaaa")
    message = Message(Role.TOOL, (TextPart("one"), picture, TextPart("two")), tool_call_id="c")
    assert with_text(message, "short") == Message(Role.TOOL, (TextPart("short"), picture), tool_call_id="c")
    assert with_text(message, "").parts == (picture,)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Reads a file. Use it often.", "Reads a file."),
        ("Reads v1.2 of a file. Then more.", "Reads v1.2 of a file."),
        ("  Reads a file\n\nUsage:\n- often", "Reads a file"),
        ("读取文件。经常使用。", "读取文件。"),
        ("", ""),
        ("Reads", "Reads"),
        ("word " * 100, ("word " * 100)[:200].strip()),
    ],
)
def test_the_first_sentence_of_a_tool(said: str, expected: str) -> None:
    assert briefly_described(Tool("f", said)).description == expected


SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "description": "All of it.",
    "properties": {
        "description": {"type": "string", "description": "A name like a key.", "minLength": 1},
        "mode": {"enum": ["a", "b"], "default": "a", "title": "Mode"},
        "edits": {
            "type": "array",
            "maxItems": 9,
            "items": {
                "type": "object",
                "properties": {"at": {"type": "integer", "minimum": 0}},
                "required": ["at"],
            },
        },
        "either": {"anyOf": [{"type": "string", "pattern": "^a"}, {"$ref": "#/$defs/other"}]},
    },
    "required": ["description", "edits"],
    "additionalProperties": False,
    "$defs": {"other": {"type": "null", "description": "Nothing."}},
}


def test_names_and_types_of_a_schema() -> None:
    assert bare(Tool("f", "Does it.", SCHEMA)) == Tool(
        "f",
        "Does it.",
        {
            "type": "object",
            "properties": {
                "description": {"type": "string"},
                "mode": {"enum": ["a", "b"]},
                "edits": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {"at": {"type": "integer"}},
                        "required": ["at"],
                    },
                },
                "either": {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/other"}]},
            },
            "required": ["description", "edits"],
            "additionalProperties": False,
            "$defs": {"other": {"type": "null"}},
        },
    )


def test_a_schema_of_any_depth_and_form() -> None:
    deep: dict[str, Any] = {"type": "string"}
    for _ in range(500):
        deep = {"type": "object", "properties": {"in": deep}}
    assert bare(Tool("f", "", deep)).parameters["type"] == "object"
    odd = {"properties": {"a": True, "b": None}, "items": [1], "anyOf": [True], "required": "a"}
    assert bare(Tool("f", "", odd)).parameters == {
        "properties": {"a": True, "b": None},
        "anyOf": [True],
        "required": "a",
    }


PROSE = "\n\n".join(f"Paragraph {number}. " + "The keeper writes it down." * 8 for number in range(30))


def test_the_beginning_ends_at_a_paragraph() -> None:
    short = beginning(PROSE, 300)
    assert 100 < tokens_at_most(short) <= 300
    assert PROSE.startswith(short + "\n\nParagraph")
    assert beginning("one two", 100) == "one two"
    assert beginning("word " * 100, 10).split() == ["word"] * len(beginning("word " * 100, 10).split())


def test_the_end_begins_at_a_paragraph() -> None:
    at = beginning_of_end(PROSE, 300)
    assert PROSE[at:].startswith("Paragraph")
    assert 100 < tokens_at_most(PROSE[at:]) <= 300
    assert beginning_of_end("one two", 100) == 0


def test_the_end_begins_outside_of_code_where_that_costs_little() -> None:
    code = "```python\na = 1\n\nb = 2\n\nc = 3\n```\n\n"
    text = PROSE + "\n\n" + code + "And then it was done, and he wrote that down.\n\nAnd the lamp."
    inside = text.index("b = 2")
    assert beginning_of_end(text, tokens_at_most(text[inside:])) == text.index("And then")


@given(st.text(alphabet="ab \n.灯`", max_size=800), st.integers(0, 200))
def test_whatever_is_cut_fits(text: str, room: int) -> None:
    at = beginning_of_end(text, room)
    assert at == len(text) or tokens_at_most(text[at:]) <= room
    short = beginning(text, room)
    assert text.startswith(short)
    assert tokens_at_most(short) <= room

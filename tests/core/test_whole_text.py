"""What the join asks about a text: whether it is periodic, and whether it is whole as it stands."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joins import LONG
from trooper.core.overlap import is_periodic
from trooper.core.whole_text import is_in_code, says_it_all


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", False),
        ("a", False),
        ("ab", False),
        ("aa", True),
        ("=====", True),
        ("abcabc", True),
        ("abcabcab", True),
        ("abcab", False),
        ("🚢🚢🚢", True),
        ("| --- | --- | --- |", True),
        (LONG, False),
    ],
)
def test_periodic(text: str, expected: bool) -> None:
    assert is_periodic(text) is expected


@pytest.mark.parametrize(
    "text",
    [
        "Done.",
        "Done!",
        "Really?",
        "Und so weiter…",
        "完了。",
        "真的!",
        "真的？",
        "हो गया।",
        "هل؟",
        'He said "yes."',
        "(All of it.)",
        "**Done.**",
        "`done.`",
        "Done. ",
        "a line\n",
        "a line\n\n",
        "```\ncode\n```",
        "```\ncode\n```  ",
        "~~~\ncode\n~~~",
        "text\n  ```\ncode\n  ```",
        '{"a": 1}\n',
        "[1, 2]\n",
        '{"a": "}"}',
        "[1, 2] ",
        "[Link](address). Done.",
        '["a"] and so on.',
        'The 5" disk [is full.',
    ],
)
def test_whole_as_it_stands(text: str) -> None:
    assert says_it_all(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "\t",
        "Done",
        "Done,",
        "Done:",
        "Done (",
        '"',
        "```\ncode.",
        "```\ncode\n",
        "~~~\ncode\n",
        "```\na\n```\n```\nb.",
        '{"a": "Done."',
        '{"a": 1,\n',
        "[1, 2,\n",
        '[{"a": "b."}',
        '{"a": ["b."]',
        '{"a": "b.',
        '{"a": "\\"b.',
        "[Link](address) and",
        "{} {",
        '[a] says "so.',
        "use `code`",
    ],
)
def test_not_whole(text: str) -> None:
    assert says_it_all(text) is False


def test_a_fence_counts_at_the_beginning_of_a_line_only() -> None:
    assert says_it_all("Write ``` to open a fence.")
    assert says_it_all("    ``` is code.")


@given(st.text(alphabet="`~ \t\na"))
def test_a_fence_begins_a_line(text: str) -> None:
    assert is_in_code(text) is (len(re.findall(r"^[ \t]{0,3}(?:```|~~~)", text, re.MULTILINE)) % 2 == 1)


def test_what_nobody_can_look_through_is_not_taken_for_whole() -> None:
    """Nor does it take minutes: each quote was tried as the beginning of a string."""
    assert not says_it_all('{"a":' + '\\"' * 60_000)
    assert not says_it_all("[" + '"",' * 60_000 + '""]\n')
    assert says_it_all("[" + '"",' * 20_000 + '""]\n')
    assert not is_in_code("```\n" * 40_001)
    assert is_in_code("```\n" * 20_001)

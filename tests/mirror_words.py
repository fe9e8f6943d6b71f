"""
What the events of every wire are made of: words, arguments of calls, and
whatever JSON there is. Strategies for hypothesis.
"""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any, Final

from attrs import frozen
from hypothesis import strategies as st


@frozen
class Say:
    """One event before it is written: its JSON, its name, and what it is to a gate."""

    kind: str
    value: Any
    name: str = ""
    may_finish: bool = False
    #: Bytes in place of JSON: `[DONE]`.
    raw: bytes | None = None


Part = tuple[Say, ...]

WORDS: Final = st.sampled_from(
    (
        "un",
        "for",
        "tunately",
        ",",
        " we",
        " the",
        " cannot",
        ".",
        " 3",
        ".14",
        "\n\n",
        " ",
        "灯台",
        " 👍🏽",
        "é",
        "x" * 40,
        " A\u2028line",
        '"quoted\\" {',
        " data: x",
        "</s>",
        "0",
    )
)
#: No key and no word by which anybody tells of a failure; long words are constants of the code.
NAMES: Final = st.sampled_from(
    (
        "id",
        "type",
        "index",
        "text",
        "content",
        "delta",
        "choices",
        "message",
        "usage",
        "role",
        "output",
        "x",
        "status",
        "item",
        "response",
        "finish_reason",
        "stop_reason",
        "name",
        "arguments",
        "citations",
    )
)
SCALARS: Final = st.one_of(
    st.sampled_from((None, True, False, 0, 1, -1, 2**63, 10**30, 0.5, 1e300, "", "0", "x", "text", "stop")),
    st.text(max_size=4).filter(lambda text: text.isprintable()),
)
JSON: Final[st.SearchStrategy[Any]] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=5,
)
#: An object that no reader knows, and that may be content.
UNKNOWN: Final = st.sampled_from(
    (
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBOR"}},
        {"k": [1, {"a": "b"}], "text": "x"},
    )
)
#: The same, and one that says by its name that it is none.
STRANGE: Final = UNKNOWN | st.just({"google": {"thought_signature": "CiQB"}})
MANY: Final = 500
#: More than a held call may have.
LONG: Final = '{"path": "' + "x" * 5000 + '"}'
ARGUMENTS: Final = st.sampled_from(
    (
        "{}",
        '{"city": "Zürich 🇨🇭"}',
        '{"a": [1, {"b": "}"}]}',
        '{"path": "' + "x" * 200 + '"}',
        "{ }",
        LONG,
        LONG,
    )
)


@st.composite
def pieces(draw: st.DrawFn, text: str) -> list[str]:
    """A text whole, or in two or three pieces; a long one in many."""
    if len(text) > MANY:
        return [text[at : at + MANY] for at in range(0, len(text), MANY)]
    places = sorted(draw(st.lists(st.integers(0, len(text)), max_size=2)))
    edges = [0, *places, len(text)]
    return [text[a:b] for a, b in pairwise(edges)]


def typed(kind: str, of: str, **fields: Any) -> Say:
    return Say(kind, {"type": of, **fields}, of)


def written(value: Any) -> bytes:
    """As a provider writes it: nothing escaped that need not be."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")

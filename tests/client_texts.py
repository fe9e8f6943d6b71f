"""
What a configuration says, by readers that share nothing with Trooper's, and
random configurations that are as odd as people's are.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

from trooper.clients.client import Client
from trooper.clients.table import CLIENTS
from trooper.clients.wanted import Wanted

FILES = Path(__file__).parent / "client_files"
URL = "http://127.0.0.1:8642"
WITH_FILES: Mapping[str, Client] = {c.name: c for c in CLIENTS if isinstance(c, Client)}

#: A text, or a comment; then a text, or a comma before a closing bracket.
_COMMENT = re.compile(r'("(?:[^"\\]|\\.)*+")|//[^\n]*|/\*.*?\*/', re.DOTALL)
_COMMA = re.compile(r'("(?:[^"\\]|\\.)*+")|,(?=\s*[}\]])', re.DOTALL)


def read_jsonc(text: str) -> Any:
    for beside in (_COMMENT, _COMMA):
        text = beside.sub(lambda found: found[1] or "", text)
    return json.loads(text) if text.strip() else {}


def read_yaml(text: str) -> Any:
    return yaml.safe_load(text) or {}


READERS: Mapping[str, Callable[[str], Any]] = {
    "claude-code": read_jsonc,
    "codex": tomllib.loads,
    "opencode": read_jsonc,
    "aider": read_yaml,
    "continue": read_yaml,
}


def with_wanted(said: Any, name: str, wanted: tuple[Wanted, ...]) -> Any:
    """What a configuration says with all of it: computed from data, not from text."""
    said = json.loads(json.dumps(said, default=str))
    for each in wanted:
        table = said
        for key in each.path[:-1]:
            table = table.setdefault(key, {})
        if each.is_item:
            item = read_yaml(str(each.value))
            items = table.get(each.path[-1]) or []
            table[each.path[-1]] = items if item in items else [*items, item]
        else:
            table[each.path[-1]] = each.value
    return said


def plain(said: Any) -> Any:
    """Data that can be compared: dates as text."""
    return json.loads(json.dumps(said, default=str))


# -- random configurations ---------------------------------------------------------

_words = st.text("abcxyz_", min_size=1, max_size=6)
_odd = st.sampled_from(
    [
        "",
        " ",
        "été 灯台 🚢",
        "a: b",
        "# no comment",
        "// no comment",
        "/* nor this */",
        "[x]",
        "{",
        "}",
        "'",
        '"',
        "\\",
    ]
)
_texts = st.one_of(
    _words, _odd, st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), max_size=8)
)
_scalars = st.one_of(_texts, st.integers(-99, 99), st.booleans())
_yes = st.booleans()
_space = st.sampled_from(["", " ", "  ", "\n", "\n  ", " // c, } ]\n", " /* { , */ ", '\n\t// c: "x"\n\t'])


@st.composite
def jsonc_texts(draw: st.DrawFn, known: tuple[str, ...] = ("env", "provider", "anthropic", "options")) -> str:
    """An object with comments, trailing commas and odd spacing."""

    def value(depth: int) -> str:
        kind = draw(st.sampled_from(["scalar", "object", "array"] if depth else ["scalar"]))
        if kind == "scalar":
            return json.dumps(draw(_scalars), ensure_ascii=draw(st.booleans()))
        if kind == "object":
            return an_object(depth - 1)
        items: list[str] = [gap() + value(depth - 1) + gap() for _ in range(draw(st.integers(0, 2)))]
        return f"[{','.join(items)}{',' * (bool(items) and draw(_yes))}{gap()}]"

    def gap() -> str:
        return draw(_space)

    def an_object(depth: int) -> str:
        keys = draw(st.lists(st.one_of(st.sampled_from(known), _texts), max_size=4, unique=True))
        members = []
        for key in keys:
            # What is ours to fill is a table wherever it stands.
            told = an_object(depth - 1) if key in known and depth > 0 else value(max(depth, 0))
            told = "{}" if key in known and not told.startswith("{") else told
            members.append(f"{gap()}{json.dumps(key)}{gap()}:{gap()}{told}{gap()}")
        return f"{{{','.join(members)}{',' * (bool(members) and draw(_yes))}{gap()}}}"

    return draw(_space) + an_object(3) + draw(_space)


def _toml_value(scalar: Any) -> str:
    return json.dumps(scalar, ensure_ascii=False)


@st.composite
def toml_texts(draw: st.DrawFn) -> str:
    """Keys, tables, arrays of tables, comments; every kind of value."""
    values = st.one_of(
        _scalars.map(_toml_value),
        st.sampled_from(
            [
                "1_000",
                "2026-05-01",
                "2026-05-01 07:32:00",
                "2026-05-01T07:32:00Z",
                "07:32:00",
                "0x1F",
                "1e3",
                "-inf",
            ]
        ),
        st.sampled_from(
            ["'''\n[model_providers.trooper]\nname = '''", '"""a \\""" = [\n"""', "'#'", '"""""two"""""']
        ),
        st.sampled_from(
            ["[1, # c ]\n 2,\n]", '[ ["]"], [] ]', '{ a = 1, b = "}" }', "[{ a = '[' }]", "[\n\n]"]
        ),
    )
    tail = st.sampled_from(["", " ", "  # c = 1", "\t# [x]"])
    used: set[str] = set()

    def lines(prefix: str) -> list[str]:
        told = []
        for key in draw(st.lists(st.one_of(_words, _texts.map(_toml_value)), max_size=3, unique=True)):
            if prefix + key in used or f'{prefix}"{key}"' in used:
                continue
            used.add(prefix + key)
            told.append(
                f"{draw(st.sampled_from(['', '  ']))}k{key.strip(chr(34))[:0]}{len(used)} = {draw(values)}{draw(tail)}"
            )
            told += draw(st.sampled_from([[], [""], ["# about", ""], ["  # model_provider = 1"]]))
        return told

    text = draw(st.sampled_from([[], ["# mine", ""], ["# mine"], ["", ""]])) + lines("")
    if draw(st.booleans()):
        text.append(f'model_provider = "{draw(_words)}"{draw(tail)}')
    if draw(st.booleans()):
        text += ["[model_providers.trooper]" + draw(tail), f'name = "{draw(_words)}"', *lines("p")]
    for number in range(draw(st.integers(0, 3))):
        name = draw(st.sampled_from(["t{}", '"t {}"', "model_providers.m{}", "[a{}]", "t{}.'x.y'"])).format(
            number
        )
        text += [f"[{name}]{draw(tail)}", *lines(f"{number}.")]
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    return newline.join(text).replace("\r\n", "\n").replace("\n", newline) + draw(
        st.sampled_from(["", newline])
    )


@st.composite
def yaml_texts(draw: st.DrawFn, lists: tuple[str, ...] = ("set-env", "models")) -> str:
    """Keys at the left edge, with every kind of value behind them."""
    values = st.one_of(
        _words.map(lambda word: f" {word}"),
        _texts.map(lambda text: f" {json.dumps(text, ensure_ascii=False)}"),
        st.sampled_from(
            [
                *(
                    " 'it''s'  # c",
                    " x # c: d",
                    "",
                    " # c",
                    " [a, 'b]', {c: \"}\"}]",
                    " [\n  a, # c ]\n  don't,\n]",
                    " {a: [b]}",
                ),
                *(
                    "\n  a: 1\n  # c\n  b:\n    - x",
                    " |\n  text\n\n  - no item\n  k: v",
                    " >-\n  folded\n  text",
                ),
                *(
                    "\n  - a\n  # c\n  - b: 1\n    c: |\n      - x\n\n      # y",
                    "\n- a\n-   b: 2\n    c: 3",
                    " plain\n  goes on",
                ),
                *(' "two\n  lines: x"', "\n\n  - late", "\n  -\n    a: 1"),
            ]
        ),
    )
    between = st.sampled_from([[], [""], ["# c"], ["", "# k: v", ""], ["#"]])
    items: list[str] = [
        *("\n  - A=1\n  # c\n  - name: x\n    y: |\n      - z", "\n- B=2", "", "\n    - C=3\n"),
        *("\n  -\n    name: x\n\n  # c\n  - D=4 # c", "\n- 'E=5' # c\n#c\n- F=6\n"),
    ]
    text: list[str] = draw(st.sampled_from([[], ["---"], ["# mine", "--- # c"], ["", "# mine"]]))
    names = draw(st.lists(_words, max_size=4, unique=True))
    for name in (*names, *draw(st.lists(st.sampled_from(lists), unique=True))):
        text += draw(between)
        told = draw(st.sampled_from(items)) if name in lists else draw(values)
        text.append(f"{draw(st.sampled_from(['', 'k ', 'k-'])) if name not in lists else ''}{name}:{told}")
    if draw(st.booleans()):
        text.append(
            "openai-api-base: "
            + draw(st.sampled_from(["", "# c", "'https://a.example'", "https://b.example # c", '"x"']))
        )
    text += draw(between)
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    return "\n".join(text).replace("\n", newline) + draw(st.sampled_from(["", newline]))

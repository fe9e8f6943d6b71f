"""
TOML: splices of lines.

A key of the file itself goes behind its last neighbour, and so in front of the
first table; a table that is not there goes to the end. `tomllib` reads what
came and what became of it; where a file says something in a form that is not
looked for here (inline tables, dotted keys), the two do not agree, and nothing
is changed.
"""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any, Final

from attrs import frozen

from trooper.clients.wanted import NotEdited, Path, Value, Wanted, line_end, line_start, newline_of

_BLANK: Final = re.compile(r"[ \t\r\n]*")
_SPACE: Final = re.compile(r"[ \t]*")
_COMMENT: Final = re.compile(r"#[^\n]*")
#: The four kinds of strings; the long ones first.
_STRING: Final = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}(?!")' r"|'''.*?'{3,5}(?!')" r'|"(?:[^"\\\n]|\\.)*"' r"|'[^'\n]*'", re.DOTALL
)
_BARE: Final = re.compile(r"[^\s\"'#,=\[\]{}]+(?: \d\d:[^\s,#\]}]*)?")


@frozen
class _Line:
    """
    A header or a key with its value: where it stands, and what it is about.

    Attributes:
        path: the table, or the whole path of the key; none inside an array of tables.
        start: where it begins.
        end: where it ends, its comment left out.
        value: where a key's value begins; `None`: a header.
    """

    path: Path | None
    start: int
    end: int
    value: int | None = None


def read(text: str) -> dict[str, Any]:
    """What the file says."""
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise NotEdited(f"it is no TOML: {error}") from None


def raw(value: Value) -> str:
    """A TOML value; for these it is written as in JSON."""
    return json.dumps(value, ensure_ascii=False)


def found(text: str, path: Path) -> str | None:
    """How the value at `path` is written."""
    for line in _lines(text):
        if line.path == path and line.value is not None:
            return text[line.value : line.end]
    return None


def put(text: str, wanted: Wanted, raw: str) -> str:
    """With it: in the place of an old value, at the end of its table, or with its table at the end."""
    lines = _lines(text)
    for line in lines:
        if line.path == wanted.path and line.value is not None:
            return text[: line.value] + raw + text[line.end :]
    newline = newline_of(text)
    table, key = wanted.path[:-1], f"{_key(wanted.path[-1])} = {raw}"
    if not table:
        return _with_root_key(text, lines, key, newline)
    place = next((i for i, line in enumerate(lines) if line.path == table and line.value is None), None)
    if place is None:
        ended = text if not text or text.endswith("\n") else text + newline
        between = newline if ended.strip() else ""
        return f"{ended}{between}[{'.'.join(map(_key, table))}]{newline}{key}{newline}"
    last = lines[place]
    for line in lines[place + 1 :]:
        if line.value is None:
            break
        last = line
    indent = text[line_start(text, last.start) : last.start]
    return _line_behind(text, last.end, indent + key, newline)


def drop(text: str, wanted: Wanted) -> str:
    """Without the lines of this key."""
    for line in _lines(text):
        if line.path == wanted.path and line.value is not None:
            start, end = line_start(text, line.start), line_end(text, line.end)
            behind = line_end(text, end)
            if not text[end:behind].strip() and not text[line_start(text, max(0, start - 1)) : start].strip():
                # It stood alone between two empty lines, or at the top.
                end = behind
            return text[:start] + text[end:]
    return text


def prune(text: str, path: Path) -> str:
    """Without the header of this table, and the empty line in front of it. A table without a header needs nothing."""
    for line in _lines(text):
        if line.path == path and line.value is None:
            start = line_start(text, line.start)
            before = line_start(text, max(0, start - 1))
            if start and not text[before:start].strip():
                start = before
            return text[:start] + text[line_end(text, line.end) :]
    return text


def _with_root_key(text: str, lines: list[_Line], key: str, newline: str) -> str:
    last: _Line | None = None
    for line in lines:
        if line.value is None:
            break
        last = line
    if last is not None:
        return _line_behind(text, last.end, key, newline)
    first = lines[0].start if lines else len(text)
    # Behind what is said about the whole file: comments that an empty line ends.
    head = text[:first].rfind(newline * 2)
    at = head + 2 * len(newline) if head >= 0 else 0
    between = newline if text[at:].strip() else ""
    return f"{text[:at]}{key}{newline}{between}{text[at:]}"


def _line_behind(text: str, at: int, line: str, newline: str) -> str:
    end = line_end(text, at)
    if text[at:end].endswith("\n"):
        return f"{text[:end]}{line}{newline}{text[end:]}"
    return f"{text[:end]}{newline}{line}{text[end:]}"


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else json.dumps(name, ensure_ascii=False)


def _lines(text: str) -> list[_Line]:
    """All headers and keys, in their order."""
    read(text)
    lines: list[_Line] = []
    arrays: set[Path] = set()
    table: Path | None = ()
    at = 0
    while (at := _skipped(text, at)) < len(text):
        start = at
        if text[at] == "[":
            is_array = text.startswith("[[", at)
            name, at = _name(text, at + 1 + is_array, "]")
            at += 1 + is_array
            if is_array:
                arrays.add(name)
            in_array = any(name[:depth] in arrays for depth in range(1, len(name) + 1))
            table = None if in_array else name
            lines.append(_Line(table, start, at))
            continue
        name, at = _name(text, at, "=")
        value = _end(_SPACE, text, at + 1)
        at = _value_end(text, value)
        lines.append(_Line(None if table is None else table + name, start, at, value))
    return lines


def _name(text: str, at: int, closing: str) -> tuple[Path, int]:
    """The parts of a key, and where `closing` stands behind it."""
    start = at
    while at < len(text) and text[at] != closing:
        string = _STRING.match(text, at)
        at = string.end() if string is not None else at + 1
    told: Any = read(f"{text[start:at].strip()} = 0")
    parts: list[str] = []
    while isinstance(told, dict):
        ((part, told),) = told.items()
        parts.append(part)
    return tuple(parts), at


def _value_end(text: str, at: int) -> int:
    """Where a value ends; what stands in brackets is passed over as a whole."""
    depth = 0
    while at < len(text):
        if (string := _STRING.match(text, at)) is not None:
            at = string.end()
        elif text[at] in "[{":
            depth, at = depth + 1, at + 1
        elif text[at] in "]}":
            depth, at = depth - 1, at + 1
        elif depth and text[at] in "#,= \t\r\n":
            at = _skipped(text, at) if text[at] not in ",=" else at + 1
        elif (bare := _BARE.match(text, at)) is not None:
            at = bare.end()
        else:
            break
        if depth == 0:
            return at
    raise NotEdited("it has a value that cannot be told from what follows")


def _skipped(text: str, at: int) -> int:
    """Behind blanks, empty lines and comments."""
    while True:
        end = _end(_BLANK, text, at)
        end = _end(_COMMENT, text, end) if text.startswith("#", end) else end
        if end == at:
            return at
        at = end


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    """Behind what matches; these patterns match nothing at least."""
    match = pattern.match(text, at)
    return at if match is None else match.end()

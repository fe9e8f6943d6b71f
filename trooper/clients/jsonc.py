"""
JSON, with comments and trailing commas where a file has them: splices of text.

A new member goes behind the last one, on a line of its own if its neighbours
have theirs, with their indent. A comment at the end of the last one's line
stays there. No comment is ever added: some programs read plain JSON.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from attrs import frozen

from trooper.clients.wanted import NotEdited, Path, Value, Wanted, line_end, line_start, newline_of

_SPACE: Final = re.compile(r"(?:[ \t\r\n]+|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
#: What may stand behind the last member on its line.
_REST_OF_LINE: Final = re.compile(r"(?:[ \t]|/\*[^\n]*?\*/)*(?://[^\n]*)?")
_BLANKS: Final = re.compile(r"[ \t]*")
_STRING: Final = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_BARE: Final = re.compile(r"[^\s,\]}/]+")
_DEEPEST: Final = 100


@frozen
class _Node:
    """A value: where it stands, and what it says."""

    start: int
    end: int
    value: Any
    members: tuple[_Member, ...] = ()


@frozen
class _Member:
    """A member of an object; `comma` is where its comma stands, if it has one."""

    key: str
    start: int
    node: _Node
    comma: int | None


def read(text: str) -> dict[str, Any]:
    """What the file says; an empty one says nothing."""
    said: dict[str, Any] = _tree(text).value
    return said


def raw(value: Value) -> str:
    """A JSON value."""
    return json.dumps(value, ensure_ascii=False)


def found(text: str, path: Path) -> str | None:
    """How the value at `path` is written."""
    node = _at(_tree(text), path)
    return None if node is None else text[node.start : node.end]


def put(text: str, wanted: Wanted, raw: str) -> str:
    """With it, in the place of an old value or behind the last member."""
    if not text[_skipped(text, 0) :]:
        text += "{}" + newline_of(text)
    tree = _tree(text)
    if (old := _at(tree, wanted.path)) is not None:
        return text[: old.start] + raw + text[old.end :]
    parent, depth = tree, 0
    while (inner := _at(parent, wanted.path[depth : depth + 1])) is not None:
        parent, depth = inner, depth + 1
    if not isinstance(parent.value, dict):
        raise NotEdited(f"{'.'.join(wanted.path[:depth])} is no object there; make it one, or take it out")
    return _with_member(text, tree, parent, wanted.path[depth:], raw)


def drop(text: str, wanted: Wanted) -> str:
    """Without the member at this path, and the comma that belonged to it."""
    tree = _tree(text)
    parent = _at(tree, wanted.path[:-1])
    if parent is None or _at(tree, wanted.path) is None:
        return text
    place = next(i for i, member in enumerate(parent.members) if member.key == wanted.path[-1])
    member = parent.members[place]
    comma = parent.members[place - 1].comma if place and member.comma is None else None
    end = member.node.end if member.comma is None else member.comma + 1
    start, behind = line_start(text, member.start), line_end(text, end)
    if text[start : member.start].strip() or text[end:behind].strip():
        start, behind = member.start, end if member.comma is None else _end(_BLANKS, text, end)
    text = text[:start] + text[behind:]
    if comma is None:
        return text
    # What stood between it and the member was a blank, or is a comment on a line of its own.
    inline = _end(_BLANKS, text, comma + 1) == start
    return text[:comma] + text[start if inline else comma + 1 :]


def prune(text: str, path: Path) -> str:
    """Without the empty object at `path`."""
    return drop(text, Wanted(path, ""))


def _with_member(text: str, tree: _Node, parent: _Node, path: Path, raw: str) -> str:
    newline = newline_of(text)
    last = parent.members[-1] if parent.members else None
    outer = _indent(text, parent.start)
    unit = _unit(text, tree)
    if last is None:
        inner = text[parent.start + 1 : parent.end - 1]
        if inner.strip():
            # Only comments: they stay, in front of it.
            head = text[: parent.end - 1].rstrip(" \t\r\n")
            member = _member(path, raw, outer + unit, unit, newline)
            return f"{head}{newline}{outer}{unit}{member}{newline}{outer}{text[parent.end - 1 :]}"
        member = _member(path, raw, outer + unit, unit, newline)
        made = f"{{{newline}{outer}{unit}{member}{newline}{outer}}}"
        return text[: parent.start] + made + text[parent.end :]
    indent = text[line_start(text, last.start) : last.start]
    if indent.strip() or "\n" not in text[parent.start : last.start]:
        member = _member(path, raw, "", "", "")
        at = last.node.end if last.comma is None else last.comma + 1
        between, after = (", ", "") if last.comma is None else (" ", ",")
        return text[:at] + between + member + after + text[at:]
    member = _member(path, raw, indent, unit, newline)
    end = last.node.end if last.comma is None else last.comma + 1
    rest = _end(_REST_OF_LINE, text, end)
    # Where something else stands on the line, there is no end of it to go behind.
    behind = rest if text[rest : rest + 1] in ("", "\r", "\n") else end
    commas = (",", "") if last.comma is None else ("", ",")
    return f"{text[:end]}{commas[0]}{text[end:behind]}{newline}{indent}{member}{commas[1]}{text[behind:]}"


def _member(path: Path, raw: str, indent: str, unit: str, newline: str) -> str:
    """A member, and the objects between the place and the value."""
    key = json.dumps(path[0])
    if len(path) == 1:
        return f"{key}: {raw}"
    inner = _member(path[1:], raw, indent + unit, unit, newline)
    if not newline:
        return f"{key}: {{{inner}}}"
    return f"{key}: {{{newline}{indent}{unit}{inner}{newline}{indent}}}"


def _indent(text: str, at: int) -> str:
    line = text[line_start(text, at) : at]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _unit(text: str, tree: _Node) -> str:
    """One step of this file's indent."""
    if tree.members:
        indent = text[line_start(text, tree.members[0].start) : tree.members[0].start]
        if indent and not indent.strip(" \t"):
            return indent
    return "  "


def _at(node: _Node, path: Path) -> _Node | None:
    for key in path:
        inner = next((member.node for member in node.members if member.key == key), None)
        if inner is None:
            return None
        node = inner
    return node


def _tree(text: str) -> _Node:
    """
    The whole file. `NotEdited` where it is no JSON, no object, or says a name
    twice: which of the two counts is for the program to say.
    """
    start = _skipped(text, 0)
    if start == len(text):
        return _Node(start, start, {})
    node = _value(text, start, _DEEPEST)
    end = _skipped(text, node.end)
    if end != len(text):
        raise _broken(text, end, "there is something behind the end")
    if not isinstance(node.value, dict):
        raise _broken(text, start, "an object in braces belongs here")
    return node


def _skipped(text: str, at: int) -> int:
    return _end(_SPACE, text, at)


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    """Behind what matches; these patterns match nothing at least."""
    match = pattern.match(text, at)
    return at if match is None else match.end()


def _value(text: str, at: int, depth: int) -> _Node:
    if depth == 0:
        raise _broken(text, at, "it is nested too deeply")
    if text.startswith("{", at):
        return _object(text, at, depth)
    if text.startswith("[", at):
        return _array(text, at, depth)
    pattern = _STRING if text.startswith('"', at) else _BARE
    if (token := pattern.match(text, at)) is None:
        raise _broken(text, at, "a value belongs here")
    try:
        return _Node(at, token.end(), json.loads(token[0]))
    except ValueError:
        raise _broken(text, at, "this is no JSON value") from None


def _object(text: str, start: int, depth: int) -> _Node:
    members: dict[str, _Member] = {}
    at, needs_comma = _skipped(text, start + 1), False
    while not text.startswith("}", at):
        if needs_comma:
            raise _broken(text, at, "a comma or a closing brace belongs here")
        if (token := _STRING.match(text, at)) is None:
            raise _broken(text, at, "a name in quotes belongs here")
        try:
            key = json.loads(token[0])
        except ValueError:
            raise _broken(text, at, "this is no JSON string") from None
        if key in members:
            raise _broken(text, at, f"{key} stands there twice; leave one of them")
        colon = _skipped(text, token.end())
        if not text.startswith(":", colon):
            raise _broken(text, colon, "a colon belongs here")
        node = _value(text, _skipped(text, colon + 1), depth - 1)
        behind = _skipped(text, node.end)
        has_comma = text.startswith(",", behind)
        members[key] = _Member(key, at, node, behind if has_comma else None)
        at, needs_comma = (_skipped(text, behind + 1), False) if has_comma else (behind, True)
    values = {member.key: member.node.value for member in members.values()}
    return _Node(start, at + 1, values, tuple(members.values()))


def _array(text: str, start: int, depth: int) -> _Node:
    values: list[Any] = []
    at, needs_comma = _skipped(text, start + 1), False
    while not text.startswith("]", at):
        if needs_comma:
            raise _broken(text, at, "a comma or a closing bracket belongs here")
        node = _value(text, at, depth - 1)
        values.append(node.value)
        at = _skipped(text, node.end)
        needs_comma = not text.startswith(",", at)
        at = at if needs_comma else _skipped(text, at + 1)
    return _Node(start, at + 1, values)


def _broken(text: str, at: int, why: str) -> NotEdited:
    return NotEdited(f"line {text.count(chr(10), 0, at) + 1} is no JSON that can be edited: {why}")

"""
YAML: splices of lines at the top of a file.

What is wanted are keys of the file itself, and items of a list under one of
them. So only the top is looked at: which lines belong to which key, and which
of them to which item. All else is text that is not read, and comes out of an
edit as it went in. A file whose top is in another form (flow style, several
documents, tags and the like) is not edited: no package that reads all of YAML
is needed for two lines.
"""

from __future__ import annotations

import json
import re
import textwrap
from typing import Any, Final

from attrs import frozen

from trooper.clients.wanted import NotEdited, Path, Value, Wanted, newline_of

#: A key at the left edge, and what stands behind its colon.
_KEY: Final = re.compile(
    r"""([A-Za-z0-9_][\w .-]*?|"[^"\\\n]*"|'[^'\n]*')[ ]*:(?:[ ]+(.*)|[ ]*)""", re.DOTALL
)
_ITEM: Final = re.compile(r"( *)-(?: +(.*)|)", re.DOTALL)
_COMMENT: Final = re.compile(r"(?:^|[ ])#.*", re.DOTALL)
#: A value on one line, whole, and what may stand behind it.
_QUOTED: Final = re.compile(r"""("(?:[^"\\\n]|\\.)*"|'(?:[^'\n]|'')*')[ ]*(?:[ ]#.*)?""")
_SAFE: Final = re.compile(r"(?![^\n]*(?::\s|\s#|[:\s]$))[A-Za-z$][!-~]*(?: [!-~]+)*")
#: Words that would be no text.
_NO_TEXT: Final = re.compile(r"(?i)y|n|yes|no|on|off|true|false|null|nan|inf")
#: Line breaks that some readers of YAML know and others do not.
_ODD_BREAKS: Final = re.compile("[\x0b\x0c\x85\u2028\u2029]|\r(?!\n)")


@frozen
class _Entry:
    """
    A key at the top and its lines.

    Attributes:
        name: the key.
        first: its first line.
        end: the line behind its last one that says something.
        inline: what stands behind the colon, its comment included.
    """

    name: str
    first: int
    end: int
    inline: str


@frozen
class _Item:
    """An item of a list: its lines, its indent, and its text without that."""

    first: int
    end: int
    indent: str
    text: str


def read(text: str) -> dict[str, Any]:
    """
    What the file says: of each key its one-line value as text, its items as a
    list of texts, or its lines as they are.
    """
    lines, entries = _lines(text), _entries(text)
    return {entry.name: _value(lines, entry) for entry in entries}


def raw(value: Value) -> str:
    """A value: text plain where nobody can take it for something else."""
    if not isinstance(value, str):
        return json.dumps(value)
    if _SAFE.fullmatch(value) and not _NO_TEXT.fullmatch(value):
        return value
    return json.dumps(value, ensure_ascii=False)


def found(text: str, path: Path) -> str | None:
    """How the value at the top is written, if it stands on one line."""
    for entry in _entries(text):
        if (entry.name,) == path:
            value = _inline(entry)
            return None if entry.end > entry.first + 1 else value
    return None


def put(text: str, wanted: Wanted, raw: str) -> str:
    """With it: a value replaced on its line, an item behind the last one, else at the end of the file."""
    lines, newline = _lines(text), newline_of(text)
    (name,) = wanted.path
    entry = next((entry for entry in _entries(text) if entry.name == name), None)
    if entry is None:
        made = [f"{name}:", *_item_lines("  ", raw)] if wanted.is_item else [f"{name}: {raw}"]
        return _inserted(lines, len(lines), made, newline)
    if wanted.is_item:
        return _with_item(lines, entry, raw, newline)
    if entry.end > entry.first + 1:
        raise NotEdited(f"the value of {name} has several lines; take it out, or write it on one")
    line, value = lines[entry.first], _inline(entry)
    colon = line.index(":", len(name)) + 1
    if value:
        at = line.index(value, colon)
        lines[entry.first] = f"{line[:at]}{raw}{line[at + len(value) :]}"
    else:
        lines[entry.first] = f"{line[:colon]} {raw}{line[colon:]}"
    return "".join(lines)


def drop(text: str, wanted: Wanted) -> str:
    """Without the lines of this key or item."""
    lines = _lines(text)
    for entry in _entries(text):
        if (entry.name,) != wanted.path:
            continue
        if not wanted.is_item:
            return "".join(lines[: entry.first] + lines[entry.end :])
        for item in _items(lines, entry) or ():
            if _said(item.text) == _said(str(wanted.value)):
                return "".join(lines[: item.first] + lines[item.end :])
    return text


def prune(text: str, path: Path) -> str:
    """Without the key whose last item is gone."""
    return drop(text, Wanted(path, ""))


def _with_item(lines: list[str], entry: _Entry, raw: str, newline: str) -> str:
    items = _items(lines, entry)
    if items:
        return _inserted(lines, items[-1].end, _item_lines(items[-1].indent, raw), newline)
    if entry.end == entry.first + 1 and not _inline(entry):
        return _inserted(lines, entry.end, _item_lines("  ", raw), newline)
    raise NotEdited(f"{entry.name} is no list with one `- ` a line; make it one, or take it out")


def _item_lines(indent: str, raw: str) -> list[str]:
    first, *others = raw.split("\n")
    return [f"{indent}- {first}", *(f"{indent}  {line}" for line in others)]


def _inserted(lines: list[str], at: int, made: list[str], newline: str) -> str:
    before = "".join(lines[:at])
    if before and not before.endswith("\n"):
        if lines[at - 1].startswith(" "):
            # The break would be a part of a text that ends there.
            raise NotEdited("the last line has no end; add a line break to the file")
        before += newline
    return before + "".join(line + newline for line in made) + "".join(lines[at:])


def _value(lines: list[str], entry: _Entry) -> Any:
    if entry.end == entry.first + 1:
        return _said(_inline(entry))
    items = _items(lines, entry)
    if items is not None:
        return [_said(item.text) for item in items]
    return "".join(lines[entry.first : entry.end]).rstrip("\r\n")


def _said(text: str) -> str:
    """A value without its quotes and its comment, where it is on one line."""
    text = text.strip("\r\n")
    if "\n" in text:
        return text.replace("\r\n", "\n")
    if (quoted := _QUOTED.fullmatch(text)) is None:
        return _COMMENT.sub("", text, count=1).strip()
    inner = quoted[1]
    if inner.startswith("'"):
        return inner[1:-1].replace("''", "'")
    try:
        return str(json.loads(inner))
    except ValueError:
        return inner


def _inline(entry: _Entry) -> str:
    """The value on the key's own line, as it is written, without its comment."""
    if (quoted := _QUOTED.fullmatch(entry.inline)) is not None:
        return quoted[1]
    return _COMMENT.sub("", entry.inline, count=1).strip()


def _items(lines: list[str], entry: _Entry) -> list[_Item] | None:
    """The items of a list with one `- ` a line; `None` if the value is none."""
    if _inline(entry):
        return None
    items: list[_Item] = []
    indent: str | None = None
    first = end = entry.first + 1
    for number in range(entry.first + 1, entry.end):
        line = lines[number].rstrip("\r\n")
        match = _ITEM.fullmatch(line)
        if match is not None and indent in (None, match[1]):
            if indent is not None:
                items.append(_item(lines, first, end, indent))
            indent, first = match[1], number
        elif indent is None:
            if line.strip() and not line.lstrip().startswith("#"):
                return None
            continue
        elif line.strip() and not line.startswith(f"{indent} ") and not line.lstrip().startswith("#"):
            return None
        # Comments and empty lines behind an item are in front of the next one.
        if line.strip() and (match is not None or not line.lstrip().startswith("#")):
            end = number + 1
    if indent is None:
        return None
    return [*items, _item(lines, first, end, indent)]


def _item(lines: list[str], first: int, end: int, indent: str) -> _Item:
    text = "".join(lines[first:end])
    body = " " * (len(indent) + 1) + text[len(indent) + 1 :]
    return _Item(first, end, indent, textwrap.dedent(body).strip("\r\n"))


def _lines(text: str) -> list[str]:
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _entries(text: str) -> list[_Entry]:
    """The keys at the top; `NotEdited` where it is in a form that is not looked at."""
    if odd := _ODD_BREAKS.search(text):
        raise _other_form(text.count("\n", 0, odd.start()), "it has an odd line break")
    lines = _lines(text)
    entries: list[_Entry] = []
    number, started = 0, False
    while number < len(lines):
        line = lines[number].rstrip("\r\n")
        if not line.strip() or line.startswith("#"):
            number += 1
            continue
        if re.fullmatch(r"---(?:[ ]+#.*)?[ ]*", line) and not started:
            number, started = number + 1, True
            continue
        key = _KEY.fullmatch(line)
        if key is None or "\t" in line[: key.end(1)]:
            raise _other_form(number, "a key and a colon belong at its left edge")
        started = True
        inline = key[2] or ""
        end = _end(lines, number, inline)
        entry = _Entry(_said(key[1]), number, end, inline)
        if any(other.name == entry.name for other in entries):
            raise _other_form(number, f"{entry.name} stands there twice; leave one of them")
        entries.append(entry)
        number = end
    return entries


def _end(lines: list[str], number: int, inline: str) -> int:
    """The line behind a value's last one."""
    if inline.startswith(("[", "{", '"', "'")):
        return _closed(lines, number, inline)
    if inline.startswith(("&", "*", "!", "%", "@", "`", "?")):
        raise _other_form(number, "it begins with a sign that is not understood here")
    end = number + 1
    is_empty = not _COMMENT.sub("", inline, count=1).strip()
    for place in range(number + 1, len(lines)):
        line = lines[place].rstrip("\r\n")
        if not line.strip() or line.startswith("#"):
            continue
        if not line.startswith((" ", "\t")) and not (is_empty and re.match(r"-(?: |$)", line)):
            break
        end = place + 1
    return end


def _closed(lines: list[str], number: int, inline: str) -> int:
    """The same for quotes and brackets, which may be closed on a later line."""
    depth, quote = 0, ""
    for place in range(number, len(lines)):
        line = inline if place == number else lines[place].rstrip("\r\n")
        at = 0
        while at < len(line):
            sign = line[at]
            if quote:
                if sign == "\\" and quote == '"':
                    at += 1
                elif sign == quote:
                    quote = ""
            elif sign == "#" and (at == 0 or line[at - 1] == " "):
                break
            elif sign in "\"'" and (at == 0 or line[at - 1] in " [{,:'"):
                # Elsewhere it is an apostrophe.
                quote = sign
            elif sign in "[{":
                depth += 1
            elif sign in "]}":
                depth -= 1
            at += 1
            if not quote and depth == 0:
                if line[at:].strip() and not re.match(r"[ ]+#|'", line[at:]):
                    raise _other_form(place, "there is something behind the value")
                if not line.startswith("'", at):
                    return place + 1
    raise _other_form(number, "its quotes or brackets are not closed")


def _other_form(number: int, why: str) -> NotEdited:
    return NotEdited(f"line {number + 1} is no YAML that can be edited: {why}")

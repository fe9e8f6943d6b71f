"""
A client's configuration, with what is wanted and without it again: text in, text out.

Whatever the formats do, this is the judge: what a text says after an edit is
what it said before, but for the things that were wanted. Else nothing is
edited, and the user is told to do it by hand.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from attrs import frozen

from trooper.clients.wanted import Format, NotEdited, Path, Wanted


@frozen
class Change:
    """
    One thing that was put into a text, and what is needed to take it out again.

    Attributes:
        wanted: the thing.
        old: how the value was written that stood there; `None`: none did.
        depth: how many names of its path led somewhere before.
    """

    wanted: Wanted
    old: str | None
    depth: int


@frozen
class Edited:
    """
    A text after an edit.

    Attributes:
        text: the text.
        changes: what was put in; nothing of what it said already.
        left: names of what could not be taken out, because somebody has changed it since.
    """

    text: str
    changes: tuple[Change, ...] = ()
    left: tuple[str, ...] = ()


def connected(form: Format, text: str, wanted: Sequence[Wanted]) -> Edited:
    """
    `text` with everything that is wanted in it.

    Raises:
        NotEdited: it cannot be read, or the edit would have said something else.
    """
    said = form.read(text)
    changes: list[Change] = []
    for each in wanted:
        if _says(said, each):
            continue
        old = None if each.is_item else form.found(text, each.path)
        changes.append(Change(each, old, _depth(said, each.path)))
        raw = str(each.value) if each.is_item else form.raw(each.value)
        text = form.put(text, each, raw)
        said = _with(said, each)
        _check(form, text, said)
    return Edited(text, tuple(changes))


def disconnected(form: Format, text: str, changes: Sequence[Change]) -> Edited:
    """
    `text`, which somebody has changed since, without what was put in: old values
    are put back, what is empty now and was not there before goes as well. A value
    that is not ours any more stays.

    Raises:
        NotEdited: as for `connected`.
    """
    said = form.read(text)
    left: list[str] = []
    for change in reversed(changes):
        wanted = change.wanted
        if not _says(said, wanted):
            left.append(wanted.name)
            continue
        if change.old is not None:
            text = form.put(text, wanted, change.old)
            said = _with_old(form, text, said, wanted.path)
            _check(form, text, said)
            continue
        text, said = form.drop(text, wanted), _without(said, wanted)
        depth = len(wanted.path) - (not wanted.is_item)
        while depth > change.depth and at(said, wanted.path[:depth]) in ({}, ""):
            text, said = (
                form.prune(text, wanted.path[:depth]),
                _without(said, Wanted(wanted.path[:depth], "")),
            )
            depth -= 1
        _check(form, text, said)
    return Edited(text, (), tuple(reversed(left)))


def conflicts(form: Format, text: str, wanted: Sequence[Wanted]) -> tuple[tuple[Wanted, Any], ...]:
    """What the text says otherwise: the wanted thing, and the value that stands in its place."""
    said = form.read(text)
    return tuple(
        (each, at(said, each.path))
        for each in wanted
        if not each.is_item and not _says(said, each) and at(said, each.path) is not None
    )


def _check(form: Format, text: str, said: dict[str, Any]) -> None:
    try:
        is_so = _bare(form.read(text)) == _bare(said)
    except NotEdited:
        is_so = False
    if not is_so:
        raise NotEdited(
            "it says some of this in a form that cannot be edited safely; put the block in by hand"
        )


def _bare(said: Any) -> Any:
    if not isinstance(said, dict):
        return said
    return {key: _bare(value) for key, value in said.items() if value not in ({}, [])}


def _says(said: dict[str, Any], wanted: Wanted) -> bool:
    value = at(said, wanted.path)
    if wanted.is_item:
        return isinstance(value, list) and str(wanted.value) in value
    return type(value) is type(wanted.value) and value == wanted.value


def readable(form: Format, text: str) -> dict[str, Any] | None:
    """What a text says; `None`: that cannot be told. What is wrong with it the program says itself."""
    try:
        return form.read(text)
    except NotEdited:
        return None


def at(said: Any, path: Path) -> Any:
    """The value at `path` of what a text says; `None`: none stands there."""
    for name in path:
        if not isinstance(said, dict) or name not in said:
            return None
        said = said[name]
    return said


def _depth(said: dict[str, Any], path: Path) -> int:
    return max(depth for depth in range(len(path) + 1) if at(said, path[:depth]) is not None)


def _with(said: dict[str, Any], wanted: Wanted) -> dict[str, Any]:
    said = copy.deepcopy(said)
    if wanted.is_item:
        items = at(said, wanted.path) or []
        if not isinstance(items, list):
            raise NotEdited(f"{wanted.name} is no list with one `- ` a line; make it one, or take it out")
        return _put(said, wanted.path, [*items, str(wanted.value)])
    return _put(said, wanted.path, wanted.value)


def _with_old(form: Format, text: str, said: dict[str, Any], path: Path) -> dict[str, Any]:
    return _put(copy.deepcopy(said), path, at(form.read(text), path))


def _put(said: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    table = said
    for name in path[:-1]:
        inner = table.setdefault(name, {})
        if not isinstance(inner, dict):
            raise NotEdited(f"{name} is no table there; make it one, or take it out")
        table = inner
    table[path[-1]] = value
    return said


def _without(said: dict[str, Any], wanted: Wanted) -> dict[str, Any]:
    said = copy.deepcopy(said)
    if wanted.is_item:
        rest = [item for item in at(said, wanted.path) if item != str(wanted.value)]
        # A key whose list has no line any more says nothing.
        return _put(said, wanted.path, rest or "")
    del at(said, wanted.path[:-1])[wanted.path[-1]]
    return said

"""
What a tool call asks for: what it is about, and the texts in its arguments in which there may be facts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec
from attrs import frozen

from trooper.core.json_text import NOT_JSON, is_intricate

#: Names of arguments that say what a call is about, the best first.
_HEADS: Final = (
    *(
        "command",
        "cmd",
        "script",
        "file_path",
        "filepath",
        "filename",
        "path",
        "file",
        "notebook_path",
        "target_file",
    ),
    *("url", "query", "sql", "pattern", "q", "expression", "to", "name", "title", "id"),
)
_CHANGES: Final = re.compile(
    r"write|edit|create|patch|update|insert|replace|append|apply|set|save|put|post|delete|remove|rename|move|add|send|commit",
    re.IGNORECASE,
)
_CHANGING_COMMAND: Final = re.compile(
    r"\b(?:git (?:commit|checkout|switch|push|tag|merge|branch|rebase|reset|revert)|mv|rm|cp|mkdir|ln|chmod|chown|kill"
    r"|install|uninstall|deploy|apply|migrate|export|restart|start|stop|docker|kubectl|systemctl|createdb|dropdb|ssh|scp"
    r"|rsync|alter|sed -i|tee)\b|>"
)
#: So long a head may be; of a longer command the beginning names it, and the whole is looked through.
_MOST_HEAD_CHARS: Final = 160
_MOST_LEAVES: Final = 200
#: What a text that was replaced said is no longer so.
_REPLACED: Final = frozenset({"old_string", "old_str", "old_text", "old", "search", "find", "before"})


@frozen
class Asked:
    """
    What a call asks for.

    Attributes:
        head: its command, file or question; empty if it has none.
        changes: it seems to change something.
        texts: what else stands in its arguments.
    """

    head: str
    changes: bool
    texts: tuple[str, ...]


def asked_by(name: str, arguments: str) -> Asked:
    """What a call of the tool `name` asks for; arguments that are no JSON are a text."""
    changes = _CHANGES.search(name) is not None
    if is_intricate(arguments):
        return Asked("", changes, (arguments,))
    try:
        decoded = msgspec.json.decode(arguments)
    except NOT_JSON:
        return Asked("", changes, (arguments,))
    leaves = list(_leaves(decoded))
    head_name, head = _head(leaves)
    changes = changes or _CHANGING_COMMAND.search(head[:_MOST_HEAD_CHARS]) is not None
    texts = list[str]()
    pairs = list[str]()
    for key, value in leaves:
        if key in _REPLACED or (
            key == head_name and value == head and len(value) <= _MOST_HEAD_CHARS and "\n" not in value
        ):
            continue
        if "\n" in value or len(value) > _MOST_HEAD_CHARS:
            texts.append(value)
        else:
            pairs.append(f"{key}: {value}" if key else value)
    if pairs:
        texts.insert(0, "\n".join(pairs))
    return Asked(head.split("\n", 1)[0][:_MOST_HEAD_CHARS].strip(), changes, tuple(texts))


def _head(leaves: Sequence[tuple[str, str]]) -> tuple[str, str]:
    first: Mapping[str, str] = dict(reversed(leaves))
    for name in _HEADS:
        if first.get(name):
            return name, first[name]
    return next(((key, value) for key, value in leaves if value and len(value) <= _MOST_HEAD_CHARS), ("", ""))


def _leaves(decoded: object) -> Iterator[tuple[str, str]]:
    """Texts and numbers in arguments, with the names that they stand under, in order."""
    waiting: list[tuple[str, object]] = [("", decoded)]
    found = 0
    while waiting and found < _MOST_LEAVES:
        name, value = waiting.pop()
        match value:
            case dict():
                waiting += [(str(key)[:64], one) for key, one in reversed(list(value.items())[:_MOST_LEAVES])]
            case list():
                waiting += [(name, one) for one in reversed(value[:_MOST_LEAVES])]
            case str() if value:
                found += 1
                yield name, value
            case bool() | None:
                pass
            case int() | float():
                found += 1
                yield name, str(value)
            case _:
                pass

"""
Shorter forms of what a prompt holds: of a tool's result its first and last lines, of a tool its
first sentence and its schema's names and types, of a long text its beginning or its end.

Each cut is at the best place near by: a paragraph, a line, a sentence, a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from attrs import evolve

from trooper.core.conversation import Message, TextPart, Tool
from trooper.core.tokens import tokens_at_most

#: So many lines of a result stay at either end, of so many characters in all.
_LINES: Final = 4
_LINES_CHARS: Final = 320
#: A result that is hardly longer than that stays as it is.
_WORTH_CHARS: Final = 3 * _LINES_CHARS
#: What stands for what is left out; without words, since it may be in any language.
_GAP: Final = "[…]"
_SENTENCE_END: Final = re.compile(r"[.!?](?=\s)|[。！？]|\n")
_MOST_DESCRIPTION_CHARS: Final = 200
#: What a schema needs for names and types. All else of it is prose, bounds and examples.
_KEPT_KEYS: Final = frozenset({"type", "required", "enum", "const", "$ref", "additionalProperties"})
_SCHEMA_KEYS: Final = frozenset({"items", "not", "if", "then", "else"})
_SCHEMA_LISTS: Final = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
_SCHEMA_MAPS: Final = frozenset({"properties", "$defs", "definitions", "patternProperties"})
_DEEPEST: Final = 16
#: So often a text is measured, to find where it is as long as it may be.
_MOST_TRIES: Final = 8


def first_and_last(text: str, telling: Sequence[str] = ()) -> str:
    """
    A result's first and last lines, and between them what of the rest is `telling`.

    What is hardly longer stays as it is.
    """
    if len(text) < _WORTH_CHARS:
        return text
    head, tail = _first_lines(text), _last_lines(text)
    between = [t for t in telling if t not in head and t not in tail]
    return "\n".join((head, _GAP, *(part for t in between for part in (t, _GAP)), tail))


def _first_lines(text: str) -> str:
    end = -1
    for _ in range(_LINES):
        found = text.find("\n", end + 1, _LINES_CHARS)
        if found < 0:
            break
        end = found
    return text[:end] if end > 0 else text[:_LINES_CHARS]


def _last_lines(text: str) -> str:
    text = text.rstrip()
    start, least = len(text), len(text) - _LINES_CHARS
    for _ in range(_LINES):
        found = text.rfind("\n", least, start)
        if found < 0:
            break
        start = found
    return text[start + 1 :] if start < len(text) else text[least:]


def with_text(message: Message, text: str) -> Message:
    """The same message with another text; images and the like stay."""
    rest = tuple(part for part in message.parts if not isinstance(part, TextPart))
    return evolve(message, parts=(TextPart(text), *rest) if text else rest)


def briefly_described(tool: Tool) -> Tool:
    """The same tool with the first sentence of its description."""
    said = tool.description.strip()
    found = _SENTENCE_END.search(said, 0, _MOST_DESCRIPTION_CHARS)
    end = _MOST_DESCRIPTION_CHARS if found is None else found.end()
    return evolve(tool, description=said[:end].strip())


def bare(tool: Tool) -> Tool:
    """The same tool with the names and types of its schema alone."""
    return evolve(tool, parameters=_bare_schema(tool.parameters, _DEEPEST))


def _bare_schema(schema: Mapping[str, object], depth: int) -> Mapping[str, object]:
    return {key: kept for key, value in schema.items() if (kept := _kept(key, value, depth)) is not None}


def _kept(key: str, value: object, depth: int) -> object:
    if depth <= 0 or key in _KEPT_KEYS:
        return value
    match value:
        case Mapping() if key in _SCHEMA_KEYS:
            return _bare_schema(value, depth - 1)
        case Mapping() if key in _SCHEMA_MAPS:
            return {
                name: _bare_schema(each, depth - 1) if isinstance(each, Mapping) else each
                for name, each in value.items()
            }
        case list() | tuple() if key in _SCHEMA_LISTS:
            return [_bare_schema(each, depth - 1) if isinstance(each, Mapping) else each for each in value]
        case _:
            return None


def beginning(text: str, most_tokens: float) -> str:
    """The beginning of `text`, of at most so many tokens, to the end of a paragraph where there is one."""
    end = len(text)
    while end > 0 and (tokens := tokens_at_most(text[:end])) > most_tokens:
        end = min(end - 1, int(end * max(0.0, most_tokens) / tokens))
    if end == len(text):
        return text
    for sign in ("\n\n", "\n", ". ", "。", " "):
        found = text.rfind(sign, end // 2, end)
        if found > 0:
            return text[:found].rstrip()
    return text[:end]


def beginning_of_end(text: str, most_tokens: float) -> int:
    """
    Where the end of `text` begins that has at most so many tokens: at a paragraph where there is one.

    Outside of a code block, if that does not cost more than half of it.
    """
    start = 0
    for _ in range(_MOST_TRIES):
        tokens = tokens_at_most(text[start:])
        if tokens <= most_tokens:
            break
        length = len(text) - start
        start += max(1, length - int(length * max(0.0, most_tokens) / tokens))
    else:
        start = len(text)
    if start in (0, len(text)):
        return start
    last = start + (len(text) - start) // 2
    paragraphs = list(_behind("\n\n", text, start, last))
    outside = (at for at in paragraphs if text.count("```", 0, at) % 2 == 0) if len(paragraphs) < 64 else ()
    if (found := next(iter(outside), None)) is not None or paragraphs:
        return paragraphs[0] if found is None else found
    for sign in ("\n", ". ", "。", " "):
        if (found := next(_behind(sign, text, start, last), None)) is not None:
            return found
    return start


def _behind(sign: str, text: str, start: int, end: int) -> Iterator[int]:
    """The places behind `sign` between the two."""
    at = text.find(sign, start, end)
    while at >= 0:
        at += len(sign)
        yield at
        at = text.find(sign, at, end)

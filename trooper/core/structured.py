"""
Structured answers: where a JSON document ends, and whether it is what was asked for.

A model that goes on from half a document is under no grammar: the grammar of
every server starts at the beginning. So the document's end is found here, what
follows it is dropped, and the whole is checked against the client's schema
before the answer may finish.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec
from attrs import define, field, frozen

from trooper.core.json_text import NOT_JSON, OpenString, is_intricate

#: What lies between signs; a string, with its end or without; a bracket.
_STEP: Final = re.compile(r'[^"{}\[\]]+|"(?:[^"\\]++|\\.)*+("?)|[{}\[\]]', re.DOTALL)
_OPENS: Final = re.compile(r"[{\[]")
_BRACKETS: Final = ("{", "[")


@define
class DocumentEnd:
    """
    Finds where the JSON document that begins in `given` closes.

    One that it would take too long to look through is taken as it comes: whether
    it is a document, and nothing follows it, is checked when it is there.
    """

    given: str
    _depth: int = field(default=0, init=False)
    _string: OpenString = field(factory=OpenString, init=False)
    _opened: bool = field(default=False, init=False)
    closed: bool = field(default=False, init=False)
    _is_intricate: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self.feed(self.given)

    def feed(self, text: str) -> str:
        """Return the part of `text` that belongs to the document."""
        if self.closed:
            return ""
        self._is_intricate = self._is_intricate or is_intricate(text)
        if self._is_intricate:
            return text
        for step in _STEP.finditer(text, self._string.end_in(text)):
            match step[0][0]:
                case '"' if not step[1]:
                    self._string.begins(text)
                    break
                case "{" | "[":
                    self._depth += 1
                    self._opened = True
                case "}" | "]":
                    self._depth -= 1
            if self._opened and self._depth <= 0:
                self.closed = True
                return text[: step.end()]
        return text


@frozen
class Document:
    """
    What has to follow `schema`, or, without one, has to be an object.

    Attributes:
        others: other readings of the answer, one of which will do as well.
    """

    text: str
    schema: Mapping[str, object] | None
    others: tuple[str, ...] = ()


def opening(prefill: str) -> str:
    """
    The part of a prefill that a document begins with which goes on behind it; empty where it only
    leads up to one, with words, a fence or another document.
    """
    if is_intricate(prefill):
        return prefill
    at = 0
    while (bracket := _OPENS.search(prefill, at)) is not None:
        at, left_open = _followed(prefill, bracket.start())
        if left_open:
            return prefill[bracket.start() :]
    return ""


def begins_anew(prefill: str, said: str) -> bool:
    """
    Whether an answer that has begun with `said` is a document of its own, and does not go on from `prefill`.

    Seen where it says the prefill again, or begins with a bracket where none may stand.
    """
    begun, said = opening(prefill).rstrip(), said.lstrip()
    if not begun or said[:1] not in _BRACKETS or is_intricate(prefill):
        return False
    if said.startswith(begun) or (len(said) > 1 and begun.startswith(said)):
        return True
    innermost = _followed(begun, 0)[1][-1]
    may_stand = begun[-1] == ":" or (innermost == "[" and begun[-1] in "[,")
    return innermost != '"' and not may_stand


def _followed(text: str, start: int) -> tuple[int, str]:
    """Where the document closes that begins at `start`, and what is open where it does not, a string's quote too."""
    is_open: list[str] = []
    for step in _STEP.finditer(text, start):
        match step[0][0]:
            case '"' if not step[1]:
                is_open.append('"')
            case "{" | "[":
                is_open.append(step[0])
            case "}" | "]":
                is_open.pop()
                if not is_open:
                    return step.end(), ""
    return len(text), "".join(is_open)


def follows(text: bytes | bytearray, schema: Mapping[str, object] | None) -> bool:
    """
    Whether `text` is one JSON document, an object at least, that follows `schema`.

    Never called where others wait: how long it takes is the client's choice. A
    `pattern` or a few nested `anyOf` suffice for years, and no rule tells
    them from honest ones; a plain schema over a long document takes seconds, too.

    References to other places are never fetched: such a schema cannot be
    followed, and the answer is not vouched for.
    """
    try:
        document = msgspec.json.decode(text)
    except NOT_JSON:
        return False
    if not schema:
        return isinstance(document, dict)
    # Late: it costs a tenth of a second, and the process that does this is started for other work, too.
    import jsonschema
    import referencing.exceptions

    try:
        validator = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
        return bool(validator(schema, registry=referencing.Registry()).is_valid(document))
    except (referencing.exceptions.Unresolvable, jsonschema.exceptions.SchemaError, re.error, RecursionError):
        return False
    except (
        *(TypeError, ValueError, AttributeError, LookupError, ArithmeticError),
        jsonschema.exceptions.UnknownType,
    ):
        # A schema that is no schema: its provider would have refused it.
        return False

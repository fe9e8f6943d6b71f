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
    """What has to follow `schema`, or, without one, has to be an object."""

    text: str
    schema: Mapping[str, object] | None


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

"""
Freeform calls: tools that take a text where others take JSON.

Inside of Trooper each call has one JSON object for its arguments. The text of
a freeform call is the one string in it, `{"input": "…"}`: so it is held, known
to be whole, and gone on with as every other call is. Readers of wires that
have such calls put their text into that object (`Escaped`), voices of those
wires take it out again (`InputText`), and all others say a function with one
parameter. An object of any other shape is no freeform call; it is never
repaired.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec
from attrs import define, field

from trooper.core.json_text import NOT_JSON

#: What such a function takes.
PARAMETERS: Final[Mapping[str, object]] = {
    "type": "object",
    "properties": {"input": {"type": "string", "description": "All of the tool's input, as plain text."}},
    "required": ["input"],
    "additionalProperties": False,
}
#: What stands around the text.
OPENS: Final = '{"input":"'
CLOSES: Final = '"}'
_HEAD: Final = re.compile(r'\s*\{\s*"input"\s*:\s*"')
#: Whole signs of a string: an escape that is not whole waits, and so does one half of a pair for the other.
_SIGNS: Final = re.compile(
    r'(?:[^"\\]++|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[0-9a-fA-F]{4}|\\u(?![dD][89abAB])[0-9a-fA-F]{4}|\\[^u])*+'
)
_PLAIN: Final = re.compile(r'\s*\{\s*"input"\s*:\s*"(?:[^"\\]++|\\.)*+"\s*\}\s*', re.DOTALL)
#: A grammar helps a model to write the text; a longer one costs more of its window than it helps.
_MOST_GRAMMAR_CHARS: Final = 8_192
#: A head has some blanks in it, and not thousands.
MOST_HEAD_CHARS: Final = 256


def described(description: str, grammar: str = "", syntax: str = "") -> str:
    """What a model is told of a freeform tool that it is offered as a function."""
    told = [description] if description else []
    told.append("Give the whole text as the string `input`.")
    if grammar:
        called = f"{syntax} grammar" if syntax else "grammar"
        told.append(f"The text has to follow this {called}:\n{grammar[:_MOST_GRAMMAR_CHARS]}")
    return "\n\n".join(told)


def escaped(text: str) -> str:
    """`text` as it stands inside a JSON string: of two pieces it is what it is of both together."""
    return msgspec.json.encode(text).decode()[1:-1]


def as_arguments(text: str) -> str:
    """The arguments of a freeform call."""
    return f"{OPENS}{escaped(text)}{CLOSES}"


def input_of(arguments: str) -> str | None:
    """The text of a freeform call; `None` where its arguments are not that one string."""
    try:
        match msgspec.json.decode(arguments):
            case {"input": str(text), **rest} if not rest:
                return text
            case _:
                return None
    except NOT_JSON:
        return None


def is_plain(arguments: str) -> bool:
    """Whether what was said of the text in pieces is all of it: no key comes twice, or is written in another way."""
    return _PLAIN.fullmatch(arguments) is not None and input_of(arguments) is not None


def begins_plain(arguments: str) -> bool:
    """Whether the text has begun, so that its pieces can be said."""
    return _HEAD.match(arguments) is not None


@define
class InputText:
    """
    The text in arguments that come in pieces.

    Args:
        has_begun: what stands in front of it has gone before, and some of it.
    """

    has_begun: bool = False
    #: Its end has come.
    has_ended: bool = field(default=False, init=False)
    _rest: str = field(default="", init=False)

    def add(self, piece: str) -> str:
        """The next piece of the arguments; what of the text is new in it. What cannot be read says nothing."""
        if self.has_ended:
            return ""
        self._rest += piece
        if not self.has_begun:
            head = _HEAD.match(self._rest)
            if head is None:
                return ""
            self.has_begun, self._rest = True, self._rest[head.end() :]
        signs = _SIGNS.match(self._rest)
        end = signs.end() if signs is not None else 0
        said, self._rest = self._rest[:end], self._rest[end:]
        self.has_ended = self._rest.startswith('"')
        try:
            return str(msgspec.json.decode(f'"{said}"'))
        except NOT_JSON:
            self.has_ended = True
            return ""

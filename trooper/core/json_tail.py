"""
The grammar of what is missing of half a JSON object.

A client that is given tool calls as they come may hold half a call when its
provider dies. The rest must fit to the character, so the model that writes it
is bound by a grammar that accepts nothing else: it closes what is open, from
the innermost string or number outwards, and ends where the object ends.

The text is GBNF, as llama.cpp reads it. It binds the form; whether the whole
follows the tool's schema is checked when it is there.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from attrs import define, field

from trooper.core.json_text import is_intricate

#: What every tail can need. White space is one blank at most and numbers are
#: short: a small model under a grammar would go on with either for ever.
_COMMON: Final = r"""
rest-object ::= ws "}" | ws "," ws pair rest-object
rest-array ::= ws "]" | ws "," ws value rest-array
value ::= object | array | string | number | "true" | "false" | "null"
object ::= "{" ws "}" | "{" ws pair rest-object
array ::= "[" ws "]" | "[" ws value rest-array
pair ::= string ws ":" ws value
string ::= "\"" rest-string
rest-string ::= "\"" | char rest-string
char ::= [^"\\\x00-\x1F] | "\\" escape
escape ::= ["\\/bfnrt] | "u" code
code ::= [0-9a-ce-fA-CE-F] hex hex hex | [dD] [0-7] hex hex | high low
high ::= [dD] [89abAB] hex hex
low ::= "\\u" [dD] [c-fC-F] hex hex
hex ::= [0-9a-fA-F]
number ::= "-"? whole fraction? exponent?
whole ::= "0" | [1-9] digits
fraction ::= "." [0-9] digits
exponent ::= [eE] [+-]? [0-9] digits
digits ::= [0-9]{0,24}
ws ::= " "?
""".strip()

#: Half a number → what may follow it. The first that matches.
_NUMBERS: Final = (
    (re.compile(r"-"), "whole fraction? exponent?"),
    (re.compile(r"-?0"), "fraction? exponent?"),
    (re.compile(r"-?[1-9]\d*"), "digits fraction? exponent?"),
    (re.compile(r"-?\d+\."), "[0-9] digits exponent?"),
    (re.compile(r"-?\d+\.\d+"), "digits exponent?"),
    (re.compile(r"-?\d+(?:\.\d+)?[eE]"), "[+-]? [0-9] digits"),
    (re.compile(r"-?\d+(?:\.\d+)?[eE][+-]"), "[0-9] digits"),
    (re.compile(r"-?\d+(?:\.\d+)?[eE][+-]?\d+"), "digits"),
)
_WORDS: Final = ("true", "false", "null")
#: A string up to its end, or to a code, which may break off.
_INSIDE: Final = re.compile(r'(?:[^"\\]++|\\[^u])*+', re.DOTALL)
#: The longest one, a pair of two, and one more character.
_ESCAPE_CHARS: Final = 13
_MOST_SIGNS: Final = 16_384
_SCALAR: Final = re.compile(r"[-+.\w]+")
_BLANKS: Final = " \t\r\n"


def tail_grammar(half: str) -> str | None:
    """
    The grammar of all texts that make one JSON object of `half`.

    `None` where there are none: `half` is whole already, or no beginning of
    an object. Nor is there one for more than a small model could finish.
    """
    if is_intricate(half, _MOST_SIGNS):
        return None
    scan = _Scan(half)
    if not scan.run() or scan.expects == "end":
        return None
    return f"root ::= {scan.rest()}\n{_COMMON}\n"


@define
class _Scan:
    """Reads half an object, once from left to right."""

    text: str
    at: int = field(default=0, init=False)
    #: What is open: `{` or `[`, the outermost first.
    open: list[str] = field(factory=list, init=False)
    #: What may come next: value, first (of an object or array), key, colon, more, end.
    expects: str = field(default="object", init=False)
    #: What is missing of the token that the text breaks off in.
    missing: str = field(default="", init=False)
    _key: bool = field(default=False, init=False)

    def run(self) -> bool:
        """Whether the text is the beginning of an object."""
        while self.at < len(self.text) and not self.missing:
            char = self.text[self.at]
            if char in _BLANKS:
                self.at += 1
            elif not self._step(char):
                return False
        return self.expects != "object" or not self.text.strip(_BLANKS)

    def _step(self, char: str) -> bool:
        steps: dict[str, Callable[[str], bool]] = {
            "object": self._opens_object,
            "first": self._first,
            "key": self._key_begins,
            "colon": self._colon,
            "value": self._value,
            "more": self._more,
        }
        step = steps.get(self.expects)
        return step is not None and step(char)

    def _opens_object(self, char: str) -> bool:
        return char == "{" and self._opens(char)

    def _opens(self, char: str) -> bool:
        self.open.append(char)
        self.expects = "first"
        self.at += 1
        return True

    def _closes(self) -> bool:
        self.open.pop()
        self.expects = "more" if self.open else "end"
        self.at += 1
        return True

    def _first(self, char: str) -> bool:
        if char == ("}" if self.open[-1] == "{" else "]"):
            return self._closes()
        return self._key_begins(char) if self.open[-1] == "{" else self._value(char)

    def _more(self, char: str) -> bool:
        if char == ",":
            self.expects = "key" if self.open[-1] == "{" else "value"
            self.at += 1
            return True
        return char == ("}" if self.open[-1] == "{" else "]") and self._closes()

    def _colon(self, char: str) -> bool:
        self.expects = "value"
        self.at += 1
        return char == ":"

    def _key_begins(self, char: str) -> bool:
        return char == '"' and self._string(is_key=True)

    def _value(self, char: str) -> bool:
        if char in "{[":
            return self._opens(char)
        return self._string(is_key=False) if char == '"' else self._scalar()

    def _string(self, *, is_key: bool) -> bool:
        self.expects = "colon" if is_key else "more"
        at = self.at + 1
        while (at := _INSIDE.match(self.text, at).end()) < len(self.text):  # type: ignore[union-attr]
            if self.text[at] == '"':
                self.at = at + 1
                return True
            taken = _escape(self.text[at : at + _ESCAPE_CHARS])
            if isinstance(taken, str):
                self.missing = f"{taken} rest-string"
                return bool(taken)
            at += taken
        self.missing = "rest-string"
        return True

    def _scalar(self) -> bool:
        token = _SCALAR.match(self.text, self.at)
        if token is None:
            return False
        self.expects = "more"
        self.at = token.end()
        said = token[0]
        if self.at < len(self.text):
            return True
        word = next((w for w in _WORDS if w.startswith(said)), None)
        if word is not None:
            self.missing = f'"{word[len(said) :]}"' if word != said else ""
            return True
        self.missing = next((rest for half, rest in _NUMBERS if half.fullmatch(said)), "")
        return bool(self.missing)

    def rest(self) -> str:
        """What is missing, from the innermost outwards."""
        parts = [f"({self.missing})"] if self.missing else []
        inner = {
            "object": "object",
            "key": "ws pair rest-object",
            "colon": 'ws ":" ws value rest-object',
            "value": "ws value",
            "first": "",
            "more": "",
        }[self.expects]
        levels = list(reversed(self.open))
        if self.expects == "first":
            closes = {"{": 'ws ("}" | pair rest-object)', "[": 'ws ("]" | value rest-array)'}
            parts.append(closes[levels.pop(0)])
        elif self.expects in ("key", "colon"):
            parts.append(inner)
            levels.pop(0)
        elif inner:
            parts.append(inner)
        parts += ["rest-object" if level == "{" else "rest-array" for level in levels]
        return " ".join(parts)


def _escape(text: str) -> int | str:
    """How long the escape at the beginning of `text` is; or, where it breaks off, what is missing."""
    if len(text) < 2:
        return "escape"
    if text[1] != "u":
        return 2
    digits = re.match(r"[0-9a-fA-F]{0,4}", text[2:])
    given = digits[0] if digits else ""
    if len(given) < 4 and len(text) > 2 + len(given):
        return ""
    if re.fullmatch(r"[dD][89abAB][0-9a-fA-F]{0,2}", given):
        if len(given) < 4:
            return "hex " * (4 - len(given)) + "low"
        return _low_half(text)
    if len(given) == 4:
        return 6
    if not given:
        return "code"
    if given in ("d", "D"):
        return "([0-7] hex hex | [89abAB] hex hex low)"
    return "hex " * (4 - len(given))


def _low_half(text: str) -> int | str:
    """The second escape of a pair that makes one character."""
    low = text[6:12]
    if re.fullmatch(r"\\u[dD][c-fC-F][0-9a-fA-F]{2}", low):
        return 12
    if not re.fullmatch(r"(?:\\(?:u(?:[dD](?:[c-fC-F][0-9a-fA-F]?)?)?)?)?", low) or len(text) > 6 + len(low):
        return ""
    missing = ('"\\\\"', '"u"', "[dD]", "[c-fC-F]", "hex", "hex")[len(low) :]
    return " ".join(missing)

"""
Which words of a text tell something: a path, a number, a code, a name.

A text is cut into words first, in one pass; what a word is, is asked of each different one once. No pattern is ever
tried on more than a word, and no word is longer than `_LONGEST_CHARS`: so a text is looked at in linear time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from trooper.core.situation.cues import CUE_PARTS, CUES, Cue, cue_of_part
from trooper.core.situation.languages import COMMON_WORDS

#: Nobody's path, address or code is longer; what is, is data.
_LONGEST_CHARS: Final = 160
#: Words of a text whose script has blanks …
_WORD: Final = re.compile(r"(?:[^\s\"'`<>|;()\[\]{}=,“”«»„‘’│┃·]|(?<=\d),(?=\d))+")
#: … and of one that has none, where what is ASCII stands alone.
_WORD_OR_RUN: Final = re.compile(
    r"[!#-&*-+\--:?-Z\\^_a-z~€£]+|[^\x00-\x7f\s、。，！？：；「」『』（）“”《》]+"
)
_NO_BLANKS: Final = re.compile("[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_EDGES: Final = ".:!?*_…。-"
_UNITS: Final = (
    r"(?:%|‰|°c?|[kmgtp]?i?b(?:/s|ps)?|[mµun]?s(?:ec)?|min|mins|minutes?|h|hrs?|hours?|d|days?|weeks?|k|m|bn|x|px|pt"
    r"|[kmg]?hz|[kmg]?w|kwh|v|ma|mm|cm|km|m²|kg|g|mg|ml|l|rpm|rps|qps|req/s|eur|usd|gbp|chf|€|\$|£|st|nd|rd|th|uhr)"
)
_WORTH: Final[Mapping[str, float]] = {
    "url": 3.0,
    "mail": 3.0,
    "uuid": 3.0,
    "path": 2.6,
    "ip": 3.0,
    "version": 2.4,
    "date": 2.4,
    "clock": 2.2,
    "constant": 2.6,
    "code": 3.0,
    "hash": 3.2,
    "handle": 2.4,
    "flag": 1.6,
    "amount": 2.4,
    "figure": 2.2,
    "host": 2.4,
    "file": 2.2,
    "dotted": 1.2,
    "failure": 1.5,
    "camel": 1.2,
    "snake": 1.2,
    "kebab": 1.0,
    "acronym": 1.0,
    "mixed": 1.8,
    "digit": 0.9,
}
_KIND: Final = re.compile(
    rf"""
    (?P<url>[a-z][a-z0-9+.-]{{1,12}}://.+)
    |(?P<mail>[\w.+%-]+@[\w-]+(?:\.[\w-]+)+)
    |(?P<uuid>[0-9a-f]{{8}}-[0-9a-f]{{4}}-[0-9a-f-]{{22}})
    |(?P<ip>\d{{1,3}}(?:\.\d{{1,3}}){{3}}(?:/\d+|:\d+)?|(?:[0-9a-f]{{2}}:){{5}}[0-9a-f]{{2}})
    |(?P<date>\d{{4}}[-/.]\d{{1,2}}(?:[-/.]\d{{1,2}})?(?:T[\d:.+Z-]+)?|\d{{1,2}}[./]\d{{1,2}}[./](?:\d{{2,4}})?)
    |(?P<clock>\d{{1,2}}:\d{{2}}(?::\d{{2}}(?:[.,]\d+)?)?(?:am|pm|z)?|\d{{1,2}}[ap]m)
    |(?P<version>[v^~]\d+(?:\.\d+)*[\w.+-]*|\d+\.\d+(?:\.\d+)+[\w.+-]*|\w+@v?\d[\w.-]*)
    |(?P<amount>[~≈<>+-]?[$€£¥]\d[\d.,]*[kmb]?|[~≈<>+-]?\d[\d.]*{_UNITS})
    |(?P<figure>[+~≈#-]?\d{{1,3}}(?:,\d{{3}})+|[+~≈#-]?\d{{2,}}|[+-]?\d+[.:/]\d+)
    |(?P<digit>[+-]?\d)
    |(?P<hash>(?=[a-f]*\d)[0-9a-f]{{7,64}}|(?:sha256|md5|sha1):[0-9a-f]+)
    |(?P<constant>\$?[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)
    |(?P<code>[A-Z]{{1,12}}[-_#/]?\d[\w./-]*|[A-Z]{{2,12}}(?:-[A-Z0-9]+)+|0x[0-9a-fA-F]+)
    |(?P<handle>[@\#][\w./-]*[^\W\d][\w./-]*)
    |(?P<flag>--?[a-zA-Z][\w-]*)
    |(?P<path>(?:~|\.{{1,2}}|[A-Za-z]:|[\w.@+-]+)?(?:[/\\][\w.@+~%$:*-]+)+[/\\]?)
    |(?P<file>[\w-]+(?:\.[\w-]+)*\.(?:[a-z]{{1,4}}|toml|yaml|json|lock|proto|java|html|swift|ipynb|parquet)\d?)
    |(?P<host>[\w-]+(?:\.[\w-]+)+:\d+|[\w-]+:\d{{2,5}})
    |(?P<failure>(?:\w+\.)*[A-Z]\w*(?:Error|Exception|Warning|Failure|Refused|Timeout))
    |(?P<dotted>[^\W\d]\w*(?:\.\w+)+)
    |(?P<mixed>(?=\D*\d)[\w.+\#*/-]+)
    |(?P<snake>\w+_\w+)
    |(?P<camel>[A-Za-z][a-z0-9]*[A-Z]\w*)
    |(?P<kebab>[^\W\d_]+(?:-[^\W\d_]+)+)
    """,
    re.VERBOSE,
)
#: What a capital in the middle of a sentence is worth, and letters that are all capitals.
_NAME_WORTH, _ACRONYM_WORTH = 1.0, 0.6
#: Kinds that every line of code is full of.
CODE_WORDS: Final = frozenset({"camel", "snake", "dotted", "flag", "digit", "acronym", "name", "kebab"})
#: Kinds that are rare in code and in documents, and mean the same there as elsewhere.
HARD_WORDS: Final = frozenset(
    {
        "url",
        "mail",
        "uuid",
        "ip",
        "hash",
        "code",
        "amount",
        "date",
        "version",
        "constant",
        "failure",
        "host",
        "figure",
    }
)
#: Kinds that are what something has, and not what it is.
CHANGING_WORDS: Final = frozenset({"figure", "digit", "amount", "date", "clock", "version", "ip", "hash"})
_LONG_ENOUGH: Final = 3


class Word(msgspec.Struct, frozen=True, gc=False):
    """
    A word of a text.

    Attributes:
        start: where it stands; `end` likewise.
        text: without the punctuation around it.
        kind: what it is, a key of `_WORTH`; `name`; empty for a word like others.
        worth: how much it tells, 0 for most.
        cue: what it hints at.
    """

    start: int
    end: int
    text: str
    kind: str
    worth: float
    cue: Cue | None

    @property
    def is_content(self) -> bool:
        """Whether it is a plain word with a meaning of its own."""
        return not self.kind and len(self.text) > _LONG_ENOUGH and self.text.lower() not in COMMON_WORDS


Known = dict[str, tuple[str, float, Cue | None]]


def words_of(text: str, known: Known) -> list[Word]:
    """
    The words of a line or a sentence, in order.

    Args:
        known: what is known of words already: one dictionary for a message.
    """
    no_blanks = not text.isascii() and _NO_BLANKS.search(text) is not None
    found = []
    is_first = True
    for match in (_WORD_OR_RUN if no_blanks else _WORD).finditer(text):
        raw = match.group()
        word = raw.strip(_EDGES)
        if not word:
            continue
        judged = known.get(word)
        if judged is None:
            judged = known[word] = _judged(word)
        kind, worth, cue = judged
        if is_first and kind == "name":
            # Every sentence begins with a capital.
            kind, worth = "", 0.0
        is_first = raw[-1] in ".!?"
        found.append(Word(match.start(), match.end(), word, kind, worth, cue))
    if no_blanks:
        found += [
            Word(*m.span(), m.group(), "cue", 0.0, cue_of_part(m.group())) for m in CUE_PARTS.finditer(text)
        ]
        found.sort(key=lambda one: one.start)
    return found


def _judged(word: str) -> tuple[str, float, Cue | None]:
    """What a word is, what it is worth and what it hints at."""
    if word.isalpha():
        cue = CUES.get(word.lower())
        if word.islower() or (not word.isascii() and not word[:1].isupper()):
            return "", 0.0, cue
        if word.isupper():
            return ("acronym", _ACRONYM_WORTH if len(word) > 1 else 0.0, cue)
        if word[1:].islower():
            is_plain = cue is not None or word.lower() in COMMON_WORDS
            return ("", 0.0, cue) if is_plain else ("name", _NAME_WORTH, None)
    if len(word) > _LONGEST_CHARS:
        return "data", 0.0, None
    cue = CUES.get(word.lower().replace("’", "'"))
    match = _KIND.fullmatch(word)
    kind = match.lastgroup if match else None
    if kind is None:
        return ("", 0.0, cue) if not any(map(str.isdigit, word)) else ("mixed", 1.2, cue)
    return kind, _WORTH[kind], Cue.FAILED if kind == "failure" else cue

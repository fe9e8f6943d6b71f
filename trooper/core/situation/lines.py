"""
Cuts a text into what can be judged alone: sentences of prose, lines of all else, pieces of long lines.

And counts what tells a line that matters from one among many: how often lines of its form come, how often its key does.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

import msgspec

#: Of a longer text its beginning and its end are looked at.
_LOOKED_AT_CHARS: Final = 24_576
#: So many pieces of one text are looked at, half of them from its end.
_MOST_PIECES: Final = 3_000
#: A longer line is cut at its sentences, or at the members of its JSON, and by force.
_SHORT_LINE: Final = 30
_LONG_LINE: Final = 100
_LONGEST_PIECE: Final = 280
_SENTENCE_END: Final = re.compile(r"[.!?;…]['\")\]”’]?\s+|[。！？；]")
#: A shorter piece is no sentence: `Dr.`, `e.g.`, a number of a list.
_SHORTEST, _SHORTEST_OF_OTHERS = 14, 6
_MEMBER: Final = re.compile(
    r"[\"']([^\"'\n]{1,64})[\"']\s{0,4}:\s{0,4}(?:\"(?:[^\"\\\n]|\\.){0,160}\"|[-\d.eE+]{1,40}|true|false|null)"
)
_FENCE: Final = ("```", "~~~")
_PAIR: Final = re.compile(
    r"^[\s>*+-]*(?:export\s+|set\s+|let\s+|const\s+|var\s+|-e\s+|ENV\s+)?[\"']?([A-Za-z_][\w. -]{0,48}?)[\"']?\s{0,20}(?:=|:=|:|=>|->|\|)\s{0,8}"
    r"(?=[^\s=:|{\[(])(?!(?:true|false|none|null|self\b)\W*$)([^{}()|]{1,160}?)[,;]?\s*(?:(?:\#|//).*)?$",
    re.IGNORECASE,
)
_CODE_ENDS: Final = ("{", "}", "(", ":", ";", ",", "[", "\\", "):", "},", "],", "=>")
_CODE_BEGINS: Final = re.compile(
    r"\s*(?:def |class |return\b|import |from \S+ import|if \W|for \(|while \(|function |public |private |fn |func |package |use |#include|@\w+|elif |else\b|try\b|except |raise |await |async |yield |with \w+\(|self\.|this\.|</?\w)"
)
_CALL: Final = re.compile(r"\w\(")
_LETTERS_AND_DIGITS: Final = str.maketrans(
    {**{chr(c): "a" for c in (*range(65, 91), *range(97, 123))}, **{chr(c): "0" for c in range(48, 58)}}
)
_LETTER_RUN: Final = re.compile(r"a[a0_./:@-]*(?: a[a0_./:@-]*)*")
_DIGIT_RUN: Final = re.compile(r"0[a0_./:-]*")
#: A date and a time at the beginning of a line of a log, and what stands beside them.
_STAMP: Final = re.compile(
    r"\s*[\[(]?\d{2,4}[-/.]\d{1,2}[-/.]\d{1,4}[T ]\d{1,2}:\d{2}(?::\d{2})?[\d.,:+Z-]{0,12}[\])]?\s*"
    r"|\s*[\[(]?\d{1,2}:\d{2}:\d{2}[.,]?\d{0,9}Z?[\])]?\s+"
    r"|\s*[A-Z][a-z]{2}\s{1,2}\d{1,2} \d{2}:\d{2}:\d{2}\s+"
)


class Piece(msgspec.Struct, frozen=True, gc=False):
    """
    A sentence, a line, or a piece of a long line.

    Attributes:
        text: as it stands, without the blanks around it, and without a log's time in front of it.
        is_prose: words and not much else.
        is_code: a program's.
        key: what it gives a value, `""` if it is no such pair.
        alike: how many pieces of the text have its form, or its key.
        group: where it stands: 0, 1, 2 … in its text.
    """

    text: str
    is_prose: bool
    is_code: bool
    key: str
    alike: int
    group: int


def looked_at(text: str) -> str:
    """`text`, or its beginning and its end."""
    if len(text) <= 2 * _LOOKED_AT_CHARS:
        return text
    return f"{text[:_LOOKED_AT_CHARS]}\n{text[-_LOOKED_AT_CHARS:]}"


def pieces_of(text: str) -> list[Piece]:
    """Return what `text` consists of, in order, bounded."""
    lines = list(_cut(looked_at(text)))
    if len(lines) > _MOST_PIECES:
        lines = [*lines[: _MOST_PIECES // 2], *lines[-_MOST_PIECES // 2 :]]
    forms = [_form(line) for line, _ in lines]
    pairs = [None if is_prose else _PAIR.match(line) for line, is_prose in lines]
    keys = [pair.group(1).strip().lower() if pair else "" for pair in pairs]
    alike, alike_keys = Counter(forms), Counter(keys)
    return [
        Piece(
            line,
            is_prose,
            not is_prose and not key and is_code(line),
            key,
            alike_keys[key] if key else 1 if is_prose and "0" not in form else alike[form],
            place,
        )
        for place, ((line, is_prose), form, key) in enumerate(zip(lines, forms, keys, strict=True))
    ]


def _form(line: str) -> str:
    """What lines of one form have in common: a row of a table, an entry of a log."""
    return _DIGIT_RUN.sub("0", _LETTER_RUN.sub("a", line[:160].translate(_LETTERS_AND_DIGITS)))


def is_code(line: str) -> bool:
    """Whether a line is a program's."""
    return line.endswith(_CODE_ENDS) or _CODE_BEGINS.match(line) is not None or _CALL.search(line) is not None


def _cut(text: str) -> Iterator[tuple[str, bool]]:
    in_fence = False
    for raw in text.splitlines():
        line = raw.strip()
        if line.startswith(_FENCE):
            in_fence = not in_fence
            continue
        if not any(map(str.isalnum, line[:200])) and len(line) <= 200:
            continue
        stamp = _STAMP.match(line) if line[:1] in "[(" or line[:1].isdigit() or line[3:4] == " " else None
        if stamp and stamp.end() < len(line):
            line = line[stamp.end() :]
        if len(line) <= _LONG_LINE:
            is_prose = not in_fence and _is_prose(line)
            if is_prose and len(line) > _SHORT_LINE:
                yield from _cut_sentences(line, in_fence)
            else:
                yield line, is_prose
        else:
            yield from _cut_long(line, in_fence)


def _cut_long(line: str, in_fence: bool) -> Iterator[tuple[str, bool]]:  # noqa: FBT001
    """What a long line consists of: members of JSON, sentences, or pieces of about the same length."""
    if line.count('":') + line.count('": ') > len(line) // 120 and line.count('"') > 6:
        at = 0
        for member in _MEMBER.finditer(line):
            if member.start() - at > _LONG_LINE:
                yield from _cut_sentences(line[at : member.start()], in_fence)
            at = member.end()
            yield member.group(), False
        if len(line) - at > _SHORTEST:
            yield from _cut_sentences(line[at:], in_fence)
        return
    yield from _cut_sentences(line, in_fence)


def _cut_sentences(line: str, in_fence: bool) -> Iterator[tuple[str, bool]]:  # noqa: FBT001
    at, shortest = 0, _SHORTEST if line.isascii() else _SHORTEST_OF_OTHERS
    for end in _SENTENCE_END.finditer(line):
        if end.end() - at < shortest:
            continue
        yield from _cut_by_force(line[at : end.end()], in_fence)
        at = end.end()
    yield from _cut_by_force(line[at:], in_fence)


def _cut_by_force(piece: str, in_fence: bool) -> Iterator[tuple[str, bool]]:  # noqa: FBT001
    at = 0
    while len(piece) - at > _LONGEST_PIECE:
        blank = piece.rfind(" ", at + _LONGEST_PIECE // 2, at + _LONGEST_PIECE)
        end = blank if blank > 0 else at + _LONGEST_PIECE
        yield piece[at:end].strip(), not in_fence and _is_prose(piece[at:end])
        at = end
    rest = piece[at:].strip()
    if rest:
        yield rest, not in_fence and _is_prose(rest)


def _is_prose(line: str) -> bool:
    """Whether most of it is words with blanks between them, or a script without blanks."""
    if not line.isascii() and sum(map(str.isalpha, line)) > len(line) // 2:
        return True
    words = line.split()
    plain = sum(word.isalpha() or word[:-1].isalpha() for word in words)
    return len(words) >= 4 and plain >= 0.55 * len(words) and not line.endswith(("{", ";", "}", ");"))

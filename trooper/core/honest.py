"""
Which repetitions at a cut may be the answer's own.

A model that goes on well says nothing twice, and yet an honest answer may
repeat itself exactly at the cut: a refrain, a list, a table, a row of the same
sign, "again and again". So behind a half answer that the model was shown as its own, words that
come again are cut only where they cannot be told from such text otherwise.
What is asked of them is said at each rule; what cannot be told is kept.

This file knows characters, not events, wires or models.
"""

from __future__ import annotations

import re
from typing import Final

from trooper.core.boundary import has_no_blanks
from trooper.core.overlap import (
    CLOSERS,
    SENTENCE_ENDS,
    UNPROBED_ECHO_CHARS,
    count_words,
    is_periodic,
    is_sentence,
    with_lone_blanks,
)

#: A line of a song is shorter, and so is a clause that is said twice for its sound.
_LINE_CHARS: Final = 80
_WORDS: Final = 3
#: Of scripts without blanks: `祝你生日快乐` is a line of a song.
_SIGNS_OF_NO_BLANKS: Final = 7
#: So many words of one clause are more than a figure of speech.
_WORDS_OF_CLAUSE: Final = 6
#: A whole answer of so many lines is none that is said twice.
_LINES: Final = 3
_ROW: Final = re.compile(r"[ \t]*[|+]")
_LISTED: Final = re.compile(r"\S*[,;/|、，；]|\d+")
_CODE_SIGNS: Final = frozenset("{}[]()<>=;|\\`\t")


def repeats_itself(text: str, at: int, words: str, *, new_line: bool) -> bool:
    """
    Whether `words`, which are `text` from `at` on with lone blanks, may be said
    again behind it by an honest answer.

    Args:
        new_line: they come again at the beginning of a line.
    """
    before = text[:at]
    line = before.rpartition("\n")[2]
    if _ROW.match(line + words) or "\t" in line[-1:] or line.endswith("  "):
        # A row or a column of a table.
        return True
    if is_rhythmic(before, words) or words in before:
        # It has said so before, or goes on in the same beat.
        return True
    sentence = is_sentence(before, words)
    if new_line and (not sentence or not line.strip() or count_words(words) <= _WORDS):
        # A refrain, or the next entry of a list; but none is that long.
        return not (sentence and len(words) >= _LINE_CHARS)
    if sentence:
        return not _has_words(words)
    if any(sign in _CODE_SIGNS for sign in words) or _is_listed(words):
        return True
    starts_clause = not line.strip() or not line.rstrip(" \t" + CLOSERS)[-1:].isalnum()
    if starts_clause and not has_no_blanks(words[0]):
        return count_words(words) < _WORDS_OF_CLAUSE
    return not _has_words(words)


def may_be_said_twice(half: str, *, new_line: bool) -> bool:
    """Whether an honest answer may say all of `half` once more, and go on."""
    plain = with_lone_blanks(half)
    if len(plain) < UNPROBED_ECHO_CHARS or count_words(plain) < _WORDS:
        return True
    if is_periodic(plain) or is_rhythmic("", plain):
        return True
    lines = sum(bool(line.strip()) for line in half.split("\n", 100))
    return new_line and len(plain) < _LINE_CHARS and lines < _LINES


def may_begin_alike(half: str, same: str, *, new_line: bool, is_glued: bool) -> bool:
    """
    Whether an honest answer may go on behind `half` like its own beginning,
    `same` (with lone blanks), and then otherwise.

    Args:
        is_glued: a word was said behind a word, with nothing between them.
    """
    if is_periodic(same) or count_words(same) < _WORDS:
        return True
    ended = half.rstrip()[-1:]
    if not new_line and (ended.isalnum() or ended == ","):
        # In the middle of a sentence only a name is said again.
        return len(same) < (UNPROBED_ECHO_CHARS if is_glued else 2 * UNPROBED_ECHO_CHARS)
    first = half.lstrip().partition("\n")[0]
    # Verses, rows and sections begin alike; a sentence of prose that long does not.
    return len(same) < _LINE_CHARS or len(with_lone_blanks(first)) < len(same) or not first[:1].isalpha()


def is_rhythmic(before: str, words: str) -> bool:
    """Whether `words` are a few said again and again, or go on with a beat that `before` has."""
    beats = words.rstrip(CLOSERS + SENTENCE_ENDS + ",;").casefold().split()
    if is_periodic(" ".join(beats)):
        return True
    for beat in range(1, (len(beats) + 1) // 2 + 1):
        if beat < len(beats) and beats[beat:] == beats[:-beat]:
            return True
    last = re.findall(r"\w+", before[-60:].casefold())[-1:]
    return bool(last) and last == re.findall(r"\w+", words.casefold())[-1:]


def _has_words(words: str) -> bool:
    if any(map(has_no_blanks, words)):
        signs = sum(map(has_no_blanks, words))
        is_whole = words.rstrip(CLOSERS)[-1:] in tuple(SENTENCE_ENDS)
        return signs >= _SIGNS_OF_NO_BLANKS - 2 * is_whole or count_words(words) - (signs + 1) // 2 >= _WORDS
    return count_words(words) >= _WORDS


def _is_listed(words: str) -> bool:
    """`red, green, blue,`: a row of things, that may come round again."""
    things = words.split()
    return "、" in words or (len(things) > 1 and all(map(_LISTED.fullmatch, things[:-1])))

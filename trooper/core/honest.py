"""
Which repetitions at a cut may be the answer's own.

A model that goes on well says nothing twice, and yet an honest answer may
repeat itself exactly at the cut: a refrain, a list, a table, a row of the same
sign, "again and again". So of a model that goes on from the half answer, words that
come again are cut only where no such text has them. What is asked of them is
said at each rule; what cannot be told is kept.

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
#: A beat is looked for in so many words.
_MOST_BEATS: Final = 100
#: Shorter parts of a line of code may stand in it twice.
_CODE_CHARS: Final = 12
_WORDS_IN_A_ROW: Final = frozenset(
    {"sh", "bash", "zsh", "shell", "console", "lisp", "scheme", "clojure", "elisp", "asm", "html", "xml"}
)
#: Counting out loud, in English, German, French and Spanish.
_COUNTED: Final = re.compile(
    r"(?:one|two|three|four|five|six|seven|eight|nine|ten|eins|zwei|drei|vier|fünf|sechs|sieben|acht|neun|zehn"
    r"|un|deux|trois|quatre|cinq|sept|huit|neuf|dix|uno|dos|tres|cuatro|cinco|seis|siete|ocho|nueve|diez)[,.;]*"
)
_BLANKS: Final = " \t"
_ROW: Final = re.compile(r"[ \t]*[|+]")
_LISTED: Final = re.compile(r"\S*[,;/|、，；]|\d+")
_CODE_SIGNS: Final = frozenset("{}[]<>=|\\`\t")


def repeats_itself(text: str, at: int, words: str, *, new_line: bool) -> bool:
    """
    Whether `words`, which are `text` from `at` on with lone blanks, may be said
    again behind it by an honest answer.

    Args:
        new_line: they come again at the beginning of a line.
    """
    before = text[:at]
    line = before.rpartition("\n")[2]
    if not _begins_word(before, words) or line.endswith(("\t", "  ")):
        # No word, or a column.
        return True
    if is_rhythmic(before, words) or words in before:
        # It goes on in the beat that it has, or has said so before.
        return True
    sentence, starts_line = is_sentence(before, words), not line.strip()
    if sentence and len(words) >= _LINE_CHARS:
        return False
    if new_line and starts_line:
        # A refrain, or the next entry of a list.
        return True
    if not starts_line and "\n\n" in text[at:]:
        # From the middle of one line into another paragraph: no figure of speech is.
        return not _has_words(words, _WORDS)
    if sentence and not _ROW.match(line + words):
        # One alone on its line is sung twice more often.
        return not _has_words(words, _WORDS + (new_line or starts_line))
    if _ROW.match(line + words):
        # What ends inside a cell, and began in another one, is no cell.
        return new_line or not (text[-1].isalnum() and "|" in words[1:]) or not _has_words(words, _WORDS - 1)
    if any(sign in _CODE_SIGNS for sign in words) or _is_listed(words):
        return True
    return not _has_words(words, _words_of_part(line, words, new_line=new_line))


def _words_of_part(line: str, words: str, *, new_line: bool) -> int:
    """How many words of a part of a sentence are too many to be a figure of speech."""
    is_over = words.rstrip(CLOSERS)[-1:] in tuple(SENTENCE_ENDS)
    starts_clause = not line.strip() or not line.rstrip(_BLANKS + CLOSERS)[-1:].isalnum()
    if new_line:
        # `Falling down` is said again on a line of its own; what ends a sentence is begun with a capital letter.
        return _WORDS + 1 if is_over and words[0].islower() and not starts_clause else _WORDS_OF_CLAUSE
    if not starts_clause:
        return _WORDS
    if not words[-1].isalnum():
        return _WORDS_OF_CLAUSE
    # Nobody begins a sentence, or an entry, in the middle of one; `one two three` is counted again.
    return _WORDS + words[0].islower()


def repeats_code(text: str, at: int, words: str, language: str) -> bool:
    """
    The same for the middle of a line of code. What stands before `words` and behind
    them are words: without a sign between them they cannot be said twice, but in
    languages that put words in a row.
    """
    before = text[:at]
    if not _begins_word(before, words):
        return True
    begins = words[0].isalnum() or "\n" in text[at:]
    if language in _WORDS_IN_A_ROW or not (text[-1:].isalnum() and begins):
        return True
    if len(words) < _CODE_CHARS or count_words(words) < _WORDS:
        return True
    return is_rhythmic(before, words) or words in before


def may_be_said_twice(half: str, between: str) -> bool:
    """Whether an honest answer may say all of `half` once more, behind it and the white space `between`, and go on."""
    plain = with_lone_blanks(half)
    if len(plain) < UNPROBED_ECHO_CHARS or count_words(plain) < _WORDS:
        return True
    if is_periodic(plain) or is_rhythmic("", plain):
        return True
    space = half[len(half.rstrip()) :] + between
    if "\n" not in space or "\n\n" in half.strip() + space or len(plain) >= _LINE_CHARS:
        return False
    # A line or two of a song.
    return sum(bool(line.strip()) for line in half.split("\n")) < _LINES


def may_begin_alike(half: str, same: str, then: str, *, new_line: bool, is_glued: bool) -> bool:
    """
    Whether an honest answer may go on behind `half` like its own beginning,
    `same` (with lone blanks), and then otherwise.

    Args:
        then: what it says there.
        is_glued: a word was said behind a word, with nothing between them.
    """
    if is_periodic(same) or count_words(same) < _WORDS:
        return True
    ended = half.rstrip()[-1:]
    if not new_line and (ended.isalnum() or ended == ","):
        # In the middle of a sentence only a name is said again.
        return len(same) < (UNPROBED_ECHO_CHARS if is_glued else 2 * UNPROBED_ECHO_CHARS)
    if then[:1].isdigit() or with_lone_blanks(half).count(same) > 1:
        # The next of a row of clauses.
        return True
    first = half.lstrip().partition("\n")[0]
    # Verses, rows and sections begin alike; a sentence of prose that long does not.
    return len(same) < _LINE_CHARS or len(with_lone_blanks(first)) < len(same) or not first[:1].isalpha()


def is_rhythmic(before: str, words: str) -> bool:
    """Whether `words` are a few said again and again, or go on with a beat that `before` has."""
    beats = [beat.strip(CLOSERS + SENTENCE_ENDS + ",;") for beat in words.casefold().split()]
    if is_periodic(" ".join(beats)):
        return True
    # Each beat compares all of them; nobody keeps one for longer.
    for beat in range(1, (len(beats) + 1) // 2 + 1 if len(beats) <= _MOST_BEATS else 1):
        if beat < len(beats) and beats[beat:] == beats[:-beat]:
            return True
    last = re.findall(r"\w+", before[-60:].casefold())[-1:]
    return bool(last) and last == re.findall(r"\w+", words.casefold())[-1:]


def _has_words(words: str, needed: int) -> bool:
    signs = sum(map(has_no_blanks, words))
    if not signs:
        # A number is a word among words; a row of numbers counts.
        letters, numbers = count_words(words), len(re.findall(r"\b\d[\d.,]*", words))
        return letters + (numbers if letters > 1 else 0) >= needed
    ends = tuple(SENTENCE_ENDS)
    has_end = words.rstrip(CLOSERS)[-1:] in ends or any(end in words for end in ends)
    return signs >= _SIGNS_OF_NO_BLANKS - 2 * has_end or count_words(words) - (signs + 1) // 2 >= needed


def _begins_word(before: str, words: str) -> bool:
    return not before or before[-1].isspace() or has_no_blanks(words[0])


def _is_listed(words: str) -> bool:
    """`red, green, blue,`: a row of things, that may come round again."""
    things = words.split()
    if all(map(_COUNTED.fullmatch, words.casefold().split())):
        return True
    return "、" in words or (len(things) > 1 and all(map(_LISTED.fullmatch, things[:-1])))

"""
What a continuation says again, and what was lost where it begins.

Which of the last words of the half answer count as said again when a
continuation begins with them?

Short repetitions are honest text: trimming at eight characters ate true text in
every answer that is a run of one sign (measured), and an honest answer may
repeat itself exactly at the cut.

This file knows characters, not events, wires or models.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeAlias

from attrs import frozen

from trooper.core.boundary import has_no_blanks

#: Shorter unknown repetitions may be honest text (measured: trimming at 8 ate
#: true text in every answer that is a run of one sign).
UNPROBED_ECHO_CHARS: Final = 20
#: No more than that waits for a decision, but for what the client has already.
MOST_WAITING_CHARS: Final = 80
#: How far back the last words are looked for, and in how much of what is said.
MOST_TAIL_CHARS: Final = 400
_LOOKED_AT_CHARS: Final = 1_024
_WORDS: Final = 3
#: A sentence of one word (`Yes.`) may be said twice.
_WORDS_OF_SENTENCE: Final = 2
_WORD: Final = re.compile(r"[^\W\d_]+")
SENTENCE_ENDS: Final = ".!?…。！？।؟"
CLOSERS: Final = "\"'”’)]}*_`»」』"
#: Signs that no blank stands before.
CLOSING: Final = ".,;:!?…)]}»”’%。，、！？；：）］｝」』"


@frozen
class Lost:
    """
    What a leg had begun when it failed, and nobody was shown.

    Attributes:
        fragment: the beginning of a word, with what stood before it.
        call: it had begun a tool call, so the answer was not at its end.
    """

    fragment: str = ""
    call: bool = False


NOTHING_LOST: Final = Lost()
#: Whether words of the half answer (from a place of it on, with lone blanks) count as said again, and not anew.
Counts: TypeAlias = Callable[[int, str], bool]


def with_lone_blanks(text: str) -> str:
    """`text` with one blank for each run of white space, and none at its ends."""
    return " ".join(text.split())


def _plain(text: str) -> tuple[str, list[int]]:
    """`text` with lone blanks, one at its end included, and where each sign of it stands."""
    signs, places = [], []
    for at, sign in enumerate(text):
        if not sign.isspace():
            signs.append(sign)
            places.append(at)
        elif signs and signs[-1] != " ":
            signs.append(" ")
            places.append(at)
    return "".join(signs), places


def is_periodic(text: str) -> bool:
    """Whether `text` is one short piece repeated: `=====`, a row of one emoji, `| --- | --- |`."""
    # A string is a power of a shorter one if it occurs inside its own square;
    # a trailing part of the period is allowed for by looking at half of it.
    half = text[len(text) // 2 :]
    return bool(half) and text.find(half) < len(text) // 2


def count_words(text: str) -> int:
    """How many words `text` has; of scripts without blanks two characters are about one."""
    wide = sum(map(has_no_blanks, text))
    return sum(not has_no_blanks(word[0]) for word in _WORD.findall(text)) + (wide + 1) // 2


def said_again(
    text: str,
    said: str,
    *,
    final: bool,
    at_least_chars: int | None = None,
    counts: Counts | None = None,
    most_chars: int = MOST_TAIL_CHARS,
) -> int | None:
    """
    How many characters at the beginning of `said` are the last words of `text`
    once more, the blanks before them included. `None`: it takes more to know.

    They count as said again, and not anew, where they are three whole words or
    more, or whole sentences, or where `counts` says so; blanks and newlines at
    the end of `text` are left out of it, and any white space is like any other.

    Args:
        final: nothing follows `said`.
        at_least_chars: so many characters count as well, whatever they are;
            for one who was merely asked to go on.
        counts: asked in place of the rule above, of what has come or may still come.
        most_chars: what is longer is waited for only where it is whole sentences.
    """
    text = text.rstrip()
    start = max(0, len(text) - MOST_TAIL_CHARS)
    (tail, places), (begins, ends) = _plain(text[start:]), _plain(said[:_LOOKED_AT_CHARS])
    if not begins:
        return None if not final and tail and len(said) <= MOST_WAITING_CHARS else 0
    if not final and at_least_chars is not None and len(begins) < len(tail) and begins in tail:
        return None
    is_open = False
    for at in range(len(tail)):
        words = tail[at:]
        if begins[0] != words[0] or not (begins.startswith(words) or words.startswith(begins)):
            continue
        place = start + places[at]
        whole = counts(place, words) if counts else _counts(text[:place], words)
        if not (whole or _is_long(words, at_least_chars)):
            continue
        if len(words) > most_chars and not is_sentence(text[:place], words):
            continue
        if len(begins) < len(words) or (begins == words and _in_word(words[-1])):
            is_open = is_open or len(begins) < len(words) or not final
            if final and begins == words:
                return len(said)
        elif not (_in_word(words[-1]) and _in_word(begins[len(words) :][:1])):
            # A longer repetition may still be on its way.
            return None if is_open and not final else ends[len(words) - 1] + 1
    return None if is_open and not final else 0


def _in_word(char: str) -> bool:
    return char.isalnum() and not has_no_blanks(char)


def _is_long(words: str, at_least_chars: int | None) -> bool:
    return at_least_chars is not None and len(words) >= at_least_chars and not is_periodic(words)


def _counts(before: str, words: str) -> bool:
    """Whether `words` behind `before` are enough of a repetition."""
    if not (not before or before[-1].isspace() or has_no_blanks(words[0])):
        return False
    needed = _WORDS_OF_SENTENCE if is_sentence(before, words) else _WORDS
    core = words.rstrip(CLOSERS + SENTENCE_ENDS).casefold()
    return count_words(words) >= needed and not is_periodic(core)


def is_sentence(before: str, words: str) -> bool:
    """Whether `words` are whole sentences behind `before`."""
    before, core = before.rstrip(" \t"), words.rstrip(CLOSERS)
    begins = not before or before.endswith("\n") or before.rstrip(CLOSERS)[-1:] in (*SENTENCE_ENDS, "")
    return begins and core[-1:] in tuple(SENTENCE_ENDS)


def may_be_echo(text: str, echo: str) -> bool:
    """Whether `text` begins with `echo`, or like it as far as it goes. Blanks in front say nothing."""
    said = text if echo[0].isspace() else text.lstrip()
    return said.startswith(echo) or echo.startswith(said)

"""
How many tokens a text is: about, and at most.

The typical figure is for usage, where nobody is told better. The other one is for windows, which are hard: what does
not fit is refused. It is above what usual tokenizers make of a text, and not far above for English and code:

* Words by their letters: one token for those that every vocabulary has, more for rare pairs of letters.
* Each digit, each newline, each tabulator is one; signs that stand together, a little less.
* A blank before a word or a sign belongs to it; before anything else it is one, and so is a run of blanks.
* What is not ASCII by its bytes in UTF-8, less where small vocabularies have the script's letters.
"""

from __future__ import annotations

import itertools
import math
import re
import string
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from trooper.core.names import Latest
from trooper.core.word_pieces import BASE, BEGINNINGS, COMMON, COMMON_ALONE, ENDS, PAIRS

_LETTERS: Final = string.ascii_letters.encode()
_DIGITS: Final = string.digits.encode()
#: Words, the blanks between them, and one sign for all else: so it is seen what a word stands behind.
_WORDS_ONLY: Final = bytes(
    byte if byte in _LETTERS else 0x20 if byte == 0x20 else 0x2E for byte in range(256)
)
_NO_SIGNS: Final = bytes.maketrans(b".", b" ")
#: Parts of `camelCase` and `HTTPServer`.
_PART: Final = re.compile(rb"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_PAIR_WEIGHTS: Final = {
    (first, second): (PAIRS[first - 97][second - 97] - 48) / 10
    for first in range(97, 123)
    for second in range(97, 123)
}
#: What each letter behind the first costs in a word of capitals; in a common one.
_CAPITAL, _COMMON_CAPITAL = 0.72, 0.4
#: What a longer part of an identifier costs more than the same word elsewhere.
_JOINED_PART, _SHORT_PART = 0.4, 3
#: Beginnings and ends are only looked for in words of more letters.
_SHORT_WORD: Final = 5


def _class_of(byte: int) -> int:
    """`a`, `0`, a blank, `.` for signs, `n` for controls and newlines, `x` for what is not ASCII."""
    if byte in _LETTERS:
        return ord("a")
    if byte in _DIGITS:
        return ord("0")
    if byte >= 0x80:
        return ord("x")
    return 0x20 if byte == 0x20 else ord(".") if 0x20 < byte < 0x7F else ord("n")


_CLASSES: Final = bytes(map(_class_of, range(256)))
_SIGNS_ONLY: Final = bytes(byte if _class_of(byte) == ord(".") else 0x20 for byte in range(256))
#: What each sign behind another costs, and how many signs of one kind are a rule, which is few tokens.
_NEXT_SIGN: Final = 0.81
_RULES: Final = tuple(bytes([sign]) * 8 for sign in b"-=*#_.")
_RULE_SAVES: Final = 4.5
#: Signs that stand together in JSON, calls and markup.
_TOGETHER: Final = tuple(b'": ", {" [" "} "] ); () :" ," (" ") "> </'.split())
_TOGETHER_SAVES: Final = 0.3
#: Many vocabularies have a newline and the indent behind it as one token.
_INDENT: Final = 0.5
#: A long run of blanks is more than one token.
_LONG_BLANK: Final = b" " * 16
#: How many tokens fewer than bytes a character is, by its first bytes.
_SCRIPT_SAVES: Final = {
    b"\xc3": 0.5,  # Latin with accents
    b"\xce": 0.6,  # Greek
    b"\xcf": 0.6,
    b"\xd0": 0.7,  # Cyrillic
    b"\xd1": 0.7,
    b"\xd7": 0.5,  # Hebrew
    b"\xd8": 0.5,  # Arabic
    b"\xd9": 0.5,
    b"\xe0\xa4": 1.1,  # Devanagari
    b"\xe0\xa5": 1.1,
    b"\xe0\xa6": 0.9,  # Bengali
    b"\xe0\xa7": 0.9,
    b"\xe0\xae": 0.9,  # Tamil
    b"\xe0\xaf": 0.9,
    b"\xe0\xb8": 1.0,  # Thai
    b"\xe0\xb9": 1.0,
    b"\xe1\x83": 0.9,  # Georgian
    b"\xe1\xba": 0.9,  # Vietnamese
    b"\xe1\xbb": 0.9,
    b"\xe2\x80": 1.0,  # Dashes, quotes, dots
    b"\xe3": 1.0,  # Kana
    **{bytes([byte]): 0.3 for byte in range(0xE4, 0xEA)},  # Han
}
#: No window holds as much: longer texts are not looked at word by word.
_LONGEST_BYTES: Final = 1 << 20
#: Nobody has a longer word: letters at random, or one of them again and again.
_LONGEST_WORD: Final = 256
_LETTER_AT_MOST: Final = 0.75
#: So many different runs of letters are looked at in one text, and so many parts of an identifier: others wait.
_MOST_RUNS: Final = 6_000
_MOST_PARTS: Final = 12


def token_weight(text: str) -> float:
    """
    About how many tokens `text` is, in fractions so that pieces can be added
    up: four ASCII characters a token, one and a half of others.
    """
    if text.isascii():
        return len(text) / 4
    ascii_chars = len(text.encode("ascii", "ignore"))
    return ascii_chars / 4 + (len(text) - ascii_chars) / 1.5


def estimate_tokens(text: str) -> int:
    """About how many tokens `text` is; flagged as an estimate wherever it is shown."""
    return math.ceil(token_weight(text))


def tokens_left(max_tokens: int | None, given: str) -> int | None:
    """What remains of the client's limit; 0 or less means that the answer is at its limit."""
    return None if max_tokens is None else max_tokens - estimate_tokens(given)


#: No token has more characters: whatever is beyond need not be counted.
MOST_CHARS_PER_TOKEN: Final = 16
#: Counts of texts so long are kept: each turn of a conversation is counted with the next one again, and by each leg.
_KEPT_CHARS: Final = 8
#: By the text's hash, which nobody outside knows the key of, and its length. The text itself is not kept.
_KEPT: Final = Latest[tuple[int, int], int](32_768)
#: So many characters are one step.
_STEP_CHARS: Final = 8_192


def tokens_at_most(text: str) -> int:
    """
    How many tokens `text` is, on the safe side.

    Above the count of usual tokenizers, for texts that people, programs and models write. Of English prose it is at
    most about 1.15 times what the small vocabulary of SmolLM2 makes of it, of code and JSON 1.3 times.
    """
    if len(text) < _KEPT_CHARS:
        return _at_most(text)
    key = (hash(text), len(text))
    known = _KEPT.get(key)
    if known is None:
        known = _KEPT[key] = _at_most(text)
    return known


def is_counted(text: str) -> bool:
    """Whether `tokens_at_most` knows it at once."""
    return (hash(text), len(text)) in _KEPT


def count_in_steps(text: str) -> Iterator[None]:
    """Count `text` in short steps, so that `tokens_at_most` knows it at once behind the last of them; in none if it does."""
    if is_counted(text):
        return
    tokens = 0
    for at in range(0, len(text), _STEP_CHARS):
        tokens += _at_most(text[at : at + _STEP_CHARS])
        yield
    _KEPT[hash(text), len(text)] = tokens


def _at_most(text: str) -> int:
    if not text:
        return 0
    data = text.encode("utf-8", "surrogatepass")
    if len(data) > _LONGEST_BYTES:
        letters = len(data) - len(data.translate(None, _LETTERS))
        return math.ceil(len(data) - letters * (1 - _LETTER_AT_MOST))
    weight, runs = 0.0, list[bytes]()
    for piece, count in Counter(data.translate(_WORDS_ONLY).split()).items():
        if piece in COMMON or piece in COMMON_ALONE:
            weight += count
            continue
        words = piece.translate(_NO_SIGNS).split()
        if words and piece[:1] != b"." and words[0] in COMMON_ALONE:
            # Of what stands between two blanks only the first word can have a blank before it.
            weight += count
            del words[0]
        runs += words * count
    for at, (run, count) in enumerate(Counter(runs).items()):
        weight += count * (_run_weight(run) if at < _MOST_RUNS else _hasty_weight((run,)))
    # The one is for a blank at the very beginning.
    return math.ceil(weight + _weight_between(data) + 1)


def _weight_between(data: bytes) -> float:
    """All that is no letter, counted without looking at each."""
    kinds = data.translate(_CLASSES)
    foreign = kinds.count(b"x")
    weight: float = foreign + kinds.count(b"0") + kinds.count(b"n")
    weight += kinds.count(b" 0") + kinds.count(b" x") + kinds.count(b" n")
    signs = Counter(data.translate(_SIGNS_ONLY).split())
    weight += sum(count * _signs_weight(run) for run, count in signs.items())
    if b"  " in kinds:
        weight += sum(kinds.count(before + b"  ") for before in (b"a", b"0", b".", b"x"))
        weight += _INDENT * kinds.count(b"n  ")
        weight += kinds.count(_LONG_BLANK)
    if foreign:
        weight -= sum(saves * data.count(begins) for begins, saves in _SCRIPT_SAVES.items())
    return weight


def _signs_weight(run: bytes) -> float:
    if len(run) == 1:
        return 1
    rules, together = sum(map(run.count, _RULES)), sum(map(run.count, _TOGETHER))
    return 1 + _NEXT_SIGN * (len(run) - 1) - _RULE_SAVES * rules - _TOGETHER_SAVES * together


def _hasty_weight(runs: Sequence[bytes]) -> float:
    """What runs of letters cost, without a look at the letters."""
    return _LETTER_AT_MOST * sum(map(len, runs)) + (1 - _LETTER_AT_MOST) * len(runs)


def _run_weight(letters: bytes) -> float:
    """A run of letters: a word, or several as identifiers join them."""
    if letters in COMMON:
        return 1
    if len(letters) > _LONGEST_WORD:
        return _LETTER_AT_MOST * len(letters)
    if letters.islower() or letters[1:].islower():
        return _word_weight(letters.lower())
    parts = _PART.findall(letters)
    if len(parts) > _MOST_PARTS:
        return _hasty_weight(parts)
    joined = sum(len(part) > _SHORT_PART for part in parts[1:])
    return sum(map(_part_weight, parts)) + _JOINED_PART * joined


def _part_weight(part: bytes) -> float:
    if part.isupper():
        each = _COMMON_CAPITAL if part.lower() in COMMON else _CAPITAL
        return 1 + each * (len(part) - 1)
    return _word_weight(part.lower())


def _word_weight(word: bytes) -> float:
    if word in COMMON or len(word) == 1:
        return 1
    weight = BASE + sum(map(_PAIR_WEIGHTS.__getitem__, itertools.pairwise(word)))
    if len(word) > _SHORT_WORD:
        weight -= ENDS.get(word[-4:]) or ENDS.get(word[-3:]) or ENDS.get(word[-2:], 0)
        weight -= (
            BEGINNINGS.get(word[:5])
            or BEGINNINGS.get(word[:4])
            or BEGINNINGS.get(word[:3])
            or BEGINNINGS.get(word[:2], 0)
        )
    return max(1, weight)

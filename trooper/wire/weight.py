"""
How much work JSON is, told without reading it: by its length and by counts, which cost next to nothing.

Whoever reads where others wait asks here first:

* an event is read unless it `is_intricate`, and a whole answer unless it `is_heavy`,
* all values of a request's body are made only if it `is_light`,
* and its fields are found, and the values in them left alone, unless it `is_dense`.

A step of the decoder is one that nobody can come between. Each bound is some
milliseconds of such work on a common machine.
"""

from __future__ import annotations

import re
from typing import Final

#: An event of no more bytes is never too much. Each token asks, so that who reads looks for himself.
SHORT_BYTES: Final = 4_096
#: So many objects and lists of an event or an answer are read at once, each of which somebody looks into …
_MOST_LOOKED_INTO: Final = 16_384
#: … and so many values, most of which nobody does.
_MOST_PASSED: Final = 131_072
#: A whole answer of no more bytes is read; fewer where one character beyond 16 bits makes a text four times as large.
_MOST_READ_BYTES: Final = 4 << 20
_MOST_WIDE_BYTES: Final = 1 << 20
_WIDE: Final = re.compile(rb"[\xf0-\xf4]|\\u[dD][89abAB]")
#: What stands in texts is told from what does not up to so many bytes and quotes, and so many brackets: a text
#: may be the arguments of a call, and those are read as well.
_MOST_SIFTED_BYTES: Final = 2 << 20
_MOST_SIFTED_QUOTES: Final = 131_072
_MOST_SIFTED_BRACKETS: Final = 131_072
#: A string, also one that does not end: else each quote in it would be tried as the beginning of another. The
#: end of a line ends it too, so that a quote too many hides nothing of the next one.
_STRING: Final = re.compile(rb'"(?:[^"\\\r\n]++|\\.)*+"?')

#: A request that is not quite JSON is read in Python: up to so many bytes where others wait.
MOST_MENDED_BYTES: Final = 1 << 20
#: How many values of a request's body are made at once, and of how many bytes …
_MOST_VALUES: Final = 100_000
_MOST_BYTES: Final = 32 << 20
#: … and where most commas stand in few texts, as those of code do.
_MOST_COMMAS: Final = 300_000
_MOST_QUOTES: Final = 200_000
#: Among how many values the fields of a body are found. A comma is a token of its own nearly everywhere, and no
#: model takes as many.
_MOST_FOUND: Final = 2_000_000


def has_more_than(body: bytes | bytearray, values: int) -> bool:
    """
    Whether `body` may hold more values than that; never false where it does.

    Behind each value but the last of its list stands a comma, and lists can only
    be so deep. Commas in texts count, too.
    """
    return len(body) > values and body.count(b",") > values


def has_more_lines_than(raw: bytes, lines: int) -> bool:
    """Whether an event has more lines than that; empty ones around it are none."""
    return max(raw.count(b"\n"), raw.count(b"\r")) > lines and bool(raw.strip(b"\r\n"))


def is_intricate(data: bytes, *, slowly: bool = False) -> bool:
    """
    Whether an event or an answer would cost far more time and memory than its size.

    What is read `slowly`, field by field, may have fewer values: there, each
    field counts. What stands in texts counts where there are too many of
    them, or where they are too long to be told apart in a moment.
    """
    if len(data) <= SHORT_BYTES:
        return False
    if data.count(b'"') > _MOST_SIFTED_QUOTES:
        # Also those in texts, where JSON is looked for as well.
        return True
    if not _has_many_values(data, slowly=slowly):
        return False
    if len(data) > _MOST_SIFTED_BYTES:
        return True
    if _brackets(data) > _MOST_SIFTED_BRACKETS:
        return True
    return _has_many_values(_STRING.sub(b'""', data), slowly=slowly)


def is_heavy(answer: bytes) -> bool:
    """Whether a whole answer is so long or intricate that others would have to wait for its reading."""
    if len(answer) > _MOST_READ_BYTES or is_intricate(answer):
        return True
    return len(answer) > _MOST_WIDE_BYTES and _WIDE.search(answer) is not None


def _has_many_values(data: bytes, *, slowly: bool) -> bool:
    commas = data.count(b",")
    looked_into = _brackets(data)
    if slowly:
        looked_into += data.count(b'"') + commas
    return looked_into > _MOST_LOOKED_INTO or commas > _MOST_PASSED


def _brackets(data: bytes) -> int:
    return data.count(b"{") + data.count(b"[")


def _quotes(data: bytes) -> int:
    return data.count(b'"') - data.count(b'\\"')


def is_light(body: bytes) -> bool:
    """Whether all values of a request's body can be made where others wait."""
    if len(body) > _MOST_BYTES or has_more_than(body, _MOST_COMMAS):
        return False
    return not has_more_than(body, _MOST_VALUES) or _quotes(body) <= _MOST_QUOTES


def is_long(field: memoryview) -> bool:
    """Whether one field of a body may hold as much as a light body."""
    return len(field) > _MOST_VALUES


def is_dense(body: bytes) -> bool:
    """Whether even finding the fields of a body would hold up others."""
    return has_more_than(body, _MOST_FOUND)

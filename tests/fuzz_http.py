"""
Requests of HTTP/1.1 that have gone wrong, as bytes and in pieces: drawn by
hypothesis, part by part, and then torn.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from attrs import field, frozen
from hypothesis import strategies as st

from fuzz_http_parts import (
    BODIES,
    CODINGS,
    ENDS,
    EXTENSIONS,
    GARBAGE,
    GOOD_BODIES,
    LENGTHS,
    LIKELY,
    METHODS,
    NAMES,
    SEPARATORS,
    SIZES,
    TARGETS,
    VALUES,
    VERSIONS,
)
from fuzz_values import Shown


def _drawn(*pools: Sequence[bytes]) -> st.SearchStrategy[tuple[bytes, ...]]:
    return st.tuples(*map(st.sampled_from, pools))


@frozen
class Pieces(Shown):
    """What is sent, one write after the other; `pauses` says behind which of them there is a moment of nothing."""

    pieces: tuple[bytes, ...] = field(repr=lambda pieces: repr(tuple(_short(piece) for piece in pieces)))
    pauses: frozenset[int] = frozenset()

    @property
    def all(self) -> bytes:
        return b"".join(self.pieces)


def _short(data: bytes) -> bytes:
    return data if len(data) < 600 else data[:300] + b"... %d bytes ..." % len(data) + data[-150:]


#: Of a request. Most have one that is odd, so that the others let it be read as far as that.
_PARTS = (
    "method",
    "target",
    "version",
    "line",
    "headers",
    "ends",
    "framing",
    "sizes",
    "trailers",
    "body",
    "many",
)
_GOOD_TARGETS = TARGETS[:8]


@st.composite
def _fields(draw: st.DrawFn, odd: frozenset[str], most: int) -> list[bytes]:
    """Lines of headers or trailers."""
    end = ENDS if "ends" in odd else (b"\r\n",)
    if "headers" in odd:
        return list(map(b"".join, draw(st.lists(_drawn(NAMES, SEPARATORS, VALUES, end), max_size=most))))
    return list(map(b"".join, draw(st.lists(_drawn(NAMES[:12], (b": ",), VALUES[:6], end), max_size=1))))


@st.composite
def _chunked(draw: st.DrawFn, body: bytes, odd: frozenset[str]) -> bytes:
    """The body in chunks, and its trailers."""
    sizes = "sizes" in odd
    said, at = b"", 0
    while at < len(body) and len(said) < 3_000:
        size = draw(st.sampled_from([1, 5, 700, len(body)]))
        piece, at = body[at : at + size], at + size
        number = draw(st.sampled_from(SIZES)) if sizes and draw(st.booleans()) else b"%x" % len(piece)
        extension, first, second = draw(_drawn(EXTENSIONS, ENDS, ENDS)) if sizes else (b"", b"\r\n", b"\r\n")
        said += number + extension + first + piece + second
    if "trailers" not in odd:
        return said + b"0\r\n\r\n"
    last, end = draw(
        _drawn(
            (b"0\r\n", b"0\r\n", b"00\r\n", b"0", b"", b"0\n", b"-0\r\n", b"0;x\r\n"),
            (b"\r\n", b"\r\n", b"", b"\n"),
        )
    )
    return said + last + b"".join(draw(_fields(odd | {"headers"}, 2))) + end


@st.composite
def raw_requests(draw: st.DrawFn) -> bytes:
    """One request, mostly nearly right."""
    odd = draw(st.frozensets(st.sampled_from(_PARTS), max_size=3))
    method = draw(st.sampled_from(METHODS if "method" in odd else (b"POST", b"POST", b"GET", b"HEAD")))
    target = draw(st.sampled_from(TARGETS if "target" in odd else _GOOD_TARGETS))
    version = draw(st.sampled_from(VERSIONS)) if "version" in odd else b"HTTP/1.1"
    end = draw(st.sampled_from(ENDS)) if "line" in odd else b"\r\n"
    lines = [*LIKELY, *draw(_fields(odd, 3))]
    if "many" in odd:
        lines += [b"x-%d: y\r\n" % number for number in range(draw(st.sampled_from([100, 600, 5_000])))]
    body = draw(st.sampled_from(BODIES if "body" in odd else GOOD_BODIES)) if method == b"POST" else b""
    framing = draw(st.integers(0, 3))
    if "framing" in odd:
        length, coding = draw(_drawn(LENGTHS, CODINGS))
        lines += [[b"content-length: " + length + b"\r\n"], [b"transfer-encoding: " + coding + b"\r\n"]][
            framing % 2
        ]
        if draw(st.booleans()):
            lines.append(b"content-length: %d\r\n" % len(body))
        if draw(st.booleans()):
            lines.append(b"transfer-encoding: chunked\r\n")
            body = draw(_chunked(body, odd))
    elif framing == 0 and body:
        lines.append(b"transfer-encoding: chunked\r\n")
        body = draw(_chunked(body, odd))
    elif body:
        lines.append(b"content-length: %d\r\n" % len(body))
    lines = draw(st.permutations(lines)) if "headers" in odd and len(lines) < 9 else lines
    return method + b" " + target + b" " + version + end + b"".join(lines) + b"\r\n" + body


@st.composite
def _torn(draw: st.DrawFn, data: bytes) -> bytes:
    """A few bytes are lost, come twice, or are others."""
    for _ in range(draw(st.integers(0, 3))):
        if not data:
            return data
        # Most of what can be torn is at the beginning.
        at = draw(st.integers(0, min(len(data), 600) - 1))
        length = draw(st.integers(0, 12))
        bad = draw(st.binary(max_size=4) | st.sampled_from([b"\r\n", b"\n", b"\x00", b" ", b":", b"\xff"]))
        match draw(st.integers(0, 2)):
            case 0:
                data = data[:at] + bad + data[at + length :]
            case 1:
                data = data[:at] + data[at : at + length] + data[at:]
            case _:
                data = data[:at] + bad + data[at:]
    return data


@st.composite
def connections(draw: st.DrawFn) -> Pieces:
    """All that a client says on one connection: requests one behind the other, torn, cut, in pieces."""
    data = b"".join(draw(st.lists(raw_requests(), min_size=1, max_size=3)))
    if draw(st.integers(0, 2)) == 0:
        data = draw(_torn(data))
    if draw(st.integers(0, 2)) == 0:
        data += draw(st.sampled_from(GARBAGE))
    if draw(st.integers(0, 4)) == 0:
        data = data[: draw(st.integers(0, len(data)))]
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=4)))
    ends = [0, *cuts, len(data)]
    pieces = tuple(data[one:other] for one, other in pairwise(ends))
    return Pieces(pieces, draw(st.frozensets(st.integers(0, len(pieces)), max_size=2)))

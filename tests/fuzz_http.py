"""
Requests of HTTP/1.1 that have gone wrong, as bytes and in pieces: drawn by
hypothesis, part by part, and then torn.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import field, frozen
from hypothesis import strategies as st

_METHODS = (
    *(
        b"GET",
        b"POST",
        b"POST",
        b"POST",
        b"HEAD",
        b"OPTIONS",
        b"PUT",
        b"DELETE",
        b"PATCH",
        b"TRACE",
        b"CONNECT",
    ),
    *(b"PRI", b"get", b"G E T", b"", b"\x00", b"GET\x00", b"GE\xff", b"M" * 20, b"M" * 9_000, b"{", b"GET\t"),
)
_TARGETS = (
    *(
        b"/healthz",
        b"/readyz",
        b"/",
        b"/v1/models",
        b"/v1/chat/completions",
        b"/v1/messages",
        b"/v1/responses",
    ),
    *(
        b"/v1/responses/resp_1",
        b"/v1/responses/resp_1/input_items",
        b"/v1/files",
        b"/api/chat",
        b"/v1/models/%zz",
    ),
    *(
        b"*",
        b"",
        b"//",
        b"/../v1/models",
        b"/%2e%2e/x",
        b"/v1/%00",
        b"/\xff",
        b"/\xc3\xa9",
        b"/#x",
        b"/v1/models#a",
    ),
    *(
        b"http://127.0.0.1/v1/models",
        b"http://evil.example/healthz",
        b"https://[::1",
        b"http://",
        b"a:b@c",
        b"/?",
        b"/?#",
    ),
    *(
        b"/?" + b"a=b&" * 9,
        b"/" + b"a" * 3_000,
        b"/?" + b"q" * 70_000,
        b"/v1/" + b"/" * 500,
        b"/ x",
        b"/\tx",
        b"/\\..\\x",
    ),
)
_VERSIONS = (
    *[b"HTTP/1.1"] * 8,
    *(
        b"HTTP/1.0",
        b"HTTP/0.9",
        b"HTTP/2.0",
        b"HTTP/1.2",
        b"HTTP/1.10",
        b"http/1.1",
        b"HTTP/1",
        b"HTTP/1.1 ",
        b"",
        b"X",
    ),
)
_ENDS = (*[b"\r\n"] * 12, b"\n", b"\r", b"\r\r\n", b"\n\r", b" \r\n", b"\x00\r\n", b"\x0b\r\n")
_SEPARATORS = (*[b": "] * 8, b":", b":\t", b" : ", b"\t:", b"", b"=", b":\x00", b": \x0b")
_NAMES = (
    *(
        b"x-a",
        b"accept",
        b"content-type",
        b"authorization",
        b"x-api-key",
        b"anthropic-version",
        b"cookie",
        b"via",
    ),
    *(
        b"connection",
        b"expect",
        b"upgrade",
        b"te",
        b"trailer",
        b"host",
        b"Host",
        b"content-encoding",
        b"origin",
        b"range",
    ),
    *(
        b"sec-fetch-site",
        b"x-trooper-key",
        b"proxy-connection",
        b"keep-alive",
        b"content-length",
        b"transfer-encoding",
    ),
    *(
        b"",
        b" ",
        b"x a",
        b"x\x00",
        b"\xff",
        b"x" * 5_000,
        b"(",
        b":",
        b"x-\xc3\xa9",
        b" folded",
        b"\tfolded",
        b"http2-settings",
    ),
)
_VALUES = (
    *(
        b"",
        b"x",
        b"application/json",
        b"text/plain",
        b"Bearer sk-mine",
        b"\xff\xfe",
        b"\x00",
        b"a\x0bb",
        b"gzip",
        b"zstd",
    ),
    *(
        b"close",
        b"keep-alive",
        b"upgrade",
        b"100-continue",
        b"h2c",
        b"websocket",
        b"chunked",
        b"identity",
        b"0",
        b"2",
    ),
    *(
        b"cross-site",
        b"null",
        b"localhost",
        b"evil.example",
        b"x, y, z",
        b"x" * 9_000,
        b'"',
        b";",
        b"\r",
        b"a\nb",
        b"trailers",
    ),
)
_LENGTHS = (
    *(
        b"-1",
        b"+2",
        b"0x2",
        b"2, 2",
        b"2, 3",
        b"2 2",
        b" ",
        b"",
        b"\xb2",
        b"1e1",
        b"2\x00",
        b"2;",
        b"1_0",
        b"02",
        b"%d" % 10**19,
    ),
    *(b"9" * 30, b"99999999", b"67108865", b"0"),
)
_CODINGS = (
    *(
        b"chunked",
        b"chunked",
        b"Chunked",
        b"chunked, chunked",
        b"gzip, chunked",
        b"chunked, gzip",
        b"identity",
        b"x",
    ),
    *(
        b"\x0bchunked",
        b"chunked\x00",
        b"chunked;q=1",
        b",chunked",
        b"chunked,",
        b"",
        b"chun\tked",
        b'"chunked"',
    ),
)
_SIZES = (
    b"0x5",
    b"-5",
    b"+5",
    b"5 ",
    b" 5",
    b"005",
    b"",
    b"g",
    b"F" * 17,
    b"7fffffffffffffff",
    b"ffffffff",
    b"5\x00",
    b"5\r",
)
_EXTENSIONS = (b"", b"", b"", b";a", b";a=b", b';a="\r\n"', b";" + b"x" * 5_000, b" ;", b";\x00", b";" * 50)
_BODIES = (
    *(b"{}", b"", b"[]", b"x", b"\x00\xff", b'{"model":"m","messages":[{"role":"user","content":"?"}]}'),
    *(
        b'{"model":"m","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"?"}]}',
        b'{"model":"m","input":"?"}',
    ),
    *(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n", b"{}" * 9_000),
)
_GOOD_BODIES = (_BODIES[5], _BODIES[6], _BODIES[7])
_GARBAGE = (
    *(
        b"",
        b"",
        b"",
        b"\r\n",
        b"\r\n\r\n",
        b"\n",
        b"\x00",
        b"x",
        b"GET",
        b"0\r\n\r\n",
        b"\xff" * 100,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ),
    *(
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"x" * 70_000,
        b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n",
    ),
)
_LIKELY = (b"host: localhost\r\n", b"content-type: application/json\r\n", b"x-api-key: sk-mine\r\n")


def _drawn(*pools: Sequence[bytes]) -> st.SearchStrategy[tuple[bytes, ...]]:
    return st.tuples(*map(st.sampled_from, pools))


@frozen
class Pieces:
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
_GOOD_TARGETS = _TARGETS[:8]


@st.composite
def _fields(draw: st.DrawFn, odd: frozenset[str], most: int) -> list[bytes]:
    """Lines of headers or trailers."""
    end = _ENDS if "ends" in odd else (b"\r\n",)
    if "headers" in odd:
        return list(map(b"".join, draw(st.lists(_drawn(_NAMES, _SEPARATORS, _VALUES, end), max_size=most))))
    return list(map(b"".join, draw(st.lists(_drawn(_NAMES[:12], (b": ",), _VALUES[:6], end), max_size=1))))


@st.composite
def _chunked(draw: st.DrawFn, body: bytes, odd: frozenset[str]) -> bytes:
    """The body in chunks, and its trailers."""
    sizes = "sizes" in odd
    said, at = b"", 0
    while at < len(body) and len(said) < 3_000:
        size = draw(st.sampled_from([1, 5, 700, len(body)]))
        piece, at = body[at : at + size], at + size
        number = draw(st.sampled_from(_SIZES)) if sizes and draw(st.booleans()) else b"%x" % len(piece)
        extension, first, second = (
            draw(_drawn(_EXTENSIONS, _ENDS, _ENDS)) if sizes else (b"", b"\r\n", b"\r\n")
        )
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
    method = draw(st.sampled_from(_METHODS if "method" in odd else (b"POST", b"POST", b"GET", b"HEAD")))
    target = draw(st.sampled_from(_TARGETS if "target" in odd else _GOOD_TARGETS))
    version = draw(st.sampled_from(_VERSIONS)) if "version" in odd else b"HTTP/1.1"
    end = draw(st.sampled_from(_ENDS)) if "line" in odd else b"\r\n"
    lines = [*_LIKELY, *draw(_fields(odd, 3))]
    if "many" in odd:
        lines += [b"x-%d: y\r\n" % number for number in range(draw(st.sampled_from([100, 600, 5_000])))]
    body = draw(st.sampled_from(_BODIES if "body" in odd else _GOOD_BODIES)) if method == b"POST" else b""
    framing = draw(st.integers(0, 3))
    if "framing" in odd:
        length, coding = draw(_drawn(_LENGTHS, _CODINGS))
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
        data += draw(st.sampled_from(_GARBAGE))
    if draw(st.integers(0, 4)) == 0:
        data = data[: draw(st.integers(0, len(data)))]
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=4)))
    ends = [0, *cuts, len(data)]
    pieces = tuple(data[one:other] for one, other in zip(ends, ends[1:], strict=False))
    return Pieces(pieces, draw(st.frozensets(st.integers(0, len(pieces)), max_size=2)))

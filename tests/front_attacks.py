"""
What one connection can say to end a server: bytes for another protocol, and
bytes for none. Each is said on a connection of its own.
"""

from __future__ import annotations

from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """A frame of HTTP/2."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def headers(stream: int, *fields: tuple[bytes, bytes], end: bool = True) -> bytes:
    """A HEADERS frame whose fields are literal."""
    block = b"".join(b"\0%c%b%c%b" % (len(name), name, len(value), value) for name, value in fields)
    return frame(1, 5 if end else 4, stream, block)


def request(line: bytes, *fields: bytes, body: bytes = b"") -> bytes:
    """A request of HTTP/1.1 that leaves nothing open."""
    return b"\r\n".join([line, b"Host: 127.0.0.1", b"Connection: close", *fields, b"", b""]) + body


SETTINGS: Final = frame(4, 0, 0)
_GET = ((b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"127.0.0.1"))
_H2 = PREFACE + SETTINGS
_OFFER = (b"Connection: Upgrade", b"Upgrade: h2c")

#: Offers of other protocols that are not heard: the request is answered as it stands.
UNHEARD: Final = {
    "settings that are no base64": request(b"GET /healthz HTTP/1.1", *_OFFER, b"HTTP2-Settings: A"),
    "settings that are no settings": request(b"GET /healthz HTTP/1.1", *_OFFER, b"HTTP2-Settings: AAAA"),
    "settings out of range": request(b"GET /healthz HTTP/1.1", *_OFFER, b"HTTP2-Settings: AAP_____"),
    "settings of other bytes": request(b"GET /healthz HTTP/1.1", *_OFFER, b"HTTP2-Settings: \xff\xfe\x80"),
    "no settings": request(b"GET /healthz HTTP/1.1", *_OFFER),
    "settings as they should be": request(
        b"GET /healthz HTTP/1.1", *_OFFER, b"HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA"
    ),
    "no connection header": request(b"GET /healthz HTTP/1.1", b"Upgrade: h2c", b"HTTP2-Settings: A"),
    "in another case": request(b"GET /healthz HTTP/1.1", b"Upgrade: H2C", b"http2-settings: A"),
    "other blanks": request(b"GET /healthz HTTP/1.1", b"Upgrade: \xa0h2c\x85", b"HTTP2-Settings: A"),
    "frames behind it": request(b"GET /healthz HTTP/1.1", *_OFFER, b"HTTP2-Settings: A", body=_H2),
    "beside another": request(b"GET /healthz HTTP/1.1", b"Upgrade: h2c, foo", b"Upgrade: h2c"),
    "over TLS": request(b"GET /healthz HTTP/1.1", b"Upgrade: h2"),
    "nearly a websocket": request(
        b"GET /healthz HTTP/1.1", b"Upgrade: \xa0websocket\x85", b"Connection: Upgrade"
    ),
    "another": request(b"GET /healthz HTTP/1.1", b"Upgrade: \xff\xfe, TLS/1.0", b"Connection: Upgrade"),
    "bytes behind the last request": request(b"GET /healthz HTTP/1.1", body=b"\r\n\0\xff" * 9000),
    "requests behind the last one": request(b"GET /healthz HTTP/1.1", body=b"GET / HTTP/1.1\r\n\r\n" * 99),
}

#: HTTP/2 without an offer, and other versions.
H2: Final = {
    "a preface": PREFACE,
    "its first line": PREFACE[:18],
    "a preface and settings": _H2,
    "no frames": PREFACE + b"\xff" * 9000,
    "a path beyond ASCII": _H2 + headers(1, *_GET, (b":path", b"/\xff\xfe")),
    "no path": _H2 + headers(1, *_GET),
    "no method": _H2 + headers(1, (b":path", b"/"), (b":scheme", b"http")),
    "a method beyond ASCII": _H2 + headers(1, (b":method", b"G\xcbT"), *_GET[1:], (b":path", b"/")),
    "a tunnel without a path": _H2 + headers(1, (b":method", b"CONNECT"), (b":authority", b"a")),
    "a websocket": _H2
    + headers(
        1, (b":method", b"CONNECT"), (b":protocol", b"websocket"), *_GET[1:], (b":path", b"/"), end=False
    )
    + frame(0, 0, 1, b"\xff" * 100),
    "priorities": _H2 + b"".join(frame(2, 0, 2 * at + 1, b"\0\0\0\0\x10") for at in range(1500)),
    "a priority of itself": _H2 + frame(2, 0, 3, b"\0\0\0\x03\x10"),
    "a circle of priorities": _H2 + frame(2, 0, 3, b"\0\0\0\x05\x10") + frame(2, 0, 5, b"\0\0\0\x03\x10"),
    "data for nobody": _H2 + headers(1, *_GET, (b":path", b"/healthz")) + frame(0, 1, 1, b"x"),
    "resets": _H2
    + b"".join(
        headers(at, *_GET, (b":path", b"/healthz")) + frame(3, 0, at, b"\0\0\0\x08") for at in range(1, 99, 2)
    ),
    "a request that says so": request(b"GET /healthz HTTP/2.0"),
    "version 3": request(b"GET /healthz HTTP/3.0"),
    "version 0": request(b"GET /healthz HTTP/0.9"),
}

_KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
_WEBSOCKET = (b"Connection: Upgrade", b"Sec-WebSocket-Version: 13")
_FRAME = b"\x81\x85\x00\x00\x00\x00hello"

#: Websockets, which are answered with 426.
WEBSOCKETS: Final = {
    "as it should be": request(b"GET / HTTP/1.1", b"Upgrade: websocket", _KEY, *_WEBSOCKET),
    "frames behind it": request(
        b"GET / HTTP/1.1", b"Upgrade: websocket", _KEY, *_WEBSOCKET, body=_FRAME * 99
    ),
    "a key beyond ASCII": request(
        b"GET / HTTP/1.1", b"Upgrade: websocket", b"Sec-WebSocket-Key: \xff\xfe", *_WEBSOCKET
    ),
    "a version beyond ASCII": request(
        b"GET / HTTP/1.1", b"Upgrade: websocket", _KEY, b"Connection: Upgrade", b"Sec-WebSocket-Version: \xff"
    ),
    "protocols beyond ASCII": request(
        b"GET / HTTP/1.1", b"Upgrade: websocket", _KEY, *_WEBSOCKET, b"Sec-WebSocket-Protocol: \xff, \xfe"
    ),
    "extensions beyond ASCII": request(
        b"GET / HTTP/1.1", b"Upgrade: websocket", _KEY, *_WEBSOCKET, b"Sec-WebSocket-Extensions: \xff;=\xfe"
    ),
    "a connection header beyond ASCII": request(
        b"GET / HTTP/1.1", b"Upgrade: websocket", b"Connection: \xff"
    ),
    "beside h2c": request(b"GET / HTTP/1.1", b"Upgrade: h2c, websocket", b"HTTP2-Settings: A", *_WEBSOCKET),
    "with a body": request(
        b"GET / HTTP/1.1", b"Upgrade: websocket", _KEY, *_WEBSOCKET, b"Content-Length: 5", body=b"hello"
    ),
}

#: What is no request at all.
NOISE: Final = {
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 200,
    "NULs": b"\0" * 100 + b"\r\n\r\n",
    "a NUL in the line": request(b"GET /\0 HTTP/1.1"),
    "a NUL in a header": request(b"GET / HTTP/1.1", b"A: b\0c"),
    "blanks and a NUL": request(b"GET / HTTP/1.1", b"A:" + b" \t" * 7000 + b"\0"),
    "a NUL in a name": request(b"GET / HTTP/1.1", b"A\0: b"),
    "a target beyond ASCII": request(b"GET /\xff\xfe HTTP/1.1"),
    "no target": request(b"GET  HTTP/1.1"),
    "blanks in the target": request(b"GET / / HTTP/1.1"),
    "no version": request(b"GET /"),
    "a long version": request(b"GET / HTTP/11.11"),
    "another version": request(b"GET / FTP/1.1"),
    "a method beyond ASCII": request(b"G\xcbT / HTTP/1.1"),
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "a name with a blank": request(b"GET / HTTP/1.1", b"A : b"),
    "a line without a name": request(b"GET / HTTP/1.1", b": b"),
    "a line without a colon": request(b"GET / HTTP/1.1", b"A"),
    "a negative length": request(b"POST / HTTP/1.1", b"Content-Length: -1"),
    "a signed length": request(b"POST / HTTP/1.1", b"Content-Length: +1", body=b"x"),
    "a long length": request(b"POST / HTTP/1.1", b"Content-Length: " + b"9" * 5000),
    "two lengths": request(b"POST / HTTP/1.1", b"Content-Length: 1", b"Content-Length: 2", body=b"x"),
    "an odd length": request(b"POST / HTTP/1.1", b"Content-Length: 1_0", body=b"x" * 10),
    "a length beside chunks": request(
        b"POST / HTTP/1.1", b"Content-Length: 5", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"
    ),
    "chunks beside a length": request(
        b"POST / HTTP/1.1", b"transfer-encoding: Chunked", b"content-length: 0", body=b"0\r\n\r\n"
    ),
    "bare line feeds": b"GET / HTTP/1.1\nHost: 127.0.0.1\nConnection: close\n\n",
    "one bare line feed": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\nConnection: close\r\n\r\n",
    "a bare one at the end": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\n",
    "a folded header": request(b"GET / HTTP/1.1", b"A: b", b" c"),
    "a folded header of a tab": request(b"GET / HTTP/1.1", b"A: b", b"\tc: d"),
    "a folded first header": b"GET / HTTP/1.1\r\n Host: 127.0.0.1\r\nConnection: close\r\n\r\n",
    "an odd coding": request(b"POST / HTTP/1.1", b"Transfer-Encoding: gzip"),
    "two codings": request(b"POST / HTTP/1.1", b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    "many headers": request(b"GET / HTTP/1.1", *(b"A%d: b" % at for at in range(20_000))),
    "many short headers": request(b"GET / HTTP/1.1", *(b"A:" for _ in range(3000))),
    "a long header": request(b"GET / HTTP/1.1", b"A: " + b"b" * 200_000),
    "a long target": request(b"GET /" + b"b" * 200_000 + b" HTTP/1.1"),
    "a long target without an end": b"GET /" + b"b" * 200_000,
    "a long method": request(b"G" * 200_000 + b" / HTTP/1.1"),
    "a long line without an end": b"G" * 200_000,
}

_CHUNKED = (b"Content-Type: application/json", b"Transfer-Encoding: chunked")
_CHAT = b"POST /v1/chat/completions HTTP/1.1"

#: Bodies that are none.
BODIES: Final = {
    "a chunk size that is none": request(_CHAT, *_CHUNKED, body=b"zz\r\nhello\r\n"),
    "a negative chunk": request(_CHAT, *_CHUNKED, body=b"-1\r\nhello\r\n"),
    "a long chunk size": request(_CHAT, *_CHUNKED, body=b"f" * 30 + b"\r\nhello\r\n"),
    "a chunk longer than said": request(_CHAT, *_CHUNKED, body=b"1\r\nhello\r\n"),
    "a chunk size without an end": request(_CHAT, *_CHUNKED, body=b"1" * 200_000),
    "a chunk extension without an end": request(_CHAT, *_CHUNKED, body=b"1;" + b"a" * 200_000),
    "a trailer that is none": request(_CHAT, *_CHUNKED, body=b"0\r\n\0\r\n\r\n"),
    "a bare line feed behind the chunks": request(_CHAT, *_CHUNKED, body=b"0\r\n\n"),
    "a folded trailer": request(_CHAT, *_CHUNKED, body=b"0\r\na: b\r\n c\r\n\r\n"),
    "many short trailers": request(_CHAT, *_CHUNKED, body=b"0\r\n" + b"a:\r\n" * 3000 + b"\r\n"),
    "trailers without an end": request(_CHAT, *_CHUNKED, body=b"0\r\n" + b"a: b\r\n" * 50_000),
}

#: Targets that are refused before anybody is asked, and with what.
TARGETS: Final = {
    **dict.fromkeys(
        (
            b"#",
            b"/#",
            b"/healthz#",
            b"/v1/files/a#b",
            b"/v1/files?a=b#c",
            b"/v1/files?#",
            b"/v1/models#",
            b"/v1/chat/completions#",
            b"/v1/messages?#a",
            b"/%23#",
            b"http://127.0.0.1#",
            b"http://127.0.0.1/v1/files#a",
            b"http://127.0.0.1:a/v1/files",
            b"http://127.0.0.1@evil.example/v1/files",
            b"http://[::1/v1/files",
            b"http:///v1/files",
            b"/v1/files/a b",
            b"/v1/files/a\tb",
            b"/v1/files/a\0b",
            b"/v1/files/a\x7fb",
            b"/v1/files/\xc3\xa9",
            b"/v1/files?a=\xff",
            b"*",
            b"127.0.0.1:443",
            b"mailto:a",
            b"healthz",
            b"v1/models",
        ),
        400,
    ),
    b"http://evil.example/v1/files": 403,
    **dict.fromkeys(
        (
            b"ftp://127.0.0.1/v1/files",
            b"//evil.example/v1/files",
            b"/v1@evil.example/files",
            b"/v1/../files",
            b"/v1/files/..%00/a",
            b"/v1/files/..%23",
            b"/v1/files/..%3fa",
            b"/v1/files/%00",
            b"/v1/files\\..\\a",
            b"/v1/chat/completions;a=b",
            b"/v1/chat;a/completions",
            b"/v1/messages%3b",
            b"/v1/responses%00",
            b"/v1/responses%23",
            b"/v1/messages%3Fa=b",
        ),
        404,
    ),
    **dict.fromkeys(
        (
            b"/" + b"a" * 65_000,
            b"/v1/files?" + b"a=b&" * 16_000,
            b"/v1/files?" + b"?" * 65_000,
            b"/v1/files/" + b"%41" * 20_000,
            b"/" * 40_000,
            b"/v1/files/" + b"[" * 12_000,
            b"http://127.0.0.1/" + b"a" * 65_000,
            b"/" + b"a" * 200_000,
        ),
        414,
    ),
}

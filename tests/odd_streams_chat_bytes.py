"""Odd streams of the chat wire: how they are framed, and lines that are no JSON."""

from __future__ import annotations

from typing import Any, Final

from odd_stream import Kind, Mirror, OddStream, data, dumped
from odd_streams_chat import ODD_AT, OURS, TOP, around, odd, row, say, text

#: The front of a chunk.
NOT_JSON: Final = data(b'{"choices": [{"index": 0, "delta": {"content": " th')


def unread(name: str, source: str, piece: bytes, **more: Any) -> OddStream:
    """A whole answer with a line in it that is no JSON."""
    return odd(name, source, piece, kind=Kind.BYTES, opaque=ODD_AT, is_unread=True, **more)


def framed(name: str, source: str, *pieces: bytes, **more: Any) -> OddStream:
    """An answer that is `around(say("-"))` in another framing."""
    return row(name, Kind.BYTES, source, *pieces, text=text("-"), **more)


USUAL: Final = around(say("-"))
ROWS: Final = (
    *(
        odd(
            f"a raw {name} in a string",
            source,
            data(b'{"choices": [{"index": 0, "delta": {"content": "-' + raw + b'-"}}]}'),
            kind=Kind.BYTES,
            said=f"-{raw.decode()}-",
            undecided=True,
        )
        for name, source, raw in (
            ("tab", "matthiasn/lotti#4310", b"\t"),
            ("escape", "onevcat/Prowl#444", b"\x1b"),
            ("zero", "neighbour of onevcat/Prowl#444", b"\0"),
        )
    ),
    unread(
        "a raw line feed in a string",
        "matthiasn/lotti#4310",
        data(b'{"choices": [{"index": 0, "delta": {"content": "a\nb"}}]}'),
    ),
    unread(
        "bytes that are no UTF-8",
        OURS,
        data(b'{"choices": [{"index": 0, "delta": {"content": "\xe9\xff"}}]}'),
        undecided=True,
    ),
    unread("half a line of JSON", "anomalyco/opencode#8282", NOT_JSON),
    unread("a page of HTML", "diegosouzapw/OmniRoute#4937", data(b"<html></html>")),
    unread("a keep-alive as data", "mnfst/llm-gateway#2053", data(b": OPENROUTER PROCESSING")),
    unread("two values on one line", "anomalyco/opencode#8282", data(dumped(TOP) + dumped(TOP))),
    unread(
        "a field twice named",
        "paiml/aprender#2015",
        data(b"data: " + dumped({**TOP, "choices": []})),
        undecided=True,
    ),
    unread("a lone word", "neighbour of mnfst/llm-gateway#2053", b"ping\n\n", undecided=True),
    odd(
        "data on the next line",
        "0xPlaygrounds/rig#534",
        b'data:\n {"choices": [{"index": 0, "delta": {"content": "-"}}]}\n\n',
        kind=Kind.BYTES,
        said="",
        undecided=True,
    ),
    odd(
        "half a character escaped",
        OURS,
        data(b'{"choices": [{"index": 0, "delta": {"content": "\\ud83d"}}]}'),
        kind=Kind.BYTES,
        said="",
        undecided=True,
    ),
    odd(
        "separators that end no line",
        "modelcontextprotocol/typescript-sdk#1926",
        say("\u2028\u2029\x85"),
        kind=Kind.BYTES,
        said="\u2028\u2029\x85",
    ),
    odd(
        "a number beyond all numbers",
        "neighbour of cloudflare/ai#651",
        say("-", x=int("9" * 400)),
        kind=Kind.BYTES,
        said="-",
        undecided=True,
    ),
    odd(
        "a deep nest",
        "neighbour of zed-industries/zed#42893",
        data(b'{"choices": [], "x": ' + b"[" * 5000 + b"]" * 5000 + b"}"),
        kind=Kind.BYTES,
        undecided=True,
    ),
    odd("data that is empty", "openai/openai-python#2721", b"data:\n\n", kind=Kind.BYTES),
    odd("data that is a blank", "openai/openai-python#2721", b"data: \n\n", kind=Kind.BYTES),
    odd("a word when to come back", "openai/openai-python#2933", b"retry: 3000\n\n", kind=Kind.BYTES),
    odd("a comment", "openai/openai-go#227", b": OPENROUTER PROCESSING\n\n", kind=Kind.BYTES),
    odd("a comment that is empty", "openai/openai-go#227", b":\n\n", kind=Kind.BYTES),
    odd(
        "a comment in the event",
        "Lambdua/openai4j#90",
        b": OPENROUTER PROCESSING\n" + say("-"),
        kind=Kind.BYTES,
        said="-",
    ),
    odd("empty lines", "ggml-org/llama.cpp#14268", b"\n\n\n", kind=Kind.BYTES),
    odd(
        "two events without an empty line",
        "orhanerday/ChatGPT#8",
        say("-")[:-1],
        say("+"),
        kind=Kind.BYTES,
        said="-+",
        undecided=True,
    ),
    odd(
        "null and an event without an empty line",
        "Kilo-Org/kilocode#3083",
        b"data: null\n",
        say("-"),
        kind=Kind.BYTES,
        said="-",
        undecided=True,
    ),
    framed(
        "no empty line at all",
        "orhanerday/ChatGPT#8",
        b"".join(piece[:-1] for piece in USUAL),
        undecided=True,
        mirror=Mirror.BEGINS,
    ),
    framed(
        "line feeds and returns",
        "neighbour of SamSaffron/term-llm#487",
        *(piece.replace(b"\n", b"\r\n") for piece in USUAL),
    ),
    framed("returns alone", "WHATWG HTML, event streams", *(piece.replace(b"\n", b"\r") for piece in USUAL)),
    framed("a byte order mark", "WHATWG HTML, event streams", b"\xef\xbb\xbf" + USUAL[0], *USUAL[1:]),
    framed(
        "no blank behind the colon",
        "lidge-jun/opencodex#1170",
        *(piece.replace(b"data: ", b"data:") for piece in USUAL),
    ),
    framed(
        "names, numbers and types",
        "mudler/LocalAI#340",
        *(b"id: 7\nevent: message\ntype: chunk\n" + piece for piece in USUAL),
    ),
    framed(
        "JSON on several lines",
        "brainlid/langchain#79",
        *(piece.replace(b', "', b',\ndata: "') for piece in USUAL),
    ),
    framed("empty lines in front", "neighbour of ggml-org/llama.cpp#14268", b"\n\n" + USUAL[0], *USUAL[1:]),
)

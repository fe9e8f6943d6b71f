"""Attacks with requests that are small or honest to look at, and cost much."""

from __future__ import annotations

import gzip
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import cache
from typing import Any, Final

from attack_place import Answer, Place
from attack_provider import response
from attacks import PATHS, asks, attack, body_of, is_whole, key_of, nobody_asked, refused, told_error
from attacks_keys import streamed
from hostile_clients import CHAT_HEAD, connected
from schema_weapons import DOCUMENT, ODDITIES, WEAPONS
from trooper.testing import ChatAnswer
from trooper.testing.provider import WIRES as SPOKEN

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

#: What a provider says that lets the next target have it.
FAILS: Final = response(b'{"error": {"message": "down"}}', "application/json", "503 Down")


@cache
def _bombs() -> dict[str, tuple[str, bytes]]:
    """Compressed bodies, and how."""
    nothing = json.dumps(body_of("chat", "m", padding="x" * 20_000_000)).encode()
    window = zstd.compress(b"x" * 30_000_000, options={zstd.CompressionParameter.window_log: 27})
    return {
        "gzip, a thousand times": ("gzip", gzip.compress(nothing, 9)),
        "zstd, ten thousand times": ("zstd", zstd.compress(nothing)),
        "gzip, cut off": ("gzip", gzip.compress(nothing, 9)[:-20]),
        "many empty parts": ("gzip", gzip.compress(b"") * 10_000),
        "many empty frames": ("zstd", zstd.compress(b"") * 10_000),
        "a window of 128 MiB": ("zstd", window),
        "no gzip": ("gzip", b"\x1f\x8b\x08\x00" + b"\xff" * 1000),
        "no zstd": ("zstd", b"\x28\xb5\x2f\xfd" + b"\xff" * 1000),
        "bytes behind it": ("gzip", gzip.compress(b"{}") + b"x" * 1_000_000),
        "two codings": ("gzip, gzip", gzip.compress(gzip.compress(b"{}"))),
        "an unknown one": ("br", b"x" * 1000),
        "deflate": ("deflate", b"x" * 1000),
    }


@attack("bombs", "413, 400 or 415, and nobody is asked")
def compressed_requests(place: Place) -> str:
    """gzip and zstd that become a thousand times larger, have ten thousand parts, or a window of 128 MiB."""
    answers = {
        name: place.ask("/v1/chat/completions", body, {"content-encoding": coding})
        for name, (coding, body) in _bombs().items()
    }
    return refused(place, answers, 413, 400, 415)


@cache
def _answer_bombs() -> dict[str, bytes]:
    begun = b"".join(SPOKEN["/v1/messages"].events(ChatAnswer(("The lamp. ",)))[:3])
    lines = gzip.compress(begun + b":\n" * 10_000_000, 9)
    text = json.dumps({"type": "message", "content": [{"type": "text", "text": "x" * 20_000_000}]}).encode()
    head = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-encoding: %b\r\ncontent-type: %b\r\n\r\n"
    return {
        "lines": head % (b"gzip", b"text/event-stream") + lines,
        "a whole one": head % (b"gzip", b"application/json") + gzip.compress(text, 9),
        "empty parts": head % (b"gzip", b"text/event-stream")
        + gzip.compress(begun)
        + gzip.compress(b"") * 20_000,
        "an error": b"HTTP/1.1 400 Bad\r\n"
        + (head % (b"gzip", b"application/json") + gzip.compress(text, 9))[17:],
        "zstd": head % (b"zstd", b"application/json") + zstd.compress(text),
        "br": head % (b"br", b"application/json") + b"x" * 100_000,
        "no gzip": head % (b"gzip", b"text/event-stream") + b"x" * 100_000,
    }


@attack("bombs", "given up, and somebody else answers, or an error")
def compressed_answers(place: Place) -> str:
    """A provider compresses what becomes a thousand times larger, or is none."""
    for name, said in _answer_bombs().items():
        place.hostile.says("m", said)
        for stream in (True, False):
            got = asks(place, "messages", "m", "sk-bomb", stream=stream)
            assert len(got.body) < 8_000_000, (name, len(got.body))
            assert got.status in (200, 400, 502), (name, stream, got.status, got.body[:300])
    return f"{len(_answer_bombs())} × 2"


@cache
def _deep() -> dict[str, bytes]:
    asked = json.dumps(body_of("chat", "m"))[:-1]
    nests = {"[": "]", '{"a":': "}", '[{"a":': "}]"}
    bodies = {
        f"{left} × 100,000": f'{asked}, "x": {left * 100_000}1{right * 100_000}}}'
        for left, right in nests.items()
    }
    bodies["without an end"] = f'{asked}, "x": ' + "[" * 1_000_000
    bodies["in the messages"] = (
        '{"model": "m", "stream": true, "messages": ' + "[" * 500_000 + "]" * 500_000 + "}"
    )
    bodies["in the tools"] = f'{asked}, "tools": ' + '[{"a":' * 100_000 + "1" + "}]" * 100_000 + "}"
    bodies["nothing else"] = "[" * 5_000_000
    return {name: body.encode() for name, body in bodies.items()}


def _answered(answers: dict[str, Answer]) -> str:
    """Each of them was answered in words, and none by a failure of Trooper."""
    for name, one in answers.items():
        assert one.status in (200, 400, 413, 503), (name, one.status, one.body[:300])
        assert b"internal_error" not in one.body, name
    return f"{len(answers)} requests"


@attack("bombs", "answered, by somebody or with an error")
def deep_json(place: Place) -> str:
    """A hundred thousand brackets in each other, where nobody looks, and in what is read when the cloud fails."""
    place.team.otherwise = lambda stream, _: stream.sendall(FAILS)
    return _answered({name: place.ask("/v1/chat/completions", body) for name, body in _deep().items()})


@cache
def _odd_json() -> dict[str, bytes]:
    asked = json.dumps(body_of("chat", "m"))[:-1]
    values = {
        "a number of 500,000 digits": "9" * 500_000,
        "a huge exponent": "1e999999999",
        "a small exponent": "1e-999999999",
        "NaN": "NaN",
        "half a pair": '"\\ud800"',
        "a NUL": '"\\u0000"',
        "a million keys": "{" + ",".join(f'"k{n}":0' for n in range(200_000)) + "}",
        "one key a million times": "{" + '"a":0,' * 1_000_000 + '"a":0}',
        "a million numbers": "[" + "0," * 1_000_000 + "0]",
        "a million empty lists": "[" + "[]," * 1_000_000 + "[]]",
        "a million texts": "[" + '"",' * 1_000_000 + '""]',
        "escapes": '"' + "\\u0041" * 500_000 + '"',
        "quotes": '"' + '\\"' * 1_000_000 + '"',
        "blanks": " " * 5_000_000 + "1",
    }
    places = ("x", "stop", "temperature", "max_tokens", "tools", "response_format")
    bodies = {
        f"{name} as {place}": f'{asked}, "{place}": {value}}}'
        for number, (name, value) in enumerate(values.items())
        for place in {"x", places[number % len(places)] if number % 3 == 1 else "x"}
    }
    bodies["the model twice"] = '{"model": "beside-0", ' + asked[1:] + "}"
    bodies["messages twice"] = asked + ', "messages": []}'
    bodies["another encoding"] = (asked + "}").encode("utf-16").decode("latin-1")
    bodies["a mark in front"] = "\ufeff" + asked + "}"
    return {name: body.encode("utf-8", "surrogatepass") for name, body in bodies.items()}


@attack("bombs", "answered, by somebody or with an error")
def odd_json(place: Place) -> str:
    """A million values, keys, escapes or blanks; numbers of 500,000 digits; names that come twice."""
    place.team.otherwise = lambda stream, _: stream.sendall(FAILS)
    return _answered({name: place.ask("/v1/chat/completions", body) for name, body in _odd_json().items()})


@cache
def _large() -> dict[str, bytes]:
    turn = {"role": "user", "content": "x" * 100}
    parts = [{"type": "text", "text": "x"}] * 100_000
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 20_000_000}}
    return {
        "a picture of 20 MB": json.dumps(
            body_of("chat", "m", messages=[{"role": "user", "content": [picture]}])
        ).encode(),
        "a text of 20 MB": json.dumps(
            body_of("chat", "m", messages=[{"role": "user", "content": "word " * 4_000_000}])
        ).encode(),
        "150,000 turns": json.dumps(body_of("chat", "m", messages=[turn] * 150_000)).encode(),
        "100,000 parts": json.dumps(
            body_of("chat", "m", messages=[{"role": "user", "content": parts}])
        ).encode(),
        "a million turns that are none": json.dumps(body_of("chat", "m", messages=[0] * 1_000_000)).encode(),
        "a million empty turns": json.dumps(body_of("chat", "m", messages=[{}] * 1_000_000)).encode(),
        "20,000 tools": json.dumps(
            body_of(
                "chat",
                "m",
                tools=[
                    {"type": "function", "function": {"name": f"f{n}", "parameters": {}}}
                    for n in range(20_000)
                ],
            )
        ).encode(),
    }


@attack("bombs", "answered, by a local model where the conversation can be read")
def large_requests(place: Place) -> str:
    """Requests of 20 MB and of a million parts, with a cloud that fails."""
    place.team.otherwise = lambda stream, _: stream.sendall(FAILS)
    return _answered({name: place.ask("/v1/chat/completions", body) for name, body in _large().items()})


@attack("bombs", "413, before and behind the 64 MiB")
def too_large_requests(place: Place) -> str:
    """A length that is announced, and chunks that do not end, both beyond what is taken."""
    answers = {
        "announced": place.ask("/v1/chat/completions", b"", {"content-length": "67108865"}),
        "huge": place.ask("/v1/chat/completions", b"", {"content-length": "9" * 15}),
    }
    return refused(place, answers, 413)


COUNTS: Final[tuple[Any, ...]] = (
    1_000_000_000,
    -1,
    0,
    2**63,
    -(2**63),
    10**30,
    1.5,
    -0.0,
    "9",
    "1000000000",
    True,
    False,
    None,
    [],
    {},
    [3],
    257,
)


@attack("bombs", "an error, or as many answers as were asked for, 128 at most")
def counts_of_answers(place: Place) -> str:
    """`n` is a billion, -1, 2⁶³, no number, with a cloud that fails."""
    place.team.otherwise = lambda stream, _: stream.sendall(FAILS)
    most = 0
    for count in COUNTS:
        for stream in (True, False):
            place.local.forget()
            got = asks(place, "chat", "m", n=count, stream=stream)
            assert got.status in (200, 400, 500, 502, 503), (count, got)
            assert b"internal_error" not in got.body, count
            asked = len(place.local.state()["requests"])
            most = max(most, asked)
            assert asked <= 128 + 2, (count, asked)
    return f"{len(COUNTS)} × 2, the local model asked {most} × at most"


@attack("bombs", "answered; a line of the log stays below 8 KiB")
def names_of_5_mb(place: Place) -> str:
    """The model's name, a tool's, a header's and a role of 5 MB, and names of control characters."""
    lines = len(place.trooper.process.lines)
    for says in (place.team, place.hostile):
        says.otherwise = lambda stream, _: stream.sendall(FAILS)
    long = "m" * 5_000_000
    fields: tuple[dict[str, Any], ...] = (
        {"model": long},
        {"model": "\x1b[31m\r\n\x00" * 1000},
        {"model": "\u202e" * 100_000},
        {"model": ["m"] * 100_000},
        {"tools": [{"type": "function", "function": {"name": long}}]},
        {"messages": [{"role": long, "content": "?"}]},
        {"messages": [{"role": "user", "name": long, "content": "?"}]},
        {"user": long, "metadata": {long: long}},
    )
    answers = {}
    for wire in PATHS:
        for number, more in enumerate(fields):
            body = {**body_of(wire, "m"), **more}
            answers[f"{wire} {number}"] = place.ask(PATHS[wire][0], body, key_of(wire, "sk-long"))
    told = _answered({name: one for name, one in answers.items() if one.status not in (431, 502, 500)})
    assert all(b"internal_error" not in one.body for one in answers.values())
    longest = max(map(len, place.trooper.process.lines[lines:]), default=0)
    assert longest < 8192, longest
    assert not any("\x1b" in line for line in place.trooper.process.lines[lines:])
    return f"{told}, lines of {longest} bytes"


@cache
def _half_document() -> bytes:
    """A provider's answer that dies in the middle of the document."""
    pieces = tuple(DOCUMENT[at : at + 4] for at in range(0, len(DOCUMENT), 4))
    whole = response(b"".join(SPOKEN["/v1/chat/completions"].events(ChatAnswer(pieces))))
    return whole[: len(whole) // 2]


def _schema(place: Place, schema: object) -> Answer:
    wanted = {"name": "a", "schema": schema, "strict": True}
    return asks(place, "chat", "document-m", response_format={"type": "json_schema", "json_schema": wanted})


@attack("bombs", "an error: what was not checked is no success")
def schemas_that_take_for_ever(place: Place) -> str:
    """`^(a+)+$` on forty letters, nested `anyOf`, with a cloud that dies in the middle of the document."""
    place.team.otherwise = lambda stream, _: stream.sendall(_half_document())
    # Without keys clients are one, and have one checked after the other, each for as long as it may take.
    weapons = [WEAPONS[name] for name in ("pattern", "patternProperties", "anyOf")]
    with ThreadPoolExecutor(len(weapons)) as clients:
        for got in clients.map(lambda schema: _schema(place, schema), weapons):
            assert told_error(got), got
            assert not is_whole("chat", got), got
    return f"{len(weapons)} schemas"


@attack("bombs", "an error: nothing follows them")
def schemas_that_are_none(place: Place) -> str:
    """Loops, references elsewhere, 20,000 alternatives, no schema at all."""
    place.team.otherwise = lambda stream, _: stream.sendall(_half_document())
    for name, schema in ODDITIES.items():
        got = _schema(place, schema)
        assert told_error(got), (name, got)
    return f"{len(ODDITIES)} schemas"


@attack("bombs", "503 with `Retry-After`, and room again afterwards")
def more_bodies_than_there_is_room_for(place: Place) -> str:
    """Clients announce 60 MB each and send nothing."""
    with ExitStack() as open_:
        crowd = [open_.enter_context(connected(place.port)) for _ in range(8)]
        for stream in crowd:
            stream.sendall(CHAT_HEAD + b"Content-Length: 60000000\r\n\r\n" + b"x" * 100_000)
        place.team.says("alone-m", streamed("chat", "The lamp."))
        got = asks(place, "chat", "alone-m")
        assert got.status in (200, 503), got
        if got.status == 503:
            assert int(got.headers["retry-after"]) > 0
    place.until(lambda: asks(place, "chat", "alone-m").status == 200, "bodies")
    assert not nobody_asked(place)
    return f"{len(crowd)} clients"

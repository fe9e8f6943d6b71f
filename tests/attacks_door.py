"""Attacks on who gets in: bytes, hosts, pages, types, and what two readers would read in two ways."""

from __future__ import annotations

import random
import re
import socket
from collections import Counter
from typing import Final

from attack_place import Answer, Place
from attacks import CHAT_HEADERS, QUESTION, attack, nobody_asked, refused
from beside import STREAMS
from front_attacks import BODIES, H2, NOISE, UNHEARD, WEBSOCKETS, request
from hostile_clients import (
    KEPT,
    STATUSES,
    TABLES,
    left,
    mutated,
    reset,
    said,
    shut,
    status_of,
    told,
    until_held,
)

MUTANTS: Final = 150
CHAT: Final = {"model": "alone-m", "messages": QUESTION}
_CHAT_LINE: Final = b"POST /v1/chat/completions HTTP/1.1"


@attack("door", "200 where the offer is not heard, 505, 426")
def other_protocols(place: Place) -> str:
    """HTTP/2 with and without an offer, other versions, websockets."""
    for payload in UNHEARD.values():
        assert status_of(said(place.port, payload)) == 200
    for table, status in ((H2, 505), (WEBSOCKETS, 426)):
        heard = {name: told(said(place.port, payload))[0] for name, payload in table.items()}
        assert heard == dict.fromkeys(table, status)
    return f"{len(UNHEARD) + len(H2) + len(WEBSOCKETS)} payloads"


@attack("door", "400, 431 or 501, one answer, and the connection is closed")
def bytes_of_none(place: Place) -> str:
    """Lines, headers, lengths and chunks that cannot be read, or in two ways."""
    payloads = {**NOISE, **BODIES}
    heard = {name: told(said(place.port, payload))[0] for name, payload in payloads.items()}
    assert heard == {name: STATUSES.get(name, 400) for name in payloads}
    return f"{len(payloads)} payloads"


@attack("door", "one answer, then one refusal, and the connection is closed")
def bytes_of_none_behind_a_request(place: Place) -> str:
    """The same behind a request whose connection is kept."""
    payloads = {**NOISE, **H2}
    for name, payload in payloads.items():
        heard = said(place.port, KEPT + payload)
        assert status_of(heard) == 200, name
        assert heard.count(b"x-should-retry: false") == 1, name
    return f"{len(payloads)} payloads"


@attack("door", "nothing of them stays")
def payloads_with_a_few_bytes_changed(place: Place) -> str:
    """The payloads of all tables with a few bytes changed, doubled or taken out."""
    chance = random.Random(16)
    seeds = [payload for table in TABLES for payload in table.values()]
    for _ in range(MUTANTS):
        payload = mutated(chance.choice(seeds)[:4000], chance)
        left(place.port, payload, b"", chance.choice((reset, shut, socket.socket.close)))
    until_held(place.port, STREAMS, "mutants")
    return f"{MUTANTS} payloads"


#: What a page of somebody else's sends as `Host` when its name leads here, and what looks like ours.
HOSTS: Final = (
    "evil.example",
    "evil.example:80",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "127.0.0.1.nip.io",
    "evil.example.",
    "0x7f000001",
    "2130706433",
    "127.1.evil",
    "0",
    "[::ffff:7f00:1].evil.example",
    "localhost@evil.example",
    "evil.example#localhost",
    "localhost/evil.example",
    "localhost,evil.example",
    "xn--lcalhost-b4a",
    "\tevil.example",
    "169.254.169.254",
    "[fe80::1]",
    "*",
    "",
)


@attack("door", "403 or 400, and nobody is asked")
def names_that_lead_here(place: Place) -> str:
    """A page's own name points at 127.0.0.1: its `Host`, and spellings that look like ours."""
    answers = {host: place.ask("/v1/chat/completions", CHAT, {"host": host}) for host in HOSTS}
    for host in HOSTS[:3]:
        answers[f"in the line: {host}"] = place.ask(f"http://{host}/v1/models")
    return refused(place, answers, 403, 400)


#: What browsers say of requests that a page makes, and what a page can make.
PAGES: Final[tuple[dict[str, str], ...]] = (
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": "http://127.0.0.1:1"},
    {"origin": "http://localhost"},
    {"origin": ""},
    {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"},
    {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "script"},
    {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"},
    {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"},
    {"sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"},
    {"sec-fetch-site": "CROSS-SITE"},
    {"sec-fetch-site": "unheard-of"},
    {"sec-fetch-site": "same-origin, cross-site"},
)


@attack("door", "403, and the operator's key pays for nothing")
def pages_of_others(place: Place) -> str:
    """A page's images, scripts, frames, links and posts."""
    answers = {}
    for number, page in enumerate(PAGES):
        for path in ("/v1/models", "/v1/models/m", "/v1/files/f/content", "/v1/chat/completions?x=1"):
            answers[f"{number}, GET {path}"] = place.ask(path, None, page)
        answers[f"{number}, POST"] = place.ask("/v1/chat/completions", CHAT, page)
    return refused(place, answers, 403)


TYPES: Final = (
    "text/plain",
    "text/plain;charset=UTF-8",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/jsonp",
    "application/json-seq",
    "text/plain, application/json",
    "text/plain; application/json",
    "",
    "application/octet-stream",
)


@attack("door", "415, and nobody is asked")
def types_that_a_page_may_post(place: Place) -> str:
    """JSON in a body that says it is text or a form, or says nothing."""
    answers = {kind: place.ask("/v1/chat/completions", CHAT, {"content-type": kind}) for kind in TYPES}
    return refused(place, answers, 415)


#: A target, and what comes of it.
TARGETS: Final[dict[bytes, set[int]]] = {
    b"/#": {400},
    b"/v1/chat/completions#x": {400},
    b"/v1/models?a=b#c": {400},
    b"#": {400},
    b"/" + b"a" * 40_000: {414},
    b"/?" + b"a" * 40_000: {414},
    b"/v1/models?" + b"a=b&" * 10_000: {414},
    b"/" + b"../" * 2_000: {404, 414},
    b"/" + b"%2e%2e/" * 2_000: {404, 414},
    b"/v1/../../etc/passwd": {404},
    b"/v1/%2e%2e/healthz": {404},
    b"/v1/%00": {404, 400},
    b"/%ff%fe": {404, 400},
    b"/%": {404, 400},
    b"//evil.example/v1/models": {404, 400, 403},
    b"http://evil.example/v1/models": {403},
    b"*": {400, 404},
    b"healthz": {400, 404},
    b"v1/models": {400, 404},
    b"v1/chat/completions": {400, 404},
    b"\\v1\\models": {400, 404},
}


@attack("door", "400, 404 or 414: never a 500")
def targets_that_are_none(place: Place) -> str:
    """`#`, too long ones, paths that climb, in any spelling, in a GET and in a POST."""
    wrong, statuses = {}, Counter[int]()
    for target, expected in TARGETS.items():
        for line, fields in ((b"GET %b HTTP/1.1", ()), (b"POST %b HTTP/1.1", CHAT_HEADERS)):
            heard = said(place.port, request(line % target, *fields))
            status = status_of(heard)
            statuses[status] += 1
            # A path that nobody knows has no POST either.
            if status not in expected | ({405} if fields else set()):
                wrong[line[:4] + target[:60]] = heard[:80]
    assert not wrong, wrong
    assert nobody_asked(place)
    return ", ".join(f"{count} × {status}" for status, count in sorted(statuses.items()))


_SECOND: Final = b"GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
_TYPE: Final = b"Content-Type: application/json"
#: Where one reader's request ends and another's goes on: a second request is hidden in the first.
HIDDEN: Final[dict[str, tuple[bytes, ...]]] = {
    "a length and chunks": (b"Content-Length: 4", b"Transfer-Encoding: chunked"),
    "chunks and a length": (b"Transfer-Encoding: chunked", b"Content-Length: 60"),
    "two codings": (b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"),
    "a list of codings": (b"Transfer-Encoding: identity, chunked", b"Content-Length: 4"),
    "chunked twice": (b"Transfer-Encoding: chunked, chunked",),
    "nearly chunked": (b"Transfer-Encoding: xchunked", b"Content-Length: 4"),
    "a vertical tab": (b"Transfer-Encoding: \x0bchunked", b"Content-Length: 4"),
    "quoted": (b'Transfer-Encoding: "chunked"', b"Content-Length: 4"),
    "a blank before the colon": (b"Transfer-Encoding : chunked", b"Content-Length: 4"),
    "folded": (b"Transfer-Encoding:", b" chunked", b"Content-Length: 4"),
    "behind a bare line feed": (b"X: y\nTransfer-Encoding: chunked", b"Content-Length: 4"),
    "behind a carriage return": (b"X: y\rTransfer-Encoding: chunked", b"Content-Length: 4"),
    "two lengths": (b"Content-Length: 4", b"Content-Length: 60"),
    "a list of lengths": (b"Content-Length: 4, 60",),
    "a hexadecimal length": (b"Content-Length: 0x4",),
    "a length with a blank": (b"Content-Length: 4 0",),
    "no number": (b"Content-Length: four",),
}


@attack("door", "400 or 501, once, and the connection is closed")
def a_request_hidden_in_another(place: Place) -> str:
    """Lengths and codings that a server in front may read in another way."""
    for name, fields in HIDDEN.items():
        head = b"\r\n".join([_CHAT_LINE, b"Host: 127.0.0.1", _TYPE, *fields, b"", b""])
        heard = said(place.port, head + b"0\r\n\r\n" + _SECOND)
        assert status_of(heard) in (400, 501), (name, heard)
        assert len(re.findall(rb"HTTP/1\.1 \d", heard)) == 1, (name, heard)
    assert nobody_asked(place)
    return f"{len(HIDDEN)} spellings"


@attack("door", "400")
def headers_that_come_twice(place: Place) -> str:
    """`Host`, keys, types, lengths and codings, each twice and differently."""
    names = (b"Host", b"Authorization", b"Content-Type", b"Content-Encoding", b"X-Api-Key", b"X-Trooper-Key")
    for name in names:
        values = (b"127.0.0.1", b"localhost") if name == b"Host" else (b"a", b"b")
        twice = [name + b": " + value for value in values]
        host = [] if name == b"Host" else [b"Host: 127.0.0.1"]
        heard = said(place.port, b"\r\n".join([_CHAT_LINE, *host, *twice, b"Connection: close", b"", b""]))
        assert status_of(heard) == 400, (name, heard)
    assert nobody_asked(place)
    return f"{len(names)} headers"


@attack("door", "405, 404 or 501: never a 500")
def methods_that_are_none(place: Place) -> str:
    """TRACE, CONNECT, PROPFIND, HEAD and OPTIONS, on the paths of the API and on our own pages."""
    answers: dict[str, Answer] = {}
    place.team.otherwise = place.hostile.otherwise = None
    for method in ("TRACE", "CONNECT", "PROPFIND", "OPTIONS", "HEAD", "PATCH", "X" * 4000):
        for path in ("/", "/healthz", "/v1/chat/completions", "/v1/responses"):
            answers[f"{method[:9]} {path}"] = place.ask(path, None, None, method)
    wrong = {name: one.status for name, one in answers.items() if one.status >= 500 and one.status != 501}
    assert not wrong, wrong
    return f"{len(answers)} requests"

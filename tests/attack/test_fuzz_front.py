"""
Bytes and JSON by chance at the front door: each connection is answered by HTTP
or closed, nothing is a fault of ours, and no answer is called one that is none.
"""

from __future__ import annotations

import socket
import struct
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from attack_place import Answer, Place
from attack_provider import Asked, Says, response, saying
from attack_results import Results
from fuzz_client import say_all
from fuzz_http import Pieces, connections
from fuzz_json import WIRES, JsonRequest, json_requests
from fuzz_verdict import ends, strictly
from fuzzing import begun, borne, drawing, is_quiet
from trooper.testing import ANSWERS
from trooper.testing.provider import WIRES as TOLD

#: Only where a provider was asked, and did not answer.
OF_PROVIDERS = {502, 503, 504}


def test_bytes(place: Place, results: Results) -> None:
    answer = saying(response(b'{"object":"list","data":[]}', "application/json"))

    counts = Counter[str]()

    @drawing(45)
    @given(st.lists(connections(), min_size=1, max_size=6))
    def holds(said: list[Pieces]) -> None:
        lines = begun(place)
        place.hostile.otherwise = place.team.otherwise = answer
        for heard in say_all(place.port, said):
            assert heard.is_over, "it was not closed, and there was nothing more to come"
            assert 500 not in heard.statuses, heard.data[:900]
            for status in heard.statuses:
                counts[str(status)] += 1
                is_asked = bool(place.hostile.asked or place.team.asked)
                assert status not in OF_PROVIDERS or is_asked, heard.data[:900]
        is_quiet(place, lines)

    borne(place, results, "bytes by chance", "door", holds, counts)


def _half(asked: Asked) -> bytes:
    """The first half of a good answer, in the way that is asked for."""
    path = asked.head.split()[1].decode("latin-1").partition("?")[0]
    wire = TOLD.get(path)
    if wire is None:
        return b""
    return b"".join(wire.events(ANSWERS["text"])[:12])


def _reset(stream: socket.socket, _: Asked) -> None:
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _cut(stream: socket.socket, asked: Asked) -> None:
    """Half an answer, and the connection is closed."""
    body = _half(asked) if b'"stream":true' in asked.body.replace(b" ", b"") else b'{"id": "x", '
    kind = b"text/event-stream" if body.startswith((b"data", b"event")) else b"application/json"
    head = b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\ntransfer-encoding: chunked\r\n\r\n" % kind
    stream.sendall(head + b"%x\r\n%s\r\n" % (len(body), body) if body else head)


_ERROR = b'{"error": {"message": "No.", "type": "server_error", "code": null}}'
FAILURES: dict[str, Says] = {
    "resets": _reset,
    "cuts": _cut,
    "is closed": lambda _, __: None,
    "503": saying(response(_ERROR, "application/json", "503 x")),
    "429": saying(response(_ERROR, "application/json", "429 x")),
    "400": saying(response(_ERROR, "application/json", "400 x")),
    "an error in a 200": saying(response(_ERROR, "application/json")),
    "an empty 200": saying(response(b"")),
}


def judge(request: JsonRequest, answer: Answer) -> None:
    """An answer to JSON that nobody can foresee."""
    assert answer.status, "no answer"
    assert answer.status != 500, answer.body[:900]
    assert 200 <= answer.status <= 599
    if answer.status >= 300 or request.path not in WIRES:
        return
    kind = answer.headers.get("content-type", "")
    if kind.startswith("text/event-stream"):
        told = ends(request.path, answer.body)
        assert told.ends == 1, (told, answer.body[-900:])
        strictly(request.path, answer.body, streamed=True)
    else:
        result = strictly(request.path, answer.body, streamed=False)
        assert result.error is None, "an error with a status of success"


def test_json(place: Place, results: Results) -> None:
    counts = Counter[str]()

    @drawing(110)
    @given(json_requests(), st.sampled_from(list(FAILURES)))
    def holds(request: JsonRequest, failure: str) -> None:
        lines = begun(place)
        place.hostile.otherwise = place.team.otherwise = FAILURES[failure]
        answer = place.ask(
            request.path, request.body, {"authorization": "Bearer sk-mine", **request.headers}, "POST"
        )
        counts[f"{request.path} {answer.status} {answer.headers.get('content-type', '')[:17]}"] += 1
        judge(request, answer)
        is_quiet(place, lines)

    borne(place, results, "JSON by chance, and a provider that fails", "door", holds, counts)

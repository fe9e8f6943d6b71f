"""
Providers that say anything by chance, in the cloud and on this machine: what a
client gets has one end, and is an answer of its wire wherever that is ours to say.
"""

from __future__ import annotations

import socket
import struct
from collections import Counter
from collections.abc import Mapping
from typing import Any

from hypothesis import given

from attack_place import Answer, Place
from attack_provider import Asked, saying
from attack_results import Results
from fuzz_json import CHAT, MESSAGES, RESPONSES
from fuzz_local import LocalSaid, local_answers
from fuzz_streams import Said, answers
from fuzz_verdict import ends, own_fault, strictly
from fuzzing import begun, borne, drawing, is_quiet
from trooper.testing import ANSWERS, DEFAULT_ANSWER, Response
from trooper.testing.provider import WIRES


def _say(stream: socket.socket, said: Said) -> None:
    for at in range(0, len(said.sent), said.write_bytes):
        stream.sendall(said.sent[at : at + said.write_bytes])
    if said.resets:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


_ASKS: Mapping[str, Mapping[str, Any]] = {
    "/v1/chat/completions": CHAT[0],
    "/v1/messages": MESSAGES[0],
    "/v1/responses": RESPONSES[0],
}
_TOOL = {"name": "get_weather", "parameters": {"type": "object"}}
_TOOLS: Mapping[str, Any] = {
    "/v1/chat/completions": {"type": "function", "function": _TOOL},
    "/v1/messages": {"name": "get_weather", "input_schema": {"type": "object"}},
    "/v1/responses": {"type": "function", **_TOOL},
}


def _ask(place: Place, path: str, *, streams: bool, model: str = "m", tools: bool = False) -> Answer:
    asked = {**_ASKS[path], "model": model, "stream": streams}
    if tools:
        asked["tools"] = [_TOOLS[path]]
    headers = {"x-api-key" if "messages" in path else "authorization": "Bearer sk-mine"}
    return place.ask(path, asked, headers)


def _judge(said: Said, answer: Answer) -> None:
    """What a client may get of a provider's answer."""
    assert answer.status, "no answer"
    if said.is_whole:
        assert answer.status == 200
        assert answer.body == said.body, "a healthy answer has to pass as it is"
        return
    status = said.sent.partition(b"\r\n")[0]
    assert answer.status != 500 or b"500" in status, answer
    if answer.status != 200 or not answer.body or not said.streams:
        return
    if said.is_begun:
        result = strictly(said.path, answer.body, streamed=True)
        if said.kind == "text" and result.error is None:
            assert (result.text, result.finish_reason) == (DEFAULT_ANSWER, "stop")
        return
    told = [ends(said.path, answer.body, by_name=by_name) for by_name in (False, True)]
    assert any(one.ends for one in told), (
        f"a stream without an end is called a success: {answer.body[-900:]!r}"
    )
    if answer.body != said.body and said.is_spoken:
        own = ends(said.path, said.body)
        # What a provider says behind its end is its client's business.
        assert own.ends > 1 or own.behind or any(one.ends == 1 for one in told), (own, told)
        fault = own_fault(said.path, answer.body, said.body)
        assert not fault, fault


def test_the_cloud(place: Place, results: Results) -> None:
    counts = Counter[str]()

    @drawing(130)
    @given(answers())
    def holds(said: Said) -> None:
        lines = begun(place)

        def say(stream: socket.socket, _: Asked) -> None:
            _say(stream, said)

        place.hostile.otherwise = place.team.otherwise = say
        answer = _ask(place, said.path, streams=said.streams, tools="tools" in said.kind)
        counts[_became(said, answer)] += 1
        _judge(said, answer)
        is_quiet(place, lines)

    borne(place, results, "a provider's answer by chance", "provider", holds, counts)


def _became(said: Said, answer: Answer) -> str:
    was = "whole" if said.is_whole else "begun" if said.is_begun else "odd"
    told = ends(said.path, answer.body)
    how = "passes" if answer.body == said.body else "local" if b"trooper seam" in answer.body else "other"
    return f"{said.path} {'stream' if said.streams else 'whole'} {was} {answer.status} {how} errors {told.errors}"


def _cut_cloud(said: LocalSaid) -> bytes:
    """The beginning of a good answer, and then the connection is closed."""
    kind = b"text/event-stream" if said.streams else b"application/json"
    events = b"".join(WIRES[said.path].events(ANSWERS["text"])[: said.events]) if said.streams else b"{"
    head = b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\ntransfer-encoding: chunked\r\n\r\n" % kind
    return head + (b"%x\r\n%s\r\n" % (len(events), events) if events else b"")


def test_the_local_model(place: Place, results: Results) -> None:
    counts = Counter[str]()

    @drawing(90)
    @given(local_answers())
    def holds(said: LocalSaid) -> None:
        lines = begun(place)

        async def say(response: Response) -> None:
            head = (
                b"HTTP/1.1 %d x\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n"
            )
            await response.send_raw(head % said.status)
            for at in range(0, len(said.body), said.write_bytes):
                piece = said.body[at : at + said.write_bytes]
                await response.send_raw(b"%x\r\n%s\r\n" % (len(piece), piece))
            if said.ends:
                await response.send_raw(b"0\r\n\r\n")
            await response.fin()

        place.odd.says = say
        cut = saying(_cut_cloud(said))
        place.hostile.otherwise = place.team.otherwise = cut
        answer = _ask(place, said.path, streams=said.streams, model="odd-1")
        streamed = answer.headers.get("content-type", "").startswith("text/event-stream")
        # All that the cloud has said is good, so that all of it is ours to say well.
        result = strictly(said.path, answer.body, streamed=streamed)
        was = "stream" if streamed else "whole"
        counts[f"{said.path} {was} {answer.status} {'error' if result.error else result.finish_reason}"] += 1
        assert answer.status in {200, 502, 503, 504}, answer
        assert (answer.status == 200) is (streamed or result.error is None), answer
        is_quiet(place, lines)

    try:
        borne(place, results, "a local model's answer by chance", "provider", holds, counts)
    finally:
        place.odd.says = None

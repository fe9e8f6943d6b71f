"""
Streams with a wait of minutes in them, recorded on virtual time and served over
real sockets, for clients of other people: the name of the model chooses.

    WIRE/FAULT/ANSWER/slow      with signs of work
    WIRE/FAULT/ANSWER/quick     the same from a model that answers at once
"""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import trio
import trio.testing

from scenes import dies, stage
from test_waiting import CALL, EVERY, GONE, TOOLS, long, slow
from trooper.testing import FakeOllama
from trooper.testing.ollama import Model

#: Before anything was said, and in mid text.
FAULTS = ("status-529", "reset")
ANSWERS = ("text", "call", "error")


def _ollama(answer: str, pace: str) -> FakeOllama:
    more = {"tool_calls": (CALL,)} if answer == "call" else {"fault": GONE} if answer == "error" else {}
    return slow(**more) if pace == "slow" else FakeOllama(models=(Model(num_ctx=32_768),), **more)


async def _record(name: str) -> bytes:
    wire, fault, answer, pace = name.split("/")
    async with stage(dies(fault), _ollama(answer, pace)) as s:
        x = await s.ask(wire=wire, **long(wire), **(TOOLS[wire] if answer == "call" else {}))
        return bytes(x.body)


def names(wire: str, pace: str = "slow") -> list[str]:
    """All that there are of a wire. A call is made in the first turn alone: there is none behind half a text."""
    every = itertools.product(FAULTS, ANSWERS)
    return [
        f"{wire}/{fault}/{answer}/{pace}" for fault, answer in every if (fault, answer) != ("reset", "call")
    ]


def recorded() -> Mapping[str, bytes]:
    """The streams by their names."""
    every = [name for wire in EVERY for pace in ("slow", "quick") for name in names(wire, pace)]
    return {
        name: trio.run(_record, name, clock=trio.testing.MockClock(autojump_threshold=0)) for name in every
    }


@contextmanager
def served() -> Iterator[str]:
    """Serve them; the URL."""
    streams = recorded()

    class Replay(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            body = streams[asked["model"]]
            self.send_response(200)
            self.send_header("content-type", "text/event-stream; charset=utf-8")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Replay)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

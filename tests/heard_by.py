"""
Trooper between providers that each have a place of their own, and what each of
them has heard: whether a key was told to a stranger.
"""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import trio
import trio.testing
from attrs import evolve, field, frozen
from structlog.testing import capture_logs

from asgi_server import HOST, JSON, Answer, ask, running
from scenes import ANTHROPIC, CLOUD, LOCAL, SECOND, WIRES, configured, with_second
from trooper.config import Chain, Config, Key, checked
from trooper.core.headers import Headers
from trooper.relay.dispatch import answer
from trooper.services import open_services
from trooper.testing import FakeOllama, MemoryNetwork, Request, Script, ScriptedProvider, Status
from trooper.testing.provider import Plan
from trooper.web.asgi import Application

PLACES = {"openai": CLOUD, "anthropic": ANTHROPIC, "second": SECOND, "ollama": LOCAL}
#: Where each target is.
PLACE_OF = {**{name: name for name in PLACES}, "openai-responses": "openai"}
DOOR_KEY = "door-key-1"
ELSEWHERE = Script((Status(200, b'{"object": "list", "data": []}'),))


@frozen
class Asked:
    """
    One request, and the Trooper that it comes to.

    Attributes:
        keys: whose key each cloud gets: `client`, `ours` or `none`.
        second: the wire of one more cloud.
        order: the first targets in the order of the file.
        without: targets that are not in the file.
        chain: who answers, in order; the default chain if there is none.
        door: the keys to the front door.
        plan: what all clouds answer with.
    """

    method: str
    path: str
    headers: Headers = ()
    query: bytes = b""
    keys: Mapping[str, str] = field(factory=dict)
    second: str = "chat"
    order: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    chain: tuple[str, ...] = ()
    door: tuple[str, ...] = ()
    plan: Plan | None = None
    elsewhere: Script = ELSEWHERE

    @property
    def config(self) -> Config:
        """What it is configured with; a key of ours is `sk-ours-` and its target's name."""
        config = with_second(configured(client_keys=self.door), self.second)
        kinds = {"client": Key("client"), "none": Key("none")}
        asked = {"openai": "client", "anthropic": "client", "second": "none", **self.keys}
        asked["openai-responses"] = asked["openai"]
        targets = {
            target.name: target
            if target.is_local
            else evolve(
                target, key=kinds.get(asked[target.name], Key("value", f"sk-ours-{PLACE_OF[target.name]}"))
            )
            for target in config.targets
            if target.name not in self.without
        }
        names = (*self.order, *(name for name in targets if name not in self.order))
        chain = Chain("*", self.chain) if self.chain else Chain("*", names, is_default=True)
        return checked(evolve(config, targets=tuple(targets[name] for name in names), chains=(chain,)))

    @property
    def body(self) -> bytes:
        wire = next((wire for wire in WIRES.values() if wire.path == self.path), WIRES["messages"])
        asks = {"model": "gpt-4o", **wire.asks, "stream": True}
        return json.dumps(asks).encode() if self.method == "POST" else b""


@frozen
class Heard:
    """
    What came of it.

    Attributes:
        by: all that each place was told, as text.
        told: all that was said beside them: the answer, and the log.
    """

    answer: Answer
    by: Mapping[str, str]
    told: str

    def places(self, secret: str) -> set[str]:
        """Who has heard `secret`."""
        return {place for place, text in self.by.items() if secret in text}


def heard(asked: Asked) -> Heard:
    """Ask, and listen everywhere."""
    return trio.run(_heard, asked, clock=trio.testing.MockClock(autojump_threshold=0))


async def _heard(asked: Asked) -> Heard:
    clouds = {
        name: ScriptedProvider(script=asked.plan, elsewhere=asked.elsewhere)
        for name in PLACES
        if name != "ollama"
    }
    ollama = FakeOllama()
    peers: Mapping[str, Any] = {**clouds, "ollama": ollama}
    with capture_logs() as log, _all_that_is_logged() as logged:
        async with trio.open_nursery() as nursery:
            network = MemoryNetwork(nursery)
            for name, place in PLACES.items():
                network.listen(*place, peers[name].serve)

            def opened(config: Config, background: trio.Nursery) -> Any:
                return open_services(config, background, network=network)

            app = Application(asked.config, opened, answer)
            async with running(app):
                kind = (JSON,) if asked.method == "POST" else ()
                got = await ask(
                    app,
                    asked.method,
                    asked.path,
                    (HOST, *kind, *asked.headers),
                    (asked.body,) if asked.body else (),
                    query_string=asked.query,
                )
            nursery.cancel_scope.cancel(reason="all was said")
    by = {name: "\n".join(map(_text, peer.requests)) for name, peer in peers.items()}
    return Heard(got, by, f"{got.headers!r}\n{got.body!r}\n{log!r}\n{logged.getvalue()}")


@contextmanager
def _all_that_is_logged() -> Iterator[io.StringIO]:
    """What anybody logs, libraries included, to somebody who wants to hear everything."""
    root, stream = logging.getLogger(), io.StringIO()
    handler, level = logging.StreamHandler(stream), root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield stream
    finally:
        root.setLevel(level)
        root.removeHandler(handler)


def _text(request: Request) -> str:
    headers = "\n".join(f"{name}: {value}" for name, value in request.headers)
    return f"{request.method} {request.path}?{request.query}\n{headers}\n{request.body.decode()}"

"""
Everything that the demo needs, in one process on loopback: a scripted cloud,
a local model, Trooper between them, and a client.

Trooper is the application that `trooper serve` serves, on the same server.
Only the targets are different ones.
"""

from __future__ import annotations

import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, MutableMapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import structlog
import trio
from attrs import define, evolve, field, frozen

from trooper.config import Chain, Config, Key, Target, checked
from trooper.config import Server as ServerKeys
from trooper.core.outcome import Failed
from trooper.demo.lines import PLAIN, SCRIPTED, Lines
from trooper.demo.local import NAME as LOCAL
from trooper.demo.local import RealModel
from trooper.relay.conductor import relay
from trooper.relay.request import ClientRequest
from trooper.services import Services, open_services
from trooper.telemetry.log import set_up_logging
from trooper.testing import (
    ChatAnswer,
    FakeOllama,
    Fault,
    Script,
    ScriptedProvider,
    Send,
    serve_tcp,
    tokens,
)
from trooper.testing.client import Heard, ask
from trooper.web.asgi import Application
from trooper.web.protocol import HangUp, Receive
from trooper.web.protocol import Send as AsgiSend
from trooper.web.serve import Server, open_listeners
from trooper.wires import OLLAMA_CHAT, OPENAI_CHAT, WIRES

CLOUD = "cloud"
#: A real model's half of the answer; the scripted ones end by themselves.
_MAX_TOKENS = 200
_CLOSE_S = 2.0


@frozen
class Act:
    """
    What is played.

    Attributes:
        real: the model that goes on; `None` for the stand-in.
        seed: for the sampling of a real model.
        pace_s: the pause between two tokens.
        silence_s: how long Trooper bears a cloud that falls silent.
    """

    fault: Fault
    position: int | str
    real: RealModel | None = None
    seed: int = 0
    pace_s: float = 0.025
    silence_s: float = 1.5

    @property
    def lines(self) -> Lines:
        """What is asked, and what the whole answer would be."""
        return SCRIPTED if self.real is None else PLAIN

    @property
    def events(self) -> list[bytes]:
        """The cloud's whole answer, event by event."""
        said = tuple(tokens(self.lines.answer))
        return ChatAnswer(tokens=said, id="chatcmpl-demo", model="scripted-cloud").events()

    @property
    def could_go_on(self) -> bool:
        """Whether something is left to go on with where the cloud dies."""
        return self.fault.expected(self.events, self.position)[1] in ("restart", "continue")

    @property
    def script(self) -> Script:
        """What the cloud says before it dies, and how it dies."""
        return self.fault.build(self.events, self.position)

    @property
    def sent_by_cloud(self) -> bytes:
        """What it will have put on the wire by then."""
        return b"".join(step.data for step in self.script.steps if isinstance(step, Send))

    @property
    def question(self) -> dict[str, object]:
        """The client's request."""
        asked: dict[str, object] = {
            "model": "scripted-cloud",
            "stream": True,
            "messages": [{"role": "user", "content": self.lines.question}],
        }
        if self.real is None:
            return asked
        return asked | {"max_tokens": _MAX_TOKENS, "temperature": 0, "seed": self.seed}


@define
class Records:
    """What Trooper itself says about the request."""

    began_s: float = 0.0
    #: The request's log line.
    report: dict[str, Any] = field(factory=dict)
    complete: trio.Event = field(factory=trio.Event)

    def note(self, _logger: object, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
        """Keep the one line; a processor for structlog."""
        if event.get("event") == "request":
            self.report = dict(event)
            self.complete.set()
        return event


@contextmanager
def recording(
    records: Records, *, log: bool, aside: Callable[[str], None] = lambda _: None
) -> Iterator[None]:
    """
    Keep the request's log line; show all lines on standard error if `log`, else none.

    `aside` is told of each before it is written: it may come in the middle of somebody's row.
    """

    def told(_logger: object, _method: str, line: Any) -> Any:
        aside(line)
        return line

    before = structlog.get_config()
    set_up_logging()
    shown = [*structlog.get_config()["processors"], told] if log else [_drop]
    structlog.configure(processors=[records.note, *shown])
    try:
        yield
    finally:
        structlog.configure(**before)


def _drop(_logger: object, _method: str, _event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    raise structlog.DropEvent


def _configuration(act: Act, cloud_port: int, local: Target, port: int) -> Config:
    # Short only where silence is the fault: a busy machine may be slow, too.
    patience_s = act.silence_s if act.fault.kind == "stall" else 10.0
    cloud = Target(
        CLOUD,
        OPENAI_CHAT.wire,
        f"http://127.0.0.1:{cloud_port}/v1",
        key=Key("none"),
        model="scripted-cloud",
        ttft_timeout_s=patience_s,
        stall_timeout_s=patience_s,
        alive_timeout_s=patience_s,
    )
    return checked(
        Config(
            ServerKeys(port=port),
            (cloud, local),
            (Chain("*", (CLOUD, LOCAL)),),
            WIRES.known,
            source="the demo",
        )
    )


@frozen
class Performance:
    """What the client heard, and what Trooper says about it; times count from the question."""

    stream: tuple[Heard, ...]
    report: dict[str, Any]
    began_s: float


@frozen
class NotPerformed:
    """It did not come to an end; `why` is empty when somebody stopped it."""

    why: str = ""


async def perform(act: Act, heard: Callable[[Heard], None], records: Records) -> Performance | NotPerformed:
    """
    Play `act` once; `heard` is called with each event that the client gets.

    Everything is opened in one nursery and gone at the end of it.
    """
    outcome: Performance | NotPerformed = NotPerformed()
    async with trio.open_nursery() as nursery:
        cloud = ScriptedProvider(script=act.script, pace_s=act.pace_s)
        cloud_port = await serve_tcp(cloud, nursery)
        local = await _local(act, nursery)
        listeners = open_listeners("127.0.0.1", 0, unread_s=30.0)
        port: int = listeners[0].getsockname()[1]
        house = House(_configuration(act, cloud_port, local, port), records)
        services = await nursery.start(house.serve, listeners)
        # Behind the server's own receiver, so that the first signal ends the demo at once.
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async with trio.open_nursery() as playing:
                playing.start_soon(_obey, signals, playing.cancel_scope)
                outcome = await _play(act, services, port, records, heard)
                playing.cancel_scope.cancel(reason="the stream is over")
        await house.close()
        nursery.cancel_scope.cancel(reason="the demo is over")
    return outcome


async def _play(
    act: Act, services: Services, port: int, records: Records, heard: Callable[[Heard], None]
) -> Performance | NotPerformed:
    model = await services.standbys[LOCAL].ready(None)
    if isinstance(model, Failed):
        return NotPerformed(f"the local model is not ready: {model.kind.value}")
    stream: list[Heard] = []
    asked = trio.current_time()

    def note(event: Heard) -> None:
        event = evolve(event, at_s=event.at_s - asked)
        stream.append(event)
        heard(event)

    status = await ask(port, act.question, note)
    if status != 200:
        return NotPerformed(f"Trooper answered with status {status}")
    # The log line is written behind the last byte.
    with trio.move_on_after(1):
        await records.complete.wait()
    return Performance(tuple(stream), records.report, records.began_s - asked)


async def _local(act: Act, nursery: trio.Nursery) -> Target:
    if act.real is not None:
        return act.real.target
    stand_in = FakeOllama(answer=act.lines.answer, token_s=act.pace_s)
    port = await serve_tcp(stand_in, nursery)
    return Target(LOCAL, OLLAMA_CHAT.wire, f"http://127.0.0.1:{port}")


@define
class House:
    """Trooper, served as `trooper serve` serves it."""

    config: Config
    records: Records
    _server: Server = field(init=False)
    _closed: trio.Event = field(factory=trio.Event, init=False)

    async def serve(self, listeners: list[socket.socket], *, task_status: trio.TaskStatus[Services]) -> None:
        """Serve until `close`; says when the services are open."""

        @asynccontextmanager
        async def opening(config: Config, nursery: trio.Nursery) -> AsyncIterator[Services]:
            async with open_services(config, nursery) as services:
                task_status.started(services)
                yield services

        async def relaying(
            services: Services, request: ClientRequest, receive: Receive, send: AsgiSend, hang_up: HangUp
        ) -> None:
            self.records.began_s = trio.current_time()
            await relay(services, request, receive, send, hang_up)

        def say_nothing(_line: str) -> None:
            """The screen belongs to the demo."""

        self._server = Server(Application(self.config, opening, relaying), self.config, say=say_nothing)
        await self._server.run(listeners)
        self._closed.set()

    async def close(self) -> None:
        """Stop as a server is stopped: hypercorn complains about a cancelled one."""
        self._server.stop()
        with trio.move_on_after(_CLOSE_S):
            await self._closed.wait()


async def _obey(signals: AsyncIterator[int], playing: trio.CancelScope) -> None:
    await anext(signals)
    playing.cancel(reason="a signal came")

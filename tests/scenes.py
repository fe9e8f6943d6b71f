"""
One stage for the tests of a whole request: a scripted cloud, a fake Ollama,
Trooper's real code between them and a client, all over memory streams and on
virtual time.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio
import trio.testing
from attrs import define, evolve, field, frozen
from structlog.testing import capture_logs

from at_once import at_once
from messages_validator import validate_messages, validate_whole_message
from responses_validator import validate_responses, validate_whole_response
from trooper.aside.process import StartWorker
from trooper.config import Chain, Config, Key, Target, Wire, load
from trooper.relay.dispatch import answer
from trooper.relay.request import ClientRequest
from trooper.services import Services, open_services
from trooper.targets.standby import State
from trooper.testing import (
    FAULTS,
    ChatAnswer,
    FakeLlamaServer,
    FakeOllama,
    FaultAt,
    MemoryNetwork,
    ScriptedProvider,
)
from trooper.wire.client_side import ClientSide
from trooper.wire.target_side import TargetSide
from trooper.wires import ANTHROPIC_MESSAGES, LLAMA_SERVER, OPENAI_CHAT, OPENAI_RESPONSES, Wires
from trooper.wires import WIRES as TABLE
from wire_validator import ChatResult, validate_chat, validate_whole

CLOUD = ("api.openai.com", 80)
ANTHROPIC = ("api.anthropic.com", 80)
SECOND = ("second.example", 80)
LOCAL = ("127.0.0.1", 11434)
LLAMA = ("127.0.0.1", 8080)
SECRET = "Bearer sk-client-secret"
ENVIRON = {
    "TROOPER_OPENAI_BASE_URL": "http://api.openai.com/v1",
    "TROOPER_ANTHROPIC_BASE_URL": "http://api.anthropic.com/v1",
}
QUESTION = {"role": "user", "content": "Tell me about lighthouses."}


@frozen
class Spoken:
    """
    One wire, as a client speaks it.

    Attributes:
        asks: the fields of a plain request, without model and `stream`.
        target: what zero configuration calls the provider of this wire.
    """

    wire: Wire
    path: str
    asks: Mapping[str, Any]
    read: Callable[[bytes], ChatResult]
    read_whole: Callable[[bytes], ChatResult]
    target: str

    @property
    def client_side(self) -> ClientSide:
        return TABLE.client_side(self.wire)

    @property
    def target_side(self) -> TargetSide:
        return TABLE.target_side(self.wire)


WIRES: Mapping[str, Spoken] = {
    "chat": Spoken(
        OPENAI_CHAT.wire,
        "/v1/chat/completions",
        {"messages": [QUESTION]},
        validate_chat,
        validate_whole,
        "openai",
    ),
    "messages": Spoken(
        ANTHROPIC_MESSAGES.wire,
        "/v1/messages",
        {"max_tokens": 4096, "messages": [QUESTION]},
        validate_messages,
        validate_whole_message,
        "anthropic",
    ),
    "responses": Spoken(
        OPENAI_RESPONSES.wire,
        "/v1/responses",
        {"input": [QUESTION]},
        validate_responses,
        validate_whole_response,
        "openai-responses",
    ),
}

TOOLS = [
    {
        "type": "function",
        "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}},
    }
]


def dies(
    fault: str = "reset", position: int | str = "middle", answer: ChatAnswer | None = None
) -> ScriptedProvider:
    """A cloud that says its answer, or `answer`, and dies at `position`."""
    return ScriptedProvider(script=FaultAt(FAULTS[fault], position, answer))


def configured(environ: Mapping[str, str] | None = None, **server: Any) -> Config:
    """Zero configuration with the cloud in reach of the memory network."""
    config = load({**ENVIRON, **(environ or {})}, Path("/nonexistent"), TABLE.known)
    return evolve(config, server=evolve(config.server, **server))


def with_second(config: Config, wire: str, *, alone: bool = False, **changes: Any) -> Config:
    """
    The configuration with one more cloud, that speaks `wire`, behind the first.

    `alone`: it is the only one, and what clients ask comes to it first.
    """
    target = Target(
        "second", WIRES[wire].wire, "http://second.example/v1", key=Key("none"), model="other-model"
    )
    config = evolve(config, targets=(*config.targets, evolve(target, **changes)))
    chain = ("second",) if alone else ("openai", "openai-responses", "anthropic", "second")
    return evolve(config, chains=(Chain("*", chain),))


def at_llama(**server: Any) -> Config:
    """A cloud, and behind it a llama.cpp server."""
    config = configured(**server)
    own = Target("llama", LLAMA_SERVER.wire, f"http://{LLAMA[0]}:{LLAMA[1]}")
    return evolve(
        config,
        targets=(*config.targets, own),
        chains=(Chain("*", ("openai", "openai-responses", "anthropic", "llama")),),
    )


def with_target(config: Config, name: str, **changes: Any) -> Config:
    """The configuration with one target changed."""
    targets = tuple(evolve(t, **changes) if t.name == name else t for t in config.targets)
    return evolve(config, targets=targets)


@define
class Exchange:
    """The client's side of one request, as an ASGI server would play it."""

    status: int | None = None
    headers: dict[bytes, bytes] = field(factory=dict)
    body: bytearray = field(factory=bytearray)
    ended: bool = False
    arrivals: list[tuple[float, bytes]] = field(factory=list)
    hung_up: bool = False
    reads: trio.Event | None = None
    #: The request's log line.
    report: dict[str, Any] = field(factory=dict)
    wire: str = "chat"
    _left: trio.Event = field(factory=trio.Event)

    async def receive(self) -> Mapping[str, Any]:
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Mapping[str, Any]) -> None:
        await trio.lowlevel.checkpoint()
        if self.reads is not None:
            await self.reads.wait()
        if message["type"] == "http.response.start":
            assert self.status is None, "a second response start"
            self.status = message["status"]
            self.headers = dict(message["headers"])
        else:
            assert self.status is not None
            assert not self.ended, "a body after the end"
            self.body += message["body"]
            if message["body"]:
                self.arrivals.append((trio.current_time(), bytes(message["body"])))
            self.ended = not message["more_body"]

    def hang_up(self) -> None:
        self.hung_up = True
        if self.reads is not None:
            self.reads.set()

    def leave(self) -> None:
        self._left.set()

    @property
    def legs(self) -> list[tuple[str, str]]:
        """Target and outcome of each leg, as the log tells them."""
        return [(leg["target"], leg["outcome"]) for leg in self.report["legs"]]

    def chat(self, *, include_usage: bool = False) -> ChatResult:
        """The stream, strictly validated."""
        assert self.status == 200, (self.status, bytes(self.body))
        return validate_chat(bytes(self.body), include_usage=include_usage)

    def told(self) -> ChatResult:
        """The stream in its own wire, strictly validated."""
        assert self.status == 200, (self.status, bytes(self.body))
        return WIRES[self.wire].read(bytes(self.body))

    def told_whole(self) -> ChatResult:
        """The same for an answer in one piece."""
        return WIRES[self.wire].read_whole(bytes(self.body))

    def whole(self) -> dict[str, Any]:
        value = json.loads(bytes(self.body))
        assert isinstance(value, dict)
        return value


@define
class Stage:
    """Everything a scene needs."""

    cloud: ScriptedProvider
    ollama: FakeOllama
    network: MemoryNetwork
    services: Services
    #: Every line that was logged.
    log: list[Any]
    second: ScriptedProvider

    def request(
        self,
        *,
        wire: str = "chat",
        method: str = "POST",
        path: str | None = None,
        owner: str = "",
        model: str = "gpt-4o",
        stream: bool = True,
        headers: tuple[tuple[bytes, bytes], ...] = (),
        query: bytes = b"",
        body: bytes | None = None,
        key: str = SECRET,
        **fields: Any,
    ) -> ClientRequest:
        asked = {
            "model": model,
            **WIRES[wire].asks,
            "stream": stream,
            **fields,
        }
        path = path or WIRES[wire].path
        return ClientRequest(
            method=method,
            path=path,
            raw_path=path,
            owner=owner,
            query=query,
            headers=(
                (b"content-type", b"application/json"),
                (b"authorization", key.encode()),
                *headers,
            ),
            body=json.dumps(asked).encode() if body is None else body,
            via_name="trooper-0123456789ab",
        )

    async def ask(self, **fields: Any) -> Exchange:
        """One request, played to its end."""
        exchange = Exchange()
        await self.play(exchange, **fields)
        return exchange

    async def play(self, exchange: Exchange, **fields: Any) -> None:
        asked = self.request(**fields)
        exchange.wire = fields.get("wire", "chat")
        await answer(self.services, asked, exchange.receive, exchange.send, exchange.hang_up)
        # Written last of all, so nobody else's line can have come behind it.
        exchange.report = dict(self.log[-1]) if self.log else {}

    async def warm(self) -> None:
        """Wait until the standby is ready."""
        standby = self.services.standbys["ollama"]
        while standby.state is not State.READY:  # noqa: ASYNC110  # virtual time: costs nothing
            await trio.sleep(0.1)


def asked(s: Stage, number: int = -1) -> Mapping[str, Any]:
    """The body of one of the requests that Ollama got."""
    body = [request for request in s.ollama.requests if request.method == "POST"][number].json()
    assert isinstance(body, dict)
    return body


@asynccontextmanager
async def stage(
    cloud: ScriptedProvider | None = None,
    ollama: FakeOllama | None = None,
    config: Config | None = None,
    *,
    warm: bool = True,
    llama: FakeLlamaServer | None = None,
    second: ScriptedProvider | None = None,
    wires: Wires = TABLE,
    starts_aside: StartWorker = at_once,
) -> AsyncIterator[Stage]:
    """
    Open a stage; without `warm` the standby has not looked yet.

    With a llama.cpp server on its usual port nobody waits either: its test does.
    """
    cloud = cloud or ScriptedProvider()
    ollama = ollama or FakeOllama()
    second = second or ScriptedProvider()
    with capture_logs() as log:
        async with trio.open_nursery() as nursery:
            network = MemoryNetwork(nursery)
            network.listen(*CLOUD, cloud.serve)
            network.listen(*ANTHROPIC, cloud.serve)
            network.listen(*SECOND, second.serve)
            network.listen(*LOCAL, ollama.serve)
            if llama is not None:
                network.listen(*LLAMA, llama.serve)
            async with open_services(
                config or configured(), nursery, network=network, wires=wires, starts_aside=starts_aside
            ) as services:
                built = Stage(cloud, ollama, network, services, log, second)
                if warm and "ollama" in services.standbys:
                    await built.warm()
                    ollama.mismatches.clear()
                    ollama.requests.clear()
                yield built
                nursery.cancel_scope.cancel()

"""
The parts of one request, put together without a network: the real services
whose connections are never opened, and a request as it came.
"""

from __future__ import annotations

import json
from collections.abc import Coroutine
from typing import Any, TypeVar

import httpx

from scenes import WIRES, configured
from trooper.config import Config
from trooper.core.events import Event
from trooper.core.local_model import LocalModel, Way
from trooper.core.transcript import Transcript
from trooper.relay.request import ClientRequest, Incoming, read
from trooper.relay.route import Route
from trooper.services import Services, standbys_of
from trooper.targets.chain import Link
from trooper.targets.standby import State
from trooper.targets.upstream import Upstream
from trooper.wires import WIRES as TABLE

T = TypeVar("T")
MODEL = LocalModel(
    "qwen2.5:3b",
    capabilities=frozenset({"completion", "tools"}),
    window_tokens=4096,
    way=Way.PREFILL,
    echoes=False,
)


def services_of(config: Config | None = None, model: LocalModel | None = MODEL) -> Services:
    """Real services that nobody has started; the local targets have `model`, probed and loaded."""
    config = config or configured()
    # Never opened, so no TLS context is worth building.
    client = httpx.AsyncClient(verify=False, trust_env=False)  # noqa: S501
    upstreams = {target.name: Upstream(target, client, client) for target in config.targets}
    standbys = standbys_of(config, upstreams, TABLE)
    for standby in standbys.values():
        if model is not None:
            standby.models, standby.chosen, standby._seen = (model,), model.name, State.READY
            standby._ready[model.name] = model
    return Services(config, upstreams, standbys)


def request(
    wire: str = "chat",
    *,
    body: bytes | None = None,
    headers: tuple[tuple[bytes, bytes], ...] = (),
    key: bytes = b"Bearer sk-client",
    query: bytes = b"",
    **fields: Any,
) -> ClientRequest:
    asked = {"model": "gpt-4o", **WIRES[wire].asks, "stream": True, **fields}
    return ClientRequest(
        path=WIRES[wire].path,
        query=query,
        headers=((b"content-type", b"application/json"), (b"authorization", key), *headers),
        body=json.dumps(asked).encode() if body is None else body,
        via_name="trooper-0123456789ab",
    )


def without_waiting(coroutine: Coroutine[Any, Any, T]) -> T:
    """What it returns where it has nothing to wait for."""
    try:
        coroutine.send(None)
    except StopIteration as over:
        found: T = over.value
        return found
    raise AssertionError("It waits.")


def incoming(services: Services, wire: str = "chat", **fields: Any) -> Incoming:
    return without_waiting(read(services, request(wire, **fields)))


def route_of(services: Services, wire: str = "chat", **fields: Any) -> Route:
    return Route(services, incoming(services, wire, **fields))


def link_of(route: Route, name: str) -> Link:
    return next(link for link in route.links if link.target.name == name)


def given(*events: Event) -> Transcript:
    """What a client has been given."""
    transcript = Transcript(10_000)
    transcript.add(events)
    return transcript

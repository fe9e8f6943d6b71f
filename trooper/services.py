"""
What all requests share: the targets' connections, the standbys, what is
remembered about targets. Opened once at the start, closed at the end.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec
import trio
from attrs import define, field, frozen

from trooper.config import Config, Target, Wire
from trooper.core import headers as http
from trooper.core.cooldown import Cooldowns
from trooper.core.local_model import LocalModel
from trooper.core.outcome import Answer, Failed, FailureKind
from trooper.store import Answers, UnknownIds
from trooper.targets import credentials
from trooper.targets.standby import Standby, State
from trooper.targets.standby.embedded import nowhere
from trooper.targets.upstream import Call, Upstream, open_upstream
from trooper.wire.decoding import decoded_object
from trooper.wires import WIRES, Wires

if TYPE_CHECKING:
    import httpcore


_JSON: Final = (b"content-type", b"application/json")
_MODELS_S: Final = 10.0
_MODELS_BYTES: Final = 8_388_608


@frozen
class Link:
    """One link of a request's chain: a target, and the model that it is asked for."""

    target: Target
    model: str | None


@define
class Services:
    """Shared by all requests; read by many, each part written by its one owner."""

    config: Config
    upstreams: Mapping[str, Upstream]
    standbys: Mapping[str, Standby]
    cooldowns: Cooldowns = field(factory=Cooldowns)
    #: Past answers that clients may go on from by their id.
    answers: Answers = field(init=False)
    #: Ids of parts that a provider began and another target finished.
    unknown_ids: UnknownIds = field(factory=UnknownIds)
    wires: Wires = WIRES
    #: What owners and credentials are told apart by; another one in each process.
    digest_key: bytes = field(factory=partial(secrets.token_bytes, 32), repr=False)

    def __attrs_post_init__(self) -> None:
        self.answers = Answers(self.config.server.remember_bytes)

    def chain(self, model: str, wire: Wire) -> tuple[Link, ...]:
        """
        Where a request for `model` in `wire` may go, in order.

        A local model that is asked for by its own name is asked directly: it
        is on our list of models, so it must work.
        """
        targets = self.config.chain_for(model, wire)
        for target in targets:
            standby = self.standbys.get(target.name)
            if standby is not None and model not in target.models and standby.find(model):
                return (Link(target, model),)
        return tuple(Link(t, t.model_for(model)) for t in targets)

    def headers_for(
        self, target: Target, headers: http.Headers, *, via_name: str, client_key_used: bool = False
    ) -> http.Headers:
        """The headers of a request to `target`, with the credentials that it gets, as its wire takes them."""
        credential = self.wires.of(target.wire).credential
        secret = self.wires.credential_headers
        return credentials.headers_for(
            target, headers, credential, secret, via_name=via_name, client_key_used=client_key_used
        )

    async def models(self, headers: http.Headers, via_name: str) -> tuple[int, http.Headers, bytes]:
        """
        The first cloud's list of models, and the local ones behind it.

        Without a cloud, or while it does not answer, the local ones alone. A
        cloud that refuses the client's key is quoted: an empty list would hide
        the wrong key.
        """
        listed: dict[str, object] = {"object": "list", "data": []}
        cloud = next((t for t in self.config.targets if not t.is_local), None)
        if cloud is not None:
            answer = await self._cloud_models(cloud, headers, via_name)
            if isinstance(answer, Answer) and answer.status in (401, 403):
                return answer.status, (*http.to_client(answer.headers), _JSON), answer.body
            if isinstance(answer, Answer) and answer.status < 300:
                listed = dict(decoded_object(answer.body)) or listed
        cloud_models = listed.get("data")
        local = [_listed(m, s) for s in self.standbys.values() for m in s.models]
        listed["data"] = [*(cloud_models if isinstance(cloud_models, list) else []), *local]
        return 200, (_JSON,), msgspec.json.encode(listed)

    async def _cloud_models(self, cloud: Target, headers: http.Headers, via_name: str) -> Answer | Failed:
        call = Call("GET", "/models", self.headers_for(cloud, headers, via_name=via_name))
        answer: Answer | Failed = Failed(FailureKind.TIMEOUT_TTFT)
        with trio.move_on_after(_MODELS_S):
            answer = await self.upstreams[cloud.name].fetch(call, _MODELS_BYTES)
        return answer.answer or answer if isinstance(answer, Failed) else answer

    def readiness(self) -> Mapping[str, object]:
        """What `/readyz` says. Ready means: requests are taken; the rest is for people."""
        return {
            "status": "ready",
            "targets": [
                {"name": t.name, "wire": t.wire.name, **self._standby_words(t)} for t in self.config.targets
            ],
        }

    def _standby_words(self, target: Target) -> Mapping[str, object]:
        standby = self.standbys.get(target.name)
        if standby is None:
            return {}
        words: dict[str, object] = {"standby": standby.state.value, "model": standby.chosen or None}
        if standby.state is State.READY and (model := standby.known(None)) is not None:
            words |= {"window_tokens": model.window_tokens, "continues": model.way.value}
        return {**words, **standby.more_facts()}


def _listed(model: LocalModel, standby: Standby) -> dict[str, object]:
    return {"id": model.name, "object": "model", "created": 0, "owned_by": f"trooper:{standby.target.name}"}


def standbys_of(config: Config, upstreams: Mapping[str, Upstream], wires: Wires) -> dict[str, Standby]:
    """Who looks after each local target, by its name; nobody is started yet."""
    standbys: dict[str, Standby] = {}
    # Those that Trooper runs itself come last: they rest while one of the others is ready.
    for target in sorted(config.targets, key=lambda target: target.gguf is not None):
        new_standby = wires.of(target.wire).standby
        if new_standby is not None:
            others = tuple(s for s in standbys.values() if s.target.gguf is None)
            standbys[target.name] = new_standby(target, upstreams[target.name], others)
    return standbys


@asynccontextmanager
async def open_services(
    config: Config,
    nursery: trio.Nursery,
    *,
    network: httpcore.AsyncNetworkBackend | None = None,
    wires: Wires = WIRES,
) -> AsyncIterator[Services]:
    """
    Open the connections and start the standbys.

    Args:
        config: the checked configuration.
        nursery: where the standbys live; cancelled by the caller at the end.
        network: another network than the real one, for tests.
        wires: the table that `config` was loaded with.
    """
    async with AsyncExitStack() as stack:
        upstreams = {
            t.name: await stack.enter_async_context(
                open_upstream(t if t.gguf is None else nowhere(t), network)
            )
            for t in config.targets
        }
        standbys = standbys_of(config, upstreams, wires)
        for standby in standbys.values():
            nursery.start_soon(standby.run)
        yield Services(config, upstreams, standbys, Cooldowns(enabled=config.server.memory), wires=wires)

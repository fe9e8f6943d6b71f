"""
What all requests share: the targets' connections, the standbys, what is
remembered about targets. Opened once at the start, closed at the end.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
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
from trooper.targets.credentials import headers_for
from trooper.targets.standby import EmbeddedStandby, LlamaServerStandby, OllamaStandby, Standby, State
from trooper.targets.standby.embedded import nowhere
from trooper.targets.upstream import Call, Upstream, open_upstream
from trooper.wire.decoding import decoded_object

if TYPE_CHECKING:
    import httpcore


_JSON: Final = (b"content-type", b"application/json")
_MODELS_S: Final = 10.0
_MODELS_BYTES: Final = 8_388_608


@frozen
class Seat:
    """A target's place in a request's chain, and its model for this request."""

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

    def __attrs_post_init__(self) -> None:
        self.answers = Answers(self.config.server.remember_bytes)

    def chain(self, model: str, wire: Wire) -> tuple[Seat, ...]:
        """
        Where a request for `model` in `wire` may go, in order.

        A local model that is asked for by its own name is asked directly: it
        is on our list of models, so it must work.
        """
        targets = self.config.chain_for(model, wire)
        for target in targets:
            standby = self.standbys.get(target.name)
            if standby is not None and model not in target.models and standby.find(model):
                return (Seat(target, model),)
        return tuple(Seat(t, t.model_for(model)) for t in targets)

    async def models(self, headers: http.Headers, hop: str) -> tuple[int, http.Headers, bytes]:
        """
        The first cloud's list of models, and the local ones behind it.

        Without a cloud, or while it does not answer, the local ones alone. A
        cloud that refuses the client's key is quoted: an empty list would hide
        the wrong key.
        """
        listed: dict[str, object] = {"object": "list", "data": []}
        cloud = next((t for t in self.config.targets if not t.is_local), None)
        if cloud is not None:
            answer = await self._cloud_models(cloud, headers, hop)
            if isinstance(answer, Answer) and answer.status in (401, 403):
                return answer.status, (*http.to_client(answer.headers), _JSON), answer.body
            if isinstance(answer, Answer) and answer.status < 300:
                listed = dict(decoded_object(answer.body)) or listed
        cloud_models = listed.get("data")
        local = [_listed(m, s) for s in self.standbys.values() for m in s.models]
        listed["data"] = [*(cloud_models if isinstance(cloud_models, list) else []), *local]
        return 200, (_JSON,), msgspec.json.encode(listed)

    async def _cloud_models(self, cloud: Target, headers: http.Headers, hop: str) -> Answer | Failed:
        call = Call("GET", "/models", headers_for(cloud, headers, hop=hop))
        answer: Answer | Failed = Failed(FailureKind.TIMEOUT_TTFT)
        with trio.move_on_after(_MODELS_S):
            answer = await self.upstreams[cloud.name].fetch(call, _MODELS_BYTES)
        return answer.answer or answer if isinstance(answer, Failed) else answer

    def readiness(self) -> Mapping[str, object]:
        """What `/readyz` says. Ready means: requests are taken; the rest is for people."""
        return {
            "status": "ready",
            "targets": [
                {"name": t.name, "wire": t.wire.value, **self._standby_words(t)} for t in self.config.targets
            ],
        }

    def _standby_words(self, target: Target) -> Mapping[str, object]:
        standby = self.standbys.get(target.name)
        if standby is None:
            return {}
        words: dict[str, object] = {"standby": standby.state.value, "model": standby.chosen or None}
        if standby.state is State.READY and (model := standby.known(None)) is not None:
            words |= {"window_tokens": model.window_tokens, "continues": model.way.value}
        if isinstance(standby, EmbeddedStandby):
            words |= {"restarts": standby.restarts, "why": standby.why or None}
        return words


def _listed(model: LocalModel, standby: Standby) -> dict[str, object]:
    return {"id": model.name, "object": "model", "created": 0, "owned_by": f"trooper:{standby.target.name}"}


def _standbys(config: Config, upstreams: Mapping[str, Upstream]) -> dict[str, Standby]:
    standbys: dict[str, Standby] = {}
    for target in config.targets:
        upstream = upstreams[target.name]
        if target.wire is Wire.OLLAMA_CHAT:
            standbys[target.name] = OllamaStandby(target, upstream)
        elif target.wire is Wire.LLAMA_SERVER and target.gguf is None:
            standbys[target.name] = LlamaServerStandby(target, upstream)
    rivals = tuple(standbys.values())
    embedded = [target for target in config.targets if target.gguf is not None]
    standbys |= {t.name: EmbeddedStandby(t, upstreams[t.name], rivals) for t in embedded}
    return standbys


@asynccontextmanager
async def open_services(
    config: Config, nursery: trio.Nursery, *, network: httpcore.AsyncNetworkBackend | None = None
) -> AsyncIterator[Services]:
    """
    Open the connections and start the standbys.

    Args:
        config: the checked configuration.
        nursery: where the standbys live; cancelled by the caller at the end.
        network: another network than the real one, for tests.
    """
    async with AsyncExitStack() as stack:
        upstreams = {
            t.name: await stack.enter_async_context(
                open_upstream(t if t.gguf is None else nowhere(t), network)
            )
            for t in config.targets
        }
        standbys = _standbys(config, upstreams)
        for standby in standbys.values():
            nursery.start_soon(standby.run)
        yield Services(config, upstreams, standbys, Cooldowns(enabled=config.server.memory))

"""
Knows the model of one llama.cpp server, and how it goes on.

Such a server has one model, loaded when it starts. So nothing is loaded here:
a look asks whether the server is ready, what it has, and probes once how it
continues a half answer.
"""

from __future__ import annotations

from attrs import define, evolve

from trooper.core import local_model
from trooper.core.local_model import LocalModel
from trooper.core.outcome import Failed, FailureKind
from trooper.targets.standby.base import PROBE_S, Standby, State
from trooper.wire.llama_server import ask
from trooper.wire.llama_server import models as llama
from trooper.wire.llama_server.ask import LlamaAsking


@define
class LlamaServerStandby(Standby):
    """The one model of a llama.cpp server."""

    software = "llama-server"

    def find(self, name: str) -> LocalModel | None:
        """The server's model, if that is its name."""
        return next((m for m in self.models if m.name == name), None)

    def asking(self, model: LocalModel) -> LlamaAsking:
        """How the model is asked."""
        return LlamaAsking(evolve(model, window_tokens=self.window(model)))

    async def _look(self) -> None:
        health = await self._fetch("GET", "/health")
        if isinstance(health, Failed):
            if health.answer is not None and health.answer.status == 503:
                # It loads: that is not the same as nobody there.
                self._seen = State.LOADING
            else:
                self._lose(health)
            return
        props = await self._fetch("GET", "/props")
        if isinstance(props, Failed):
            self._lose(props)
            return
        model = llama.read_props(props)
        self.version = llama.read_version(props)
        listed = await self._fetch("GET", "/v1/models")
        trained = 0 if isinstance(listed, Failed) else llama.read_trained(listed)
        model = evolve(model, trained_tokens=trained)
        self.models, self.chosen, self.chosen_because = (model,), model.name, "the server's own"
        wanted = {name for name in self._wanted if name != model.name}
        for name in wanted:
            self._failures[name] = Failed(FailureKind.NOT_FOUND)
        self._wanted.clear()
        if self.target.model not in (None, model.name):
            # Somebody else's model would answer under the configured one's name.
            self._seen, self.chosen = State.NO_MODEL, ""
            self._ready.clear()
            return
        self._ready = {model.name: await self._probe(model)}
        self._failures.pop(model.name)
        self._seen = State.READY

    async def _probe(self, model: LocalModel) -> LocalModel:
        key = (model.digest, self.version)
        await self.learned.recall_ratio(model)
        if (known := await self.learned.probed(model, key)) is not None:
            return known
        rendered = await self._post(ask.render_probe(), within_s=PROBE_S)
        if isinstance(rendered, Failed):
            return model
        model = local_model.with_render_probe(model, llama.read_render(rendered))
        if local_model.takes_prefill(model):
            async with self.slots:
                said = await self._post(ask.echo_probe(model), within_s=PROBE_S)
            if isinstance(said, Failed):
                return self._unproved(model, key, said)
            reader = LlamaAsking(model).reader(ask.echo_probe(model), len(said) + 1, "call")
            text = "".join(received.text for received in (*reader.feed(said), *reader.end()))
            if isinstance(reader.outcome, Failed) and reader.outcome.kind is not FailureKind.EMPTY_200:
                return model  # An answer that failed says nothing of echoes.
            model = local_model.with_echo_probe(model, text)
        return self.learned.note_probed(model, key)

"""
Keeps the models of one Ollama server loaded, known and ready.

Each look:

    look   which models are there, which are loaded, and with what window
    load   the chosen model and those that requests asked for
    probe  how each continues a half answer, once per digest and version

The window is the server's own: whatever `/api/ps` says is what every request
repeats as `num_ctx`. Any other value would make the server load anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from attrs import define, evolve, field

from trooper.config import Target
from trooper.core import local_model
from trooper.core.local_model import LocalModel
from trooper.core.names import Latest
from trooper.core.outcome import Failed, FailureKind
from trooper.core.unfit import Unfit
from trooper.targets.standby.base import PROBE_S, Standby, State
from trooper.targets.upstream import Upstream
from trooper.wire.ollama_chat import ask
from trooper.wire.ollama_chat import models as ollama

#: A load of a loaded model renews its time to live and costs 20 ms.
_RENEW_EVERY_LOOKS: Final = 10


@define
class OllamaStandby(Standby):
    """The local models of one Ollama."""

    software = "Ollama"
    to_start = "Start Ollama, or say with OLLAMA_HOST or `base_url` where it is."
    _looks: int = field(default=0, init=False)
    _details: Latest[tuple[str, str], LocalModel] = field(
        factory=lambda: Latest(ollama.MOST_MODELS), init=False
    )

    def to_get(self, model: str) -> str:
        """How a model is fetched."""
        return f"Run: ollama pull {model}"

    def find(self, name: str) -> LocalModel | None:
        """The model that Ollama means by `name`; without a tag that is `latest`."""
        return ollama.find(self.models, name)

    def asking(self, model: LocalModel) -> ask.OllamaAsking:
        """How `model` is asked: always with the load-time options it is loaded with."""
        known = evolve(model, window_tokens=self.window(model))
        return ask.OllamaAsking(known, self._loading(model))

    def _loading(self, model: LocalModel) -> ask.Loading:
        return ask.Loading(model.window_tokens or self.target.num_ctx, self.target.keep_alive)

    async def _look(self) -> None:
        renew = self._looks % _RENEW_EVERY_LOOKS == 0
        self._looks += 1
        tags = await self._fetch("GET", "/api/tags")
        if isinstance(tags, Failed):
            self._lose(tags)
            return
        loaded = await self._fetch("GET", "/api/ps")
        windows = {} if isinstance(loaded, Failed) else ollama.read_loaded(loaded)
        version = await self._fetch("GET", "/api/version")
        self.version = "" if isinstance(version, Failed) else ollama.read_version(version)
        self.models = tuple(
            m for m in ollama.read_tags(tags) if self.target.allow_remote or not m.runs_elsewhere
        )
        chosen = await self._choose(windows)
        if chosen is None:
            self._seen, self.chosen = State.NO_MODEL, ""
            self._ready.clear()
            return
        self.chosen = chosen.name
        for name in [n for n in self._ready if n != chosen.name and n not in windows]:
            del self._ready[name]  # Its time to live was over: the next request loads it anew.
        wanted = {self._full_name(name): name for name in self._wanted}
        for name in [chosen.name, *sorted(wanted.keys() - {chosen.name})]:
            await self._prepare(name, windows, renew=renew)
        # Only these: a request may have asked for more while we were busy.
        self._wanted -= set(wanted.values())
        self._seen = State.READY if self.chosen in self._ready else State.LOADING

    async def _choose(self, windows: Mapping[str, int]) -> LocalModel | None:
        if self.target.model:
            self.chosen_because = "configured"
            return self.find(self.target.model)
        known = [await self._detailed(m) for m in self.models]
        ranked = local_model.rank(known, windows, allow_remote=self.target.allow_remote)
        if not ranked:
            return None
        self.chosen_because = local_model.why_first(ranked, windows)
        return ranked[0]

    async def _prepare(self, name: str, windows: Mapping[str, int], *, renew: bool) -> None:
        model = self.find(name)
        if model is None:
            self._failures[name] = Failed(FailureKind.NOT_FOUND)
            return
        model = await self._detailed(model)
        if model.runs_elsewhere and not self.target.allow_remote:
            self._failures[name] = Failed(FailureKind.UNFIT, unfit_reason=Unfit.RUNS_ELSEWHERE)
            return
        window = windows.get(model.name, 0)
        if not window or renew:
            if not window:
                self._ready.pop(name, None)
            failed = await self._load(evolve(model, window_tokens=window))
            if failed is not None:
                self._ready.pop(name, None)
                self._failures[name] = failed
                return
            loaded = await self._fetch("GET", "/api/ps")
            windows = {} if isinstance(loaded, Failed) else ollama.read_loaded(loaded)
            window = windows.get(model.name, 0) or self.target.num_ctx or 0
        self._ready[name] = evolve(
            await self._probe(evolve(model, window_tokens=window)), window_tokens=window
        )
        self._failures.pop(name)

    async def _detailed(self, model: LocalModel) -> LocalModel:
        """What the server says of one model; asked once, since a digest stands for all of it."""
        key = (model.name, model.digest)
        if key not in self._details:
            shown = await self._post(ask.show(model.name))
            if isinstance(shown, Failed):
                return model
            self._details[key] = ollama.with_details(model, shown)
        return self._details[key]

    async def _load(self, model: LocalModel) -> Failed | None:
        if self._seen is not State.READY:
            self._seen = State.LOADING
        answer = await self._post(ask.load(model, self._loading(model)), within_s=self.target.load_timeout_s)
        return answer if isinstance(answer, Failed) else None

    async def _probe(self, model: LocalModel) -> LocalModel:
        key = (model.digest or model.name, self.version)
        if key in self._probed:
            return local_model.with_probed(model, self._probed[key])
        loading = self._loading(model)
        rendered = await self._post(ask.render_probe(model, loading), within_s=PROBE_S)
        if isinstance(rendered, Failed):
            return model
        prompt = ollama.read_render(rendered)
        model = local_model.with_render_probe(model, prompt)
        async with self.slots:
            if prompt is None:
                said = await self._post(ask.generation_probe(model, loading), within_s=PROBE_S)
                if isinstance(said, Failed):
                    return model
                model = local_model.with_generation_probe(model, ollama.read_said(said))
            elif local_model.takes_prefill(model):
                said = await self._post(ask.echo_probe(model, loading), within_s=PROBE_S)
                if isinstance(said, Failed):
                    return self._unproved(model, key, said)
                model = local_model.with_echo_probe(model, ollama.read_said(said))
        self._probed[key] = model
        return model


def new_standby(target: Target, upstream: Upstream, _others: Sequence[Standby]) -> Standby:
    """Looks after the Ollama of `target`."""
    return OllamaStandby(target, upstream)

"""
Keeps the models of one Ollama server loaded, known and ready.

Each look:

    look   which models are there, which are loaded, and with what window
    load   the chosen model and those that requests asked for
    probe  how each continues a half answer, once per digest, version and runner
    grow   the window of a model that a request needs larger (`core.window`)

The window is the server's own until it grows: whatever `/api/ps` says is what
every request repeats as `num_ctx`. Any other value would make the server load
anew.

A server runs models of one file once, under the name that it was loaded by. So
a model is looked for under the names of its file, too.

Where the server has no room for our model beside another application's, that
one goes first: to load ours again at each look would push the other one out for
ever. It is loaded when a request needs it, or when nobody else is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import trio
from attrs import define, evolve, field

from trooper.config import Target
from trooper.core import local_model
from trooper.core.local_model import LocalModel
from trooper.core.names import Latest
from trooper.core.outcome import Failed, FailureKind
from trooper.core.unfit import Unfit
from trooper.core.window import Refused, Running
from trooper.targets.standby.base import PROBE_S, Standby, State
from trooper.targets.standby.growing import GrowingStandby
from trooper.targets.standby.windows import is_too_much
from trooper.targets.upstream import Upstream
from trooper.wire.ollama_chat import ask
from trooper.wire.ollama_chat import models as ollama

#: A load of a loaded model renews its time to live and costs 20 ms.
_RENEW_EVERY_LOOKS: Final = 10
#: So many models are loaded to find one that can go on.
_MOST_TRIED: Final = 3
#: So long a leg believes what was seen of a server, and so long it waits to hear that its model is still there.
_SURE_S: Final = 0.1
_ANSWER_S: Final = 1.0


@define
class OllamaStandby(GrowingStandby):
    """The local models of one Ollama."""

    software = "Ollama"
    to_start = "Start Ollama, or say with OLLAMA_HOST or `base_url` where it is."
    _looks: int = field(default=0, init=False)
    #: Models that we have loaded, and that were there at the last look.
    _held: set[str] = field(factory=set, init=False)
    #: Models whose window had grown, and that were gone at the last look.
    _missed: set[str] = field(factory=set, init=False)
    #: Models that were chosen, to see how they go on.
    _tried: set[str] = field(factory=set, init=False)
    #: Our model had to go for somebody else's.
    _gives_way: bool = field(default=False, init=False)
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
        now = self.latest(model)
        known = evolve(model, window_tokens=self.window(now))
        return ask.OllamaAsking(known, self._loading(now))

    def _loading(self, model: LocalModel) -> ask.Loading:
        return ask.Loading(model.window_tokens or self.target.num_ctx, self.target.keep_alive)

    async def ready(self, name: str | None) -> LocalModel | Failed:
        """The same, for a model that is there now: one that went since the last look is loaded by the standby."""
        is_stale = trio.current_time() - self.windows.seen_at >= _SURE_S
        if is_stale and self._full_name(name) in self._ready:
            with trio.move_on_after(_ANSWER_S):
                before, loaded = self.windows.running, await self._loaded()
                if loaded is not None:
                    for known in list(self._ready.values()):
                        self._adopt(known, before, loaded)
        return await super().ready(name)

    def _adopt(self, model: LocalModel, before: Mapping[str, Running], loaded: Mapping[str, Running]) -> None:
        """Take a model as it is loaded now; one that was, and is not, is not ready."""
        running = self._as_running(model, loaded)
        if running is None:
            if self._as_running(model, before) is not None:
                self._ready.pop(model.name)
        elif running.window_tokens not in (0, model.window_tokens):
            self._ready[model.name] = evolve(model, window_tokens=running.window_tokens)

    async def _ask_loaded(self) -> Mapping[str, Running] | None:
        answer = await self._fetch("GET", "/api/ps")
        return None if isinstance(answer, Failed) else ollama.read_loaded(answer)

    def _runs_as(self, model: LocalModel, loaded: Mapping[str, Running]) -> str | None:
        if model.name in loaded:
            return model.name
        others = ((name, self._known_details(name)) for name in loaded if model.file)
        return next((name for name, other in others if other and other.file == model.file), None)

    def _known_details(self, name: str) -> LocalModel | None:
        found = self.find(name)
        return None if found is None else self._details.get((found.name, found.digest))

    async def _look(self) -> None:
        renew = self._looks % _RENEW_EVERY_LOOKS == 0
        self._looks += 1
        tags = await self._fetch("GET", "/api/tags")
        if isinstance(tags, Failed):
            self._lose(tags)
            return
        self.models = tuple(
            m for m in ollama.read_tags(tags) if self.target.allow_remote or not m.runs_elsewhere
        )
        loaded = await self._loaded() or {}
        for name in loaded:
            if (other := self.find(name)) is not None:
                await self._detailed(other)
        version = await self._fetch("GET", "/api/version")
        self.version = "" if isinstance(version, Failed) else ollama.read_version(version)
        wanted = {self._full_name(name): name for name in self._wanted}
        chosen = await self._prepare_chosen(loaded, wanted, renew=renew)
        if chosen is None:
            self._seen, self.chosen = State.NO_MODEL, ""
            self._ready.clear()
            return
        for name in [n for n in self._ready if n != chosen and not self._is_there(n, loaded)]:
            del self._ready[name]  # Its time to live was over: the next request loads it anew.
        for name in sorted(wanted.keys() - {chosen}):
            await self._prepare(name, loaded, renew=renew)
        # Only these: a request may have asked for more while we were busy.
        self._wanted -= set(wanted.values())
        if self.chosen in self._ready:
            self._seen = State.READY
        else:
            self._seen = State.RESTING if self._gives_way else State.LOADING

    def _is_there(self, name: str, loaded: Mapping[str, Running]) -> bool:
        model = self._ready.get(name) or self._known_details(name) or self.find(name)
        return model is not None and self._as_running(model, loaded) is not None

    async def _prepare_chosen(
        self, loaded: Mapping[str, Running], wanted: Mapping[str, str], *, renew: bool
    ) -> str | None:
        """Choose and prepare; one that turns out to be unable to go on with an agent makes way for another."""
        tried: list[str] = []
        while (chosen := await self._choose(loaded)) is not None and chosen.name not in tried:
            if chosen.name != self.chosen:
                self.chosen, self._gives_way = chosen.name, False
            tried.append(chosen.name)
            self._tried.add(chosen.name)
            was_there = self._is_there(chosen.name, loaded)
            self._gives_way = self._has_to_give_way(chosen.name, loaded) and chosen.name not in wanted
            if self._gives_way:
                self._ready.pop(chosen.name, None)
                break
            if self._may_come_back_smaller(chosen.name, loaded) and chosen.name not in wanted:
                self._ready.pop(chosen.name, None)
                break
            await self._prepare(chosen.name, loaded, renew=renew)
            if chosen.name not in self._ready:
                break
            loaded = self.windows.running
            best = await self._choose(loaded)
            if best is not None and best.name not in tried and not was_there:
                # Loaded to be looked at alone.
                await self._post(ask.unload(chosen))
                self._ready.pop(chosen.name, None)
        return None if chosen is None else chosen.name

    def _has_to_give_way(self, name: str, loaded: Mapping[str, Running]) -> bool:
        """Whether our model is gone and another application's is there, now or since that happened."""
        if self._is_there(name, loaded):
            return False
        others = loaded.keys() - self._held
        return bool(others) and (self._gives_way or name in self._held)

    def _may_come_back_smaller(self, name: str, loaded: Mapping[str, Running]) -> bool:
        """
        Whether another application may just be loading our model with a window of its own.

        A model that is being loaded is not listed. One that has lost a window that had grown
        is left alone until the next look, unless a request needs it.
        """
        if self._is_there(name, loaded) or not self.windows.growth(name).largest:
            self._missed.discard(name)
            return False
        is_news = name not in self._missed
        self._missed.add(name)
        return is_news

    async def _choose(self, loaded: Mapping[str, Running]) -> LocalModel | None:
        if self.target.model:
            self.chosen_because = "configured"
            return self.find(self.target.model)
        known = [await self._detailed(m) for m in self.models]
        known = [local_model.with_probed(m, p) if (p := self._probed_of(m, loaded)) else m for m in known]
        there = {m.name for m in known if self._as_running(m, loaded) is not None}
        if len(self._tried) >= _MOST_TRIED:
            known = [m for m in known if m.is_probed or m.name in there] or known
        ranked = local_model.rank(known, there, allow_remote=self.target.allow_remote)
        if not ranked:
            return None
        if ranked[0].name != self.chosen:
            self.chosen_because = local_model.why_first(ranked, there)
        return ranked[0]

    def _probed_of(self, model: LocalModel, loaded: Mapping[str, Running]) -> LocalModel | None:
        return self.learned.probes.get(self._probe_key(model, self._runs_as(model, loaded) or model.name))

    def _probe_key(self, model: LocalModel, runs_as: str) -> tuple[str, str]:
        # Who loaded the file decides how its prompts are made.
        as_itself = runs_as == model.name
        return (model.digest or model.name, self.version if as_itself else f"{self.version} {runs_as}")

    async def _prepare(self, name: str, loaded: Mapping[str, Running], *, renew: bool) -> None:
        model = self.find(name)
        if model is None:
            self._failures[name] = Failed(FailureKind.NOT_FOUND)
            return
        model = await self._detailed(model)
        if model.runs_elsewhere and not self.target.allow_remote:
            self._failures[name] = Failed(FailureKind.UNFIT, unfit_reason=Unfit.RUNS_ELSEWHERE)
            return
        running = self._as_running(model, loaded)
        if running is None or renew:
            if running is None:
                self._ready.pop(name, None)
            failed = await self._load_as_before(model, running)
            if failed is not None:
                self._ready.pop(name, None)
                self._failures[name] = failed
                return
            loaded = await self._loaded() or {}
            running = self._as_running(model, loaded)
            self._held.add(name)
        self._held &= {n for n in self._held if self._is_there(n, loaded)}
        self.windows.note_use(name, running)
        await self._recall(model)
        window = (running.window_tokens if running else 0) or self.target.num_ctx or 0
        probed = await self._probe(
            evolve(model, window_tokens=window), self._runs_as(model, loaded) or model.name
        )
        self._ready[name] = evolve(probed, window_tokens=window)
        self._failures.pop(name)

    async def _load_as_before(self, model: LocalModel, running: Running | None) -> Failed | None:
        """Load a model with the window that it has, or had: it never shrinks, unless that cannot be loaded any more."""
        if running is not None:
            return await self._load(evolve(model, window_tokens=running.window_tokens))
        growth = self.windows.growth(model.name)
        free_bytes = self.windows.memory_bytes
        failed = await self._load(evolve(model, window_tokens=growth.largest))
        if growth.largest and is_too_much(failed):
            self._refuse(model, growth.largest, Refused.NOT_LOADED, free_bytes)
            growth.largest = 0
            failed = await self._load(evolve(model, window_tokens=0))
        return failed

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
        with self._using(model):
            answer = await self._post(
                ask.load(model, self._loading(model)), within_s=self.target.load_timeout_s
            )
        return answer if isinstance(answer, Failed) else None

    async def _probe(self, model: LocalModel, runs_as: str) -> LocalModel:
        key = self._probe_key(model, runs_as)
        if (known := await self.learned.probed(model, key)) is not None:
            return known
        loading = self._loading(model)
        self.idle.give_way()
        async with self.slot(model):
            rendered = await self._post(ask.render_probe(model, loading), within_s=PROBE_S)
            if isinstance(rendered, Failed):
                return model
            prompt = ollama.read_render(rendered)
            model = local_model.with_render_probe(model, prompt)
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
        return self.learned.note_probed(evolve(model, is_probed=True), key)


def new_standby(target: Target, upstream: Upstream, _others: Sequence[Standby]) -> Standby:
    """Looks after the Ollama of `target`."""
    return OllamaStandby(target, upstream)

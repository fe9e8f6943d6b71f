"""
Keeps the local models of one Ollama server loaded, known and ready.

Theory of operation
-------------------
A model's load belongs to the standby, never to a request: hanging up on a
load kills it for everybody, and a request that fails over has no time for it.
One task per server looks after it:

    look   which models are there, which are loaded, and with what window
    load   the chosen model and those that requests asked for
    probe  how each continues a half answer, once per digest and version

and then sleeps until it is time to look again or a leg pokes it. A leg calls
`ready`, which returns at once for a model that is loaded and probed.

The window is the server's own: whatever `/api/ps` says is what every request
repeats as `num_ctx`. Any other value would make the server load anew.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

import structlog
import trio
from attrs import define, evolve, field

from trooper.config import Target
from trooper.core.outcome import Answer, Failed, FailureKind
from trooper.upstream import Call, Upstream
from trooper.wire.ollama_chat import models as ollama
from trooper.wire.ollama_chat import request as ask
from trooper.wire.ollama_chat.models import LocalModel

log = structlog.get_logger("trooper.standby")

_LOOK_EVERY_S = 30.0
#: While there is no server, or no model: somebody may just be starting one.
_LOOK_AGAIN_S = 5.0
#: A load of a loaded model renews its time to live and costs 20 ms.
_RENEW_EVERY_LOOKS = 10
_LOOK_S = 10.0
_PROBE_S = 60.0
_MAX_BODY_BYTES = 8_388_608


class State(enum.Enum):
    """What the standby can do now."""

    UNKNOWN = "unknown"
    ABSENT = "absent"
    NO_MODEL = "no_model"
    LOADING = "loading"
    READY = "ready"


@define
class Standby:
    """
    The local models of one target.

    Attributes:
        slots: one request per slot; a second one would wait inside the
            server, in silence, where nobody can tell it from a stall.
        models: what the server has, as of the last look.
        chosen: the model for requests that name none, and why that one.
    """

    target: Target
    upstream: Upstream
    slots: trio.CapacityLimiter = field(init=False)
    state: State = field(default=State.UNKNOWN, init=False)
    models: tuple[LocalModel, ...] = field(default=(), init=False)
    chosen: str = field(default="", init=False)
    chosen_because: str = field(default="", init=False)
    version: str = field(default="", init=False)
    _ready: dict[str, LocalModel] = field(factory=dict, init=False)
    _failures: dict[str, Failed] = field(factory=dict, init=False)
    _wanted: set[str] = field(factory=set, init=False)
    _details: dict[tuple[str, str], LocalModel] = field(factory=dict, init=False)
    _probed: dict[tuple[str, str], LocalModel] = field(factory=dict, init=False)
    _ratios: dict[str, float] = field(factory=dict, init=False)
    _poked: trio.Event = field(factory=trio.Event, init=False)
    _settled: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot, init=False)

    def __attrs_post_init__(self) -> None:
        self.slots = trio.CapacityLimiter(self.target.slots)

    async def run(self) -> None:
        """Look after the server, for ever."""
        looks = 0
        while True:
            self._poked = trio.Event()
            before = (self.state, self.chosen)
            try:
                await self._look(renew=looks % _RENEW_EVERY_LOOKS == 0)
            except Exception:
                # Whatever a strange server makes us trip over, requests must
                # go on; without this the standby would vanish in silence.
                log.exception("standby_look_failed", target=self.target.name)
                self._lose(Failed(FailureKind.SERVER_ERROR))
            looks += 1
            if (self.state, self.chosen) != before:
                self._tell()
            self._settled.unpark_all()
            pause = _LOOK_EVERY_S if self.state is State.READY else _LOOK_AGAIN_S
            with trio.move_on_after(pause):
                await self._poked.wait()

    async def ready(self, name: str | None) -> LocalModel | Failed:
        """
        Wait until a model is loaded and probed, and return it.

        Args:
            name: the model; `None` for the standby's own choice.

        Waits as long as the load takes; the caller decides when it has lost
        patience, and the load goes on without it.
        """
        self._failures.pop(self._full_name(name), None)
        while (wanted := self._full_name(name)) not in self._ready:
            if wanted in self._failures:
                return self._failures[wanted]
            if name:
                self._wanted.add(name)
            self._poked.set()
            await self._settled.park()
            if self.state is State.NO_MODEL:
                return Failed(FailureKind.NOT_FOUND)
        return self._ready[wanted]

    def _full_name(self, name: str | None) -> str:
        """The server's own name for a model: with its tag."""
        found = ollama.find(self.models, name) if name else None
        return found.name if found else name or self.chosen

    def known(self, name: str | None) -> LocalModel | None:
        """What is known of a model now, without waiting."""
        wanted = self._full_name(name)
        return self._ready.get(wanted) or ollama.find(self.models, wanted)

    def is_probed(self, name: str | None) -> bool:
        """Whether the model's way to continue has been found out."""
        return self._full_name(name) in self._ready

    def loading(self, model: LocalModel) -> ask.Loading:
        """The load-time options every request to `model` repeats."""
        return ask.Loading(model.window_tokens or self.target.num_ctx, self.target.keep_alive)

    def ratio(self, model: LocalModel) -> float:
        """Real tokens per estimated token, as far as this model has taught us."""
        return self._ratios.get(model.name, 1.0)

    def learn(self, model: LocalModel, estimated: int, counted: int) -> None:
        """Compare an estimate with the server's own count. Only shortfalls matter."""
        if estimated > 0 and counted > 0:
            self._ratios[model.name] = max(0.5, min(4.0, counted / estimated))

    def forget(self, name: str) -> None:
        """A request found the model or its server gone: look again before the next one."""
        self._ready.pop(name, None)
        self._poked.set()

    async def _look(self, *, renew: bool) -> None:
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
            self.state, self.chosen = State.NO_MODEL, ""
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
        self.state = State.READY if self.chosen in self._ready else State.LOADING

    async def _choose(self, windows: Mapping[str, int]) -> LocalModel | None:
        if self.target.model:
            self.chosen_because = "configured"
            return ollama.find(self.models, self.target.model)
        known = [await self._detailed(m) for m in self.models]
        ranked = ollama.rank(known, windows, allow_remote=self.target.allow_remote)
        if not ranked:
            return None
        self.chosen_because = ollama.why_first(ranked, windows)
        return ranked[0]

    async def _prepare(self, name: str, windows: Mapping[str, int], *, renew: bool) -> None:
        model = ollama.find(self.models, name)
        if model is None:
            self._failures[name] = Failed(FailureKind.NOT_FOUND)
            return
        model = await self._detailed(model)
        if model.runs_elsewhere and not self.target.allow_remote:
            self._failures[name] = Failed(FailureKind.UNFIT, unfit_reason="runs_elsewhere")
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
        self._failures.pop(name, None)

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
        if self.state is not State.READY:
            self.state = State.LOADING
        answer = await self._post(ask.load(model, self.loading(model)), within_s=self.target.load_timeout_s)
        return answer if isinstance(answer, Failed) else None

    async def _probe(self, model: LocalModel) -> LocalModel:
        key = (model.digest or model.name, self.version)
        if key in self._probed:
            known = self._probed[key]
            return evolve(model, way=known.way, echoes=known.echoes, trims=known.trims)
        loading = self.loading(model)
        rendered = await self._post(ask.render_probe(model, loading), within_s=_PROBE_S)
        if isinstance(rendered, Failed):
            return model
        prompt = ollama.read_render(rendered)
        model = ollama.with_render_probe(model, prompt)
        async with self.slots:
            if prompt is None:
                said = await self._post(ask.generation_probe(model, loading), within_s=_PROBE_S)
                if isinstance(said, Failed):
                    return model
                model = ollama.with_generation_probe(model, ollama.read_said(said), ask.COUNTING)
            elif model.way is ollama.Way.PREFILL:
                said = await self._post(ask.echo_probe(model, loading), within_s=_PROBE_S)
                if isinstance(said, Failed):
                    return model  # Busy, perhaps: asked again at the next look.
                model = ollama.with_echo_probe(model, ollama.read_said(said))
        self._probed[key] = model
        return model

    def _lose(self, failed: Failed) -> None:
        self.state = State.ABSENT
        self.models = ()
        self._ready.clear()
        for name in ("", self.chosen, *self._wanted):
            self._failures[name] = evolve(failed, answer=None)
        self._wanted.clear()

    async def _fetch(self, method: str, path: str) -> bytes | Failed:
        return await self._within(Call(method, path), _LOOK_S)

    async def _post(self, post: ask.Post, within_s: float = _LOOK_S) -> bytes | Failed:
        call = Call("POST", post.path, ((b"content-type", b"application/json"),), post.body)
        return await self._within(call, within_s)

    async def _within(self, call: Call, within_s: float) -> bytes | Failed:
        with trio.move_on_after(within_s):
            answer = await self.upstream.fetch(call, _MAX_BODY_BYTES)
            return answer.body if isinstance(answer, Answer) else answer
        return Failed(FailureKind.TIMEOUT_TTFT)

    def _tell(self) -> None:
        name = self.target.name
        match self.state:
            case State.READY:
                model = self._ready[self.chosen]
                log.info(
                    "standby_ready",
                    target=name,
                    model=model.name,
                    because=self.chosen_because,
                    window_tokens=model.window_tokens,
                    way=model.way.value,
                    echoes=model.echoes,
                )
            case State.ABSENT:
                log.warning(
                    "standby_absent", target=name, url=self.target.base_url, effect="no failover to it"
                )
            case State.NO_MODEL:
                log.warning("standby_has_no_model", target=name, wanted=self.target.model or "any local one")
            case _:
                log.warning("standby_not_ready", target=name, model=self.chosen)

"""
Keeps the local models of one server loaded, known and ready.

Theory of operation
-------------------
A model's load belongs to the standby, never to a request: hanging up on a
load kills it for everybody, and a request that fails over has no time for it.
One task per server looks after it (`_look`, a kind of server each), and then
sleeps until it is time to look again or a leg pokes it. A leg calls `ready`,
which returns at once for a model that is loaded and probed.
"""

from __future__ import annotations

import abc
import enum
import math
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Final, TypeAlias

import structlog
import trio
from attrs import Factory, define, evolve, field

from trooper.config import Target
from trooper.core.agents import AGENTS, Agent, who_fits, window_for
from trooper.core.local_model import LocalModel, Way, raw_alone, takes_prefill
from trooper.core.names import Latest
from trooper.core.outcome import Answer, Failed, FailureKind
from trooper.core.plan import BROKE_OFF
from trooper.core.prompt_reading import ReadingSpeeds
from trooper.core.refused_ways import REFUSALS, RefusedWays
from trooper.targets.idle import Idle
from trooper.targets.standby.learned import Learned
from trooper.targets.upstream import Call, Headers, Upstream
from trooper.wire.target_side import LocalSide, Post
from trooper.wire.weight import is_heavy

log = structlog.get_logger("trooper.standby")

_LOOK_EVERY_S: Final = 30.0
#: While there is no server, or no model: somebody may just be starting one.
_LOOK_AGAIN_S: Final = 5.0
_LOADING_S: Final = 0.2
LOOK_S: Final = 10.0
PROBE_S: Final = 60.0
_MAX_BODY_BYTES: Final = 8_388_608
_JSON: Final = ((b"content-type", b"application/json"),)


class State(enum.Enum):
    """What the standby can do now."""

    UNKNOWN = "unknown"
    ABSENT = "absent"
    RESTING = "resting"
    NO_MODEL = "no_model"
    LOADING = "loading"
    READY = "ready"


@define
class Standby(abc.ABC):
    """
    The local models of one target.

    Attributes:
        slots: one request per slot; a second one would wait inside the server, where nobody can tell it from a stall.
        models: what the server has, as of the last look.
        chosen: the model for requests that name none, and why that one.
    """

    target: Target
    _upstream: Upstream
    #: What the server is called in words for people, and what to do when there is none.
    software = "a local server"
    to_start = "Start it, or say with `base_url` where it is, and with `key` if it wants one."
    slots: trio.CapacityLimiter = field(
        init=False, default=Factory(lambda self: trio.CapacityLimiter(self.target.slots), takes_self=True)
    )
    idle: Idle = field(factory=Idle, init=False)
    # What the last look saw; only `_look` writes it.
    _seen: State = field(default=State.UNKNOWN, init=False)
    models: tuple[LocalModel, ...] = field(default=(), init=False)
    chosen: str = field(default="", init=False)
    chosen_because: str = field(default="", init=False)
    version: str = field(default="", init=False)
    _ready: dict[str, LocalModel] = field(factory=dict, init=False)
    _failures: Latest[str, Failed] = field(factory=Latest, init=False)
    _wanted: set[str] = field(factory=set, init=False)
    # Probes that the server has refused once.
    _refused: Latest[tuple[str, str], None] = field(factory=Latest, init=False)
    #: What real requests have found out of ways that the probes believed in.
    refused_ways: RefusedWays = field(factory=RefusedWays, init=False)
    speeds: ReadingSpeeds = field(factory=ReadingSpeeds, init=False)
    learned: Learned = field(
        init=False,
        default=Factory(lambda self: Learned(self.target.wire.name, self.target.base_url), takes_self=True),
    )
    # What a refusal has said of a window, by the model and the window that we took it to have.
    _windows: Latest[tuple[str, int], int] = field(factory=Latest, init=False)
    # Of which model and window it was looked whether an agent's turn fits.
    _told_tight: tuple[str, int] | None = field(default=None, init=False)
    _poked: trio.Event = field(factory=trio.Event, init=False)
    #: Woken after each look.
    settled: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot, init=False)

    @property
    def upstream(self) -> Upstream:
        """The connections to the server."""
        return self._upstream

    @property
    def state(self) -> State:
        """What the standby can do now."""
        return self._seen

    @property
    def is_gone(self) -> bool:
        """Whether nobody is there for a leg, as far as is known."""
        return self.state in (State.ABSENT, State.NO_MODEL)

    async def run(self) -> None:
        """Look after the server, for ever."""
        told = (self.state, self.chosen)
        while True:
            self._poked = trio.Event()
            due_s = math.inf
            try:
                await self._look()
                due_s = await self._grow_as_wished()
            except Exception:
                # Whatever a strange server makes us trip over, requests must
                # go on; without this the standby would vanish in silence.
                log.exception("standby_look_failed", target=self.target.name)
                self._lose(Failed(FailureKind.SERVER_ERROR))
                self._answer_wishes()
            if (self.state, self.chosen) != told:
                told = (self.state, self.chosen)
                self._tell()
            self._tell_who_fits()
            self.settled.unpark_all()
            if self.state is State.LOADING:
                # A leg that waits pokes at once; the server has work to do.
                await trio.sleep(_LOADING_S)
            pause_s = _LOOK_EVERY_S if self.state is State.READY else _LOOK_AGAIN_S
            with trio.move_on_after(min(pause_s, due_s)):
                await self._poked.wait()

    async def ready(self, name: str | None) -> LocalModel | Failed:
        """
        Wait until a model is loaded and probed, and return it.

        Args:
            name: the model; `None` for the standby's own choice.

        Waits as long as the load takes; the caller decides when it has lost
        patience, and the load goes on without it.
        """
        self._failures.pop(self._full_name(name))
        while (wanted := self._full_name(name)) not in self._ready:
            if wanted in self._failures:
                return self._failures[wanted]
            if name := name or self.chosen:
                self._wanted.add(name)
            self._poked.set()
            await self.settled.park()
            if self.state is State.NO_MODEL:
                return Failed(FailureKind.NOT_FOUND)
        return self._with_ways_left(self._ready[wanted])

    def _full_name(self, name: str | None) -> str:
        """The server's own name for a model: with its tag."""
        found = self.find(name) if name else None
        return found.name if found else name or self.chosen

    def known(self, name: str | None) -> LocalModel | None:
        """What is known of a model now, without waiting."""
        wanted = self._full_name(name)
        model = self._ready.get(wanted)
        return self.find(wanted) if model is None else self._with_ways_left(model)

    def _with_ways_left(self, model: LocalModel) -> LocalModel:
        ways = self.refused_ways
        return model if ways.is_empty else ways.known(model, trio.current_time())

    def is_probed(self, name: str | None) -> bool:
        """Whether the model's way to continue has been found out."""
        return self._full_name(name) in self._ready

    def ratio(self, model: LocalModel) -> float:
        """Real tokens per counted token, as far as this model has taught us; never less than one."""
        return self.learned.ratio(model)

    def window(self, model: LocalModel) -> int:
        """The window that a prompt has to fit into, as far as is known; 0 if it is not."""
        return self._windows.get((model.name, model.window_tokens), model.window_tokens)

    def learn_window(self, model: LocalModel, window_tokens: int) -> None:
        """
        A refusal has named the window: the server's word counts.

        Only for what is asked: what a model is loaded with stays, since any other value would load it anew.
        """
        self._windows[model.name, model.window_tokens] = window_tokens

    def latest(self, model: LocalModel) -> LocalModel:
        """The same model with the window that it has now."""
        now = self._ready.get(model.name)
        return model if now is None else evolve(model, window_tokens=now.window_tokens)

    def most_tokens(self, model: LocalModel) -> int:
        """About how large the window could become; 0 if nobody knows."""
        return self.window(model)

    def may_outgrow(self, name: str | None, size_bytes: int) -> bool:
        """
        Whether a request of so many bytes may need a larger window than there is, and could get it.

        Asked of each request, so it costs nothing: whether it does need one,
        its conversation says.
        """
        return False

    @contextmanager
    def wished(self, _model: LocalModel, _window_tokens: int) -> Iterator[None]:
        """While this lasts a request is there that may need so large a window soon."""
        yield

    def _answer_wishes(self) -> None:
        """Let go on who waits for a larger window: nobody here does."""
        self.settled.unpark_all()

    async def _grow_as_wished(self) -> float:
        """Load models anew whose window is wished larger; returns in how many seconds to look again."""
        return math.inf

    @asynccontextmanager
    async def slot(
        self, model: LocalModel, _window_tokens: int = 0, *, must: bool = False
    ) -> AsyncIterator[LocalModel]:
        """
        The right to send a request to the server, and the model as it is then: with so large a
        window, if it can have that now, or, where it `must` be, soon.
        """
        async with self.slots:
            yield self.latest(model)

    def agents(self, model: LocalModel) -> tuple[Agent, ...]:
        """The agents whose first turn its window holds, or can be made to hold."""
        is_fixed = self.target.num_ctx is not None
        return who_fits(max(self.window(model), 0 if is_fixed else self.most_tokens(model)))

    def forget(self, name: str) -> None:
        """A request found the model or its server gone: look again before the next one."""
        self._ready.pop(name, None)
        self._poked.set()

    def tells_echoes(self, name: str | None) -> bool:
        """Whether it is known if a half answer that the model is shown comes back: if not, it may be said twice."""
        wanted = self._full_name(name)
        model = self._ready.get(wanted) or self.find(wanted)
        same = [m for m in self.learned.probes.values() if model is not None and m.digest == model.digest]
        known = (*same, *([model] if model else ()))
        return any(m.echoes is not None or (m.way is Way.RAW and not takes_prefill(m)) for m in known)

    def broke_off(self, name: str | None, failed: Failed) -> bool:
        """
        A leg has failed: where its server broke off under it, look again before the next one.

        Returns whether it may be back in a moment.
        """
        if failed.kind not in BROKE_OFF or not self._comes_back(failed):
            return False
        self.forget(self._full_name(name))
        return True

    def _comes_back(self, failed: Failed) -> bool:
        """Nobody starts a server again that is not there at all."""
        return failed.kind is not FailureKind.CONNECT

    @property
    def absent_because(self) -> str:
        """What is known of why there is no server, in plain words; empty where nothing is."""
        return ""

    def to_get(self, _model: str) -> str:
        """What to do when the server does not have the model of that name, in words for people."""
        return "Leave `model` out, or write its name."

    def more_facts(self) -> Mapping[str, object]:
        """What `/readyz` says of this kind of server alone."""
        return {}

    @abc.abstractmethod
    def find(self, name: str) -> LocalModel | None:
        """The model that the server means by `name`, as of the last look."""

    @abc.abstractmethod
    def asking(self, model: LocalModel) -> LocalSide:
        """How `model` is asked for answers."""

    @abc.abstractmethod
    async def _look(self) -> None:
        """See what is there, load and probe what is wanted, and set `_seen`."""

    def call(self, post: Post) -> Call:
        """`post` as a call to this server."""
        return Call("POST", post.path, self._headers(_JSON), post.body)

    def _headers(self, headers: Headers = ()) -> Headers:
        # The upstream's: that of a server of our own is made when it starts.
        key = self.upstream.target.key.value
        return (*headers, (b"authorization", b"Bearer " + key.encode())) if key else headers

    def _unproved(self, model: LocalModel, key: tuple[str, str], failed: Failed) -> LocalModel:
        """
        What is known of `model` when its echo probe has failed.

        A busy server is asked again at the next look. One that refuses refuses
        every continuation of that form (a parser that takes no half answer
        does), so the model is asked by the raw way; for good, once it has
        refused twice, since a probe costs the slot its cached prompt.
        """
        if failed.answer is None or failed.answer.status not in REFUSALS:
            return model
        model = raw_alone(model)
        if key in self._refused:
            self.learned.probes[key] = model
        self._refused[key] = None
        return model

    def _lose(self, failed: Failed) -> None:
        self._seen = State.ABSENT
        self.models = ()
        self._ready.clear()
        for name in ("", self.chosen, *self._wanted):
            self._failures[name] = evolve(failed, answer=None)
        self._wanted.clear()

    async def _fetch(self, method: str, path: str) -> bytes | Failed:
        return await self._within(Call(method, path, self._headers()), LOOK_S)

    async def _post(self, post: Post, within_s: float = LOOK_S) -> bytes | Failed:
        return await self._within(self.call(post), within_s)

    async def _within(self, call: Call, within_s: float) -> bytes | Failed:
        with trio.move_on_after(within_s):
            answer = await self.upstream.fetch(call, _MAX_BODY_BYTES)
            if isinstance(answer, Answer) and is_heavy(answer.body):
                # Reading it would hold up others, every few seconds.
                return Failed(FailureKind.BAD_FRAME)
            return answer.body if isinstance(answer, Answer) else answer
        return Failed(FailureKind.TIMEOUT_TTFT)

    def _tell(self) -> None:
        name = self.target.name
        match self.state:
            case State.READY if (model := self._ready.get(self.chosen)) is not None:
                log.info(
                    "standby_ready",
                    target=name,
                    model=model.name,
                    because=self.chosen_because,
                    window_tokens=model.window_tokens,
                    way=model.way.value,
                    echoes=model.echoes,
                )
            case State.ABSENT if self.is_gone:
                log.warning(
                    "standby_absent", target=name, place=self.target.place, effect="no failover to it"
                )
            case State.NO_MODEL:
                log.warning("standby_has_no_model", target=name, wanted=self.target.model or "any local one")
            case _:
                log.info("standby_not_ready", target=name, state=self.state.value, model=self.chosen)

    def _tell_who_fits(self) -> None:
        """Warn, once for each model and window, where no agent's turn fits: then nothing of theirs is saved."""
        model = self.known(None) if self.state is State.READY else None
        if model is None or (found := (model.name, self.window(model))) == self._told_tight:
            return
        self._told_tight = found
        if model.window_tokens and not self.agents(model):
            smallest = min(AGENTS, key=lambda agent: agent.turn_tokens)
            log.warning(
                "standby_fits_no_agent",
                target=self.target.name,
                model=model.name,
                window_tokens=self.window(model),
                smallest=f"{smallest.name}: about {smallest.turn_tokens} tokens",
                mend=f"trooper check says what to do; where memory allows, num_ctx = {window_for(smallest)}",
            )


#: Makes who looks after a target; the standbys are those of servers that somebody else runs.
NewStandby: TypeAlias = Callable[[Target, Upstream, Sequence[Standby]], Standby]

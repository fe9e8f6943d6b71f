"""
What was learned of one server's models, kept beyond this process.

A fact is kept by what it is about: a token ratio by the model's digest, what
probes have found by digest and the server's version, a window that was refused
by digest, server and machine. What has no digest, or no version, may be
something else tomorrow, and is not kept.

What stands in the file is read as somebody else's words: what does not fit, or
is older than it may be, is as if it were not there.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from typing import Annotated, Final, TypeAlias, TypeVar

import msgspec
from attrs import define, evolve, field

from trooper.core import names
from trooper.core.local_model import LocalModel, Way, takes_prefill, with_probed
from trooper.core.names import Latest
from trooper.core.window import LEAST_TOKENS, Refusal, Refused
from trooper.store import Known, MemoryStore, Store

#: What a server counts of a text is between these times what we do.
_LEAST_RATIO, _MOST_RATIO = 1.0, 4.0
#: One conversation in a rare script has taught it; the next weeks need not go by that.
RATIO_BELIEVED_S: Final = 7 * 86_400.0
#: Clocks of two processes, or before and after a correction.
_AHEAD_S: Final = 300.0

_RATIO, _PROBE, _WINDOW = "token_ratio", "probe", "refused_window"
#: A digest, or a name; the version of the server, and what it runs the model as, where that is another name.
ProbeKey: TypeAlias = tuple[str, str]
S = TypeVar("S", bound=msgspec.Struct)


class _Ratio(msgspec.Struct):
    ratio: Annotated[float, msgspec.Meta(ge=_LEAST_RATIO, le=_MOST_RATIO)]


class _Probe(msgspec.Struct):
    way: Way
    way_with_tools: Way | None
    echoes: bool | None
    trims: bool
    #: White space behind a half answer.
    adds: Annotated[str, msgspec.Meta(max_length=64, pattern=r"^\s*$")]
    renders: bool


class _Window(msgspec.Struct):
    window_tokens: Annotated[int, msgspec.Meta(ge=LEAST_TOKENS, le=1 << 32)]
    why: Refused
    free_bytes: Annotated[int, msgspec.Meta(ge=0)] | None
    version: str


@define(eq=False)
class Learned:
    """
    The facts about the models of one server.

    Attributes:
        wire: the name of the wire that it speaks.
        place: its address; only a digest of it is kept.
        store: where facts outlive this process.
        now: seconds since the epoch; for tests.
    """

    wire: str
    place: str
    store: Store = field(factory=MemoryStore)
    now: Callable[[], float] = time.time
    #: What probes have found.
    probes: Latest[ProbeKey, LocalModel] = field(factory=Latest, init=False)
    #: Model → real tokens per counted token, and since when.
    _ratios: Latest[str, tuple[float, float]] = field(factory=Latest, init=False)
    #: Model → when its probes were made, where that was before this process.
    _remembered: Latest[str, float] = field(factory=Latest, init=False)

    # -- how many tokens a text is -----------------------------------------------

    def ratio(self, model: LocalModel) -> float:
        """Real tokens per counted token, as far as this model has taught us; never less than one."""
        ratio, _ = self._ratios.get(_identity(model), (_LEAST_RATIO, 0.0))
        return ratio

    def learn_ratio(self, model: LocalModel, estimated: int, counted: int, *, is_guess: bool) -> None:
        """Compare an estimate with the server's own count. What is a guess about that count is for this process alone."""
        if estimated <= 0 or counted <= 0:
            return
        ratio = max(_LEAST_RATIO, min(_MOST_RATIO, counted / estimated))
        self._ratios[_identity(model)] = ratio, self.now()
        if model.digest and not is_guess:
            self._put(_RATIO, model.digest, _Ratio(ratio))

    async def recall_ratio(self, model: LocalModel) -> None:
        """Go by what the model has taught another process, or this one's forerunner, if that is news."""
        known = await self._find(_RATIO, model.digest)
        if known is None or not -_AHEAD_S <= self.now() - known.at <= RATIO_BELIEVED_S:
            return
        _, since = self._ratios.get(_identity(model), (_LEAST_RATIO, 0.0))
        if known.at > since and (read := _read(known.value, _Ratio)) is not None:
            self._ratios[_identity(model)] = read.ratio, known.at

    # -- how it goes on ----------------------------------------------------------

    def note_probed(self, model: LocalModel, key: ProbeKey) -> LocalModel:
        """Keep what probes have found of a model."""
        self.probes[key] = model
        found = _Probe(model.way, model.way_with_tools, model.echoes, model.trims, model.adds, model.renders)
        self._put(_PROBE, self._probe_key(model, key), found)
        return model

    async def probed(self, model: LocalModel, key: ProbeKey) -> LocalModel | None:
        """`model` with what probes have found of it, now or before; `None` if it has to be probed."""
        if key not in self.probes:
            found = await self._probed_before(model, key)
            if found is None:
                return None
            self.probes[key] = found
        return with_probed(model, self.probes[key])

    async def _probed_before(self, model: LocalModel, key: ProbeKey) -> LocalModel | None:
        known = await self._find(_PROBE, self._probe_key(model, key))
        read = None if known is None else _read(known.value, _Probe)
        if known is None or read is None:
            return None
        found = evolve(
            model,
            way=read.way,
            way_with_tools=read.way_with_tools,
            echoes=read.echoes,
            trims=read.trims,
            adds=read.adds,
            renders=read.renders,
        )
        if takes_prefill(found) and found.echoes is None:
            return None
        self._remembered[model.digest] = known.at
        return found

    def probed_at(self, model: LocalModel) -> float | None:
        """When the model was probed, if that was before this process, in seconds since the epoch."""
        return self._remembered.get(model.digest)

    def _probe_key(self, model: LocalModel, key: ProbeKey) -> str:
        _, version = key
        # Where the server has said none, what it runs the model as stands there alone.
        is_lasting = bool(model.digest and version.partition(" ")[0])
        return names.kept(f"{self.wire} {model.digest} {version}") if is_lasting else ""

    # -- its window --------------------------------------------------------------

    def note_refusal(self, model: LocalModel, refusal: Refusal) -> None:
        """Keep that a window was refused, when and why."""
        told = _Window(refusal.window_tokens, refusal.why, refusal.free_bytes, refusal.version)
        self._put(_WINDOW, self._window_key(model), told, refusal.at)

    async def refusal(self, model: LocalModel) -> Refusal | None:
        """The window that was refused last; whether that still holds is another question."""
        known = await self._find(_WINDOW, self._window_key(model))
        read = None if known is None else _read(known.value, _Window)
        if known is None or read is None or known.at > self.now() + _AHEAD_S:
            return None
        return Refusal(read.window_tokens, read.why, known.at, read.free_bytes, read.version)

    def _window_key(self, model: LocalModel) -> str:
        """By a digest: an address may have a password in it. A home may be shared by machines of different memory."""
        if not model.digest:
            return ""
        return names.digest(f"{platform.node()}\0{self.place}\0{model.digest}")

    # -- all of them -------------------------------------------------------------

    def _put(self, kind: str, key: str, value: msgspec.Struct, at: float | None = None) -> None:
        if key:
            self.store.put_known(
                Known(kind, key, msgspec.json.encode(value), self.now() if at is None else at)
            )

    async def _find(self, kind: str, key: str) -> Known | None:
        return await self.store.find_known(kind, key) if key else None


def _identity(model: LocalModel) -> str:
    return model.digest or model.name


def _read(value: bytes, kind: type[S]) -> S | None:
    try:
        return msgspec.json.decode(value, type=kind)
    except msgspec.DecodeError:
        return None

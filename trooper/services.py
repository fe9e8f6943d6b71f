"""
What all requests share: the targets' connections, the standbys, what is
remembered about targets. Opened once at the start, closed at the end.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
import trio
from attrs import asdict, define, field

from trooper.aside.line import Line
from trooper.aside.process import StartWorker, start_process
from trooper.aside.work import Aside
from trooper.config import Config, Target, Wire
from trooper.config.cloudless import cloudless, local_by_wish
from trooper.core import digest, secret
from trooper.core import headers as http
from trooper.core.cooldown import Cooldowns
from trooper.core.names import Latest
from trooper.store import (
    AboutAnswers,
    Answers,
    Caps,
    LastTurns,
    MemoryStore,
    Neighbours,
    Question,
    Remembered,
    Reply,
    SharedTurns,
    Standing,
    Store,
    place_for,
)
from trooper.store.opening import Opened, open_store
from trooper.targets import credentials
from trooper.targets.chain import Link, links
from trooper.targets.models import MODELS, list_models
from trooper.targets.reports import Reports, reports_of
from trooper.targets.standby import Standby, State
from trooper.targets.standby.embedded import nowhere
from trooper.targets.upstream import Upstream, open_upstream
from trooper.telemetry.log import log_request
from trooper.telemetry.report import RequestReport
from trooper.wires import WIRES, Wires

if TYPE_CHECKING:
    import httpcore

log = structlog.get_logger("trooper.services")


@define
class Services:
    """Shared by all requests; read by many, each part written by its one owner."""

    config: Config
    upstreams: Mapping[str, Upstream]
    standbys: Mapping[str, Standby]
    cooldowns: Cooldowns = field(factory=Cooldowns)
    #: Past answers that clients may go on from by their id.
    answers: Answers = field(init=False)
    #: Who writes situation reports.
    reports: Reports = field(init=False)
    #: Sessions, answers and facts that outlive a request; in a folder, the process too.
    store: Store = field(factory=MemoryStore)
    #: The other processes that share its folder.
    neighbours: Neighbours = field(factory=Neighbours)
    #: The same answers, and those of the store and the neighbours.
    remembered: Remembered = field(init=False)
    wires: Wires = WIRES
    #: What a client could make take for ever is done there.
    aside: Aside = field(factory=Aside)
    #: Who is told a list: each client one at a time, so that others do not wait for all of his.
    lists: Line = field(factory=Line)
    #: Who hears what became of each request.
    tell: Callable[[RequestReport], None] = log_request
    #: What owners and credentials are told apart by; it lies beside what is kept, and is another one in each process
    #: where nothing is.
    digest_key: bytes = field(factory=partial(secrets.token_bytes, 32), repr=False)
    #: Seconds since the epoch; another time for tests.
    now: Callable[[], float] = time.time
    #: What was said last in each session.
    last_turns: LastTurns = field(init=False)
    #: The same, and what the neighbours have.
    shared_turns: SharedTurns = field(init=False)
    #: Pairs of a session and a credential that is known to own it.
    session_owners: Latest[tuple[str, str], None] = field(factory=partial(Latest, 4_096), init=False)

    def __attrs_post_init__(self) -> None:
        self.answers = Answers(self.config.server.remember_bytes)
        self.last_turns = LastTurns(self.config.server.remember_bytes, self.config.store.keep_s, self._time)
        self.remembered = Remembered(self.answers, self.store, self.neighbours)
        self.shared_turns = SharedTurns(self.last_turns, self.store, self.neighbours, self.session_owners)
        self.reports = reports_of(self.config.server.report, self.standbys)

    def _time(self) -> float:
        return self.now()

    async def reply(self, question: Question) -> Reply:
        """What another process of the same folder gets."""
        if isinstance(question, AboutAnswers):
            return await self.remembered.reply(question)
        return await self.shared_turns.reply(question)

    def chain(self, model: str, wire: Wire) -> tuple[Link, ...]:
        """Where a request for `model` in `wire` may go, in order."""
        return links(self.config.chain_for(model, wire), self.standbys, model)

    def is_local(self, name: str) -> bool:
        """Whether the target of that name is a local one."""
        return name in self.standbys

    def headers_for(
        self, target: Target, headers: http.Headers, *, via_name: str, is_own: bool = True
    ) -> http.Headers:
        """
        The headers of a request to `target`, with the credentials that it gets, as its wire takes them.

        `is_own`: it is the very request that the client makes, and none of ours.
        """
        credential = self.wires.of(target.wire).credential
        names = self.wires.credential_headers
        return credentials.headers_for(target, headers, credential, names, via_name=via_name, is_own=is_own)

    def credentials(self, headers: http.Headers, query: bytes) -> str:
        """A digest of all that a client proves itself with."""
        return digest.owner(self.digest_key, secret.of(headers, query, self.wires.credential_headers))

    async def models(self, headers: http.Headers, via_name: str) -> tuple[int, http.Headers, bytes]:
        """
        The list of the client's own provider, and the local models behind it: status, headers and body.

        Args:
            headers: the client's.
        """
        cloud = self.wires.provider(self.config, MODELS, headers)
        if cloud is None:
            return await list_models(None, (), self.standbys.values())
        asked_with = self.headers_for(cloud, headers, via_name=via_name, is_own=False)
        return await list_models(self.upstreams[cloud.name], asked_with, self.standbys.values())

    def readiness(self) -> Mapping[str, object]:
        """What `/readyz` says. Ready means: requests are taken; the rest is for people."""
        return {
            "status": "ready",
            "store": store_facts(self.store.standing()),
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
            words |= {
                "window_tokens": model.window_tokens,
                "continues": model.way.value,
                "agents_that_fit": [agent.name for agent in standby.agents(model)],
            }
            if (speed := standby.speeds.of(model.name)) > 0:
                words["prompt_tokens_per_s"] = round(speed, 1)
        return {**words, **standby.more_facts()}


def store_facts(standing: Standing) -> Mapping[str, object]:
    """What programs are told of the store: where it is, how large, what is kept, what is wrong."""
    told = asdict(standing)
    trouble, words = told.pop("trouble"), told.pop("words")
    if trouble is None:
        return told
    return {**told, "trouble": trouble.value, "meaning": trouble.meaning, "reason": words}


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


def near(store: Store, most_bytes: int) -> Neighbours:
    """The other processes of a store; nobody, where it is this process's alone."""
    standing = store.standing()
    return Neighbours(place_for(Path(standing.place)) if standing.on_disk else None, most_bytes)


def store_of(config: Config, nursery: trio.Nursery) -> AbstractAsyncContextManager[Opened]:
    """The store that `config` asks for, to be opened; it writes in `nursery`."""
    said = config.store
    return open_store(
        said.data_dir,
        Caps(said.keep_s, said.sessions_max, said.metadata_bytes, said.content_bytes),
        nursery,
        content_on_disk=said.content == "disk",
        seal_key=said.seal_key,
    )


def tell_who_answers(config: Config) -> None:
    """Log, once for each wire, whose clients no cloud answers; and once what was wished to be so."""
    for clients in cloudless(config):
        say = log.warning if clients.is_plain else log.info
        say("no_provider", wire=clients.wire.name, effect=" ".join(clients.words), mend=clients.mend)
    if local := local_by_wish(config):
        log.info("only_local_targets", chains=local)


@asynccontextmanager
async def open_services(
    config: Config,
    nursery: trio.Nursery,
    *,
    network: httpcore.AsyncNetworkBackend | None = None,
    wires: Wires = WIRES,
    starts_aside: StartWorker = start_process,
    tell: Callable[[RequestReport], None] = log_request,
) -> AsyncIterator[Services]:
    """
    Open the connections and start the standbys.

    Args:
        config: the checked configuration.
        nursery: where the standbys live; cancelled by the caller at the end.
        network: another network than the real one, for tests.
        wires: the table that `config` was loaded with.
        starts_aside: how a process for work aside is started; another way for tests.
        tell: who hears what became of each request; by itself the log.
    """
    tell_who_answers(config)
    async with AsyncExitStack() as stack:
        # First, so that it is closed last: others may have something to keep at their end.
        opened = await stack.enter_async_context(store_of(config, nursery))
        upstreams = {
            t.name: await stack.enter_async_context(
                open_upstream(
                    t if t.gguf is None else nowhere(t),
                    network,
                    max_answer_ratio=config.server.max_answer_ratio,
                )
            )
            for t in config.targets
        }
        standbys = standbys_of(config, upstreams, wires)
        for standby in standbys.values():
            standby.learned.store = opened.store
        aside = Aside(starts_aside)
        stack.push_async_callback(aside.aclose)
        cooldowns = Cooldowns(enabled=config.server.memory)
        services = Services(
            config,
            upstreams,
            standbys,
            cooldowns,
            store=opened.store,
            neighbours=near(opened.store, config.server.remember_bytes),
            wires=wires,
            aside=aside,
            tell=tell,
            digest_key=opened.key,
        )
        await nursery.start(services.neighbours.serve, services.reply)
        for standby in standbys.values():
            nursery.start_soon(standby.run)
        for writer in services.reports.writers.values():
            nursery.start_soon(writer.run)
        yield services

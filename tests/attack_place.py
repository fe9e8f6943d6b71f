"""
Where attacks happen: a deployed Trooper that is watched, a provider that says
whatever is wanted, and eight streams of others beside each attack.

    with attack_place(way, folder) as place, place.attacked() as figures:
        answer = place.ask("/v1/messages", {...})
    assert figures.pause_s < MOST_PAUSE_S

`attacked` itself fails where something of the oracle does not hold.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from attrs import define, fields_dict, frozen

from attack_local import OddLocal, odd_local
from attack_provider import Provider, hostile_provider
from attack_watch import Watched, numbers
from beside import STREAMS, Steady, steady_provider
from deployed import LONG_S, WAYS, Deployed, Fake, deployed, fake
from schema_weapons import DOCUMENT
from trooper.config.server import Server

MIB = 1 << 20
SERVED = [way for way in WAYS if "--workers" not in way]
#: The longest that others may have to wait, in processor time of the loop.
MOST_PAUSE_S = 0.05
#: What may stay resident of an attack. An allocator gives back what lies at the end of its memory, and
#: keeps what has a living neighbour: so not nothing, but far less than a leak of what attacks send.
MOST_KEPT_BYTES = 24 * MIB
#: What was held is let go in a moment; connections that are kept may take as long as hypercorn keeps them.
SOON_S = 15
MEMORY_S = 3
TRIES = 3
#: Processes that work aside.
MOST_ASIDE = 2
#: Of a target. Trooper keeps no more connections for the next request.
MOST_KEPT_CONNECTIONS = 64
#: The operator's own secret, for the target `team`.
TEAM_KEY = "sk-of-the-operator"

CONFIG = """
[server]
drain_timeout_s = 2.0
remember_bytes = 2_000_000
{more}

[[targets]]
name = "openai"
wire = "openai-chat"
base_url = "{steady}"
key = "client"

[[targets]]
name = "team"
wire = "openai-chat"
base_url = "{team}"
key = {{ env = "TEAM_KEY" }}
ttft_timeout_s = 3.0
stall_timeout_s = 3.0
alive_timeout_s = 6.0
whole_timeout_s = 6.0

[[targets]]
name = "anthropic"
wire = "anthropic-messages"
base_url = "{hostile}"
key = "client"
ttft_timeout_s = 3.0
stall_timeout_s = 3.0
alive_timeout_s = 6.0
whole_timeout_s = 6.0

[[targets]]
name = "responses"
wire = "openai-responses"
base_url = "{hostile}"
key = "client"
ttft_timeout_s = 3.0
stall_timeout_s = 3.0
alive_timeout_s = 6.0
whole_timeout_s = 6.0

[[targets]]
name = "odd"
wire = "ollama-chat"
base_url = "{odd}"

[[targets]]
name = "dying"
wire = "ollama-chat"
base_url = "{dying}"

[[targets]]
name = "writer"
wire = "ollama-chat"
base_url = "{writer}"

[[targets]]
name = "ollama"
wire = "ollama-chat"
base_url = "{local}"

[chains]
"beside-*" = ["openai", "ollama"]
"alone-*" = ["team", "anthropic", "responses"]
"odd-*" = ["team", "anthropic", "responses", "odd"]
"dying-*" = ["team", "anthropic", "responses", "dying"]
"document-*" = ["team", "writer"]
"*" = ["team", "anthropic", "responses", "ollama"]
"""


@frozen
class Answer:
    """What a client got. `status` is 0 where there was no answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@define
class Figures:
    """What an attack has cost the others; filled in at its end."""

    pause_s: float = 0.0
    process_s: float = 0.0
    wall_s: float = 0.0
    turns: int = 0
    grown_bytes: int = 0
    took_s: float = 0.0


class Held(AssertionError):
    """The loop was held for longer than it may be. Somebody else's work on the same machine may have had a part in it."""


class Kept(AssertionError):
    """
    Memory has stayed. That may be a leak, or the most that was ever needed at once: an allocator does
    not give all of it back. The same once more tells them apart: a leak is there again.
    """


T = TypeVar("T")


@define(repr=False)
class Place:
    """
    Attributes:
        way: how Trooper is served.
        steady: the provider of the eight streams, Trooper's target `openai`.
        hostile: the one of `anthropic` and `responses`, which get the client's own key.
        team: the one of `team`, which gets the operator's key; a client of Chat Completions is sent there.
        local: the stand-in for Ollama.
        odd: one that says whatever is wanted, of whoever asks for a model that begins with `odd-`.
    """

    way: str
    steady: Steady
    hostile: Provider
    team: Provider
    local: Fake
    odd: OddLocal
    trooper: Deployed
    watched: Watched
    #: What it held after the warm-up.
    settled_bytes: int = 0
    settled_descriptors: int = 0

    @property
    def port(self) -> int:
        """Where Trooper listens."""
        return self.trooper.port

    def ask(
        self,
        path: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        method: str | None = None,
    ) -> Answer:
        """One request: JSON, if it has a body that is not bytes."""
        return ask(self.port, path, body, headers, method)

    @contextmanager
    def attacked(self, most_pause_s: float = MOST_PAUSE_S) -> Iterator[Figures]:
        """
        Eight streams beside whatever is done inside.

        Raises:
            AssertionError: the oracle. A stream is not its provider's to the last byte, memory, descriptors
                or connections stay, or Trooper has said that something broke.
            Held: only the loop was held for longer than that.
            Kept: only memory stays; from now on it counts as what may be held.
        """
        figures, lines, began = Figures(), len(self.trooper.process.lines), time.monotonic()
        self.hostile.forget()
        self.team.forget()
        self.watched.numbers.reset()
        with self.steady.eight(self.port):
            yield figures
            assert self.ask("/healthz").status == 200
            self.until(lambda: self.watched.clients <= STREAMS, "connections of clients that have left")
        told = self.watched.numbers
        figures.pause_s, figures.process_s, figures.wall_s = told.pause_s, told.process_s, told.wall_s
        figures.turns = told.turns
        if self.settled_bytes:
            self._comes_back()
        figures.grown_bytes = self._grown()
        figures.took_s = time.monotonic() - began
        said = "".join(self.trooper.process.lines[lines:])
        assert "Traceback" not in said, said
        assert "connection_failed" not in said, said
        assert self.watched.kept <= MOST_KEPT_CONNECTIONS * len(self.watched.targets())
        assert len(self.watched.children) <= MOST_ASIDE
        assert figures.turns > 0, "the watch does not watch"
        if figures.pause_s >= most_pause_s:
            raise Held(f"the loop was held for {figures.pause_s * 1000:.0f} ms: {figures}")

    def bears(self, do: Callable[[], T], most_pause_s: float = MOST_PAUSE_S) -> tuple[T, Figures]:
        """
        What `do` returns, and what it has cost the others; tried again where only the loop was held, or memory stays.

        What holds the loop, or leaks, by its own nature does so each time. Where a machine is shared, processor
        time is not all one's own: other cores' work takes caches away, and time that was stolen counts as used.
        """
        for tries_left in reversed(range(TRIES)):
            try:
                with self.attacked(most_pause_s) as figures:
                    told = do()
            except (Held, Kept):
                if not tries_left:
                    raise
            else:
                return told, figures
        raise AssertionError

    def _comes_back(self) -> None:
        """Wait until what an attack has made it hold is let go."""
        try:
            self.until(lambda: self.watched.descriptors <= self.settled_descriptors, "descriptors", SOON_S)
            try:
                self.until(lambda: self._grown() <= MOST_KEPT_BYTES, "memory", MEMORY_S)
            except AssertionError as error:
                raise Kept(str(error)) from None
        except AssertionError:
            # This attack's fault, and not the next one's.
            self.settle()
            raise

    def settle(self) -> None:
        """Take what it holds now for what it may hold: it has done once whatever makes it larger for good."""
        self.settled_bytes, self.settled_descriptors = self.watched.memory_bytes, self.watched.descriptors

    def _grown(self) -> int:
        return self.watched.memory_bytes - self.settled_bytes

    def until(self, holds: Callable[[], bool], what: str, within_s: float = LONG_S) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + within_s
        while not holds():
            assert time.monotonic() < deadline, f"{what} stay: {self.state()}"
            time.sleep(0.01)

    def state(self) -> dict[str, int]:
        """What it holds now."""
        w = self.watched
        return {
            "memory_bytes": w.memory_bytes,
            "grown_bytes": self._grown(),
            "descriptors": w.descriptors,
            "kept": w.kept,
            "clients": w.clients,
        }


def ask(
    port: int,
    path: str,
    body: object = None,
    headers: Mapping[str, str] | None = None,
    method: str | None = None,
) -> Answer:
    """One request on a connection of its own, and what came; a connection that breaks is status 0."""
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    kind = {} if data is None else {"content-type": "application/json"}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LONG_S)
    try:
        connection.request(
            method or ("GET" if data is None else "POST"), path, data, {**kind, **(headers or {})}
        )
        response = connection.getresponse()
        fields = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, fields, response.read())
    except http.client.IncompleteRead as error:
        return Answer(response.status, fields, error.partial)
    except (ConnectionError, http.client.HTTPException):
        return Answer(0, {}, b"")
    finally:
        connection.close()


@contextmanager
def attack_place(way: str, folder: Path, more: str = "", **env: str) -> Iterator[Place]:
    """
    Trooper in one of `SERVED`, watched, with all around it.

    Args:
        way: which.
        folder: where its file is written.
        more: lines for `[server]`.
        env: more of its environment.
    """
    with (
        steady_provider() as steady,
        hostile_provider() as hostile,
        hostile_provider() as team,
        fake("ollama") as local,
        odd_local() as odd,
        fake("ollama", "--fault", "reset@5") as dying,
        fake("ollama", "--answer", DOCUMENT) as writer,
        numbers() as told,
    ):
        urls = {
            "steady": steady.url,
            "hostile": hostile.url,
            "team": team.url,
            "local": local.url,
            "odd": odd.url,
            "dying": dying.url,
            "writer": writer.url,
        }
        patience = "body_timeout_s = 5.0\n" if "body_timeout_s" in fields_dict(Server) else ""
        (folder / "trooper.toml").write_text(CONFIG.format(more=patience + more, **urls))
        ports = frozenset(urlsplit(url).port or 0 for url in urls.values())
        environment = {**told.environment, "TEAM_KEY": TEAM_KEY, **env}
        with deployed(way, steady.url, local.url, folder, **environment) as trooper:
            watched = Watched(trooper.pid, trooper.port, told, lambda: ports)
            yield Place(way, steady, hostile, team, local, odd, trooper, watched)

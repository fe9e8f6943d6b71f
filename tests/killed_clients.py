"""
Fifty clients of a Trooper that is killed in the middle of their streams, and what they know to be kept.

A turn is acknowledged where `GET /sessions` counted it, and `GET /readyz`, asked of the same process afterwards,
said that nothing is unwritten. An answer is, where it had ended before.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from typing import Any

import h11
import trio
from attrs import Factory, define, field, frozen

from trooper.testing.client import Answered, Heard, ask, fetch

CLIENTS = 50
#: Nothing that is waited for takes longer, on any machine.
_LONG_S = 120
_LOOK_AGAIN_S = 0.005
_CHAT, _RESPONSES = "/v1/chat/completions", "/v1/responses"
#: Healthy ones, and such that fail before their first word or in the middle, on two wires.
_KINDS = (
    (_CHAT, "gpt-4o"),
    (_CHAT, "fault/reset/middle"),
    (_RESPONSES, "gpt-4o"),
    (_RESPONSES, "fault/status-503/start"),
    (_RESPONSES, "fault/reset/middle"),
)
KEY = ("authorization", "Bearer sk-killed")


@frozen
class Client:
    """One of them; its session names itself, so its id is the same after a restart."""

    number: int

    @property
    def path(self) -> str:
        return _KINDS[self.number % len(_KINDS)][0]

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        name = uuid.UUID(int=random.Random(self.number).getrandbits(128), version=4)
        return KEY, ("x-session-id", str(name))

    @property
    def is_answered_here(self) -> bool:
        """Trooper makes its answers from their first word, so it is Trooper who knows them."""
        return _KINDS[self.number % len(_KINDS)][1].endswith("/start")

    def question(self) -> dict[str, object]:
        turn = {"role": "user", "content": f"What does lighthouse {self.number} teach?"}
        asked: dict[str, object] = {"model": _KINDS[self.number % len(_KINDS)][1], "stream": True}
        return {**asked, "messages" if self.path == _CHAT else "input": [turn]}


@define
class Known:
    """What was acknowledged: session → its turns, and the ids of answers."""

    turns: dict[str, int] = field(factory=dict)
    answers: list[str] = field(factory=list)


@define
class Crowd:
    """
    All of them, on one running Trooper.

    Attributes:
        heard: events of all streams.
        running: streams that have begun and not ended.
        answers: ids of answers that Trooper has made, as they end.
    """

    port: int
    clients: tuple[Client, ...] = tuple(map(Client, range(CLIENTS)))
    heard: int = 0
    running: int = 0
    answers: list[str] = field(factory=list)
    _ended: trio.Event = Factory(trio.Event)

    async def get(self, path: str) -> Answered:
        """What Trooper says to one of them."""
        return await fetch(self.port, "GET", path, headers=[KEY])

    async def told(self, path: str) -> Any:
        """The same, of what there is."""
        answered = await self.get(path)
        assert answered.status == 200, (path, answered.body)
        return answered.json()

    async def one_turn(self, client: Client, each: Callable[[], None] = lambda: None) -> None:
        """Ask one question, and hear the answer to its end, or to Trooper's."""
        begun, last = False, b""

        def heard(event: Heard) -> None:
            nonlocal begun, last
            self.heard += 1
            self.running += not begun
            begun, last = True, event.raw
            if client.is_answered_here and event.chunk.get("type") == "response.completed":
                response: Any = event.chunk["response"]
                self.answers.append(response["id"])
            each()

        await ask(self.port, client.question(), heard, path=client.path, headers=client.headers)
        self.running -= begun
        assert last, "nothing was heard"
        self._ended.set()

    async def sessions(self) -> dict[str, int]:
        """How many turns each session has, page by page."""
        turns: dict[str, int] = {}
        after = ""
        while True:
            page = await self.told(f"/sessions?limit=1000{after}")
            turns |= {one["id"]: one["turns"] for one in page["sessions"]}
            if page["next"] is None:
                return turns
            after = f"&after={page['next']}"

    async def until_told_kept(self) -> Known:
        """Wait until all is acknowledged that has ended by now."""
        self._ended = trio.Event()
        answers = list(self.answers)
        sessions = await self.sessions()
        with trio.fail_after(_LONG_S):
            while True:
                if await self._unwritten() == 0:
                    return Known(sessions, answers)
                await trio.sleep(_LOOK_AGAIN_S)

    async def _unwritten(self) -> int:
        store = (await self.told("/readyz"))["store"]
        assert (store["dropped"], store["failed"], store["on_disk"]) == (0, 0, True)
        return int(store["unwritten"])

    async def until_killed(self, kill: Callable[[], None], events: int) -> Known:
        """Ask turn after turn, all at once, until so many more events were heard; what was acknowledged by then."""
        known = Known()
        is_over = False
        events += self.heard

        def each() -> None:
            nonlocal is_over
            if self.heard >= events and self.running > CLIENTS // 2 and not is_over:
                is_over = True
                kill()

        async def goes_on(client: Client) -> None:
            while not is_over:
                await _despite_the_end(lambda: self.one_turn(client, each), lambda: is_over)

        async def look() -> None:
            nonlocal known
            found = await self.until_told_kept()
            if not is_over:
                known = found

        async def looks() -> None:
            while not is_over:
                await self._ended.wait()
                await _despite_the_end(look, lambda: is_over)

        with trio.fail_after(_LONG_S):
            async with trio.open_nursery() as nursery:
                for client in self.clients:
                    nursery.start_soon(goes_on, client)
                nursery.start_soon(looks)
        return known


async def _despite_the_end(do: Callable[[], Any], is_over: Callable[[], bool]) -> None:
    """Whoever is asked may be killed meanwhile."""
    try:
        await do()
    except (OSError, trio.BrokenResourceError, h11.ProtocolError, AssertionError):
        if not is_over():
            raise

"""
What was said last in a session, whichever process of one data directory has it.

Theory of operation
-------------------
A session's turns may go to one process and another in turns, and each has in its
memory (`LastTurns`) what it was asked itself. So who is asked for a session asks
all neighbours, each time, says which turn he has, and hears of none but a later
one. That is one small question for each neighbour, and nobody needs to agree on
who has a session. What is found is told and not kept here: so nothing that was
deleted meanwhile comes back.

What is put beside a session every process gets at once, since nobody knows which
of them makes the next hand-over, and that one does not wait for anybody.
"""

from __future__ import annotations

import math
from typing import Final, assert_never

import trio
from attrs import define, evolve, field

from trooper.core.names import Latest
from trooper.core.recovery import Appended
from trooper.store.last_turns import LastTurns, Mark, Told
from trooper.store.memory import MemoryStore
from trooper.store.neighbours import Neighbours
from trooper.store.questions import (
    AboutSessions,
    Append,
    FindSession,
    ForgetSession,
    FoundSession,
    Nothing,
    Reply,
    Settle,
)
from trooper.store.store import Store

#: A disk takes a millisecond; one that hangs must not make this process a silent one.
_SETTLED_S: Final = 1.0
#: No turn follows it.
_NO_TURN: Final = Mark(math.inf, has_tools=True, request_bytes=0)


@define(eq=False)
class SharedTurns:
    """
    The last turns of one data directory, as one of its processes sees them.

    Attributes:
        here: those in this process.
        owners: pairs of a session and a credential that is known to own it.
    """

    here: LastTurns
    store: Store = field(factory=MemoryStore)
    neighbours: Neighbours = field(factory=Neighbours)
    owners: Latest[tuple[str, str], None] = field(factory=Latest)

    async def find(self, session_id: str) -> Told:
        """The last turn that anybody has, and what was put beside the session."""
        turn = self.here.find(session_id).turn
        return await self._gathered(FindSession(session_id, None if turn is None else turn.mark))

    async def find_appended(self, session_id: str) -> tuple[Appended, ...]:
        """What was put beside the session, without the turn."""
        return (await self._gathered(FindSession(session_id, _NO_TURN))).appended

    async def _gathered(self, question: FindSession) -> Told:
        replies = await self.neighbours.gather(question)
        found = self.here.find(question.id)
        for reply in replies:
            if isinstance(reply, FoundSession):
                found = found.joined(reply.told)
        return found

    async def append(self, session_id: str, owner: str, messages: tuple[Appended, ...]) -> bool:
        """Put messages beside a session, in every process; whether every one that lives has heard it."""
        self.here.append(session_id, owner, messages)
        return await self.neighbours.tell(Append(session_id, owner, messages))

    async def settle(self) -> None:
        """Have the neighbours write what they have put a moment ago, so that the store knows of it here, too."""
        await self.neighbours.gather(Settle())

    async def forget(self, session_id: str, owners: tuple[str, ...]) -> bool:
        """
        Forget a session, its turns and what was said in it; whether every process that lives has heard it.

        If not it stays here, so that whoever tries again finds something to delete. Its answers are others' business.
        """
        news = ForgetSession(session_id, owners)
        heard = await self.neighbours.tell(news)
        if heard:
            self._forget_here(news)
        return heard

    def _forget_here(self, news: ForgetSession) -> None:
        self.here.forget(news.id)
        for owner in news.owners:
            self.owners.pop((news.id, owner))
        # Each process: what one of them has put and not written yet comes before its own word that it is deleted.
        self.store.forget_session(news.id)

    async def reply(self, question: AboutSessions) -> Reply:
        """What a neighbour gets."""
        match question:
            case FindSession(session_id, unless):
                told = self.here.find(session_id)
                is_known = told.turn is not None and unless is not None and not told.turn.mark.follows(unless)
                return FoundSession(evolve(told, turn=None) if is_known else told)
            case Append(session_id, owner, messages):
                self.here.hear(session_id, owner, messages)
                return Nothing()
            case ForgetSession():
                self._forget_here(question)
                return Nothing()
            case Settle():
                with trio.move_on_after(_SETTLED_S):
                    await self.store.settled()
                return Nothing()
            case _ as never:
                assert_never(never)

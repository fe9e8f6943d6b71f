"""
Past answers, wherever they are: in this process, with a neighbour, on disk.

An answer that this process has given, or has found once, is in its own memory
(`Answers`), and nothing is waited for. Else the store says who has it, or has
it itself where contents are on disk; of an answer that was given a moment ago
the store may not know yet, so then all neighbours are asked. Who does not
answer in time has nothing.

What an owner has deleted is deleted in every process and on disk, and is not
taken from anybody again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, assert_never

from attrs import define, field

from trooper.core.names import Latest, is_sayable
from trooper.store.answers import Answers, Kept
from trooper.store.memory import MemoryStore
from trooper.store.neighbours import MOST_TOLD, Neighbours
from trooper.store.questions import (
    AboutAnswers,
    FindAnswer,
    FindParts,
    Forget,
    Found,
    FoundParts,
    Nothing,
    Reply,
)
from trooper.store.records import OF_SESSION, Content, PastAnswer
from trooper.store.store import LookedUp, Store

#: Answers that one request has fetched from elsewhere, for the parts that it names; the others stay names.
MOST_FETCHED: Final = 64
#: Answers that go into one reply, so that no process says much at once; a larger one goes alone.
_REPLY_BYTES: Final = 4 * 1024 * 1024


@define(eq=False)
class Remembered:
    """
    The past answers of one data directory, as one of its processes sees them.

    Attributes:
        answers: those in this process.
        now: the time; for tests.
    """

    answers: Answers
    store: Store = field(factory=MemoryStore)
    neighbours: Neighbours = field(factory=Neighbours)
    now: Callable[[], float] = time.time
    _deleted: Latest[tuple[str, str], None] = field(factory=lambda: Latest(10_000), init=False)

    def keep(self, answer_id: str, kept: Kept, session_id: str = "") -> None:
        """Remember an answer of ours, and of which session it is; nothing is waited for."""
        if answer_id.startswith(OF_SESSION):
            # A provider calls its answers as it likes, and this would take the place of something else.
            return
        self._deleted.pop((kept.owner, answer_id))
        self.answers.keep(answer_id, kept)
        told = PastAnswer(
            answer_id,
            kept.owner,
            self.now(),
            kept.provider_knows,
            kept.part_ids,
            held_by=self.neighbours.name,
            session_id=session_id,
        )
        self.store.put_answer(told, Content(kept.request, kept.response))

    async def find(self, answer_id: str, owner: str) -> Kept | None:
        """The answer, if it is `owner`'s."""
        if kept := self.answers.find(answer_id, owner):
            return kept
        if not _may_be(answer_id, owner) or answer_id.startswith(OF_SESSION):
            return None
        row = await self.store.find_answer(answer_id, owner)
        return await self._fetched(row, FindAnswer(answer_id, owner))

    async def find_by_parts(self, part_ids: Iterable[str], owner: str) -> Mapping[str, Kept]:
        """
        The answers that have these parts, as far as they are `owner`'s, by each of their parts.

        Of what is not in this process `MOST_FETCHED` answers are looked for, those of the first parts. An answer is
        fetched once, however many of its parts are named, and all of them by one question to the store and one to each
        neighbour, nearly always: another one follows where what a neighbour had was more than the store knew.
        """
        found: dict[str, Kept] = {}
        missing: list[str] = []
        for part_id in part_ids:
            if part_id in found:
                continue
            kept = self.answers.find_by_part(part_id, owner)
            if kept is not None:
                found |= dict.fromkeys((part_id, *kept.part_ids), kept)
            elif _may_be(part_id, owner):
                missing.append(part_id)
        left = MOST_FETCHED
        while left > 0 and (missing := [part_id for part_id in missing if part_id not in found]):
            looked_up = await self.store.find_answers_by_parts(missing, owner, most=left)
            fetched = await self._fetched_parts(looked_up, owner)
            for kept in fetched:
                found |= dict.fromkeys(kept.part_ids, kept)
            lost = [(part_id, row) for part_id, row in looked_up if part_id not in found]
            # Where nobody has an answer any more nobody is asked for its other parts.
            gone = {name for part_id, row in lost for name in (part_id, *(row.part_ids if row else ()))}
            missing = [part_id for part_id in missing if part_id not in gone]
            left -= max(1, len(fetched) + len(lost))
        return found

    async def _fetched_parts(self, looked_up: Iterable[LookedUp], owner: str) -> Sequence[Kept]:
        """From disk, or all at once from who has them by the store and from anybody."""
        came: list[Found] = []
        wanted: dict[str, str] = {}
        for part_id, row in looked_up:
            on_disk = None if row is None else await self._on_disk(row)
            if on_disk is not None:
                came.append(on_disk)
            else:
                wanted[part_id] = "" if row is None else row.held_by
        if wanted:
            came += await self.neighbours.find_parts(wanted, owner)
        return [kept for found in came if (kept := self._taken(found, owner)) is not None]

    async def _fetched(self, row: PastAnswer | None, question: FindAnswer) -> Kept | None:
        """From disk, from who has it by the store, or from anybody."""
        found = None if row is None else await self._on_disk(row)
        if found is None:
            found = await self.neighbours.find(question, "" if row is None else row.held_by)
        return None if found is None else self._taken(found, question.owner)

    async def _on_disk(self, row: PastAnswer) -> Found | None:
        content = await self.store.find_content(row.id, row.owner)
        if content is None:
            return None
        return Found(row.id, content.request, content.response, row.provider_knows, row.part_ids)

    def _taken(self, found: Found, owner: str) -> Kept | None:
        """What was found elsewhere is here from now on, unless it was deleted."""
        if (owner, found.id) in self._deleted:
            return None
        kept = Kept(owner, found.request, found.response, found.provider_knows, found.part_ids)
        # The next turn may come here, too.
        self.answers.keep(found.id, kept)
        return kept

    async def forget(self, answer_id: str, owner: str) -> bool:
        """Delete an answer everywhere; whether every process that lives has heard it."""
        return await self.forget_all([(answer_id, owner)])

    async def forget_all(self, answers: Iterable[tuple[str, str]]) -> bool:
        """Delete answers, pairs of an id and an owner, everywhere; whether every process that lives has heard it."""
        named = [pair for pair in answers if _may_be(*pair)]
        for first in range(0, len(named), MOST_TOLD):
            told = tuple(named[first : first + MOST_TOLD])
            if not await self.neighbours.tell(Forget(told)):
                # They stay here, so that whoever tries again finds something to delete.
                return False
            for answer_id, owner in told:
                self._forget_here(answer_id, owner)
        return True

    def _forget_here(self, answer_id: str, owner: str) -> None:
        self._deleted[owner, answer_id] = None
        self.answers.forget(answer_id, owner)
        # Each process: what one of them has put and not written yet comes before its own word that it is deleted.
        self.store.forget_answer(answer_id, owner)

    def note_unknown(self, part_ids: Iterable[str], owner: str) -> None:
        """Note parts that a provider will not know again."""
        self.store.put_unknown(owner, part_ids, self.now())

    async def reply(self, question: AboutAnswers) -> Reply:
        """What a neighbour gets."""
        match question:
            case FindAnswer(answer_id, owner):
                return _found(answer_id, self.answers.find(answer_id, owner))
            case FindParts(part_ids, owner):
                return self._with_parts(part_ids, owner)
            case Forget(answers):
                for answer_id, owner in answers:
                    self._forget_here(answer_id, owner)
                return Nothing()
            case _ as never:
                assert_never(never)

    def _with_parts(self, part_ids: Iterable[str], owner: str) -> FoundParts:
        """The answers here, as many as one reply may be large; one at least."""
        found: dict[str, Found] = {}
        size_bytes = 0
        for part_id in part_ids:
            answer_id, kept = self.answers.find_named_by_part(part_id, owner)
            if kept is None or answer_id in found:
                continue
            size_bytes += kept.size_bytes
            if found and size_bytes > _REPLY_BYTES:
                return FoundParts(tuple(found.values()), is_more=True)
            found[answer_id] = _said(answer_id, kept)
        return FoundParts(tuple(found.values()))


def _may_be(name: str, owner: str) -> bool:
    return name != "" and is_sayable(name) and is_sayable(owner)


def _found(answer_id: str, kept: Kept | None) -> Reply:
    return Nothing() if kept is None else _said(answer_id, kept)


def _said(answer_id: str, kept: Kept) -> Found:
    part_ids = tuple(filter(is_sayable, kept.part_ids))
    return Found(answer_id, kept.request, kept.response, kept.provider_knows, part_ids)

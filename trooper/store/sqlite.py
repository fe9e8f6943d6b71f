"""
The store that is on disk.

What is put waits in a queue (`writing`) and is written a moment later. Whoever
reads takes from the queue first what it has about his question, and then asks
the file: what is committed in between is in both, and joined so that this
makes no difference. Where the file cannot be asked, the queue is all there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import trio
from attrs import define, field

from trooper.core.names import is_sayable
from trooper.store import finding
from trooper.store.database import Database
from trooper.store.finding import TurnName, Written
from trooper.store.records import (
    TURNS_OF_SESSION,
    AnswerGone,
    Content,
    Given,
    Known,
    PastAnswer,
    Record,
    Session,
    SessionGone,
    Turn,
    Unknown,
)
from trooper.store.store import LookedUp, Place, Standing, in_order, look_up
from trooper.store.writing import LARGEST_BYTES, Writer

#: How long the end of the process waits for the last batch.
LAST_BATCH_S: Final = 5.0
#: So many sessions are looked at before others have their turn.
_STEP: Final = 256
#: A larger one is not kept, and its answer is all the same.
_LARGEST_CONTENT_BYTES: Final = LARGEST_BYTES - 1024 * 1024


@define(eq=False)
class SqliteStore:
    """
    A `Store` in a file.

    Attributes:
        database: the file.
        content_on_disk: whether contents are written.
    """

    database: Database
    content_on_disk: bool = False
    _writer: Writer = field(init=False)
    _runs: trio.CancelScope = field(factory=trio.CancelScope, init=False)

    @_writer.default
    def _new_writer(self) -> Writer:
        return Writer(self.database.write)

    def put_session(self, session: Session) -> None:
        """Keep a session, joined with what is known of it."""
        if session.fits:
            self._writer.put(session)

    def put_turn(self, turn: Turn) -> None:
        """Keep a turn of a session that was put before."""
        if turn.fits:
            self._writer.put(turn)

    def put_answer(self, answer: PastAnswer, content: Content | None = None) -> None:
        """Keep an answer; its content only where that may be on disk."""
        if not answer.fits or answer.size_bytes > self.database.caps.metadata_bytes:
            return
        is_kept = (
            self.content_on_disk and content is not None and content.size_bytes <= _LARGEST_CONTENT_BYTES
        )
        self._writer.put(Given(answer, content if is_kept else None))

    def put_unknown(self, owner: str, part_ids: Iterable[str], at: float) -> None:
        """Keep ids that a provider will not know again."""
        unknown = Unknown(owner, part_ids, at)
        if unknown.part_ids and is_sayable(owner):
            self._writer.put(unknown)

    def put_known(self, known: Known) -> None:
        """Keep a fact."""
        if known.fits:
            self._writer.put(known)

    def forget_session(self, session_id: str) -> None:
        """Forget a session and its turns."""
        if is_sayable(session_id):
            self._writer.put(SessionGone(session_id))

    def forget_answer(self, answer_id: str, owner: str) -> None:
        """Forget an answer and its content."""
        if is_sayable(answer_id) and is_sayable(owner):
            self._writer.put(AnswerGone(answer_id, owner))

    async def find_session(self, session_id: str) -> Session | None:
        """A session."""
        if not is_sayable(session_id):
            return None
        waiting = self._writer.about("session", session_id)
        found = await self.database.read(finding.session, session_id, self._since, _turn_names(waiting))
        session, written = found or (None, {})
        return _joined(session, waiting, written)

    async def list_sessions(
        self, owner: str, *, most: int = 1_000, after: Place | None = None
    ) -> Sequence[Session]:
        """The sessions that `owner` may see, the latest used first."""
        if not is_sayable(owner):
            return []
        # Of the others' records, which may be thousands where the disk fails, nothing is looked at.
        his = (*self._writer.about("sessions", owner), *self._writer.about("sessions", ""))
        names = dict.fromkeys(map(_session_of, his))
        waiting = {name: self._writer.about("session", name) for name in names}
        found, written = await self._page(owner, most, after, waiting)
        if not waiting and not self._writer.unwritten:
            # As the file has them, and in its order.
            return list(found.values())[:most]
        shared = {name: self._writer.about("session", name) for name in found if name not in waiting}
        if any(shared.values()):
            waiting |= {name: records for name, records in shared.items() if records}
            found, written = await self._page(owner, most, after, waiting)
        joined: list[Session] = []
        for number, name in enumerate(dict.fromkeys((*found, *waiting))):
            session = _joined(found.get(name), waiting.get(name, ()), written)
            if session is not None and owner in session.owners:
                joined.append(session)
            if number % _STEP == _STEP - 1:
                await trio.lowlevel.checkpoint()
        return sorted((s for s in joined if after is None or after.is_before(s)), key=in_order)[:most]

    async def _page(
        self, owner: str, most: int, after: Place | None, waiting: Mapping[str, Sequence[Record]]
    ) -> tuple[Mapping[str, Session], Written]:
        """What the file has for a page, and of those that `waiting` is about."""
        # Each that waits may be gone from among the first ones, or have moved in front of the page.
        page = finding.Page(self._since, most + len(waiting), after)
        turns = [name for records in waiting.values() for name in _turn_names(records)]
        asked = await self.database.read_list(finding.sessions, owner, page, tuple(waiting), turns)
        return asked or ({}, {})

    async def list_turns(self, session_id: str, *, most: int = TURNS_OF_SESSION) -> Sequence[Turn]:
        """The latest turns of a session."""
        if not is_sayable(session_id):
            return []
        waiting = self._writer.about("session", session_id)
        found = await self.database.read_list(finding.turns, session_id, self._since, most)
        is_there, known = found or (False, [])
        turns = {turn.id: turn for turn in known}
        for record in waiting:
            match record:
                case Session():
                    is_there = True
                case Turn() if is_there and _is_news(turns.get(record.id), record):
                    turns[record.id] = record
                case SessionGone():
                    is_there = False
                    turns.clear()
        ordered = sorted(turns.values(), key=lambda turn: (turn.at, turn.id))
        return ordered[max(0, len(ordered) - min(most, TURNS_OF_SESSION)) :]

    async def find_answer(self, answer_id: str, owner: str) -> PastAnswer | None:
        """An answer."""
        if not (is_sayable(answer_id) and is_sayable(owner)):
            return None
        if waiting := self._writer.about("answer", owner, answer_id):
            return _given(waiting[-1])
        return await self.database.read(finding.answer, answer_id, owner, self._since)

    async def find_answers_by_parts(
        self, part_ids: Sequence[str], owner: str, *, most: int = 64
    ) -> Sequence[LookedUp]:
        """For each of these parts the latest answer that has it; all in one question to the file."""
        named = [part_id for part_id in part_ids if is_sayable(part_id)]
        if not named or not is_sayable(owner):
            return []
        # Before the file is asked: what is written meanwhile is gone from the queue.
        changed = frozenset(map(_answer_of, self._writer.about("answers", owner)))
        waiting: dict[str, PastAnswer] = {}
        if changed:
            waits = ((part_id, self._waiting_with(part_id, owner)) for part_id in named)
            waiting = {part_id: answer for part_id, answer in waits if answer is not None}
        news = finding.News(waiting, changed)
        found = await self.database.read(finding.answers_by_parts, named, owner, self._since, news, most)
        return look_up(named, most, waiting.get) if found is None else found

    def _waiting_with(self, part_id: str, owner: str) -> PastAnswer | None:
        writer = self._writer
        for record in reversed(writer.about("part", owner, part_id)):
            given = _given(record)
            if given is not None and writer.about("answer", owner, given.id)[-1] is record:
                return given
        return None

    async def find_content(self, answer_id: str, owner: str) -> Content | None:
        """What is on disk of an answer's content, or about to be."""
        if not (self.content_on_disk and is_sayable(answer_id) and is_sayable(owner)):
            return None
        for record in reversed(self._writer.about("answer", owner, answer_id)):
            match record:
                case Given(content=Content() as content):
                    return content
                case AnswerGone():
                    return None
        return await self.database.read(finding.content, answer_id, owner, self._since, self.database.seal)

    async def find_unknown(self, part_ids: Iterable[str]) -> frozenset[str]:
        """Which of these ids a provider will not know again."""
        asked = [part_id for part_id in part_ids if is_sayable(part_id)]
        waiting = {part_id for part_id in asked if self._writer.about("unknown", part_id)}
        rest = [part_id for part_id in asked if part_id not in waiting]
        found = await self.database.read(finding.unknown, rest, self._since) if rest else None
        return frozenset(waiting) | (found or frozenset())

    async def find_known(self, kind: str, key: str) -> Known | None:
        """What is known of `key`."""
        if not (is_sayable(kind) and is_sayable(key)):
            return None
        waiting = self._writer.about("known", kind, key)
        found = await self.database.read(finding.known, kind, key)
        for record in waiting:
            if isinstance(record, Known) and (found is None or record.replaces(found, self.database.now())):
                found = record
        return found

    async def settled(self) -> bool:
        """Wait until what was put before is on disk; `False` if some of it could not be written, as yet."""
        lost = self.database.lost
        return await self._writer.settled() and lost == self.database.lost

    def standing(self) -> Standing:
        """Where it is, how large, and what is wrong; as of the last batch."""
        database, writer = self.database, self._writer
        failure = database.failure
        return Standing(
            str(database.folder.path),
            on_disk=True,
            file_bytes=database.counts.file_bytes,
            content_on_disk=self.content_on_disk,
            sealed=database.seal is not None,
            sessions=database.counts.sessions,
            answers=database.counts.answers,
            contents=database.counts.contents,
            content_bytes=database.counts.content_bytes,
            unwritten=writer.unwritten,
            dropped=writer.dropped + database.lost,
            failed=writer.failed,
            trouble=failure.trouble if failure else None,
            words=failure.words if failure else "",
        )

    @property
    def _since(self) -> float:
        return self.database.now() - self.database.caps.keep_s

    async def run(self) -> None:
        """Write what is put, until it is closed."""
        with self._runs:
            await self._writer.run()

    async def aclose(self) -> None:
        """Write what waits, for a while, and close the file."""
        with trio.CancelScope(shield=True):
            with trio.move_on_after(LAST_BATCH_S):
                await self._writer.settled()
            # Its next batch would open the file anew.
            self._runs.cancel(reason="the store is closed")
            await self.database.aclose()


def _turn_names(records: Iterable[Record]) -> list[TurnName]:
    return [(record.session_id, record.id) for record in records if isinstance(record, Turn)]


def _session_of(record: Record) -> str:
    match record:
        case Session(id=session_id) | Turn(session_id=session_id) | SessionGone(session_id=session_id):
            return session_id
        case _:
            raise AssertionError(record)


def _answer_of(record: Record) -> str:
    match record:
        case Given(answer=answer):
            return answer.id
        case AnswerGone(answer_id=answer_id):
            return answer_id
        case _:
            raise AssertionError(record)


def _given(record: Record) -> PastAnswer | None:
    return record.answer if isinstance(record, Given) else None


def _joined(known: Session | None, waiting: Iterable[Record], written: Written) -> Session | None:
    """A session of the file, with what waits to be written of it, in its order."""
    is_open = dict(written)
    for record in waiting:
        match record:
            case Session():
                known = record.begun if known is None else known.joined(record)
            case Turn() if known is not None:
                name = record.session_id, record.id
                if name not in is_open or (is_open[name] and not record.is_open):
                    known = known.with_turn(record, is_new=name not in is_open)
                    is_open[name] = record.is_open
            case SessionGone():
                known = None
                is_open.clear()
    return known


def _is_news(before: Turn | None, turn: Turn) -> bool:
    return before is None or (before.is_open and not turn.is_open)

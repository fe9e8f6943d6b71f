"""
The store of a process that has no folder: everything is gone with it.

Contents are not here: those that a client may come back to are in `Answers`,
which bounds them by what `[server] remember_bytes` allows.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from attrs import define, field

from trooper.core.names import is_sayable
from trooper.store.records import (
    OF_SESSION,
    TURNS_OF_SESSION,
    Content,
    Known,
    PastAnswer,
    Session,
    Turn,
)
from trooper.store.shares import Shares
from trooper.store.steadiness import Steadiness
from trooper.store.store import Caps, LookedUp, Place, Standing, Trouble, in_order, look_up

#: What the configuration says for it.
PLACE: Final = ":memory:"


@define(eq=False)
class _Kept:
    session: Session
    turns: dict[str, Turn] = field(factory=dict)
    size_bytes: int = 0


@define(eq=False)
class MemoryStore:
    """
    A `Store` of dictionaries.

    Attributes:
        caps: how much is kept.
        now, counted_s: the time, and seconds that nobody sets; for tests.
        trouble, words: why it is not on disk, where it should be.
        place: where it should be.
    """

    caps: Caps = field(factory=Caps)
    now: Callable[[], float] = time.time
    counted_s: Callable[[], float] = field(default=time.monotonic, kw_only=True)
    trouble: Trouble | None = None
    words: str = ""
    place: str = PLACE
    _steadiness: Steadiness = field(factory=Steadiness, init=False)
    #: The longest unused first.
    _sessions: OrderedDict[str, _Kept] = field(factory=OrderedDict, init=False)
    _by_owner: dict[str, dict[str, None]] = field(factory=dict, init=False)
    _session_shares: Shares = field(factory=Shares, init=False)
    #: By owner and id, the oldest first.
    _answers: OrderedDict[tuple[str, str], PastAnswer] = field(factory=OrderedDict, init=False)
    _by_part: dict[tuple[str, str], str] = field(factory=dict, init=False)
    _answer_shares: Shares = field(factory=Shares, init=False)
    #: So many of them are what was said last in a session.
    _of_sessions: int = field(default=0, init=False)
    #: Id → whose, and when.
    _unknown: OrderedDict[str, tuple[str, float]] = field(factory=OrderedDict, init=False)
    _unknown_shares: Shares = field(factory=Shares, init=False)
    _known: OrderedDict[tuple[str, str], Known] = field(factory=OrderedDict, init=False)

    def put_session(self, session: Session) -> None:
        """Keep a session, joined with what is known of it."""
        self._expire()
        if not session.fits:
            return
        kept = self._sessions.get(session.id)
        if kept is None:
            kept = self._sessions[session.id] = _Kept(session.begun)
            for owner in kept.session.owners:
                self._by_owner.setdefault(owner, {})[session.id] = None
        before, kept.session = kept.session, kept.session.joined(session)
        for owner in before.owners:
            self._disown(owner, session.id)
        for owner in kept.session.owners:
            self._by_owner.setdefault(owner, {})[session.id] = None
        self._use(kept)

    def put_turn(self, turn: Turn) -> None:
        """Keep a turn of a session that was put before."""
        self._expire()
        kept = self._sessions.get(turn.session_id)
        if kept is None or not turn.fits:
            return
        before = kept.turns.get(turn.id)
        if before is not None:
            if turn.is_open or not before.is_open:
                return
            kept.size_bytes -= before.size_bytes
        kept.session = kept.session.with_turn(turn, is_new=before is None)
        kept.turns[turn.id] = turn
        kept.size_bytes += turn.size_bytes
        if len(kept.turns) > TURNS_OF_SESSION:
            kept.size_bytes -= kept.turns.pop(next(iter(kept.turns))).size_bytes
        self._use(kept)

    def put_answer(self, answer: PastAnswer, content: Content | None = None) -> None:
        """Keep an answer, without its content."""
        self._expire()
        self.forget_answer(answer.id, answer.owner)
        if not answer.fits or answer.size_bytes > self.caps.metadata_bytes:
            return
        self._answers[answer.owner, answer.id] = answer
        self._of_sessions += answer.id.startswith(OF_SESSION)
        for part_id in answer.part_ids:
            self._by_part[answer.owner, part_id] = answer.id
        self._answer_shares.use(answer.owner, answer.id, answer.size_bytes)
        while self._answer_shares.size_bytes > self.caps.metadata_bytes:
            owner, answer_id = self._answer_shares.who_gives()
            self.forget_answer(answer_id, owner)

    def put_unknown(self, owner: str, part_ids: Iterable[str], at: float) -> None:
        """Keep ids that a provider will not know again."""
        self._expire()
        for part_id in filter(is_sayable, part_ids):
            self._forget_unknown(part_id)
            self._unknown[part_id] = owner, at
            self._unknown_shares.use(owner, part_id, 1)
            if self._unknown_shares.size_bytes > self.caps.unknown_count:
                self._forget_unknown(self._unknown_shares.who_gives()[1])

    def put_known(self, known: Known) -> None:
        """Keep a fact."""
        before = self._known.get((known.kind, known.key))
        if not known.fits or (before is not None and not known.replaces(before, self.now())):
            return
        self._known.pop((known.kind, known.key), None)
        self._known[known.kind, known.key] = known
        while len(self._known) > self.caps.known_count:
            self._known.popitem(last=False)

    def forget_session(self, session_id: str) -> None:
        """Forget a session and its turns."""
        kept = self._sessions.pop(session_id, None)
        if kept is None:
            return
        self._session_shares.drop(kept.session.owners[0], session_id)
        for owner in kept.session.owners:
            self._disown(owner, session_id)

    def forget_answer(self, answer_id: str, owner: str) -> None:
        """Forget an answer."""
        answer = self._answers.pop((owner, answer_id), None)
        if answer is None:
            return
        self._of_sessions -= answer_id.startswith(OF_SESSION)
        self._answer_shares.drop(owner, answer_id)
        for part_id in answer.part_ids:
            # Another answer may have named the same part since.
            if self._by_part.get((owner, part_id)) == answer_id:
                del self._by_part[owner, part_id]

    async def find_session(self, session_id: str) -> Session | None:
        """A session."""
        self._expire()
        kept = self._sessions.get(session_id)
        return None if kept is None or kept.session.used_at < self._since else kept.session

    async def list_sessions(
        self, owner: str, *, most: int = 1_000, after: Place | None = None
    ) -> Sequence[Session]:
        """The sessions that `owner` may see, the latest used first."""
        self._expire()
        since = self._since
        sessions = (self._sessions[session_id].session for session_id in self._by_owner.get(owner, ()))
        his = (s for s in sessions if s.used_at >= since and (after is None or after.is_before(s)))
        return sorted(his, key=in_order)[:most]

    async def list_turns(self, session_id: str, *, most: int = TURNS_OF_SESSION) -> Sequence[Turn]:
        """The latest turns of a session."""
        self._expire()
        kept = self._sessions.get(session_id) if await self.find_session(session_id) else None
        turns = [] if kept is None else sorted(kept.turns.values(), key=lambda turn: (turn.at, turn.id))
        return turns[max(0, len(turns) - most) :]

    async def find_answer(self, answer_id: str, owner: str) -> PastAnswer | None:
        """An answer."""
        self._expire()
        return self._answer(answer_id, owner)

    async def find_answers_by_parts(
        self, part_ids: Sequence[str], owner: str, *, most: int = 64
    ) -> Sequence[LookedUp]:
        """For each of these parts the latest answer that has it."""
        self._expire()
        return look_up(part_ids, most, lambda i: self._answer(self._by_part.get((owner, i), ""), owner))

    def _answer(self, answer_id: str, owner: str) -> PastAnswer | None:
        answer = self._answers.get((owner, answer_id))
        return None if answer is None or answer.at < self._since else answer

    async def find_content(self, answer_id: str, owner: str) -> Content | None:
        """Nothing: there is no disk."""
        return None

    async def find_unknown(self, part_ids: Iterable[str]) -> frozenset[str]:
        """Which of these ids a provider will not know again."""
        self._expire()
        since, unknown = self._since, self._unknown
        return frozenset(i for i in part_ids if i in unknown and unknown[i][1] >= since)

    async def find_known(self, kind: str, key: str) -> Known | None:
        """What is known of `key`."""
        return self._known.get((kind, key))

    async def settled(self) -> bool:
        """Nothing is written, so nothing is waited for."""
        return True

    def standing(self) -> Standing:
        """What is in it."""
        return Standing(
            self.place,
            sessions=len(self._sessions),
            answers=len(self._answers) - self._of_sessions,
            trouble=self.trouble,
            words=self.words,
        )

    def _use(self, kept: _Kept) -> None:
        session = kept.session
        self._sessions.move_to_end(session.id)
        size_bytes = max(self.caps.least_session_bytes, kept.size_bytes)
        self._session_shares.use(session.owners[0], session.id, size_bytes)
        while self._session_shares.size_bytes > self.caps.metadata_bytes:
            self.forget_session(self._session_shares.who_gives()[1])

    def _disown(self, owner: str, session_id: str) -> None:
        self._by_owner[owner].pop(session_id, None)
        if not self._by_owner[owner]:
            del self._by_owner[owner]

    @property
    def _since(self) -> float:
        return self.now() - self.caps.keep_s

    def _expire(self) -> None:
        """Forget what nobody has used for long. They are in order, nearly: who said a wrong time waits for others."""
        if not self._steadiness.is_believed(self.now(), self.counted_s()):
            return
        before = self._since
        while self._sessions and next(iter(self._sessions.values())).session.used_at < before:
            self.forget_session(next(iter(self._sessions)))
        while self._answers and next(iter(self._answers.values())).at < before:
            owner, answer_id = next(iter(self._answers))
            self.forget_answer(answer_id, owner)
        while self._unknown and next(iter(self._unknown.values()))[1] < before:
            self._forget_unknown(next(iter(self._unknown)))

    def _forget_unknown(self, part_id: str) -> None:
        if whose := self._unknown.pop(part_id, None):
            self._unknown_shares.drop(whose[0], part_id)

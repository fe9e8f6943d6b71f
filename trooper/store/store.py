"""
What everybody may ask of a store, and what it says of itself.

Theory of operation
-------------------
Putting never waits: a record is taken and written a moment later, together
with others, so nothing is awaited between two tokens. Finding waits, and finds
what was put before it, written or not. `settled` waits for the disk.

What is put is told in such a way that it can be written twice, late, or beside
other processes: a session is joined with what is known of it, a turn counts
once by its id, as it is when it is over, the newest answer or fact of a name counts. So what failed to
be written is simply written again, and several workers need no agreement.

Nobody's failure is a client's: a store that cannot write goes on from memory,
counts, and says in `standing` what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeAlias

from attrs import frozen

from trooper.core.told import Told
from trooper.store.records import (
    SESSION_BYTES,
    TURNS_OF_SESSION,
    Content,
    Known,
    PastAnswer,
    Session,
    Turn,
)


class Trouble(Told):
    """Why something is not kept where it should be, as the word that is logged; `meaning` is for people."""

    NO_FOLDER = "no_folder", "the folder cannot be made"
    READ_ONLY = "read_only", "it may not be written"
    DISK_FULL = "disk_full", "the disk is full"
    LOCKED = "locked", "another process has it locked"
    BROKEN = "broken", "the file was broken"
    NEWER = "newer", "a newer Trooper has written it"
    FOREIGN = "foreign", "what is there is not this Trooper's"
    DISK_ERROR = "disk_error", "the disk does not do what it is asked"
    NO_ANSWER = "no_answer", "the disk does not answer"


@frozen
class Standing:
    """
    What is said of a store to people: where it is, how large, what is in it, what is wrong with it.

    Attributes:
        place: the folder, or `:memory:`.
        on_disk: whether it is there, and not in memory alone.
        file_bytes: the size of what is on disk.
        content_on_disk: whether contents are written.
        sealed: whether they are encrypted there.
        answers, contents: without what was said last in sessions.
        content_bytes: of all that was said.
        unwritten: records that wait to be written.
        dropped: records that were never written, because there was no room left to wait.
        failed: batches that could not be written at first.
        trouble: what is wrong now, if anything is; `words` say it for people.
    """

    place: str
    on_disk: bool = False
    file_bytes: int = 0
    content_on_disk: bool = False
    sealed: bool = False
    sessions: int = 0
    answers: int = 0
    contents: int = 0
    content_bytes: int = 0
    unwritten: int = 0
    dropped: int = 0
    failed: int = 0
    trouble: Trouble | None = None
    words: str = ""


@frozen
class Caps:
    """
    How much is kept, and for how long.

    Whoever holds the most gives up his oldest where there is no room, so that
    nobody can push out who holds less. A session counts at least as its share
    of the room (`least_session_bytes`), so that one bound holds for the number and the size of them.

    Attributes:
        keep_s: how long a session or an answer is kept after its last use.
        metadata_bytes: sessions with their turns; and as much again what is known of answers.
        content_bytes: contents on disk.
        unknown_count, known_count: ids that a provider will not know; facts.
    """

    keep_s: float = 86_400.0
    sessions_max: int = 10_000
    metadata_bytes: int = 64 * 1024 * 1024
    content_bytes: int = 256 * 1024 * 1024
    unknown_count: int = 100_000
    known_count: int = 10_000

    @property
    def least_session_bytes(self) -> int:
        """What a session counts as if it is smaller."""
        return max(SESSION_BYTES, self.metadata_bytes // self.sessions_max)


@frozen
class Place:
    """A place in a list of sessions, the latest used first: behind the one of this use and this id."""

    used_at: float
    id: str

    def is_before(self, session: Session) -> bool:
        """Whether a session comes behind this place."""
        return in_order(session) > (-self.used_at, self.id)


def in_order(session: Session) -> tuple[float, str]:
    """What sessions are listed by: the latest used first, those of one moment by their ids."""
    return -session.used_at, session.id


#: A part, and what was found for it.
LookedUp: TypeAlias = tuple[str, PastAnswer | None]


def look_up(
    part_ids: Iterable[str], most: int, find: Callable[[str], PastAnswer | None]
) -> Sequence[LookedUp]:
    """
    The first `most` of these parts with what `find` says to each, in their order.

    A part of an answer that is found already is left out: an answer is found once, however many of its parts are named.
    """
    looked_up: list[LookedUp] = []
    known: set[str] = set()
    for part_id in part_ids:
        if part_id in known:
            continue
        if len(looked_up) == most:
            break
        answer = find(part_id)
        known.add(part_id)
        if answer is not None:
            known.update(answer.part_ids)
        looked_up.append((part_id, answer))
    return looked_up


class Store(Protocol):
    """
    Sessions, turns, answers and facts that outlive a request, and perhaps the process.

    `put_…` and `forget_…` do not wait, and are called from within Trio.
    """

    def put_session(self, session: Session) -> None:
        """Keep a session, joined with what is known of it."""

    def put_turn(self, turn: Turn) -> None:
        """
        Keep a turn; its session has to be put before it, or the turn is lost.

        A second one of its id is lost, too, unless that is over and the first one is open: it takes its place.
        """

    def put_answer(self, answer: PastAnswer, content: Content | None = None) -> None:
        """Keep an answer in the place of one of the same owner and id; its content only where that may be on disk."""

    def put_unknown(self, owner: str, part_ids: Iterable[str], at: float) -> None:
        """Keep ids that a provider will not know again; `owner` is whose room they take."""

    def put_known(self, known: Known) -> None:
        """Keep a fact; of one kind and key the latest learned counts."""

    def forget_session(self, session_id: str) -> None:
        """Forget a session and its turns. Its answers are forgotten one by one."""

    def forget_answer(self, answer_id: str, owner: str) -> None:
        """Forget an answer and its content."""

    async def find_session(self, session_id: str) -> Session | None:
        """A session, whoever asks: the caller compares the owners."""

    async def list_sessions(
        self, owner: str, *, most: int = 1_000, after: Place | None = None
    ) -> Sequence[Session]:
        """
        The sessions that `owner` may see, the latest used first; with `after` those behind that place.

        One that is used between two pages is in front of the second one, and not on it.
        """

    async def list_turns(self, session_id: str, *, most: int = TURNS_OF_SESSION) -> Sequence[Turn]:
        """The latest turns of a session, in the order in which they came."""

    async def find_answer(self, answer_id: str, owner: str) -> PastAnswer | None:
        """An answer, if it is `owner`'s."""

    async def find_answers_by_parts(
        self, part_ids: Sequence[str], owner: str, *, most: int = 64
    ) -> Sequence[LookedUp]:
        """
        For each of these parts the latest answer of `owner`'s that has it, as `look_up` has it.

        Args:
            most: of so many parts, those that stand in an answer that is found already not counted.
        """

    async def find_content(self, answer_id: str, owner: str) -> Content | None:
        """What is on disk of an answer's content, if it is `owner`'s."""

    async def find_unknown(self, part_ids: Iterable[str]) -> frozenset[str]:
        """Which of these ids a provider will not know again."""

    async def find_known(self, kind: str, key: str) -> Known | None:
        """What is known of `key`."""

    async def settled(self) -> bool:
        """
        Wait until what was put before is on disk; `False` if some of it could not be written, as yet.

        It writes at once, so where the disk is well it takes a millisecond. Who waits may be cancelled.
        """

    def standing(self) -> Standing:
        """Where it is, how large, and what is wrong; without waiting, as of the last batch."""

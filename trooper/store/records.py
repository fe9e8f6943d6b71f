"""
What is kept beyond a request, as values: nothing of them is content but `Content`.

All moments are seconds since the epoch, since they have to mean the same in
another process and after a restart. What is called by no name (`core.names.is_sayable`), or
is larger than such things are, does not fit and is not kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Final, TypeAlias

import msgspec
from attrs import field, frozen

from trooper.core.names import is_sayable
from trooper.store.steadiness import LEAP_S

#: What a session costs beside its turns, and an answer beside its parts: objects, rows, places in indexes.
SESSION_BYTES: Final = 512
ANSWER_BYTES: Final = 512
TURN_BYTES: Final = 256
PART_BYTES: Final = 128
#: Of one session the latest are kept. An agent's day has some hundreds.
TURNS_OF_SESSION: Final = 1_000
#: What was said last in a session is kept as an answer that is called so and by the session's id; nobody's else is.
OF_SESSION: Final = "session/"
#: How a turn ends that is not over.
OPEN: Final = "open"
#: … and how that stands in its JSON. In a text the quotes would be others, and no other key is called so with this value.
OPEN_TOLD: Final = b'"ending":"open"'
#: Credentials that are known to have one session; a token that rotates each hour makes 24 a day.
OWNERS_OF_SESSION: Final = 32
#: Parts of an answer that it is found by; a provider may say thousands.
PARTS_OF_ANSWER: Final = 1_024
#: What is said of a turn, and what is learned of a model, is small.
_TURN_MOST_BYTES: Final = 65_536
_KNOWN_MOST_BYTES: Final = 65_536


@frozen
class Session:
    """
    A conversation, as far as it is known without its content.

    Put once more it is joined with what is known: the earliest beginning, the
    latest use, all owners, who began it first.

    Attributes:
        id: nobody else's, whoever owns it: two clients that call theirs the same must not meet.
        owners: digests of the credentials that may ask for it (`core.digest`), who began it first.
        key_kind: what it was told apart by, as a word.
        turns, tokens, local_tokens: what all of its turns come to, also those that are
            forgotten. The store counts them: what is put is not looked at.
    """

    id: str
    owners: tuple[str, ...]
    key_kind: str
    began_at: float
    used_at: float
    turns: int = field(default=0, kw_only=True)
    tokens: int = field(default=0, kw_only=True)
    local_tokens: int = field(default=0, kw_only=True)

    @property
    def fits(self) -> bool:
        """Whether it can be kept: somebody's, and called by names."""
        return bool(self.id and self.owners) and all(map(is_sayable, (self.id, self.key_kind, *self.owners)))

    @property
    def begun(self) -> Session:
        """It as it is when nothing was known of it before."""
        return self._with(self.owners, self.began_at, self.used_at)

    def joined(self, later: Session) -> Session:
        """This one, and what was put of it later."""
        owners = self.owners if self.owners == later.owners else (*self.owners, *later.owners)
        return self._with(
            owners,
            min(self.began_at, later.began_at),
            max(self.used_at, later.used_at),
            self.turns,
            self.tokens,
            self.local_tokens,
        )

    def with_turn(self, turn: Turn, *, is_new: bool = True) -> Session:
        """This one, with a turn that is new to it, or that it knew as an open one."""
        return self._with(
            self.owners,
            self.began_at,
            max(self.used_at, turn.used_at),
            self.turns + is_new,
            self.tokens + turn.tokens,
            self.local_tokens + turn.local_tokens,
        )

    def _with(
        self,
        owners: Sequence[str],
        began_at: float,
        used_at: float,
        turns: int = 0,
        tokens: int = 0,
        local_tokens: int = 0,
    ) -> Session:
        # By hand: this is done for each request, and `evolve` takes ten times as long.
        if len(owners) > 1:
            first, *others = dict.fromkeys(owners)
            owners = (first, *others[-(OWNERS_OF_SESSION - 1) :])
        return Session(
            self.id,
            tuple(owners),
            self.key_kind,
            began_at,
            used_at,
            turns=turns,
            tokens=tokens,
            local_tokens=local_tokens,
        )


@frozen
class TurnLeg:
    """
    Who said a part of a turn; words and numbers as in the log (`telemetry.report.LegReport`).

    Attributes:
        reason: why the leg ended as it did, where there is more to say than `outcome`.
        shortened: how much of the conversation it was not shown, by kind.
    """

    target: str
    model: str
    how: str
    outcome: str
    is_local: bool
    tokens: int
    estimated: bool = False
    started_s: float = 0.0
    first_content_s: float | None = None
    ended_s: float = 0.0
    reason: str = ""
    shortened: Mapping[str, int] = {}


@frozen
class Turn:
    """
    One request of a session, and what became of it. No word of its content.

    It is put when it is begun, and once more when it is over: the second takes the place of the first. So one that
    is `OPEN` for long was never over: its process was ended meanwhile.

    Attributes:
        id: the request's own.
        at: when the request came.
        wire: the client's.
        model: the one that was asked for, as far as it is a name.
        ending: how the request ended, as in the log; `OPEN` while it has not.
        legs: who said what, in order.
        answer_id: the answer, where it can be found by an id.
        passed_by: targets that were not asked → why.
        owner: who has asked, and whose the answer is.
    """

    id: str
    session_id: str
    at: float
    wire: str
    model: str
    ending: str
    legs: tuple[TurnLeg, ...] = ()
    answer_id: str = ""
    duration_s: float = 0.0
    prompt_tokens: int | None = None
    passed_by: Mapping[str, str] = {}
    owner: str = ""

    @property
    def is_open(self) -> bool:
        """Whether it is not over, as far as is known; then nobody's words are counted yet."""
        return self.ending == OPEN

    @property
    def used_at(self) -> float:
        """When it was over, as far as is known: a session is in use until then."""
        return self.at + self.duration_s

    @property
    def fits(self) -> bool:
        """Whether it can be kept."""
        try:
            return bool(self.id) and is_sayable(self.id) and len(self.told) <= _TURN_MOST_BYTES
        except UnicodeEncodeError:
            return False

    @cached_property
    def told(self) -> bytes:
        """It as JSON, as it is kept."""
        return msgspec.json.encode(self)

    @property
    def size_bytes(self) -> int:
        """What it costs to keep."""
        return TURN_BYTES + len(self.told)

    @property
    def tokens(self) -> int:
        """What all legs said."""
        return sum(leg.tokens for leg in self.legs)

    @property
    def local_tokens(self) -> int:
        """What local models said of it."""
        return sum(leg.tokens for leg in self.legs if leg.is_local)


def _part_ids(part_ids: Iterable[str]) -> tuple[str, ...]:
    return tuple([part_id for part_id in part_ids if is_sayable(part_id)][:PARTS_OF_ANSWER])


@frozen
class PastAnswer:
    """
    An answer that its owner may come back to, without its content.

    Attributes:
        owner: whose it is, by the digest of his credentials.
        at: when it was given.
        provider_knows: a provider made the whole of it under this id.
        part_ids: what it is found by, too.
        held_by: the process that has its content in memory; empty where none has, or nobody needs to know.
        session_id: of which conversation it is; may be empty.
    """

    id: str
    owner: str
    at: float
    provider_knows: bool
    part_ids: tuple[str, ...] = field(default=(), converter=_part_ids)
    held_by: str = ""
    session_id: str = ""

    @property
    def fits(self) -> bool:
        """Whether it can be kept."""
        return bool(self.id) and all(map(is_sayable, (self.id, self.owner, self.held_by, self.session_id)))

    @property
    def size_bytes(self) -> int:
        """What it costs to keep, without content."""
        return ANSWER_BYTES + sum(map(len, self.part_ids)) + PART_BYTES * len(self.part_ids)


@frozen
class Content:
    """
    What was said: the request, with everything it goes on from in it, and the answer's body.

    It reaches the disk only where the configuration wants it there (`[store] content = "disk"`).
    """

    request: bytes = field(repr=False)
    response: bytes = field(repr=False)

    @property
    def size_bytes(self) -> int:
        """What it costs to keep."""
        return len(self.request) + len(self.response)


@frozen
class Known:
    """
    Something that was learned once and holds after a restart.

    Attributes:
        kind: which sort of knowledge, as a word: `tokens_per_char`.
        key: what it is about: the digest of a model, say, and the version of its server.
        value: JSON, of at most 64 KiB.
        at: when it was learned.
    """

    kind: str
    key: str
    value: bytes
    at: float

    @property
    def size_bytes(self) -> int:
        """What it costs to keep."""
        return PART_BYTES + len(self.value)

    @property
    def fits(self) -> bool:
        """Whether it can be kept."""
        return is_sayable(self.kind) and is_sayable(self.key) and len(self.value) <= _KNOWN_MOST_BYTES

    def replaces(self, before: Known, now: float) -> bool:
        """Whether it was learned after `before`, or that one by a clock that was wrong."""
        return self.at >= before.at or before.at > now + LEAP_S


@frozen
class Given:
    """An answer, and its content where that may be on disk."""

    answer: PastAnswer
    content: Content | None = None


@frozen
class Unknown:
    """
    Ids of parts that a provider will not know again.

    Attributes:
        owner: whose room they take.
    """

    owner: str
    part_ids: tuple[str, ...] = field(converter=_part_ids)
    at: float


@frozen
class SessionGone:
    """A session that is to be forgotten."""

    session_id: str


@frozen
class AnswerGone:
    """An answer that is to be forgotten."""

    answer_id: str
    owner: str


#: What is put, as it waits to be written.
Record: TypeAlias = Session | Turn | Given | Unknown | Known | SessionGone | AnswerGone

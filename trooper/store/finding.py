"""
How rows become records again. All of it runs in a thread.

Beside each answer stands which of the turns that wait to be written are in the
file already, so that none is counted twice.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

import apsw
import msgspec
from attrs import frozen

from trooper.store.records import OPEN_TOLD, Content, Known, PastAnswer, Session, Turn
from trooper.store.sealing import Seal, name_of
from trooper.store.store import LookedUp, Place, look_up

#: Session and turn.
TurnName = tuple[str, str]
#: Which of the turns that wait are in the file, and whether as open ones.
Written: TypeAlias = Mapping[TurnName, bool]

_SESSION: Final = (
    "SELECT id, key_kind, began_at, used_at, turns, tokens, local_tokens,"
    " (SELECT json_group_array(owner) FROM (SELECT owner FROM session_owners"
    " WHERE session_id = sessions.id ORDER BY place)) FROM sessions"
)
_ANSWER: Final = (
    "SELECT id, owner, used_at, provider_knows, held_by, session_id,"
    " (SELECT json_group_array(part_id) FROM (SELECT part_id FROM answer_parts"
    " WHERE answer_parts.owner = answers.owner AND answer_id = answers.id ORDER BY place)) FROM answers"
)
_ONE_SESSION: Final = f"{_SESSION} WHERE id = ? AND used_at >= ?"
#: Of who has few sessions they are looked up. Of who has many all are gone through in the order of the list, his or
#: not, until the page is full: so page by page each is looked at once, and not all of his for every page.
_FEW: Final = 256
_HAS_FEW: Final = f"SELECT count(*) < {_FEW} FROM (SELECT 1 FROM session_owners WHERE owner = ? LIMIT {_FEW})"  # noqa: S608
_ON_PAGE: Final = "used_at >= ?2 AND used_at <= ?3 AND (used_at < ?3 OR id > ?4)"
_IN_ORDER: Final = "ORDER BY used_at DESC, id LIMIT ?5"
_OF_FEW: Final = f"{_SESSION} WHERE id IN (SELECT session_id FROM session_owners WHERE owner = ?1) AND {_ON_PAGE} {_IN_ORDER}"  # noqa: S608
_OF_MANY: Final = (
    f"{_SESSION} INDEXED BY sessions_by_use WHERE {_ON_PAGE} AND EXISTS"  # noqa: S608
    f" (SELECT 1 FROM session_owners WHERE session_id = sessions.id AND owner = ?1) {_IN_ORDER}"
)
_EVERY_SESSION: Final = f"{_SESSION} WHERE used_at >= ? ORDER BY used_at DESC, id LIMIT ?"
_ONE_ANSWER: Final = f"{_ANSWER} WHERE owner = ? AND id = ? AND used_at >= ?"
_NAMES_BY_PART: Final = (
    "SELECT id FROM answers WHERE owner = ?1 AND id IN (SELECT answer_id FROM answer_parts"
    " WHERE owner = ?1 AND part_id = ?2) AND used_at >= ?3 ORDER BY used_at DESC LIMIT 8"
)
_WORDS: Final = msgspec.json.Decoder(tuple[str, ...])
_TURN: Final = msgspec.json.Decoder(Turn)


def session(
    db: apsw.Connection, session_id: str, since: float, waiting: Iterable[TurnName]
) -> tuple[Session | None, Written]:
    """A session that was used after `since`, and which of the `waiting` turns are in the file."""
    with _at_one_moment(db):
        rows = _rows(db, _ONE_SESSION, (session_id, since))
        return (_session(*rows[0]) if rows else None), _written(db, waiting)


@frozen
class Page:
    """The `most` latest sessions that were used after `since` and come behind a place."""

    since: float
    most: int
    after: Place | None = None


def sessions(
    db: apsw.Connection, owner: str, page: Page, also: Sequence[str], waiting: Iterable[TurnName]
) -> tuple[dict[str, Session], Written]:
    """The sessions of a page that `owner` may see, and those of the ids `also`, by their ids."""
    after = page.after or Place(math.inf, "")
    with _at_one_moment(db):
        ((has_few,),) = _rows(db, _HAS_FEW, (owner,))
        statement = _OF_FEW if has_few else _OF_MANY
        rows = _rows(db, statement, (owner, page.since, after.used_at, after.id, page.most))
        for session_id in also:
            rows += _rows(db, _ONE_SESSION, (session_id, page.since))
        return {row[0]: _session(*row) for row in rows}, _written(db, waiting)


def every_session(db: apsw.Connection, since: float, most: int) -> list[Session]:
    """The latest sessions of everybody, the latest used first; for whoever owns the file."""
    return [_session(*row) for row in _rows(db, _EVERY_SESSION, (since, most))]


def turns(db: apsw.Connection, session_id: str, since: float, most: int) -> tuple[bool, list[Turn]]:
    """Whether there is such a session, used after `since`; and its latest turns."""
    with _at_one_moment(db):
        if not _rows(db, "SELECT 1 FROM sessions WHERE id = ? AND used_at >= ?", (session_id, since)):
            return False, []
        rows = _rows(
            db,
            "SELECT told FROM turns WHERE session_id = ? ORDER BY at DESC, id DESC LIMIT ?",
            (session_id, most),
        )
        return True, [turn for (told,) in rows if (turn := _turn(told)) is not None]


def _turn(told: bytes) -> Turn | None:
    """A turn, if it is one as they are today: one that is not must not hide the others."""
    try:
        return _TURN.decode(told)
    except (msgspec.DecodeError, ValueError):
        return None


def answer(db: apsw.Connection, answer_id: str, owner: str, since: float) -> PastAnswer | None:
    """An answer."""
    rows = _rows(db, _ONE_ANSWER, (owner, answer_id, since))
    return _answer(*rows[0]) if rows else None


@frozen
class News:
    """
    What the file does not know of answers yet.

    Attributes:
        by_part: those that wait, by the parts that were asked for.
        changed: the ids of all that are given anew or are gone: what the file says of them counts no more.
    """

    by_part: Mapping[str, PastAnswer]
    changed: Container[str]


def answers_by_parts(
    db: apsw.Connection, part_ids: Iterable[str], owner: str, since: float, news: News, most: int
) -> Sequence[LookedUp]:
    """For each of these parts the latest answer that has it, as `look_up` has it."""

    def find(part_id: str) -> PastAnswer | None:
        if waits := news.by_part.get(part_id):
            return waits
        # Some, where there are very many.
        names = [name for (name,) in _rows(db, _NAMES_BY_PART, (owner, part_id, since))]
        latest = next((name for name in names if name not in news.changed), None)
        return None if latest is None else answer(db, latest, owner, since)

    with _at_one_moment(db):
        return look_up(part_ids, most, find)


def content(
    db: apsw.Connection, answer_id: str, owner: str, since: float, seal: Seal | None
) -> Content | None:
    """An answer's content; `None` also where another key has sealed it, or none although there is one."""
    rows = _rows(
        db,
        "SELECT is_sealed, request, response FROM contents WHERE owner = ? AND id = ? AND used_at >= ?",
        (owner, answer_id, since),
    )
    if not rows:
        return None
    is_sealed, request, response = rows[0]
    if bool(is_sealed) != (seal is not None):
        # In the clear anybody could have written it who can change the file.
        return None
    if seal is not None:
        request = seal.open(request, name_of(owner, answer_id, "request"))
        response = seal.open(response, name_of(owner, answer_id, "response"))
    return None if request is None or response is None else Content(request, response)


def unknown(db: apsw.Connection, part_ids: Sequence[str], since: float) -> frozenset[str]:
    """Which of these ids a provider will not know again."""
    statement = "SELECT 1 FROM unknown_ids WHERE id = ? AND used_at >= ?"
    return frozenset(part_id for part_id in part_ids if _rows(db, statement, (part_id, since)))


def known(db: apsw.Connection, kind: str, key: str) -> Known | None:
    """What is known of `key`."""
    rows = _rows(db, "SELECT kind, key, value, at FROM known WHERE kind = ? AND key = ?", (kind, key))
    return Known(*rows[0]) if rows else None


@contextmanager
def _at_one_moment(db: apsw.Connection) -> Iterator[None]:
    """What is read within it is of one moment, whatever is written beside."""
    db.execute("BEGIN")
    try:
        yield
    finally:
        if db.in_transaction:
            db.execute("COMMIT")


def _rows(
    db: apsw.Connection, statement: str, values: tuple[str | bytes | float | None, ...]
) -> list[tuple[Any, ...]]:
    return db.execute(statement, values).fetchall()


def _written(db: apsw.Connection, waiting: Iterable[TurnName]) -> Written:
    statement = "SELECT instr(told, ?) > 0 FROM turns WHERE session_id = ? AND id = ?"
    found = {name: _rows(db, statement, (OPEN_TOLD, *name)) for name in waiting}
    return {name: bool(rows[0][0]) for name, rows in found.items() if rows}


def _session(
    session_id: str,
    key_kind: str,
    began_at: float,
    used_at: float,
    turns: int,
    tokens: int,
    local: int,
    owners: str,
) -> Session:
    return Session(
        session_id,
        _WORDS.decode(owners),
        key_kind,
        began_at,
        used_at,
        turns=turns,
        tokens=tokens,
        local_tokens=local,
    )


def _answer(
    answer_id: str, owner: str, used_at: float, provider_knows: int, held_by: str, session_id: str, parts: str
) -> PastAnswer:
    return PastAnswer(
        answer_id, owner, used_at, bool(provider_knows), _WORDS.decode(parts), held_by, session_id
    )

"""
How records become rows: each by statements that may run twice, late, and beside those of other processes.

All of it runs in a thread, within the one transaction of a batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import assert_never

import apsw
from attrs import frozen

from trooper.store.records import (
    OPEN_TOLD,
    OWNERS_OF_SESSION,
    SESSION_BYTES,
    TURNS_OF_SESSION,
    AnswerGone,
    Given,
    Known,
    Record,
    Session,
    SessionGone,
    Turn,
    Unknown,
)
from trooper.store.sealing import Seal, name_of
from trooper.store.steadiness import LEAP_S
from trooper.store.store import Caps


@frozen
class Means:
    """What records are written with: the caps, the seal of contents if there is one, and the time."""

    caps: Caps
    seal: Seal | None
    now: float


def write(db: apsw.Connection, records: Sequence[Record], means: Means) -> None:
    """Write `records`, in their order."""
    caps = means.caps
    for record in _compacted(records):
        match record:
            case Session():
                _session(db, record, caps)
            case Turn():
                _turn(db, record, caps)
            case Given():
                _answer(db, record, means)
            case Unknown():
                rows = [(part_id, record.owner, record.at) for part_id in record.part_ids]
                db.executemany("DELETE FROM unknown_ids WHERE id = ?", [row[:1] for row in rows])
                db.executemany("INSERT INTO unknown_ids (id, owner, used_at) VALUES (?, ?, ?)", rows)
            case Known():
                db.execute(
                    "INSERT INTO known VALUES (?, ?, ?, ?) ON CONFLICT (kind, key) DO UPDATE"
                    " SET value = excluded.value, at = excluded.at WHERE excluded.at >= at OR at > ?",
                    (record.kind, record.key, record.value, record.at, means.now + LEAP_S),
                )
            case SessionGone():
                db.execute("DELETE FROM sessions WHERE id = ?", (record.session_id,))
            case AnswerGone():
                db.execute("DELETE FROM answers WHERE owner = ? AND id = ?", (record.owner, record.answer_id))
            case _ as never:
                assert_never(never)


def _compacted(records: Iterable[Record]) -> Iterable[Record]:
    """
    Records that come to the same, and are fewer.

    Most requests are short: their session is put twice, and their turn as an open one and as it ended.
    """
    compacted: dict[object, Record] = {}
    for number, record in enumerate(records):
        match record:
            case Session(id=session_id):
                before = compacted.get(session_id)
                compacted[session_id] = before.joined(record) if isinstance(before, Session) else record
            case Turn(session_id=session_id, id=turn_id):
                before = compacted.get((session_id, turn_id))
                if isinstance(before, Turn) and (record.is_open or not before.is_open):
                    continue
                compacted[session_id, turn_id] = record
            case SessionGone():
                # Behind it everything begins anew.
                yield from compacted.values()
                compacted = {number: record}
            case _:
                compacted[number] = record
    yield from compacted.values()


def _session(db: apsw.Connection, session: Session, caps: Caps) -> None:
    least = caps.least_session_bytes
    db.execute(
        "INSERT INTO sessions (id, owner, key_kind, began_at, used_at, size_bytes) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET began_at = min(began_at, excluded.began_at),"
        " used_at = max(used_at, excluded.used_at)",
        (session.id, session.owners[0], session.key_kind, session.began_at, session.used_at, least),
    )
    before = db.total_changes()
    for owner in session.owners:
        db.execute(
            "INSERT OR IGNORE INTO session_owners (session_id, owner) VALUES (?, ?)", (session.id, owner)
        )
    if db.total_changes() == before:
        return
    db.execute(
        "DELETE FROM session_owners WHERE session_id = ?1"
        " AND place > (SELECT min(place) FROM session_owners WHERE session_id = ?1)"
        " AND place < (SELECT place FROM session_owners WHERE session_id = ?1 ORDER BY place DESC LIMIT 1 OFFSET ?2)",
        (session.id, OWNERS_OF_SESSION - 2),
    )


def _turn(db: apsw.Connection, turn: Turn, caps: Caps) -> None:
    before_bytes = _drop_open(db, turn)
    db.execute(
        "INSERT OR IGNORE INTO turns SELECT ?1, ?2, ?3, ?4, ?5 WHERE EXISTS (SELECT 1 FROM sessions WHERE id = ?1)",
        (turn.session_id, turn.id, turn.at, turn.size_bytes, turn.told),
    )
    if not db.changes():
        return
    sizes = caps.least_session_bytes, SESSION_BYTES
    counted = db.execute(
        "UPDATE sessions SET turns = turns + ?5, tokens = tokens + ?2, local_tokens = local_tokens + ?3,"
        " used_at = max(used_at, ?4), turns_bytes = turns_bytes + ?6, size_bytes = max(?7, ?8 + turns_bytes + ?6)"
        " WHERE id = ?1 RETURNING turns",
        (
            turn.session_id,
            turn.tokens,
            turn.local_tokens,
            turn.used_at,
            int(not before_bytes),
            turn.size_bytes - before_bytes,
            *sizes,
        ),
    ).get
    if counted > TURNS_OF_SESSION:
        # Nearly always one: the table has one more than it may have.
        gone = db.execute(
            "DELETE FROM turns WHERE session_id = ?1 AND id IN (SELECT id FROM turns WHERE session_id = ?1"
            " ORDER BY at DESC, id DESC LIMIT -1 OFFSET ?2) RETURNING size_bytes",
            (turn.session_id, TURNS_OF_SESSION),
        )
        db.execute(
            "UPDATE sessions SET turns_bytes = turns_bytes - ?2, size_bytes = max(?3, ?4 + turns_bytes - ?2) WHERE id = ?1",
            (turn.session_id, sum(row[0] for row in gone), *sizes),
        )


def _drop_open(db: apsw.Connection, turn: Turn) -> int:
    """Make room for a turn that is over where it stands as an open one; how large that was, or 0."""
    if turn.is_open:
        return 0
    gone = db.execute(
        "DELETE FROM turns WHERE session_id = ? AND id = ? AND instr(told, ?) RETURNING size_bytes",
        (turn.session_id, turn.id, OPEN_TOLD),
    ).fetchone()
    return 0 if gone is None else int(gone[0])


def _answer(db: apsw.Connection, given: Given, means: Means) -> None:
    caps, seal = means.caps, means.seal
    answer, content = given.answer, given.content
    name = (answer.owner, answer.id)
    db.execute(
        "INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (owner, id) DO UPDATE SET"
        " used_at = excluded.used_at, provider_knows = excluded.provider_knows, held_by = excluded.held_by,"
        " session_id = excluded.session_id, size_bytes = excluded.size_bytes",
        (*name, answer.at, int(answer.provider_knows), answer.held_by, answer.session_id, answer.size_bytes),
    )
    db.execute("DELETE FROM answer_parts WHERE owner = ? AND answer_id = ?", name)
    db.executemany(
        "INSERT INTO answer_parts (owner, answer_id, part_id) VALUES (?, ?, ?)",
        [(*name, part_id) for part_id in answer.part_ids],
    )
    if content is None:
        db.execute("UPDATE contents SET used_at = ?3 WHERE owner = ?1 AND id = ?2", (*name, answer.at))
        return
    db.execute("DELETE FROM contents WHERE owner = ? AND id = ?", name)
    if content.size_bytes <= caps.content_bytes:
        request, response = content.request, content.response
        if seal is not None:
            request = seal.close(request, name_of(*name, "request"))
            response = seal.close(response, name_of(*name, "response"))
        db.execute(
            "INSERT INTO contents (owner, id, used_at, size_bytes, is_sealed, request, response)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (*name, answer.at, content.size_bytes, int(seal is not None), request, response),
        )

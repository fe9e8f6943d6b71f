"""
What is forgotten: what nobody has used for long, and what there is no room for.

A batch forgets so much and no more, so that nobody waits long for it; the rest
follows with the next one. Who holds the most gives first, and of those the one
whose oldest was used longest ago.

What there is no room for goes with the batch that is too much. What is old is looked for
now and then: to look costs as much as a request's records do.
"""

from __future__ import annotations

from typing import Final

import apsw
from attrs import frozen

from trooper.store.steadiness import LEAP_S
from trooper.store.store import Caps

#: Rows of a kind that one batch forgets.
_MOST: Final = 256
#: How often it is looked for what is too old.
SWEEP_S: Final = 10.0
#: Pages that go back to the file system behind one batch.
_PAGES: Final = 1_024

_OLD: Final = {
    "sessions": "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE used_at < ? ORDER BY used_at LIMIT ?)",
    "answers": "DELETE FROM answers WHERE (owner, id) IN"
    " (SELECT owner, id FROM answers WHERE used_at < ? ORDER BY used_at LIMIT ?)",
    "unknown_ids": "DELETE FROM unknown_ids WHERE id IN"
    " (SELECT id FROM unknown_ids WHERE used_at < ? ORDER BY used_at LIMIT ?)",
}
#: Written while the clock was wrong: it would be the last to go.
_FROM_LATER: Final = (
    "UPDATE {table} SET used_at = ?1 WHERE used_at > ?2 AND id IN"
    " (SELECT id FROM {table} WHERE used_at > ?2 LIMIT ?3)"
)
_HIS_OLDEST: Final = {
    "sessions": "DELETE FROM sessions WHERE id = (SELECT id FROM sessions WHERE owner = ? ORDER BY used_at LIMIT 1)",
    "answers": "DELETE FROM answers WHERE (owner, id) ="
    " (SELECT owner, id FROM answers WHERE owner = ? ORDER BY used_at LIMIT 1)",
    "contents": "DELETE FROM contents WHERE place ="
    " (SELECT place FROM contents WHERE owner = ? ORDER BY used_at LIMIT 1)",
    "unknown_ids": "DELETE FROM unknown_ids WHERE id ="
    " (SELECT id FROM unknown_ids WHERE owner = ? ORDER BY used_at LIMIT 1)",
}
_WHO_GIVES: Final = "SELECT owner FROM held WHERE kind = ? ORDER BY size_bytes DESC, oldest_at LIMIT 1"


@frozen
class Counts:
    """What is in the file."""

    sessions: int = 0
    answers: int = 0
    contents: int = 0
    content_bytes: int = 0
    file_bytes: int = 0


def forget_old(db: apsw.Connection, caps: Caps, now: float) -> bool:
    """Forget what is too old, in the batch's transaction; whether that was all of it."""
    is_all = True
    for table, statement in _OLD.items():
        db.execute(statement, (now - caps.keep_s, _MOST))
        is_all = is_all and db.changes() < _MOST
        db.execute(_FROM_LATER.format(table=table), (now, now + LEAP_S, _MOST))
    return is_all


def make_room(db: apsw.Connection, caps: Caps) -> Counts:
    """Forget what is too much, in the batch's transaction; what is there behind it."""
    rooms = {
        "sessions": caps.metadata_bytes,
        "answers": caps.metadata_bytes,
        "contents": caps.content_bytes,
        "unknown_ids": caps.unknown_count,
    }
    held = _held(db)
    for kind, room in rooms.items():
        for _ in range(_MOST):
            if held[kind].size_bytes <= room:
                break
            owner = db.execute(_WHO_GIVES, (kind,)).get
            db.execute(_HIS_OLDEST[kind], (owner,))
            held = _held(db)
    return Counts(
        sessions=held["sessions"].count,
        answers=held["answers"].count,
        contents=held["contents"].count,
        content_bytes=held["contents"].size_bytes,
    )


def forget_known(db: apsw.Connection, caps: Caps) -> None:
    """Forget facts that are too many, in the batch's transaction."""
    db.execute(
        "DELETE FROM known WHERE (kind, key) IN (SELECT kind, key FROM known ORDER BY at"
        " LIMIT max(0, (SELECT count(*) FROM known) - ?))",
        (caps.known_count,),
    )


def forget_plain(db: apsw.Connection) -> bool:
    """Forget contents that no key has sealed, so many of them; whether that were all."""
    db.execute(
        "DELETE FROM contents WHERE place IN (SELECT place FROM contents WHERE is_sealed = 0 LIMIT ?)",
        (_MOST,),
    )
    return db.changes() < _MOST


def latest_use(db: apsw.Connection) -> float | None:
    """When anything in the file was used last."""
    uses = (db.execute(f"SELECT max(used_at) FROM {table}").get for table in _OLD)  # noqa: S608
    return max((at for at in uses if at is not None), default=None)


def give_back(db: apsw.Connection) -> bool:
    """Give free pages back to the file system, where there are many, in a transaction of its own; whether that was all."""
    free = db.pragma("freelist_count")
    if free > _PAGES // 4:
        # It works for as long as its rows are read.
        list(db.execute(f"PRAGMA incremental_vacuum({_PAGES})"))
    return bool(free <= _PAGES)


@frozen
class _Held:
    size_bytes: int
    count: int


def _held(db: apsw.Connection) -> dict[str, _Held]:
    rows = db.execute("SELECT kind, size_bytes, count FROM totals")
    return {kind: _Held(size_bytes, count) for kind, size_bytes, count in rows}

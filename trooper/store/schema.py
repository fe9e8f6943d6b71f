"""
The tables of the store's file, and how an older file becomes one of today.

Each version is a script; `PRAGMA user_version` says how many of them a file has
seen. They go forwards only: a file that has seen more than there are is a
newer Trooper's, and is not touched. What a script has once been is never
changed, since there are files that it has made; `tests/store/files` has one of each version.

Who holds how much (`held`, `totals`) is kept by triggers, so that no statement can forget it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import apsw
from attrs import frozen

from trooper.store.store import Trouble

#: In the file's head: whose format it is. "trpr".
APPLICATION_ID: Final = 0x74727072

_TABLES: Final = """
CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    key_kind TEXT NOT NULL,
    began_at REAL NOT NULL,
    used_at REAL NOT NULL,
    turns INTEGER NOT NULL DEFAULT 0,
    tokens INTEGER NOT NULL DEFAULT 0,
    local_tokens INTEGER NOT NULL DEFAULT 0,
    -- All of its turns; and what it counts as, which is more where that is little.
    turns_bytes INTEGER NOT NULL DEFAULT 0,
    size_bytes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_of_owner ON sessions (owner, used_at);
CREATE INDEX sessions_by_use ON sessions (used_at);

-- In the order in which they came.
CREATE TABLE session_owners (
    place INTEGER PRIMARY KEY,
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    owner TEXT NOT NULL,
    UNIQUE (session_id, owner)
) STRICT;
CREATE INDEX sessions_for_owner ON session_owners (owner, session_id);

-- `told` is the whole turn as JSON.
CREATE TABLE turns (
    session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    id TEXT NOT NULL,
    at REAL NOT NULL,
    size_bytes INTEGER NOT NULL,
    told BLOB NOT NULL,
    PRIMARY KEY (session_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX turns_in_order ON turns (session_id, at, id);

CREATE TABLE answers (
    owner TEXT NOT NULL,
    id TEXT NOT NULL,
    used_at REAL NOT NULL,
    provider_knows INTEGER NOT NULL,
    held_by TEXT NOT NULL,
    session_id TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    PRIMARY KEY (owner, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX answers_of_owner ON answers (owner, used_at);
CREATE INDEX answers_by_use ON answers (used_at);

CREATE TABLE answer_parts (
    place INTEGER PRIMARY KEY,
    owner TEXT NOT NULL,
    answer_id TEXT NOT NULL,
    part_id TEXT NOT NULL,
    FOREIGN KEY (owner, answer_id) REFERENCES answers (owner, id) ON DELETE CASCADE
) STRICT;
CREATE INDEX answers_by_part ON answer_parts (owner, part_id);
CREATE INDEX parts_of_answer ON answer_parts (owner, answer_id);

-- A table with row numbers: rows are large.
CREATE TABLE contents (
    place INTEGER PRIMARY KEY,
    owner TEXT NOT NULL,
    id TEXT NOT NULL,
    used_at REAL NOT NULL,
    size_bytes INTEGER NOT NULL,
    is_sealed INTEGER NOT NULL,
    request BLOB NOT NULL,
    response BLOB NOT NULL,
    UNIQUE (owner, id),
    FOREIGN KEY (owner, id) REFERENCES answers (owner, id) ON DELETE CASCADE
) STRICT;
CREATE INDEX contents_of_owner ON contents (owner, used_at);

CREATE TABLE unknown_ids (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    used_at REAL NOT NULL,
    size_bytes INTEGER NOT NULL DEFAULT 1
) STRICT, WITHOUT ROWID;
CREATE INDEX unknown_ids_of_owner ON unknown_ids (owner, used_at);
CREATE INDEX unknown_ids_by_use ON unknown_ids (used_at);

CREATE TABLE known (
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    value BLOB NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX known_by_time ON known (at);

CREATE TABLE held (
    kind TEXT NOT NULL,
    owner TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    count INTEGER NOT NULL,
    oldest_at REAL NOT NULL,
    PRIMARY KEY (kind, owner)
) STRICT, WITHOUT ROWID;
CREATE INDEX who_holds_most ON held (kind, size_bytes DESC, oldest_at);
CREATE TABLE totals (
    kind TEXT PRIMARY KEY,
    size_bytes INTEGER NOT NULL,
    count INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
"""

_COUNTED: Final = ("sessions", "answers", "contents", "unknown_ids")
_COUNTING: Final = """
INSERT INTO totals VALUES ('{table}', 0, 0);
CREATE TRIGGER {table}_come AFTER INSERT ON {table} BEGIN
    INSERT INTO held VALUES ('{table}', NEW.owner, NEW.size_bytes, 1, NEW.used_at)
        ON CONFLICT (kind, owner) DO UPDATE SET size_bytes = size_bytes + excluded.size_bytes, count = count + 1,
            oldest_at = min(oldest_at, excluded.oldest_at);
    UPDATE totals SET size_bytes = size_bytes + NEW.size_bytes, count = count + 1 WHERE kind = '{table}';
END;
CREATE TRIGGER {table}_change AFTER UPDATE OF size_bytes, used_at ON {table} BEGIN
    UPDATE held SET size_bytes = size_bytes + NEW.size_bytes - OLD.size_bytes,
        oldest_at = (SELECT min(used_at) FROM {table} WHERE owner = NEW.owner)
        WHERE kind = '{table}' AND owner = NEW.owner;
    UPDATE totals SET size_bytes = size_bytes + NEW.size_bytes - OLD.size_bytes WHERE kind = '{table}';
END;
CREATE TRIGGER {table}_go AFTER DELETE ON {table} BEGIN
    UPDATE held SET size_bytes = size_bytes - OLD.size_bytes, count = count - 1,
        oldest_at = coalesce((SELECT min(used_at) FROM {table} WHERE owner = OLD.owner), 0)
        WHERE kind = '{table}' AND owner = OLD.owner;
    DELETE FROM held WHERE kind = '{table}' AND owner = OLD.owner AND count = 0;
    UPDATE totals SET size_bytes = size_bytes - OLD.size_bytes, count = count - 1 WHERE kind = '{table}';
END;
"""

#: What was said last in a session stands among the answers, by a name that none of them has (`records.OF_SESSION`): how
#: many rows those are.
_COUNTING_APART: Final = """
INSERT INTO totals SELECT '{table}_of_sessions', 0, count(*) FROM {table} WHERE substr(id, 1, 8) = 'session/';
CREATE TRIGGER {table}_of_sessions_come AFTER INSERT ON {table} WHEN substr(NEW.id, 1, 8) = 'session/' BEGIN
    UPDATE totals SET count = count + 1 WHERE kind = '{table}_of_sessions';
END;
CREATE TRIGGER {table}_of_sessions_go AFTER DELETE ON {table} WHEN substr(OLD.id, 1, 8) = 'session/' BEGIN
    UPDATE totals SET count = count - 1 WHERE kind = '{table}_of_sessions';
END;
"""

#: In order; none is ever changed.
MIGRATIONS: Final[tuple[str, ...]] = (
    _TABLES + "".join(_COUNTING.format(table=table) for table in _COUNTED),
    "".join(_COUNTING_APART.format(table=table) for table in ("answers", "contents")),
)


@frozen
class Unfit:
    """A file that cannot be used, and is not touched."""

    trouble: Trouble
    words: str


def prepare(db: apsw.Connection, migrations: Sequence[str] = MIGRATIONS) -> Unfit | None:
    """
    Make the file behind `db` one of today's, whoever else is about to.

    Raises:
        apsw.Error: the disk, or another process, does not let us.
    """
    # Before anything else: it looks only.
    if unfit := _unfit(db, migrations):
        return unfit
    if _number(db, "user_version") == len(migrations):
        return None
    if not _number(db, "application_id"):
        # Before there are tables, and outside of a transaction: else the first one does nothing, and the second one
        # meets all the others who begin the same file.
        _all(db, "PRAGMA auto_vacuum = INCREMENTAL")
        _all(db, "PRAGMA journal_mode = WAL")
    _all(db, "BEGIN IMMEDIATE")
    try:
        # Anew: another process may have been faster.
        if unfit := _unfit(db, migrations):
            _all(db, "ROLLBACK")
            return unfit
        for script in migrations[_number(db, "user_version") :]:
            _all(db, script)
        _all(db, f"PRAGMA application_id = {APPLICATION_ID}")
        _all(db, f"PRAGMA user_version = {len(migrations)}")
        _all(db, "COMMIT")
    except BaseException:
        if db.in_transaction:
            _all(db, "ROLLBACK")
        raise
    return None


def keeps_log(db: apsw.Connection) -> bool:
    """
    Whether what is written goes into SQLite's log first (WAL), beside which others read.

    That takes memory that processes share, which some file systems do not give: SQLite says so by staying with what
    it has. Then who reads and who writes wait for each other, and each batch for the disk, since without the log the
    file needs that to be safe from a loss of power. It is asked for each time, as a file may have come from such a place.

    Raises:
        apsw.Error: the disk, or another process, does not let us.
    """
    if db.pragma("journal_mode", "wal") == "wal":
        return True
    db.pragma("synchronous", "FULL")
    return False


def _unfit(db: apsw.Connection, migrations: Sequence[str]) -> Unfit | None:
    is_ours = _number(db, "application_id") == APPLICATION_ID
    if not is_ours and _all(db, "SELECT 1 FROM sqlite_schema LIMIT 1"):
        return Unfit(Trouble.FOREIGN, "the file is not one of Trooper's")
    version = _number(db, "user_version")
    if version > len(migrations):
        return Unfit(
            Trouble.NEWER, f"a newer Trooper has written it (version {version}, known: {len(migrations)})"
        )
    return None


def _number(db: apsw.Connection, pragma: str) -> int:
    return int(db.pragma(pragma))


def _all(db: apsw.Connection, statements: str) -> list[object]:
    # To the last row: of several statements the next one runs when the rows of the one before are read.
    return list(db.execute(statements))

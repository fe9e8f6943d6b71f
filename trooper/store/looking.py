"""
A look into a store's file from beside, for whoever owns it: nothing is made, written or mended.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import apsw

from trooper.store import finding
from trooper.store.folder import Folder
from trooper.store.records import TURNS_OF_SESSION, Session, Turn
from trooper.store.schema import APPLICATION_ID, MIGRATIONS

#: How long a batch of somebody else's is waited for.
_BUSY_MS: Final = 5_000


class NotThere(Exception):  # no error of anybody's
    """There is nothing to look into; the words say why."""


def sessions_in(folder: Path, since: float, most: int) -> list[Session]:
    """
    Everybody's sessions that were used since, the latest used first.

    Raises:
        NotThere: there is no file, or none that can be read.
    """
    with _opened(folder) as db:
        return finding.every_session(db, since, most)


def turns_in(folder: Path, session_id: str, since: float) -> list[Turn]:
    """
    The turns of a session, oldest first.

    Raises:
        NotThere: there is no file, or none that can be read.
    """
    with _opened(folder) as db:
        _, turns = finding.turns(db, session_id, since, TURNS_OF_SESSION)
        return turns[::-1]


@contextmanager
def _opened(folder: Path) -> Iterator[apsw.Connection]:
    file = Folder(folder, b"").file
    if not file.is_file():
        raise NotThere(f"there is no {file.name} in {folder}")
    try:
        # Not read-only: what was written last stands in a file beside it, which a reader has to share.
        db = apsw.Connection(str(file), apsw.SQLITE_OPEN_READWRITE)
    except apsw.Error as error:
        raise NotThere(f"{file} cannot be opened ({error})") from None
    try:
        db.set_busy_timeout(_BUSY_MS)
        db.execute("PRAGMA query_only = ON")
        if db.pragma("application_id") != APPLICATION_ID or db.pragma("user_version") != len(MIGRATIONS):
            raise NotThere(f"{file} is not of this version of Trooper")
        yield db
    except apsw.Error as error:
        raise NotThere(f"{file} cannot be read ({error})") from None
    finally:
        db.close(True)

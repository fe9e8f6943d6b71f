"""
The file of a store, from the loop: batches are written and questions asked in threads, and every failure is a value.

Three connections, since a reader waits for no writer in SQLite's WAL mode: one writes, one looks up what
requests name, and one is for lists, which take long.
The threads are Trio's, which are no reason for a process to go on living; apsw's own way to be
asked from a loop has one that is, so a disk that hangs would have kept the process from its end.

What can be wrong is found out by trying: a batch that fails says why (`Trouble`), it is
told once, and the next one tries anew, the folder and the file included. A broken file gets
another name, and a new one is begun.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Concatenate, Final, ParamSpec, TypeVar

import apsw
import structlog
import trio
from attrs import define, evolve, field, frozen

from trooper.store import rows
from trooper.store.folder import (
    Folder,
    NoFolder,
    file_bytes,
    forget_broken,
    make_file,
    open_folder,
    set_aside,
)
from trooper.store.reading import Reader
from trooper.store.records import AnswerGone, Known, Record, SessionGone
from trooper.store.schema import MIGRATIONS, Unfit, keeps_log, prepare
from trooper.store.sealing import Seal
from trooper.store.steadiness import Steadiness
from trooper.store.store import Caps, Trouble
from trooper.store.sweeping import (
    SWEEP_S,
    Counts,
    forget_known,
    forget_old,
    forget_plain,
    give_back,
    latest_use,
    make_room,
)

log = structlog.get_logger("trooper.store")

P = ParamSpec("P")
T = TypeVar("T")

#: How long a batch waits for another process's.
_BUSY_MS: Final = 5_000
#: How long a batch may take in all, and a question.
_WRITE_LIMIT_S: Final = 15.0
_READ_LIMIT_S: Final = 3.0
_LIST_LIMIT_S: Final = 10.0
_CLOSE_LIMIT_S: Final = 3.0
#: How long what was replaced, or too old, may stand in SQLite's log; what somebody has deleted goes at once.
_LOG_S: Final = 60.0
_LOG_BUSY_MS: Final = 250

_TROUBLES: Final[Mapping[type[Exception], Trouble]] = {
    apsw.FullError: Trouble.DISK_FULL,
    apsw.BusyError: Trouble.LOCKED,
    apsw.LockedError: Trouble.LOCKED,
    apsw.ProtocolError: Trouble.LOCKED,
    apsw.CorruptError: Trouble.BROKEN,
    apsw.NotADBError: Trouble.BROKEN,
    apsw.ReadOnlyError: Trouble.READ_ONLY,
    apsw.PermissionsError: Trouble.READ_ONLY,
    apsw.AuthError: Trouble.READ_ONLY,
    apsw.CantOpenError: Trouble.DISK_ERROR,
    apsw.IOError: Trouble.DISK_ERROR,
    apsw.NoLFSError: Trouble.DISK_ERROR,
    OSError: Trouble.DISK_ERROR,
}


@frozen
class Failure:
    """Why a batch is not on disk."""

    trouble: Trouble
    words: str


@define(eq=False)
class Database:
    """
    The file, and what is known of it.

    Attributes:
        folder: where it is, and the key that everybody there goes by.
        caps: how much it may hold.
        seal: what contents are closed with, if they are.
        now: the time; for tests.
        counted_s: seconds that nobody sets; for tests.
        steadiness: whether what `now` says is believed.
        counts: what is in it, as of the last batch.
        failure: what is wrong now.
        lost: records that no file takes. That is a bug of ours, and logged.
    """

    folder: Folder
    caps: Caps
    seal: Seal | None = None
    now: Callable[[], float] = time.time
    counted_s: Callable[[], float] = time.monotonic
    steadiness: Steadiness = field(factory=Steadiness, init=False)
    counts: Counts = field(factory=Counts, init=False)
    failure: Failure | None = field(default=None, init=False)
    lost: int = field(default=0, init=False)
    _told: set[Trouble] = field(factory=set, init=False)
    _is_no_log_told: bool = field(default=False, init=False)
    _inode: int = field(default=0, init=False)
    _is_broken: bool = field(default=False, init=False)
    #: Of what was there at the start.
    _latest_use: float | None = field(default=None, init=False)
    _all_sealed: bool = field(default=False, init=False)
    _swept_at: float = field(default=-math.inf, init=False)
    #: SQLite's log may hold contents that are forgotten; and when it was emptied last.
    _log_holds: bool = field(default=True, init=False)
    _emptied_at: float = field(default=-math.inf, init=False)
    _writing: apsw.Connection | None = field(default=None, init=False)
    _finder: Reader = field(factory=lambda: Reader(_READ_LIMIT_S), init=False)
    _lister: Reader = field(factory=lambda: Reader(_LIST_LIMIT_S), init=False)
    #: A thread that was given up still has its place: the next one waits until it is out.
    _one_writer: trio.CapacityLimiter = field(factory=lambda: trio.CapacityLimiter(1), init=False)

    async def write(self, records: Sequence[Record]) -> bool:
        """Write a batch, and forget what has to be forgotten; whether all of it is on disk now."""
        outcome: Failure | None = Failure(Trouble.NO_ANSWER, f"not within {_WRITE_LIMIT_S:g} s")
        try:
            with trio.move_on_after(_WRITE_LIMIT_S):
                outcome = await trio.to_thread.run_sync(
                    self._write, records, abandon_on_cancel=True, limiter=self._one_writer
                )
        except RuntimeError as error:
            outcome = Failure(Trouble.NO_ANSWER, f"there is no thread to be had ({error})")
        self._note(outcome)
        return outcome is None

    async def read(
        self,
        question: Callable[Concatenate[apsw.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T | None:
        """What the file says; `None` where it cannot be asked."""
        ask = partial(self._read, self._finder, lambda db: question(db, *args, **kwargs))
        return await self._finder.ask(ask)

    async def read_list(
        self,
        question: Callable[Concatenate[apsw.Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T | None:
        """The same, of what may be long: requests that look something up do not wait for it."""
        ask = partial(self._read, self._lister, lambda db: question(db, *args, **kwargs))
        return await self._lister.ask(ask)

    async def aclose(self) -> None:
        """Close it; a disk that hangs keeps nobody."""
        with trio.CancelScope(shield=True), trio.move_on_after(_CLOSE_LIMIT_S), suppress(RuntimeError):
            await trio.to_thread.run_sync(self._close, abandon_on_cancel=True, limiter=self._one_writer)

    def _note(self, outcome: Failure | None) -> None:
        if outcome is None and self.failure is not None:
            log.info("store_works_again", folder=str(self.folder.path))
        self.failure = outcome
        if outcome is not None and outcome.trouble not in self._told:
            self._told.add(outcome.trouble)
            log.warning(
                "store_not_written",
                trouble=outcome.trouble.value,
                reason=outcome.words,
                folder=str(self.folder.path),
                effect="Streams go on. What is new is kept in memory, and written once that works.",
            )

    # What follows runs in threads.

    def _write(self, records: Sequence[Record]) -> Failure | None:
        failure = self._try_to_write(records)
        if self._is_broken:
            # Into a new file. If that one is broken as well, it is the disk, and later is soon enough.
            failure = self._try_to_write(records)
        return failure

    def _try_to_write(self, records: Sequence[Record]) -> Failure | None:
        try:
            if self._is_broken:
                self._set_aside()
            db = self._connected()
            if isinstance(db, Failure):
                return db
            is_swept = self._commit(db, records)
            with suppress(apsw.Error):
                if is_swept and not give_back(db):
                    self._swept_at = -math.inf
                self._empty_log(db, records)
            if not records:
                forget_broken(self.folder.file, self.now() - self.caps.keep_s)
        except Exception as error:  # noqa: BLE001  # whatever it is, a stream must not hear of it
            trouble = _trouble(error)
            if trouble is Trouble.BROKEN:
                self._is_broken = True
            if trouble is not None:
                return Failure(trouble, f"{type(error).__name__}: {error}")
            return self._write_singly(records, error)
        self.counts = evolve(self.counts, file_bytes=file_bytes(self.folder.file))
        return None

    def _write_singly(self, records: Sequence[Record], error: Exception) -> Failure | None:
        """One of them is to blame, and the others are not: whoever cannot be written is lost."""
        if len(records) == 1:
            self.lost += 1
            log.error("store_record_lost", kind=type(records[0]).__name__, error=type(error).__name__)
            return None
        if not records:
            return Failure(Trouble.DISK_ERROR, f"{type(error).__name__}: {error}")
        for record in records:
            if failure := self._write([record]):
                return failure
        return None

    def _commit(self, db: apsw.Connection, records: Sequence[Record]) -> bool:
        """Write a batch; whether it was looked for what is too old as well."""
        now, believed, is_due = self.now(), self._believed_now(), True
        if records and not any(isinstance(record, AnswerGone | SessionGone) for record in records):
            is_due = not 0 <= now - self._swept_at < SWEEP_S
        db.execute("BEGIN IMMEDIATE")
        try:
            rows.write(db, records, rows.Means(self.caps, self.seal, now))
            is_all = True
            if is_due and believed is not None:
                is_all = forget_old(db, self.caps, believed)
            if any(isinstance(record, Known) for record in records):
                forget_known(db, self.caps)
            if self.seal is not None and not self._all_sealed:
                # What was written before there was a key.
                self._all_sealed = forget_plain(db)
            found = make_room(db, self.caps)
            db.execute("COMMIT")
        except BaseException:
            # Some errors have rolled it back already.
            if db.in_transaction:
                with suppress(apsw.Error):
                    db.execute("ROLLBACK")
            raise
        self.counts = found
        if is_due:
            self._swept_at = now if is_all else -math.inf
        return is_due

    def _believed_now(self) -> float | None:
        now, latest = self.now(), self._latest_use
        seems_late = latest is not None and latest < now - self.caps.keep_s
        return now if self.steadiness.is_believed(now, self.counted_s(), seems_late=seems_late) else None

    def _empty_log(self, db: apsw.Connection, records: Sequence[Record]) -> None:
        """Leave nothing in SQLite's log: what is overwritten in the file is there as it was."""
        is_wished = any(isinstance(record, AnswerGone | SessionGone) for record in records)
        is_due = is_wished or not records or time.monotonic() - self._emptied_at > _LOG_S
        if not (self._log_holds and is_due):
            return
        # Who reads just now is in the way: then the next batch does it, at the latest the one of nothing.
        db.set_busy_timeout(_LOG_BUSY_MS)
        try:
            db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
        finally:
            db.set_busy_timeout(_BUSY_MS)
        self._log_holds, self._emptied_at = False, time.monotonic()

    def _note_change(self, kind: int, _database: str, table: str, _row: int) -> None:
        if kind == apsw.SQLITE_DELETE and table == "contents":
            self._log_holds = True

    def _connected(self) -> apsw.Connection | Failure:
        if self._writing is not None and self._is_there():
            version = self._writing.pragma("user_version")
            if version == len(MIGRATIONS):
                return self._writing
        self._close()
        # Anew: somebody may have taken the folder away.
        folder = open_folder(self.folder.path, self.folder.key)
        if isinstance(folder, NoFolder):
            return Failure(folder.trouble, folder.words)
        make_file(folder.file)
        # Known before it is opened: should it be broken, it is this one that is set aside, and not
        # the new one that another worker has put there meanwhile.
        self._inode = folder.file.stat().st_ino
        db = _connect(folder)
        try:
            if not self._is_there():
                db.close(True)
                return Failure(Trouble.LOCKED, "another process has just put another file there")
            unfit = prepare(db)
            if unfit is None and not keeps_log(db):
                self._tell_no_log()
        except BaseException:
            db.close(True)
            raise
        if isinstance(unfit, Unfit):
            db.close(True)
            return Failure(unfit.trouble, unfit.words)
        db.set_update_hook(self._note_change)
        self._latest_use = latest_use(db)
        # Whoever was killed has left his.
        self._log_holds = True
        self._writing = db
        return db

    def _tell_no_log(self) -> None:
        if not self._is_no_log_told:
            self._is_no_log_told = True
            log.warning(
                "store_without_log",
                folder=str(self.folder.path),
                effect="Who reads from it waits while a batch is written, and a batch while somebody reads.",
                mend="Name a folder on a disk of this machine with --data-dir or TROOPER_DATA_DIR.",
            )

    def _is_there(self) -> bool:
        """Whether the file is still the one that is written: it may have been set aside, or taken away."""
        try:
            return os.stat(self.folder.file).st_ino == self._inode  # noqa: PTH116
        except OSError:
            return False

    def _read(self, reader: Reader, question: Callable[[apsw.Connection], T]) -> T | None:
        with reader.in_use:
            try:
                if self._writing is None or self._is_broken:
                    return None
                return question(reader.connected(lambda: _connect(self.folder)))
            except Exception as error:  # noqa: BLE001  # as above
                if _trouble(error) is Trouble.BROKEN:
                    # Whoever writes next sets it aside.
                    self._is_broken = True
                log.warning("store_not_read", error=type(error).__name__)
                return None

    def _set_aside(self) -> None:
        self._close()
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self.now()))
        aside = set_aside(self.folder.file, self._inode, self.folder.path / "key", stamp)
        self._is_broken, self._inode = False, 0
        if aside is not None:
            log.warning(
                "store_begun_anew",
                trouble=Trouble.BROKEN.value,
                broken_file=aside.name,
                folder=str(self.folder.path),
                effect="Sessions and answers of before are not found.",
            )

    def _close(self) -> None:
        # In this order: who reads begins nothing any more, and the last one empties the log.
        writing, self._writing = self._writing, None
        for reader in (self._finder, self._lister):
            reader.close()
        if writing is not None:
            with suppress(apsw.Error):
                writing.close(True)


def _connect(folder: Folder) -> apsw.Connection:
    db = apsw.Connection(str(folder.file), apsw.SQLITE_OPEN_READWRITE)
    try:
        db.set_busy_timeout(_BUSY_MS)
        # A batch is safe from a kill once it is committed, and the file from a loss of power at any time.
        # What is forgotten is overwritten, and the log emptied (`_empty_log`). Nothing lies in other files for a while.
        db.execute(
            "PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON;"
            " PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = 4194304; PRAGMA trusted_schema = OFF"
        ).fetchall()
    except BaseException:
        db.close(True)
        raise
    return db


def _trouble(error: Exception) -> Trouble | None:
    """What of the disk is wrong; `None` where it is not the disk."""
    return next((trouble for kind, trouble in _TROUBLES.items() if isinstance(error, kind)), None)

"""
The folder that a store lives in, and the key by which owners are told apart there.

    folder           0700
    ├── key              0600, 32 random bytes: without them nobody finds a credential by its digest
    ├── near             0700, a socket of each process (`neighbours`)
    └── trooper.sqlite3  0600, and SQLite's own `-wal` and `-shm` beside it, with the same mode

A file that is there already, from a backup say, is closed to others. What is a link,
or somebody else's, or in a folder that others may write, is not this user's to trust, and is left alone.

The key is made by whoever comes first. Several workers start at once, so it is
written under another name and linked: it is there whole, once, or not at all.
"""

from __future__ import annotations

import errno
import math
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import platformdirs
from attrs import field, frozen

from trooper.store.store import Trouble

KEY_BYTES: Final = 32
_KEY_NAME: Final = "key"
_FILE_NAME: Final = "trooper.sqlite3"
#: Of the files that SQLite has beside it.
_ENDS: Final = ("-wal", "-shm")
_BROKEN: Final = ".broken-"
#: What is mounted where, on Linux.
_MOUNTS: Final = Path("/proc/self/mounts")
_NETWORK: Final = re.compile(
    r"nfs\d?|cifs|smb\w*|afs|ceph|fuse\.(sshfs|glusterfs|rclone|s3fs|ceph)|lustre|glusterfs|gpfs|beegfs"
)
_READ_ONLY: Final = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})


@frozen
class Folder:
    """
    A folder that can be used.

    Attributes:
        key: what owners are told apart by, of at least 32 bytes.
    """

    path: Path
    key: bytes = field(repr=False)

    @property
    def file(self) -> Path:
        """The store's file; it need not be there."""
        return self.path / _FILE_NAME


@frozen
class NoFolder:
    """Why there is none, for people."""

    trouble: Trouble
    words: str


def users_own() -> str:
    """Where a user's data is, on each system."""
    return platformdirs.user_data_dir("trooper", appauthor=False)


def open_folder(path: Path, key: bytes | None = None) -> Folder | NoFolder:
    """
    The folder, made where it is missing, with its key.

    Args:
        path: where it is to be.
        key: the one that we go by already, if we do: a folder that was taken away is made with it again.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if unfit := _unfit(path):
            return unfit
        found = _read_key(path / _KEY_NAME)
        if found is None:
            _make_key(path, key or secrets.token_bytes(KEY_BYTES))
            found = _read_key(path / _KEY_NAME)
    except OSError as error:
        trouble = Trouble.READ_ONLY if error.errno in _READ_ONLY else Trouble.NO_FOLDER
        trouble = Trouble.DISK_FULL if error.errno in (errno.ENOSPC, errno.EDQUOT) else trouble
        return NoFolder(trouble, (error.strerror or type(error).__name__).lower())
    if isinstance(found, NoFolder):
        return found
    if found is None or (key is not None and found != key):
        return NoFolder(Trouble.FOREIGN, f"its `{_KEY_NAME}` was changed while Trooper ran")
    return Folder(path, found)


def make_file(path: Path) -> None:
    """
    Make an empty file that nobody else can read, if there is none.

    One that is there is never opened: closing it would take SQLite's locks from another connection of this process.

    Raises:
        OSError: it cannot be made.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def is_on_network(path: Path) -> bool:
    """
    Whether a path is on the file system of another machine, as far as the system tells (Linux).

    SQLite's log is in memory that processes share: two machines that write one file break it.
    """
    try:
        mounts = _MOUNTS.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return False
    wanted = path.absolute()
    kinds: dict[int, str] = {}
    for place, kind in (line.split(" ")[1:3] for line in mounts if line.count(" ") > 2):
        mounted = Path(re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), place))
        if wanted.is_relative_to(mounted):
            kinds[len(mounted.parts)] = kind
    return bool(kinds) and bool(_NETWORK.fullmatch(kinds[max(kinds)]))


def set_aside(path: Path, inode: int, key: Path, stamp: str) -> Path | None:
    """
    Give a broken file another name, and the files beside it; `None` where somebody else has done so.

    Args:
        path: the file.
        inode: of the file that was found to be broken. Another one in its place is a new one.
        key: a file that workers can lock, so that one of them does it.
        stamp: the end of its new name.
    """
    with _locked(key):
        try:
            if path.stat().st_ino != inode:
                return None
        except FileNotFoundError:
            return None
        # One of them is enough to look into, and a disk that breaks files may do so for ever.
        forget_broken(path)
        aside = path.with_name(f"{path.name}{_BROKEN}{stamp}")
        path.rename(aside)
        for end in _ENDS:
            with suppress(FileNotFoundError):
                path.with_name(path.name + end).rename(aside.with_name(aside.name + end))
        return aside


def file_bytes(file: Path) -> int:
    """What there is of it on disk, SQLite's log and files that are set aside included."""
    try:
        with os.scandir(file.parent) as beside:
            return sum(_size(one) for one in beside if one.name.startswith(file.name))
    except OSError:
        # Somebody has taken the folder away: what is written next finds out.
        return 0


def _size(file: os.DirEntry[str]) -> int:
    try:
        return file.stat().st_size
    except OSError:
        # It has just gone.
        return 0


def forget_broken(path: Path, before: float = math.inf) -> None:
    """
    Forget what was set aside of a file.

    Args:
        before: what was changed later than that stays.
    """
    for file in path.parent.glob(f"{path.name}{_BROKEN}*"):
        with suppress(FileNotFoundError):
            if file.lstat().st_mtime < before:
                file.unlink()


def _unfit(folder: Path) -> NoFolder | None:
    """Why what is there is not ours; what is, is closed to others."""
    known = folder.stat()
    if not _is_ours(known):
        # Root's own is a volume of a container's: made for us, or for everybody.
        if known.st_uid != 0:
            return NoFolder(Trouble.FOREIGN, "the folder belongs to somebody else")
        if known.st_mode & stat.S_IWOTH:
            words = "everybody may write into the folder; one below it would be made for you alone"
            return NoFolder(Trouble.FOREIGN, words)
    elif known.st_mode & 0o022:
        folder.chmod(stat.S_IMODE(known.st_mode) & ~0o022)
    for end in ("", *_ENDS):
        file = folder / f"{_FILE_NAME}{end}"
        try:
            known = file.lstat()
        except FileNotFoundError:
            continue
        if not stat.S_ISREG(known.st_mode):
            return NoFolder(Trouble.FOREIGN, f"its `{file.name}` is a link, or no file at all")
        if not _is_ours(known):
            return NoFolder(Trouble.FOREIGN, f"its `{file.name}` belongs to somebody else")
        if known.st_mode & 0o077:
            file.chmod(0o600)
    return None


def _is_ours(known: os.stat_result) -> bool:
    """Whether it belongs to our user; root may use everybody's."""
    return os.geteuid() in (known.st_uid, 0)


def _read_key(path: Path) -> bytes | NoFolder | None:
    try:
        # Not through a link: whoever can write into the folder would choose what is the key.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        known = os.fstat(descriptor)
        if not _is_ours(known):
            return NoFolder(Trouble.FOREIGN, f"its `{_KEY_NAME}` belongs to somebody else")
        if stat.S_IMODE(known.st_mode) & 0o077:
            os.fchmod(descriptor, 0o600)
        key = os.read(descriptor, 2 * KEY_BYTES)
    finally:
        os.close(descriptor)
    if len(key) != KEY_BYTES:
        words = f"its `{_KEY_NAME}` is not one of {KEY_BYTES} bytes; without it nothing that is kept is found"
        return NoFolder(Trouble.FOREIGN, words)
    return key


def _make_key(folder: Path, key: bytes) -> None:
    written = folder / f".{_KEY_NAME}-{secrets.token_hex(8)}"
    descriptor = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        try:
            os.write(descriptor, key)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        _place(written, folder / _KEY_NAME)
    finally:
        written.unlink(missing_ok=True)


def _place(written: Path, key: Path) -> None:
    try:
        os.link(written, key)
    except FileExistsError:
        # Another worker was faster, and its key counts.
        return
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EMLINK):
            raise
        # A file system without links. Between looking and renaming another worker may do the same: then
        # one of them goes by a key that is not the folder's until it starts anew.
        if not key.exists():
            written.rename(key)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    # Here, since not every system has it.
    import fcntl

    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)

"""
Puts a block into a user's own file, and takes it out again.

Beside the file stand, from `place` to `take_back`, a backup (its bytes as they
were) and a receipt (what was put in, and the digest of what was written). So
`take_back` knows whether somebody has changed the file since. If nobody has, it
is given back to the byte, and what was made for it goes again: the file, its
folders. If somebody has, only what is ours comes out.

Each file is written whole, under another name, and then takes the place of the
old one: whoever reads meanwhile reads one or the other. Links are followed, so
that a file that lives elsewhere stays where it lives.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from attrs import asdict, frozen

from trooper.clients.editing import Change, connected, disconnected
from trooper.clients.wanted import Format, NotEdited, Wanted

_BACKUP: Final = ".before-trooper"
_RECEIPT: Final = ".trooper-undo"
_BOM: Final = "\ufeff"
#: A configuration is far smaller; what is larger is something else.
_MOST_BYTES: Final = 4_194_304
#: What was not there is its user's alone: keys may come into it later.
_NEW_FILE, _NEW_FOLDER = 0o600, 0o700


@frozen
class Placed:
    """
    A file with a block in it.

    Attributes:
        file: the file itself, links followed.
        backup: where its bytes are as they were; `None`: there was no file.
        was_there: it said everything already, and was not touched.
    """

    file: Path
    backup: Path | None = None
    was_there: bool = False


@frozen
class TakenBack:
    """
    A file without the block.

    Attributes:
        file: the file itself.
        removed: it is gone, as before.
        as_it_was: to the byte; else somebody had changed it, and only what is ours came out.
        left: what could not come out: somebody has given it another value.
        backup: the bytes of then, which stay where the file had been changed since.
    """

    file: Path
    removed: bool = False
    as_it_was: bool = True
    left: tuple[str, ...] = ()
    backup: Path | None = None


@frozen
class _Receipt:
    """What `take_back` has to know."""

    existed: bool
    backup: str
    written_sha256: str
    made_folders: tuple[str, ...]
    changes: tuple[Change, ...]


def text_of(file: Path) -> str | None:
    """What the file says; `None`: there is none. `NotEdited` if it cannot be read."""
    content = _bytes_of(_real(file))
    return None if content is None else _decoded(content).removeprefix(_BOM)


def is_placed(file: Path) -> bool:
    """Whether a block is in it that `take_back` can take out."""
    return _receipt_of(_real(file)).exists()


def text_before(file: Path) -> str | None:
    """What the file said before a block was put into it; `None`: none is, or that is not known."""
    try:
        real = _real(file)
        receipt = _read_receipt(real)
        return text_of(real.with_name(receipt.backup)) if receipt is not None and receipt.existed else None
    except (NotEdited, TypeError, ValueError):
        # It may lie in somebody else's repository, and name anything as its backup.
        return None


def place(form: Format, file: Path, fresh: str, wanted: Sequence[Wanted]) -> Placed:
    """
    Put what is wanted into `file`, which begins with `fresh` where there is none.
    A block of before goes out first: only one is ever in it.

    Raises:
        NotEdited: it cannot be; nothing was changed.
    """
    real = _real(file)
    content = _bytes_of(real)
    # Where the file is gone, what was put into it is, too.
    receipt = None if content is None else _read_receipt(real)
    before = content
    if receipt is not None and content is not None:
        before = _undone(form, real, content, receipt, fresh).content
    mark, text = _text(fresh.encode() if before is None else before)
    edited = connected(form, text, wanted)
    after = (mark + edited.text).encode()
    if content == after:
        return Placed(real, was_there=True)
    _check_writable(real)
    backup = real.with_name(receipt.backup) if receipt is not None else _free_name(real)
    old_receipt = _bytes_of(_receipt_of(real))
    made: list[str] = []
    try:
        made = _make_folders(real.parent)
        if before is not None:
            _write(backup, before, _mode(real))
        folders = (*(() if receipt is None else receipt.made_folders), *made)
        new = _Receipt(before is not None, backup.name, _digest(after), folders, edited.changes)
        _write(_receipt_of(real), json.dumps(asdict(new), indent=1).encode(), _NEW_FILE)
        _write(real, after, _mode(real))
    except OSError as error:
        with contextlib.suppress(OSError):
            if receipt is None:
                backup.unlink(missing_ok=True)
            if old_receipt is None:
                _receipt_of(real).unlink(missing_ok=True)
            else:
                _write(_receipt_of(real), old_receipt, _NEW_FILE)
        _remove_folders(made)
        raise _unwritable(error) from None
    return Placed(real, backup if before is not None else None)


def take_back(form: Format, file: Path, fresh: str) -> TakenBack | None:
    """
    Take out what `place` has put in; `None`: there is nothing of it.

    Raises:
        NotEdited: it cannot be; nothing was changed.
    """
    real = _real(file)
    receipt = _read_receipt(real)
    if receipt is None:
        return None
    backup = real.with_name(receipt.backup)
    content = _bytes_of(real)
    try:
        if content is None:
            # Somebody has removed it, or it was never made. What it was is not thrown away.
            _receipt_of(real).unlink()
            _remove_folders(receipt.made_folders)
            kept = backup if receipt.existed and backup.exists() else None
            return TakenBack(real, True, not receipt.existed, backup=kept)
        undone = _undone(form, real, content, receipt, fresh)
        if undone.content != content:
            _check_writable(real)
        if undone.content is None:
            real.unlink()
        elif undone.content != content:
            _write(real, undone.content, _mode(real))
        _receipt_of(real).unlink()
        if undone.as_it_was:
            backup.unlink(missing_ok=True)
        _remove_folders(receipt.made_folders)
    except OSError as error:
        raise _unwritable(error) from None
    kept = backup if not undone.as_it_was and backup.exists() else None
    return TakenBack(real, undone.content is None, undone.as_it_was, undone.left, kept)


@frozen
class _Undone:
    """A file's bytes without the block; `None`: without it there is no file."""

    content: bytes | None
    as_it_was: bool = True
    left: tuple[str, ...] = ()


def _undone(form: Format, real: Path, content: bytes, receipt: _Receipt, fresh: str) -> _Undone:
    is_ours = _digest(content) == receipt.written_sha256
    before = _bytes_of(real.with_name(receipt.backup)) if receipt.existed else None
    if is_ours and not receipt.existed:
        return _Undone(None)
    if before is not None and (is_ours or content == before):
        return _Undone(before)
    mark, text = _text(content)
    edited = disconnected(form, text, receipt.changes)
    rest = "".join(edited.text.split())
    if not receipt.existed and rest in ("", "{}", "".join(fresh.split())):
        return _Undone(None, as_it_was=False)
    return _Undone((mark + edited.text).encode(), as_it_was=False, left=edited.left)


def _real(file: Path) -> Path:
    try:
        return file.resolve()
    except (OSError, RuntimeError) as error:
        raise NotEdited(f"it leads nowhere: {error}") from None


def _bytes_of(real: Path) -> bytes | None:
    try:
        if not stat.S_ISREG(real.stat().st_mode):
            raise NotEdited("it is no file")
        with real.open("rb") as opened:
            content = opened.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise NotEdited(f"it cannot be read: {error.strerror or error}") from None
    if len(content) > _MOST_BYTES:
        raise NotEdited(f"it is larger than a configuration: {_MOST_BYTES:,} bytes at most")
    return content


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotEdited(f"it is not UTF-8, at byte {error.start}; save it as that first") from None


def _text(content: bytes) -> tuple[str, str]:
    """A byte order mark, if there is one, and the rest."""
    text = _decoded(content)
    return (_BOM, text[1:]) if text.startswith(_BOM) else ("", text)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _check_writable(real: Path) -> None:
    """Who made a file read-only meant it, also towards root, who may do everything."""
    with contextlib.suppress(FileNotFoundError):
        if not real.stat().st_mode & 0o222 or not os.access(real, os.W_OK):
            raise NotEdited("it is read-only; make it writable first (chmod u+w)")


def _mode(real: Path) -> int:
    try:
        return stat.S_IMODE(real.stat().st_mode)
    except FileNotFoundError:
        return _NEW_FILE


def _make_folders(folder: Path) -> list[str]:
    missing: list[Path] = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for each in reversed(missing):
        each.mkdir(_NEW_FOLDER)
    return [str(each) for each in reversed(missing)]


def _remove_folders(made: Sequence[str]) -> None:
    """Those that are empty; in the others somebody has put something since."""
    for folder in reversed(made):
        with contextlib.suppress(OSError):
            Path(folder).rmdir()


def _unwritable(error: OSError) -> NotEdited:
    return NotEdited(f"it cannot be written: {error.strerror or error}")


def _receipt_of(real: Path) -> Path:
    return real.with_name(real.name + _RECEIPT)


def _free_name(real: Path) -> Path:
    """A name for the backup that nobody has: what stands there already is somebody's."""
    name, number = real.name + _BACKUP, 2
    while real.with_name(name).exists():
        name, number = f"{real.name}{_BACKUP}-{number}", number + 1
    return real.with_name(name)


def _read_receipt(real: Path) -> _Receipt | None:
    content = _bytes_of(_receipt_of(real))
    if content is None:
        return None
    try:
        told: Any = json.loads(content)
        changes = tuple(
            Change(
                Wanted(tuple(each["wanted"]["path"]), each["wanted"]["value"], each["wanted"]["is_item"]),
                each["old"],
                each["depth"],
            )
            for each in told.pop("changes")
        )
        folders = tuple(told.pop("made_folders"))
        return _Receipt(**told, made_folders=folders, changes=changes)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise NotEdited(f"{_receipt_of(real)} cannot be read; move it away") from None


def _write(real: Path, content: bytes, mode: int) -> None:
    """All of it or nothing, under the owner that was."""
    handle, name = tempfile.mkstemp(dir=real.parent, prefix=f".{real.name}.")
    try:
        with os.fdopen(handle, "wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        Path(name).chmod(mode)
        with contextlib.suppress(OSError):
            owner = real.stat()
            os.chown(name, owner.st_uid, owner.st_gid)
        Path(name).replace(real)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise

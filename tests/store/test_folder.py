"""
The folder of a store, and the key by which owners are told apart.
"""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

import pytest
from structlog.testing import capture_logs

import stores
from trooper.core import digest
from trooper.store import Trouble
from trooper.store import folder as folder_module
from trooper.store.folder import Folder, NoFolder, file_bytes, make_file, open_folder, set_aside
from trooper.store.sockets import place_for


def opened(path: Path) -> Folder:
    found = open_folder(path)
    assert isinstance(found, Folder)
    return found


def test_the_key_stays_so_owners_are_known_again(tmp_path: Path) -> None:
    first, again = opened(tmp_path / "a" / "b"), opened(tmp_path / "a" / "b")

    assert len(first.key) == 32
    assert first.key == again.key
    assert digest.owner(first.key, [b"sk"]) == digest.owner(again.key, [b"sk"])
    assert opened(tmp_path / "other").key != first.key
    assert first.key.hex() not in repr(first)
    assert str(first.key) not in repr(first)


def test_a_folder_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o755)
    (tmp_path / "data").chmod(0o755)
    opened(tmp_path / "data")

    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "data" / "key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("end", ["", "-wal", "-shm"])
def test_a_file_that_is_there_is_closed_to_others(tmp_path: Path, end: str) -> None:
    """From a backup, or copied: the mode is whatever the umask was."""
    file = Path(f"{opened(tmp_path / 'data').file}{end}")
    file.touch(0o644)
    file.chmod(0o644)
    opened(tmp_path / "data")

    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("end", ["", "-wal", "-shm"])
def test_a_file_that_is_a_link_is_not_followed(tmp_path: Path, end: str) -> None:
    folder = opened(tmp_path / "data")
    (tmp_path / "others").touch(0o666)
    Path(f"{folder.file}{end}").symlink_to(tmp_path / "others")
    found = open_folder(tmp_path / "data")

    assert isinstance(found, NoFolder)
    assert found.trouble is Trouble.FOREIGN
    assert f"trooper.sqlite3{end}" in found.words


def test_into_a_folder_of_ours_nobody_else_writes(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data").chmod(0o777)
    opened(tmp_path / "data")

    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o755


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give something away")
@pytest.mark.parametrize(
    ("folder_of", "mode", "file_of", "words"),
    [
        (65_533, 0o777, 65_534, "the folder belongs to somebody else"),
        (0, 0o777, 65_534, "everybody may write"),
        (65_534, 0o700, 65_533, "`trooper.sqlite3` belongs to somebody else"),
        (0, 0o755, 65_534, ""),
    ],
)
def test_what_belongs_to_somebody_else_is_left_alone(
    folder_of: int, mode: int, file_of: int, words: str
) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        Path(name).chmod(0o755)
        folder = opened(Path(name) / "data")
        folder.file.touch()
        folder.file.chmod(0o666)
        os.chown(folder.file, file_of, -1)
        os.chown(folder.path / "key", 65_534, -1)
        os.chown(folder.path, folder_of, -1)
        folder.path.chmod(mode)
        os.seteuid(65_534)
        try:
            found = open_folder(folder.path)
        finally:
            os.seteuid(0)
        mode = folder.file.stat().st_mode & 0o777

    if not words:
        assert isinstance(found, Folder)
        assert mode == 0o600
        return
    assert isinstance(found, NoFolder)
    assert found.trouble is Trouble.FOREIGN
    assert words in found.words
    assert mode == 0o666


def test_a_key_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "chosen").write_bytes(b"k" * 32)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "key").symlink_to(tmp_path / "chosen")

    assert isinstance(open_folder(tmp_path / "data"), NoFolder)


def test_the_key_that_we_go_by_is_written_again_and_never_exchanged(tmp_path: Path) -> None:
    key = opened(tmp_path / "data").key
    (tmp_path / "data" / "key").unlink()
    assert open_folder(tmp_path / "data", key) == Folder(tmp_path / "data", key)
    changed = open_folder(tmp_path / "data", b"x" * 32)

    assert isinstance(changed, NoFolder)
    assert changed.trouble is Trouble.FOREIGN
    assert (tmp_path / "data" / "key").read_bytes() == key


def test_where_there_are_no_links_there_is_a_key_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", no_links)
    key = opened(tmp_path / "data").key

    assert opened(tmp_path / "data").key == key
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["key"]


def test_a_full_disk_is_told_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    found = open_folder(tmp_path / "data")

    assert found == NoFolder(Trouble.DISK_FULL, "no space left on device")
    assert list((tmp_path / "data").iterdir()) == []


def test_a_file_is_made_once_and_closed_to_others(tmp_path: Path) -> None:
    was = os.umask(0)
    try:
        make_file(tmp_path / "file")
    finally:
        os.umask(was)
    (tmp_path / "file").write_bytes(b"kept")
    make_file(tmp_path / "file")

    assert (tmp_path / "file").read_bytes() == b"kept"
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600


def test_what_is_set_aside_is_the_file_that_was_broken(tmp_path: Path) -> None:
    folder = opened(tmp_path / "data")
    for end in ("", "-wal", "-shm"):
        Path(f"{folder.file}{end}").write_bytes(end.encode())
    inode, key = folder.file.stat().st_ino, folder.path / "key"
    assert set_aside(folder.file, inode + 1, key, "now") is None
    aside = set_aside(folder.file, inode, key, "now")
    assert set_aside(folder.file, inode, key, "later") is None

    assert aside == folder.path / "trooper.sqlite3.broken-now"
    assert sorted(path.name for path in folder.path.iterdir()) == [
        "key",
        *(f"trooper.sqlite3.broken-now{end}" for end in ("", "-shm", "-wal")),
    ]


MOUNTS = """\
rootfs / ext4 rw 0 0
proc /proc proc rw 0 0
server:/homes /home nfs4 rw 0 0
/dev/sdb1 /home/my\\040disk ext4 rw 0 0
//server/share /mnt cifs rw 0 0
odd
"""


@pytest.mark.parametrize(
    ("place", "is_there"),
    [
        ("/home/ann/.local/share/trooper", True),
        ("/mnt", True),
        ("/home/my disk/trooper", False),
        ("/homes/ann", False),
        ("/var", False),
    ],
)
def test_what_is_on_another_machine_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, is_there: bool
) -> None:
    (tmp_path / "mounts").write_text(MOUNTS)
    monkeypatch.setattr(folder_module, "_MOUNTS", tmp_path / "mounts")
    assert folder_module.is_on_network(Path(place)) is is_there
    near = place_for(Path(place))
    assert near is not None
    assert near.is_relative_to(place) is not is_there
    monkeypatch.setattr(folder_module, "_MOUNTS", tmp_path / "none")
    assert not folder_module.is_on_network(Path(place))


async def test_a_folder_on_another_machine_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mounts").write_text("server:/ / nfs rw 0 0\n")
    monkeypatch.setattr(folder_module, "_MOUNTS", tmp_path / "mounts")
    with capture_logs() as logs:
        async with stores.opened(str(tmp_path / "data")) as store:
            assert store.standing().on_disk
    assert [line["event"] for line in logs] == ["store_on_network"]


def test_a_users_data_is_where_the_system_says() -> None:
    assert folder_module.users_own().endswith("trooper")


def test_how_large_it_is_with_what_is_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "data" / "trooper.sqlite3"
    # The folder may go at any time.
    assert file_bytes(file) == 0
    file.parent.mkdir()
    for name, size in (("", 10), ("-wal", 5), (".broken-1", 3)):
        file.with_name(file.name + name).write_bytes(b"x" * size)
    file.with_name("key").write_bytes(b"x" * 32)
    assert file_bytes(file) == 18

"""A pinned file is known by its hash, which is asked for once for each change of the file."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from trooper.targets.embedded.pinned import _TICK_NS, NOT_THERE, _digest, problem_with

CONTENT = b"GGUF" + bytes(range(256))
SHA256 = hashlib.sha256(CONTENT).hexdigest()
OTHER = CONTENT[:-1] + b"x"


@pytest.fixture(name="file")
def _file(tmp_path: Path) -> Path:
    tmp_path.chmod(0o755)
    path = tmp_path / "model.gguf"
    path.write_bytes(CONTENT)
    path.chmod(0o644)
    return path


def note_of(file: Path) -> Path:
    return file.with_name(".model.gguf.checked")


def settled(file: Path) -> None:
    """Wait until it is old enough for what is found of it to be kept."""
    while time.time_ns() - file.stat().st_ctime_ns <= _TICK_NS:
        pass


def asked(file: Path) -> tuple[str | None, int]:
    """What a new process says of it, and how often it has read all of the file."""
    _digest.cache_clear()
    settled(file)
    return problem_with(file, SHA256, len(CONTENT)), _digest.cache_info().misses


def test_it_is_hashed_once(file: Path) -> None:
    assert asked(file) == (None, 1)
    assert [asked(file) for _ in range(3)] == [(None, 0)] * 3
    assert {path.name for path in file.parent.iterdir()} == {file.name, note_of(file).name}


def test_and_once_for_each_change(file: Path) -> None:
    """Of the same size and, as far as a user can set it, of the same time."""
    before = file.stat()
    assert asked(file) == (None, 1)
    for content, problem in ((OTHER, "is another file: its hash is not the pinned one"), (CONTENT, None)) * 2:
        file.write_bytes(content)
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert asked(file) == (problem, 1)


def test_what_changes_within_one_tick_of_the_kernels_clock_is_seen(file: Path) -> None:
    before = file.stat()
    for content in (CONTENT, OTHER) * 100:
        file.write_bytes(content)
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert (problem_with(file, SHA256, len(CONTENT)) is None) == (content == CONTENT)


def test_what_was_found_so_soon_is_not_kept(file: Path) -> None:
    _digest.cache_clear()
    file.touch()
    problem_with(file, SHA256, len(CONTENT))
    is_kept = note_of(file).exists() or _digest.cache_info().misses > 0
    assert not is_kept or time.time_ns() - file.stat().st_ctime_ns > _TICK_NS


def test_behind_a_link_nothing_is_noted(file: Path) -> None:
    """Who may write there is not known by the folder of the link."""
    moved = file.rename(file.with_name("moved"))
    file.symlink_to(moved)
    assert [asked(file) for _ in range(2)] == [(None, 1)] * 2
    assert not note_of(file).exists()


def replace(file: Path) -> None:
    other = file.with_name("other")
    other.write_bytes(OTHER)
    other.chmod(0o644)
    other.replace(file)


def link(file: Path) -> None:
    replace(file)
    moved = file.rename(file.with_name("moved"))
    file.symlink_to(moved)


def cut(file: Path) -> None:
    os.truncate(file, len(CONTENT) - 1)


def grow(file: Path) -> None:
    os.truncate(file, len(CONTENT) + 1)


def pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def remove(file: Path) -> None:
    file.unlink()


@pytest.mark.parametrize("change", [replace, link, cut, grow, pipe, folder, remove])
def test_what_was_right_once_is_looked_at_again(file: Path, change: Callable[[Path], object]) -> None:
    assert asked(file) == (None, 1)
    change(file)
    problem = problem_with(file, SHA256, len(CONTENT))
    assert problem is not None
    assert (problem == NOT_THERE) == (change is remove)


def test_what_cannot_be_read_is_said(file: Path) -> None:
    loop = file.with_name("loop")
    loop.symlink_to(loop)
    words = "cannot be read (Too many levels of symbolic links)"
    assert problem_with(loop, SHA256, len(CONTENT)) == words


@pytest.mark.parametrize("spoiled", [b"", b"no note", b"x" * 5000, b"\xff\0", SHA256.encode()])
def test_a_note_that_is_none_is_made_anew(file: Path, spoiled: bytes) -> None:
    asked(file)
    good = note_of(file).read_bytes()
    note_of(file).write_bytes(spoiled)
    assert asked(file) == (None, 1)
    assert note_of(file).read_bytes() == good
    assert asked(file) == (None, 0)


def test_a_note_of_another_file_is_none(file: Path) -> None:
    """A folder that was copied has its note, too."""
    asked(file)
    note = note_of(file).read_bytes()
    replace(file)
    note_of(file).write_bytes(note)
    assert asked(file)[0] is not None
    assert problem_with(file, hashlib.sha256(OTHER).hexdigest(), len(OTHER)) is None


@pytest.mark.parametrize(
    ("place", "mode"), [("folder", 0o775), ("folder", 0o757), ("file", 0o664), ("file", 0o646)]
)
def test_where_others_may_write_no_note_counts_and_none_is_made(file: Path, place: str, mode: int) -> None:
    asked(file)
    (file if place == "file" else file.parent).chmod(mode)
    assert asked(file) == (None, 1)
    asked(file)
    note_of(file).unlink()
    assert asked(file) == (None, 1)
    assert not note_of(file).exists()


@pytest.mark.parametrize("mode", [0o664, 0o646])
def test_nor_one_that_others_may_write(file: Path, mode: int) -> None:
    asked(file)
    note_of(file).chmod(mode)
    assert asked(file) == (None, 1)
    assert asked(file) == (None, 0)


def test_nor_what_is_somebody_elses(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked(file)
    me = os.geteuid()
    if me == 0:
        os.chown(file.parent, 12345, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: me + 1)
    assert asked(file) == (None, 1)
    assert asked(file) == (None, 1)


def test_where_users_have_no_numbers_nothing_is_noted(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "geteuid")
    assert [asked(file) for _ in range(2)] == [(None, 1)] * 2
    assert not note_of(file).exists()


def test_a_note_that_is_a_pipe_or_a_link_is_not_waited_for(file: Path) -> None:
    os.mkfifo(note_of(file))
    assert asked(file) == (None, 1)
    assert asked(file) == (None, 0)
    moved = note_of(file).rename(file.with_name("moved"))
    note_of(file).symlink_to(moved)
    assert asked(file) == (None, 1)


def test_a_note_that_cannot_be_written_costs_the_next_start_a_hash(file: Path) -> None:
    note_of(file).mkdir()
    (note_of(file) / "full").touch()
    assert [asked(file) for _ in range(2)] == [(None, 1)] * 2
    assert {path.name for path in file.parent.iterdir()} == {file.name, note_of(file).name}


def test_a_process_hashes_once_where_nothing_can_be_noted(file: Path) -> None:
    file.parent.chmod(0o777)
    assert asked(file) == (None, 1)
    assert problem_with(file, SHA256, len(CONTENT)) is None
    assert _digest.cache_info().misses == 1
    file.write_bytes(OTHER)
    assert problem_with(file, SHA256, len(CONTENT)) is not None

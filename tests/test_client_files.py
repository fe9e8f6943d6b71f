"""
`trooper connect --write` and `--undo` with files as people have them: comments,
order and spacing stay, one line more or less is all, and what was taken out
leaves the file and its folder as they were, to the byte.
"""

from __future__ import annotations

import difflib
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from client_texts import FILES, READERS, URL, WITH_FILES, plain, with_wanted
from trooper.clients import jsonc, placing
from trooper.clients.client import Client
from trooper.clients.placing import place, take_back
from trooper.clients.wanted import NotEdited

GOLDEN = sorted(FILES.iterdir())
#: Programs by the beginning of a file's name.
NAMES = {path: next(name for name in READERS if path.name.startswith(name)) for path in GOLDEN}
CODEX = WITH_FILES["codex"]


def put(client: Client, file: Path, url: str = URL, *, login: bool = False) -> placing.Placed:
    return place(client.form, file, client.fresh, client.wanted(url, login=login))


def back(client: Client, file: Path) -> placing.TakenBack:
    told = take_back(client.form, file, client.fresh)
    assert told is not None
    return told


def all_of(folder: Path) -> dict[str, Any]:
    """Every name below it, with its bytes and its mode."""
    return {
        path.relative_to(folder).as_posix(): (
            path.read_bytes() if path.is_file() else None,
            stat.S_IMODE(path.lstat().st_mode),
        )
        for path in sorted(folder.rglob("*"))
    }


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda path: path.name)
@pytest.mark.parametrize("login", [False, True])
def test_a_real_file(golden: Path, tmp_path: Path, login: bool) -> None:
    client, read = WITH_FILES[NAMES[golden]], READERS[NAMES[golden]]
    if login and client.asked_by_login is None:
        login = False
    file = tmp_path / golden.name
    file.write_bytes(golden.read_bytes())
    file.chmod(0o640)
    before = all_of(tmp_path)
    text = golden.read_bytes().decode()

    placed = put(client, file, login=login)

    after = file.read_bytes().decode()
    wanted = tuple(client.wanted(URL, login=login))
    assert plain(read(after)) == with_wanted(plain(read(text)), client.name, wanted)
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert placed.backup is not None
    assert placed.backup.read_bytes() == golden.read_bytes()
    assert stat.S_IMODE(placed.backup.stat().st_mode) == 0o640
    gone = [line[2:] for line in difflib.ndiff(text.split("\n"), after.split("\n")) if line.startswith("- ")]
    assert len(gone) <= 4, "lines of the user's that read otherwise now"

    assert back(client, file).as_it_was
    assert all_of(tmp_path) == before


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda path: path.name)
def test_somebody_has_changed_it_since(golden: Path, tmp_path: Path) -> None:
    """Only what is ours comes out: the rest is what he has made of it."""
    client, read = WITH_FILES[NAMES[golden]], READERS[NAMES[golden]]
    file = tmp_path / golden.name
    file.write_bytes(golden.read_bytes())
    put(client, file)
    newline = "\r\n" if b"\r\n" in golden.read_bytes() else "\n"
    note = "// a note of mine" if golden.suffix.startswith(".json") else "# a note of mine"
    file.write_bytes(f"{note}{newline}".encode() + file.read_bytes())

    told = back(client, file)

    rest = file.read_bytes().decode()
    assert not told.as_it_was
    assert told.left == ()
    assert rest.startswith(note)
    assert plain(read(rest)) == plain(read(golden.read_bytes().decode()))
    assert rest.removeprefix(note + newline).split() == golden.read_bytes().decode().split()
    # What it was, is not thrown away.
    assert told.backup is not None
    assert told.backup.read_bytes() == golden.read_bytes()
    assert take_back(client.form, file, client.fresh) is None


def test_another_value_since_stays(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('model = "gpt-5.5"\n')
    put(CODEX, file)
    file.write_text(file.read_text().replace('= "trooper"', '= "corp"'))

    assert back(CODEX, file).left == ("model_provider",)
    assert file.read_text() == 'model = "gpt-5.5"\nmodel_provider = "corp"\n'


@pytest.mark.parametrize("client", WITH_FILES.values(), ids=list(WITH_FILES))
def test_a_file_and_folders_that_were_not_there(client: Client, tmp_path: Path) -> None:
    file = tmp_path / "home" / "deep" / "file"

    placed = put(client, file)

    assert placed.backup is None
    assert file.read_text() == client.block(URL)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    told = back(client, file)
    assert (told.removed, told.as_it_was) == (True, True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("client", WITH_FILES.values(), ids=list(WITH_FILES))
def test_a_made_file_that_has_become_somebodys(client: Client, tmp_path: Path) -> None:
    """A blank more is nobody's work; a comment is. What else came into the folder stays, too."""
    file = tmp_path / "deep" / "file"
    put(client, file)
    file.write_text(file.read_text() + "\n")
    (file.parent / "other").touch()
    assert back(client, file).removed
    assert [path.name for path in file.parent.iterdir()] == ["other"]

    put(client, file)
    note = "// mine\n" if client.form is jsonc else "# mine\n"
    file.write_text(file.read_text() + note)
    assert not back(client, file).removed
    assert file.read_text().endswith(note)


def test_twice_and_another_address(tmp_path: Path) -> None:
    """One block at a time, and the backup is of before the first."""
    golden = FILES / "codex-other-provider.toml"
    file = tmp_path / "config.toml"
    file.write_bytes(golden.read_bytes())
    before = all_of(tmp_path)
    put(CODEX, file)
    first = all_of(tmp_path)
    assert put(CODEX, file).was_there
    assert all_of(tmp_path) == first

    put(CODEX, file, "http://127.0.0.1:9000")
    put(CODEX, file, "http://127.0.0.1:9000", login=True)

    text = file.read_text()
    assert (text.count("127.0.0.1:9000"), text.count("8642"), text.count("env_key")) == (1, 0, 1)
    assert back(CODEX, file).as_it_was
    assert all_of(tmp_path) == before


def test_twice_with_a_change_between(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("a = 1\n")
    put(CODEX, file)
    file.write_text(file.read_text() + "\n[mine]\nb = 2\n")
    put(CODEX, file, "http://127.0.0.1:9000")

    assert back(CODEX, file).as_it_was
    assert file.read_text() == "a = 1\n\n[mine]\nb = 2\n"


def test_it_said_so_already(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(CODEX.block(URL))
    assert put(CODEX, file).was_there
    assert [path.name for path in tmp_path.iterdir()] == ["config.toml"]
    assert take_back(CODEX.form, file, "") is None


def test_a_link_stays_one(tmp_path: Path) -> None:
    real = tmp_path / "dotfiles" / "codex.toml"
    real.parent.mkdir()
    real.write_text("a = 1\n")
    link = tmp_path / "config.toml"
    link.symlink_to(real)
    before = all_of(tmp_path)

    placed = put(CODEX, link)

    assert (placed.file, link.is_symlink()) == (real, True)
    assert "8642" in real.read_text()
    back(CODEX, link)
    assert all_of(tmp_path) == before


def test_a_byte_order_mark_stays(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    file.write_bytes(b'\xef\xbb\xbf{"a": 1}')
    put(WITH_FILES["claude-code"], file)
    assert file.read_bytes().startswith(b'\xef\xbb\xbf{"a": 1, ')


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"a = ", "no TOML"), (b"a = '\xff'", "not UTF-8, at byte 5"), (b"# " + b"x" * 4_194_304, "larger")],
)
def test_a_file_that_cannot_be_used(content: bytes, why: str, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_bytes(content)
    before = all_of(tmp_path)
    with pytest.raises(NotEdited, match=why):
        put(CODEX, file)
    assert all_of(tmp_path) == before


@pytest.mark.parametrize("kind", ["read-only", "folder", "loop", "below-a-file"])
def test_a_place_that_cannot_be_written(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    if kind == "read-only":
        file.write_text("a = 1\n")
        file.chmod(0o444)
    elif kind == "folder":
        file.mkdir()
    elif kind == "loop":
        file.symlink_to(file)
    else:
        file.touch()
        file = file / "deep" / "config.toml"
    before = all_of(tmp_path)

    with pytest.raises(NotEdited):
        put(CODEX, file)
    assert all_of(tmp_path) == before


def test_a_disk_that_fills_up_at_the_last_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of it stays: no backup, no receipt, no folder, no half of a file."""
    file = tmp_path / "deep" / "config.toml"
    replace = Path.replace

    def full(self: Path, target: Path) -> Path:
        if target == file:
            raise OSError(28, "No space left on device")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(NotEdited, match="No space left"):
        put(CODEX, file)
    assert all_of(tmp_path) == {}


def test_a_backup_of_somebody_elses_is_not_written_over(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("a = 1\n")
    (tmp_path / "config.toml.before-trooper").write_text("precious")
    before = all_of(tmp_path)
    placed = put(CODEX, file)
    assert placed.backup == tmp_path / "config.toml.before-trooper-2"
    back(CODEX, file)
    assert all_of(tmp_path) == before


def test_a_file_that_was_given_back_by_hand(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("a = 1\n")
    put(CODEX, file)
    file.write_text("a = 1\n")
    told = back(CODEX, file)
    assert (told.as_it_was, told.left) == (True, ())
    assert [path.name for path in tmp_path.iterdir()] == ["config.toml"]


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("a = 1\n")
    put(CODEX, file)
    file.unlink()
    told = back(CODEX, file)
    assert (told.removed, told.as_it_was) == (True, False)
    assert told.backup is not None
    assert told.backup.read_text() == "a = 1\n"


def test_a_made_file_that_is_gone(tmp_path: Path) -> None:
    """Also one that was never made: somebody pulled the plug before the last write."""
    file = tmp_path / "deep" / "config.toml"
    put(CODEX, file)
    file.unlink()
    told = back(CODEX, file)
    assert (told.removed, told.as_it_was, told.backup) == (True, True, None)
    assert all_of(tmp_path) == {}


def test_the_plug_is_pulled_before_the_last_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "config.toml"
    file.write_text("a = 1\n")
    before = all_of(tmp_path)
    replace = Path.replace

    def stopped(self: Path, target: Path) -> Path:
        if target == file:
            raise KeyboardInterrupt
        return replace(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", stopped)
        with pytest.raises(KeyboardInterrupt):
            put(CODEX, file)
    assert back(CODEX, file).as_it_was
    assert all_of(tmp_path) == before


def test_a_receipt_that_cannot_be_read(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("a = 1\n")
    put(CODEX, file)
    receipt = tmp_path / "config.toml.trooper-undo"
    assert "a = 1" not in receipt.read_text()
    for content in ("", "{}", "[]", '{"changes": [1]}', json.dumps({"changes": [], "made_folders": []})):
        receipt.write_text(content)
        before = all_of(tmp_path)
        with pytest.raises(NotEdited, match="move it away"):
            back(CODEX, file)
        assert all_of(tmp_path) == before


def test_what_is_made_is_its_users_alone(tmp_path: Path) -> None:
    """Whatever the umask is; a backup of a file with keys in it is as closed as the file."""
    umask = os.umask(0)
    try:
        file = tmp_path / "deep" / "config.toml"
        put(CODEX, file)
        told = {name: mode for name, (_, mode) in all_of(tmp_path).items()}
    finally:
        os.umask(umask)
    assert told == {"deep": 0o700, "deep/config.toml": 0o600, "deep/config.toml.trooper-undo": 0o600}

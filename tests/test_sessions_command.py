"""`trooper sessions`: the list and one session, as a person and as a program reads them."""

from __future__ import annotations

import io
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import apsw
import pytest
import trio
from attrs import evolve
from rich.console import Console

from stores import ANN, BEN, session, turn
from trooper.commands.cli import app
from trooper.commands.sessions import described, listed, told_moment
from trooper.store import Caps, Store
from trooper.store.opening import open_store

NOW = datetime(2026, 11, 30, 17, 5, tzinfo=UTC).timestamp()


def keep(folder: Path, *records: Any) -> None:
    """Have a store in `folder` with these in it."""

    async def put() -> None:
        async with trio.open_nursery() as nursery:
            async with open_store(str(folder), Caps(), nursery) as opened:
                store: Store = opened.store
                for record in records:
                    (store.put_turn if hasattr(record, "legs") else store.put_session)(record)
                assert await store.settled()
            nursery.cancel_scope.cancel()

    trio.run(put)


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        app(["sessions", *words])
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    now = time.time()
    keep(
        tmp_path / "data",
        session("1" * 32, ANN, used_at=now - 60),
        turn("t1", "1" * 32, at=now - 60, tokens=1_200, local_tokens=30),
        session("12" + "3" * 30, BEN, used_at=now - 30),
        session("9" * 32, BEN, used_at=now - 100_000),
    )
    return tmp_path / "data"


def test_the_list_has_everybodys_that_are_still_kept(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--data-dir", str(folder)) == 0
    said = capsys.readouterr().out
    assert said.index("123333333333") < said.index("111111111111")
    assert "1,230" in said
    assert "999" not in said
    assert "\x1b" not in said


def test_programs_read_what_http_tells(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--data-dir", str(folder), "--json", "--most", "1") == 0
    (one,) = json.loads(capsys.readouterr().out)["sessions"]
    assert (one["id"], one["turns"]) == ("12" + "3" * 30, 0)
    assert run("11", "--data-dir", str(folder), "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["session"]["id"], told["turns"][0]["legs"][1]["target"]) == ("1" * 32, "ollama")


def test_one_is_shown_by_the_beginning_of_its_id(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("11", "--data-dir", str(folder)) == 0
    said = capsys.readouterr().out
    assert f"session {'1' * 32}" in said
    assert "ollama qwen: completed, 30 tokens" in said


def test_a_turn_of_another_shape_hides_no_other_one(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(folder, turn("t2", "1" * 32, at=time.time()))
    with apsw.Connection(str(folder / "trooper.sqlite3")) as db:
        db.execute("UPDATE turns SET told = ? WHERE id = 't2'", (b'{"id":2,"of":"tomorrow"}',))
    assert run("11", "--data-dir", str(folder)) == 0
    assert "ollama qwen: completed, 30 tokens" in capsys.readouterr().out


def test_a_turn_that_is_not_over_says_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(folder, evolve(turn("t2", "1" * 32, at=time.time()), ending="open", legs=()))
    assert run("11", "--data-dir", str(folder)) == 0
    assert "gpt: open: it is being answered, or Trooper was ended" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "status", "why"),
    [
        (("x\x1b[2J",), 1, "there is no session that begins with unprintable"),
        (("1",), 1, "2 sessions have an id that begins with 1"),
        (("--most", "0"), 2, "--most"),
    ],
)
def test_what_cannot_be_shown_is_told(
    words: tuple[str, ...], status: int, why: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*words, "--data-dir", str(folder)) == status
    assert why in capsys.readouterr().err


def test_where_nothing_is_on_disk_it_says_whom_to_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("--data-dir", ":memory:") == 1
    assert "GET http://127.0.0.1:8642/sessions" in capsys.readouterr().err
    assert run("--data-dir", str(tmp_path / "none")) == 1
    assert "there is no trooper.sqlite3" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
    (tmp_path / "trooper.toml").write_text("x", encoding="utf-8")
    assert run() == 2


def test_a_file_that_is_none_of_ours_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "trooper.sqlite3"
    file.write_bytes(b"no database at all" * 100)
    assert run("--data-dir", str(tmp_path)) == 1
    assert "cannot be read" in capsys.readouterr().err
    file.unlink()
    apsw.Connection(str(file)).execute("CREATE TABLE mine (x)")
    assert run("--data-dir", str(tmp_path)) == 1
    assert "not of this version" in capsys.readouterr().err


def printed(width: int) -> Console:
    return Console(file=io.StringIO(), width=width, color_system=None, highlight=False, markup=False)


def said_by(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120])
def test_narrow_terminals_are_kept_to(width: int) -> None:
    console = printed(width)
    listed(console, [session(used_at=NOW), session("b" * 32, used_at=NOW)], 1, Path("data"), 86_400, NOW)
    leg = evolve(turn().legs[0], shortened={"turns": 12}, reason="refused", estimated=True, outcome="connect")
    one = evolve(turn(at=NOW), legs=(leg,), passed_by={"openai": "cooling_down"})
    described(console, session(used_at=NOW), [one, one], 1, NOW)
    said = said_by(console)
    assert all(len(line) <= width for line in said.splitlines())
    assert "cooling_down" in said
    assert "refused" in said


def test_an_empty_list_is_a_sentence() -> None:
    console = printed(100)
    listed(console, [], 20, Path("data"), 1_800, NOW)
    assert said_by(console) == "No session in data. One is kept for 30 minutes after its last use.\n"


@pytest.mark.parametrize(
    ("ago_s", "said"),
    [
        (0, "today 17:05"),
        (17 * 3600, "today 00:05"),
        (18 * 3600, "yesterday 23:05"),
        (3 * 86_400, "2026-11-27 17:05"),
    ],
)
def test_moments_as_people_say_them(ago_s: float, said: str) -> None:
    assert told_moment(NOW - ago_s, NOW, local=lambda at: datetime.fromtimestamp(at, UTC)) == said

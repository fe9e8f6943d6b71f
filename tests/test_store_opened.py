"""
The store as a running Trooper has it: who is known again after a restart, and what people are told of it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
import trio
from attrs import evolve

from config_files import from_environment
from stores import ANN, answer, session
from trooper.commands.check import check
from trooper.commands.keeping import MEND, standing_of, store_lines
from trooper.config import Config, Store
from trooper.core.headers import Headers
from trooper.services import Services, open_services, store_facts
from trooper.store import Content, MemoryStore, Standing, Trouble

CLIENT: Headers = ((b"authorization", b"Bearer sk-somebodys"),)


@pytest.fixture(autouse=True)
def _log() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def keeping(place: Path | str, content: str = "memory") -> Config:
    config = from_environment(TROOPER_OLLAMA_URL="http://127.0.0.1:9")
    return evolve(config, store=Store(str(place), content))


async def once(config: Config) -> tuple[str, Services]:
    """Who a client is to one run of Trooper."""
    async with trio.open_nursery() as nursery:
        async with open_services(config, nursery) as services:
            owner = services.credentials(CLIENT, b"")
            services.store.put_session(session("s", owner))
            services.store.put_answer(answer("r", owner), Content(b"said", b"said"))
            services.store.put_answer(answer("session/s", owner), Content(b"said", b"said"))
        nursery.cancel_scope.cancel()
    return owner, services


async def test_a_client_is_known_again_where_there_is_a_folder(tmp_path: Path) -> None:
    first, _ = await once(keeping(tmp_path / "data"))
    again, services = await once(keeping(tmp_path / "data"))

    assert first == again
    assert services.store.standing().sessions == 1
    assert (await once(keeping(tmp_path / "other")))[0] != first


async def test_where_there_is_none_he_is_another_one_in_each_process() -> None:
    first, services = await once(keeping(":memory:"))

    assert isinstance(services.store, MemoryStore)
    assert (await once(keeping(":memory:")))[0] != first


async def test_readiness_says_where_and_what(tmp_path: Path) -> None:
    async with trio.open_nursery() as nursery:
        async with open_services(keeping(tmp_path / "data"), nursery) as services:
            services.store.put_session(session("s", ANN))
            before = services.readiness()["store"]
            assert await services.store.settled()
            told = services.readiness()["store"]
        nursery.cancel_scope.cancel()

    assert isinstance(told, dict)
    assert isinstance(before, dict)
    assert (before["unwritten"], told["unwritten"], told["sessions"]) == (1, 0, 1)
    assert (told["place"], told["on_disk"], told["content_on_disk"]) == (str(tmp_path / "data"), True, False)
    assert told["file_bytes"] > 4096
    assert "trouble" not in told
    json.dumps(told)


def test_programs_are_told_what_is_wrong() -> None:
    facts = store_facts(Standing("/data", trouble=Trouble.DISK_FULL, words="database or disk is full"))

    assert facts["trouble"] == "disk_full"
    assert facts["meaning"] == "the disk is full"
    assert facts["reason"] == "database or disk is full"
    json.dumps(facts)


@pytest.mark.parametrize(
    ("standing", "lines"),
    [
        (
            Standing(":memory:"),
            ["Nothing is kept on disk: what clients come back to is gone with the process."],
        ),
        (
            Standing("/data", on_disk=True, file_bytes=3 * 1024 * 1024, sessions=4, answers=5),
            ["Kept in /data (3.0 MiB): 4 sessions and 5 answers, without what was said."],
        ),
        (
            Standing("/data", on_disk=True, content_on_disk=True, contents=2, content_bytes=1024 * 1024),
            [
                "Kept in /data (0.0 MiB): 0 sessions, 0 answers, and what was said last in sessions and in 2 answers (1.0 MiB, not encrypted)."
            ],
        ),
        (
            Standing("/data", trouble=Trouble.READ_ONLY, words="permission denied"),
            [
                "Nothing is kept on disk: what clients come back to is gone with the process.",
                "  /data: it may not be written (permission denied).",
                f"  {MEND}",
            ],
        ),
    ],
)
def test_people_are_told_in_sentences(standing: Standing, lines: list[str]) -> None:
    assert store_lines(standing) == lines


async def test_who_checks_sees_what_a_server_has_kept(tmp_path: Path) -> None:
    config = keeping(tmp_path / "data", content="disk")
    await once(config)
    standing = await standing_of(config)

    assert (standing.sessions, standing.answers, standing.contents) == (1, 1, 1)
    (line,) = store_lines(standing)
    assert (
        "1 session, 1 answer, and what was said last in sessions and in 1 answer (0.0 MiB, not encrypted)"
        in line
    )


def test_tests_write_nothing_where_their_user_keeps_his() -> None:
    """What `conftest.py` says for all of them."""
    assert os.environ["TROOPER_DATA_DIR"] == ":memory:"
    assert "trooper-tests" in os.environ["XDG_DATA_HOME"]


def test_check_looks_where_a_server_was_told_to_keep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "OLLAMA_URL"):
        monkeypatch.setenv(f"TROOPER_{name}", "http://127.0.0.1:9")

    check(data_dir="kept")

    assert f"\nKept in {tmp_path / 'kept'} (" in capsys.readouterr().out

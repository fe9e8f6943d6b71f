"""The bench without its processes: its progress, its rig and the keeper of its programs."""

from __future__ import annotations

import io
import tomllib
from pathlib import Path

import pytest
from rich.console import Console

from trooper.bench.keeper import left_over
from trooper.bench.progress import Progress
from trooper.bench.rig import Clocks, environment, toml
from trooper.config import load
from trooper.wires import WIRES


def test_without_a_terminal_progress_is_a_few_lines() -> None:
    console = Console(file=io.StringIO(), width=80)
    with Progress(console).counting("switchover", 40) as step:
        for _ in range(40):
            step()

    assert console.file.getvalue().splitlines() == [  # type: ignore[attr-defined]  # it is a StringIO
        "switchover: 40 to do",
        *(f"switchover: {done} of 40" for done in (10, 20, 30)),
    ]


def test_on_a_terminal_it_is_a_bar_that_goes_away() -> None:
    console = Console(file=io.StringIO(), width=80, force_terminal=True, color_system="standard")
    with Progress(console).counting("switchover", 3) as step:
        step()
        shown = console.file.getvalue()  # type: ignore[attr-defined]  # it is a StringIO

    assert "1/3" in shown


def test_programs_are_told_nothing_of_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TROOPER_STALL_TIMEOUT", "OLLAMA_HOST", "HTTPS_PROXY", "http_proxy", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, "the user's")

    assert "the user's" not in environment().values()
    assert environment().keys() >= {"PATH", "PYTHONPATH"}


def test_the_configuration_is_one_that_trooper_reads(tmp_path: Path) -> None:
    file = tmp_path / "trooper.toml"
    text = toml(
        "http://127.0.0.1:1",
        "http://127.0.0.1:2",
        server={"gate": False},
        cloud={"stall_timeout_s": 0.2},
        local={"model": 'a"b', "num_ctx": 7},
    )
    file.write_text(text, encoding="utf-8")
    config = load({"TROOPER_CONFIG": str(file)}, tmp_path, WIRES.known)
    cloud, local = config.targets

    assert (cloud.base_url, cloud.stall_timeout_s, cloud.key.kind) == ("http://127.0.0.1:1/v1", 0.2, "none")
    assert (local.base_url, local.model, local.num_ctx) == ("http://127.0.0.1:2", 'a"b', 7)
    assert config.server.gate is False
    assert len(tomllib.loads(toml("http://127.0.0.1:1", None))["targets"]) == 1


def test_a_log_lines_time_becomes_one_of_the_monotonic_clock() -> None:
    assert Clocks(ahead_s=1_700_000_000.0).monotonic("2023-11-14T22:13:21.500000Z") == 1.5


def test_the_keeper_kills_what_nobody_has_ended() -> None:
    assert left_over(["+5\n", "+6\n", "-5\n", "+7\n"]) == {6, 7}
    assert left_over(["+5\n", "-5\n"]) == set()

"""
The switchover bench with its real processes: what it says is true, and nothing of it stays.
"""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import trio
from rich.console import Console

import trooper
from trooper.bench import switchover
from trooper.bench.cuts import ANSWER, BEFORE, HISTORIES, KINDS, POSITIONS, Cell, Moments, Pool, Proxy
from trooper.bench.progress import Progress
from trooper.bench.result import Asked, Compare, Mode, Result
from trooper.bench.rig import NotStarted, Serving, open_rig, toml
from trooper.bench.stage import Pace
from trooper.bench.switchover import OwnOllama

ROOT = Path(trooper.__file__).parents[1]
BENCH = (sys.executable, "-c", "import sys; from trooper.bench import bench_app; sys.exit(bench_app())")
LONG_S = 90


def quiet() -> Progress:
    return Progress(Console(file=io.StringIO()))


def environment(folder: Path, **more: str) -> dict[str, str]:
    """One by which the bench's programs can be known; what it says of Trooper must not reach them."""
    users = {
        "TROOPER_STALL_TIMEOUT": "nonsense",
        "OLLAMA_HOST": "nonsense:1",
        "HTTP_PROXY": "http://nonsense",
    }
    return {**os.environ, **users, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder), **more}


def programs_in(folder: Path) -> list[str]:
    """The command lines of all processes that were given `folder` for their temporary files."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"TMPDIR={folder}".encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_text(encoding="utf-8").replace("\0", " "))
        except OSError:
            continue
    return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port


def test_a_quick_run_is_exact_and_says_everything(tmp_path: Path) -> None:
    figures, plot = tmp_path / "x.json", tmp_path / "x.svg"
    command = (*BENCH, "switchover", "--quick", "--json", str(figures), "--plot", str(plot))
    ended = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        timeout=LONG_S,
        env=environment(tmp_path, NO_COLOR="1"),
        cwd=tmp_path,
    )
    told = json.loads(figures.read_text(encoding="utf-8"))

    assert (ended.returncode, ended.stderr) == (0, "")
    assert max(map(len, ended.stdout.splitlines())) <= 80
    assert "\x1b" not in ended.stdout
    assert told["summary"]["not_exact"] == {}
    assert all(cell["n"] == cell["switchover_overhead_ms"]["n"] for cell in told["cells"])
    # Not how fast it is, but that it is a time at all.
    for name in ("switchover_overhead_ms", "detection_ms", "gap_ms", "asked_after_429_ms"):
        assert 0 < told["summary"][name]["p50"] < 1000
    for cell in told["cells"]:
        assert 0 < cell["asked_ms"]["p50"] < cell["switchover_overhead_ms"]["p50"]
    assert ET.parse(plot).getroot().tag.endswith("svg")  # noqa: S314  # our own
    assert programs_in(tmp_path) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.json", "x.svg"]


@pytest.mark.parametrize("serving", [Serving.GUEST, Serving.SERVE])
async def test_every_fault_is_cut_in_every_way_to_serve(serving: Serving) -> None:
    cells = [Cell(kind, BEFORE if kind.before else POSITIONS[1], HISTORIES[0]) for kind in KINDS]
    cells.append(Cell(KINDS[0], POSITIONS[0], HISTORIES[1], Pool.FRESH))
    async with open_rig() as rig:
        stage = await switchover.set_up(rig, Pace(), serving, None, None)
        outcomes = []
        for cell in cells:
            with trio.fail_after(LONG_S):
                outcomes.append((await stage.cut(cell)).outcome)

    assert [outcome for outcome in outcomes if not isinstance(outcome, Moments)] == []


async def test_somebodys_own_ollama_is_measured_through_a_tap() -> None:
    async with open_rig() as rig:
        own = await rig.ollama(token_s=0.002, answer=ANSWER)
        with trio.fail_after(LONG_S):
            result = await switchover.measure(
                Asked(Mode.QUICK), quiet(), own=OwnOllama(own.url, "qwen2.5:3b")
            )

    assert isinstance(result, Result)
    assert not result.is_bad
    assert result.settings["local_model"] == "qwen2.5:3b"
    assert {cell["history"] for cell in result.cells} == {"short"}
    assert any("its own" in note for note in result.notes)


async def test_another_proxy_is_measured_beside_trooper() -> None:
    provider_port, ollama_port = free_port(), free_port()
    places = f"http://127.0.0.1:{provider_port}", f"http://127.0.0.1:{ollama_port}"
    async with open_rig() as rig:
        # Trooper again, but as a stranger: nobody reads its log. Its standby waits for the bench.
        file = rig.new_folder() / "trooper.toml"
        text = toml(
            *places,
            cloud=dict.fromkeys(("stall_timeout_s", "alive_timeout_s"), Pace().patience_s),
            local={"num_ctx": 32768},
        )
        await trio.Path(file).write_text(text, encoding="utf-8")
        other = await rig.start("another proxy", Serving.SERVE.command, env={"TROOPER_CONFIG": str(file)})
        compare = Compare(f"{other.url}/v1", provider_port=provider_port, ollama_port=ollama_port)
        with trio.fail_after(LONG_S):
            result = await switchover.measure(Asked(Mode.QUICK, compare=compare), quiet())
    assert isinstance(result, Result)
    told: Any = result.summary

    assert not result.is_bad
    assert told["other"]["cuts"] == told["cuts"]
    assert "detection_ms" not in told["other"]
    # Words that it lost would count; how long its standby took to find the stand-in does not.
    assert {cell["proxy"] for cell in result.cells} == {proxy.value for proxy in Proxy}
    assert told["other"]["switchover_overhead_ms"]["n"] > 0


@pytest.mark.parametrize(
    ("how", "status"),
    [
        (signal.SIGINT, 128 + signal.SIGINT),
        (signal.SIGTERM, 128 + signal.SIGTERM),
        (signal.SIGHUP, 128 + signal.SIGHUP),
        (signal.SIGKILL, -signal.SIGKILL),
    ],
)
def test_nothing_outlives_it(how: signal.Signals, status: int, tmp_path: Path) -> None:
    # A shell may have told its background jobs to ignore Ctrl-C.
    hears = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); " + BENCH[2]
    bench = subprocess.Popen(
        (*BENCH[:2], hears, "switchover"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(tmp_path),
    )
    assert bench.stdout is not None
    assert "to do" in bench.stdout.readline()
    running = programs_in(tmp_path)
    bench.send_signal(how)
    _, said = bench.communicate(timeout=LONG_S)
    # The keeper has to notice first.
    deadline = time.monotonic() + LONG_S
    while programs_in(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)

    words = {word for command in running for word in command.replace("/", " ").split()}
    assert {"provider", "ollama", "hypercorn", "keeper.py"} <= words
    assert programs_in(tmp_path) == []
    assert (bench.returncode, said) == (status, "")


async def test_a_program_that_is_not_there_is_said() -> None:
    async with open_rig() as rig:
        with pytest.raises(NotStarted, match="nobody does not start: No such file"):
            await rig.start("nobody", ["/nonexistent/program"])


async def test_a_program_that_ends_is_quoted() -> None:
    async with open_rig() as rig:
        with pytest.raises(NotStarted, match=r"talker has ended; its last words:\nthese words"):
            await rig.start("talker", [sys.executable, "-c", "print('these words')"])


async def test_a_standby_that_is_never_ready_is_said() -> None:
    async with open_rig() as rig:
        with pytest.raises(NotStarted, match=r"the standby is not ready: \{'local': '\w+'\}"):
            await rig.trooper(Serving.SERVE, toml("http://127.0.0.1:9", "http://127.0.0.1:9"), ready_s=3)

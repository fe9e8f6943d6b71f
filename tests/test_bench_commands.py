"""The commands of the bench: what is refused, what is run, and the exit status."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from measured import RESET, cut, measured
from trooper.bench import commands
from trooper.bench.commands import Wishes
from trooper.bench.cuts import Cut, Spoiled
from trooper.bench.progress import Progress
from trooper.bench.result import Asked, Mode, NotRun, Result
from trooper.bench.rig import NotStarted


def test_wishes_that_cannot_be_met_are_refused_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OTHER_KEY", raising=False)
    nowhere = tmp_path / "nowhere" / "x"
    statuses = [
        commands.switchover(Wishes(json=nowhere)),
        commands.switchover(Wishes(plot=nowhere)),
        commands.switchover(ollama="http://127.0.0.1:1"),
        commands.switchover(model="m"),
        commands.switchover(Wishes(compare="http://127.0.0.1:1/v1"), ollama="http://127.0.0.1:2", model="m"),
        commands.switchover(Wishes(compare="http://127.0.0.1:1/v1", compare_key_env="OTHER_KEY")),
    ]

    assert statuses == [2] * 6
    assert "OTHER_KEY is not set" in capsys.readouterr().err


def test_the_other_proxys_key_comes_from_the_environment_and_is_not_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTHER_KEY", "sk-secret")
    asked = Wishes(compare="http://127.0.0.1:1/v1", compare_key_env="OTHER_KEY", quick=True).asked

    assert asked.compare is not None
    assert (asked.mode, asked.compare.key) == (Mode.QUICK, "sk-secret")
    assert "sk-secret" not in repr(asked)


async def fine(asked: Asked, progress: Progress) -> Result:
    return measured([cut(RESET, 2)])


async def inexact(asked: Asked, progress: Progress) -> Result:
    return measured([Cut(RESET, Spoiled("status 503"))])


async def not_here(asked: Asked, progress: Progress) -> NotRun:
    return NotRun("seam", "the extra is missing")


async def does_not_start(asked: Asked, progress: Progress) -> Result:
    raise BaseExceptionGroup(
        "of a nursery", [ExceptionGroup("of a rig", [NotStarted("nginx does not start")])]
    )


@pytest.mark.parametrize(
    ("measures", "status"),
    [
        pytest.param([fine], 0, id="fine"),
        pytest.param([fine, not_here], 0, id="one cannot run here"),
        pytest.param([not_here], 1, id="none can run here"),
        pytest.param([fine, inexact], 1, id="one is not exact"),
        pytest.param([does_not_start, fine], 1, id="one does not start"),
    ],
)
async def test_the_exit_status(measures: list[Any], status: int) -> None:
    named = {f"{number}": measure for number, measure in enumerate(measures)}

    assert await commands.run_all(Wishes(), named) == status


async def test_what_did_not_run_is_said_and_the_others_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    measures: Any = {"passthrough": does_not_start, "seam": not_here, "switchover": fine}
    await commands.run_all(Wishes(json=tmp_path / "x.json"), measures)
    told = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))

    assert told["benches"]["passthrough"]["not_run"] == "nginx does not start"
    assert told["benches"]["seam"]["not_run"] == "the extra is missing"
    assert told["benches"]["switchover"]["mode"] == "full"
    assert told["summary"]["switchover"]["switchover_overhead_ms"]["p50"] == 2
    assert "seam: not run: the extra is missing" in capsys.readouterr().out


async def test_one_bench_alone_is_the_whole_document(tmp_path: Path) -> None:
    await commands.run_all(Wishes(json=tmp_path / "x.json"), {"switchover": fine})
    told = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))

    assert told["bench"] == "switchover"


async def test_the_figures_of_all_that_ran_are_drawn_into_one_file(tmp_path: Path) -> None:
    async def costs(asked: Asked, progress: Progress) -> Result:
        cells: Any = [{"system": "nginx", "cpu_per_token_us_by_round": [19.0, 21.0]}]
        return Result("passthrough", asked.mode, {}, cells, {})

    measures: Any = {"switchover": fine, "passthrough": costs, "seam": not_here}
    assert await commands.run_all(Wishes(plot=tmp_path / "x.svg"), measures) == 0
    drawn = (tmp_path / "x.svg").read_text(encoding="utf-8")

    assert "Switchover overhead" in drawn
    assert "Processor time of a token" in drawn
    assert ">nginx<" in drawn


@pytest.mark.parametrize("wishes", [Wishes(json=Path("/dev/full")), Wishes(plot=Path("/dev/full"))])
async def test_a_full_disk_is_said_behind_the_figures(
    wishes: Wishes, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await commands.run_all(wishes, {"switchover": fine}) == 1
    assert capsys.readouterr().out.endswith("/dev/full was not written: No space left on device\n")


@pytest.mark.parametrize(
    ("wishes", "says"),
    [
        (Wishes(compare="127.0.0.1:4000/v1"), "127.0.0.1:4000/v1 is no plain http:// URL"),
        (Wishes(compare="localhost/v1"), "localhost/v1 is no plain http:// URL"),
        (Wishes(compare="https://127.0.0.1:4000/v1"), "https://127.0.0.1:4000/v1 is no plain http:// URL"),
        (Wishes(compare="http://"), "http:// is no plain http:// URL"),
        (Wishes(compare=""), " is no plain http:// URL"),
        (Wishes(compare="http://[::1/v1"), "is no plain http:// URL"),
        (Wishes(compare="http://127.0.0.1:99999/v1"), "is no plain http:// URL"),
        (Wishes(compare="http://127.0.0.1:0/v1"), "has no port that can be asked"),
        (Wishes(compare="http://127.0.0.1:4000/v1 "), "has characters that no URL has"),
        (Wishes(compare="http://127.0.0.1:4000/v1?x=1"), "nothing follows behind it"),
        (Wishes(compare="http://u:sk-secret@127.0.0.1:4000/v1"), "in a URL are not sent"),
        (Wishes(compare="ftp://u:sk-secret@127.0.0.1/v1"), "127.0.0.1/v1 is no plain http:// URL"),
        (Wishes(provider_port=70_000), "70000 is no port"),
        (Wishes(json=Path("/dev")), "/dev is a folder"),
    ],
)
def test_what_cannot_be_measured_is_said_in_one_line_and_nothing_is_started(
    wishes: Wishes, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asks = (commands.switchover, commands.passthrough, commands.everything)
    assert [ask(wishes) for ask in asks] == [2, 2, 2]
    said = capsys.readouterr().err

    assert says in said
    assert "sk-secret" not in said
    assert len(said.splitlines()) == len(asks)

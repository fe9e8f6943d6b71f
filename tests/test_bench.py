"""
The bench without its processes: what is cut, how figures come from moments,
and how they are told.
"""

from __future__ import annotations

import io
import json
import tomllib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from attrs import evolve
from rich.cells import cell_len
from rich.console import Console

from trooper.bench import commands, report, switchover
from trooper.bench.commands import Wishes
from trooper.bench.cuts import (
    ANSWER,
    BEFORE,
    FULL,
    HISTORIES,
    KINDS,
    POSITIONS,
    QUICK,
    Cell,
    Cut,
    Kind,
    Moments,
    Plan,
    Pool,
    Proxy,
    Spoiled,
)
from trooper.bench.keeper import left_over
from trooper.bench.plot import Bar, svg
from trooper.bench.progress import Progress
from trooper.bench.result import Asked, Compare, Mode, NotRun, Result
from trooper.bench.rig import Clocks, NotStarted, environment, toml
from trooper.bench.spread import Spread, milliseconds
from trooper.bench.stage import Taken, moments, spoiled
from trooper.bench.summary import cell_table, cells, fault_table, of_proxy
from trooper.bench.table import Table
from trooper.config import load
from trooper.testing import FAULTS, chat_events, tokens
from trooper.testing.client import Heard
from trooper.wires import WIRES

MIDDLE = POSITIONS[1]
SHORT = HISTORIES[0]
RESET = Cell(KINDS[0], MIDDLE, SHORT)
LIMITED = Cell(Kind("status-429", "429", before=True), BEFORE, SHORT)
SILENCE = Cell(Kind("silence", "silence"), MIDDLE, SHORT)


def heard(*at: float, comment_at: float | None = None) -> Taken:
    """A client that heard a word at each of these times."""
    words = chat_events("word " * len(at))[1:]
    stream = [Heard(raw, moment) for raw, moment in zip(words, at, strict=False)]
    return Taken(200, "id", stream, whole=True)


def marks(fault_at: float | None, last: float | None, came: float, first: float | None) -> tuple[Any, Any]:
    return {"fault_at": fault_at, "last_content_at": last}, {"came_at": came, "first_content_at": first}


# -- what is cut -----------------------------------------------------------


def test_every_kind_of_fault_is_cut_two_hundred_times() -> None:
    kept = [cell for cell in FULL.cells([Proxy.TROOPER]) if cell.pool is Pool.KEPT]
    counts = Counter(cell.kind.name for cell in kept)

    assert set(counts) == {kind.name for kind in KINDS}
    assert min(counts.values()) >= 200
    assert FULL.per_fault == counts["reset"]


@pytest.mark.parametrize("plan", [FULL, QUICK])
def test_every_cell_of_the_matrix_is_cut(plan: Plan) -> None:
    kept = {
        (c.kind.name, c.position.name, c.history.name)
        for c in plan.cells([Proxy.TROOPER])
        if c.pool is Pool.KEPT
    }
    midway = {(k.name, p.name, h.name) for k in KINDS if not k.before for p in POSITIONS for h in HISTORIES}
    before = {(k.name, "before", h.name) for k in KINDS if k.before for h in HISTORIES}

    assert kept == midway | before


def test_the_order_is_the_seeds() -> None:
    one, same, other = (FULL.order([Proxy.TROOPER], seed) for seed in (1, 1, 2))

    assert one == same != other
    assert Counter(one) == Counter(other)
    assert one != FULL.cells([Proxy.TROOPER])


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_answer_can_be_gone_on_with_at_every_place(kind: Kind) -> None:
    events = chat_events(ANSWER)
    for position in (BEFORE,) if kind.before else POSITIONS:
        wanted = "restart" if kind.before else "continue"
        assert FAULTS[kind.name].expected(events, position.words) == (kind.found_as, wanted)
        assert position.words < len(tokens(ANSWER))


def test_a_long_history_is_long_and_ends_with_the_question() -> None:
    long = HISTORIES[1].messages
    size = sum(len(str(message["content"]).encode()) for message in long)

    assert 64 * 1024 <= size < 68 * 1024
    assert [message["role"] for message in long[:3]] == ["user", "assistant", "user"]
    assert long[-2]["role"] == "assistant"
    assert long[-1] == SHORT.messages[0]


# -- from moments to figures -----------------------------------------------


def test_the_figures_of_a_cut() -> None:
    cut = Moments(
        fault=10.0,
        local_asked=10.002,
        local_first=10.052,
        decided=10.001,
        last_heard=9.995,
        continued=10.0535,
    )

    assert cut.detection_s == pytest.approx(0.001)
    assert cut.asked_s == pytest.approx(0.002)
    assert cut.overhead_s == pytest.approx(0.0035)
    assert cut.gap_s == pytest.approx(0.0585)


def test_a_cut_of_a_reset() -> None:
    provider, local = marks(fault_at=5.0, last=4.9, came=5.1, first=5.2)

    assert moments(RESET, heard(1.0, 4.95, 5.25, 5.3), provider, local, 0.5, 5.05) == Moments(
        fault=5.0, local_asked=5.1, local_first=5.2, decided=5.05, last_heard=4.95, continued=5.25
    )


def test_a_silence_begins_with_the_end_of_patience() -> None:
    provider, local = marks(fault_at=5.0, last=4.9, came=5.5, first=5.6)
    found = moments(SILENCE, heard(4.95, 5.65), provider, local, 0.5, 5.41)

    assert isinstance(found, Moments)
    assert (found.fault, found.last_heard) == (5.4, 4.95)


def test_a_held_word_that_is_let_out_is_part_of_the_switch() -> None:
    provider, local = marks(fault_at=5.0, last=4.9, came=5.1, first=5.2)
    found = moments(RESET, heard(4.95, 5.06, 5.25), provider, local, 0.5, 5.05)

    assert isinstance(found, Moments)
    assert (found.last_heard, found.continued) == (4.95, 5.25)


def test_before_content_there_is_no_gap() -> None:
    provider, local = marks(fault_at=5.0, last=None, came=5.1, first=5.2)
    found = moments(LIMITED, heard(5.25), provider, local, 0.5, 5.05)

    assert isinstance(found, Moments)
    assert found.gap_s is None
    assert found.asked_s == pytest.approx(0.1)


@pytest.mark.parametrize(("fault_at", "first", "at"), [(None, 5.2, 5.3), (5.0, None, 5.3), (5.0, 5.2, 5.1)])
def test_a_missing_moment_spoils_the_cut(fault_at: float | None, first: float | None, at: float) -> None:
    provider, local = marks(fault_at, 4.9, 5.1, first)

    assert isinstance(moments(RESET, heard(4.9, at), provider, local, 0.5, None), Spoiled)


def taken(*events: bytes, status: int = 200, whole: bool = True) -> Taken:
    return Taken(status, "id", [Heard(raw) for raw in events], whole)


GOOD = chat_events(ANSWER)
ERROR = b'data: {"error": {"message": "no"}}\n\n'


@pytest.mark.parametrize(
    ("stream", "why"),
    [
        pytest.param(taken(*GOOD), "", id="exact"),
        pytest.param(taken(b": trooper seam\n\n", *GOOD), "", id="comments do not count"),
        pytest.param(taken(*GOOD, whole=False), "it did not end in time", id="it hangs"),
        pytest.param(taken(status=503), "status 503", id="a status"),
        pytest.param(taken(), "not one [DONE] at the end", id="nothing"),
        pytest.param(taken(*GOOD[:-1]), "not one [DONE] at the end", id="no end"),
        pytest.param(taken(*GOOD, GOOD[-1]), "not one [DONE] at the end", id="two ends"),
        pytest.param(taken(*GOOD, GOOD[3]), "not one [DONE] at the end", id="more behind the end"),
        pytest.param(taken(*GOOD[:-1], ERROR, GOOD[-1]), "an error in the stream", id="an error"),
        pytest.param(taken(*GOOD[:-2], GOOD[-1]), "finish reasons: none", id="no finish"),
        pytest.param(taken(*GOOD[:-1], *GOOD[-2:]), "finish reasons: ['stop', 'stop']", id="two finishes"),
        pytest.param(
            taken(*GOOD[:5], *GOOD[6:]), "the text differs: 221 characters for 227", id="a word lost"
        ),
        pytest.param(
            taken(*GOOD[:5], GOOD[4], *GOOD[5:]), "the text differs: 231 characters for 227", id="twice"
        ),
    ],
)
def test_what_is_not_one_whole_answer_shows_no_figure(stream: Taken, why: str) -> None:
    assert spoiled(stream, ANSWER) == why


def test_a_real_models_words_are_its_own() -> None:
    assert spoiled(taken(*chat_events("Something else.")), None) == ""
    assert spoiled(taken(*chat_events("Something else.")[:-1]), None) != ""


def test_percentiles() -> None:
    assert Spread.of(map(float, range(101))) == Spread(101, 50, 90, 99, 100)
    assert Spread.of([3.0]) == Spread(1, 3, 3, 3, 3)
    assert Spread.of([]) is None
    assert milliseconds([0.002, None, 0.002]) == Spread(2, 2, 2, 2, 2)
    assert Spread(2, 1.23456, 2, 3, 4).as_json() == {"n": 2, "p50": 1.235, "p90": 2, "p99": 3, "max": 4}


# -- the figures together --------------------------------------------------


def cut(cell: Cell, overhead_ms: float) -> Cut:
    """A cut with this overhead: asked after a quarter of it, known after an eighth."""
    overhead_s = overhead_ms / 1000
    known = None if cell.proxy is Proxy.OTHER else 100 + overhead_s / 8
    last = None if cell.kind.before else 99.99
    return Cut(cell, Moments(100, 100 + overhead_s / 4, 101 + overhead_s / 4, known, last, 101 + overhead_s))


def whole_matrix(proxies: Sequence[Proxy] = (Proxy.TROOPER,), plan: Plan = QUICK) -> list[Cut]:
    return [cut(cell, 999.9) for cell in plan.cells(proxies)]


def test_the_summary_judges_the_middle_of_streams_on_kept_connections() -> None:
    cuts = [cut(RESET, 2), cut(SILENCE, 4), cut(LIMITED, 80), cut(evolve(RESET, pool=Pool.FRESH), 800)]
    told: Any = of_proxy([*cuts, cut(evolve(RESET, proxy=Proxy.OTHER), 8000)], Proxy.TROOPER)

    overhead = told["switchover_overhead_ms"]
    assert (overhead["n"], overhead["p50"], overhead["max"]) == (2, 3, 4)
    assert told["detection_ms"]["max"] == pytest.approx(0.5)
    assert told["gap_ms"]["max"] == pytest.approx(1014)
    assert told["asked_after_429_ms"]["p50"] == 20
    assert told["by_fault"]["status-429"]["switchover_overhead_ms"]["p50"] == 80
    assert told["by_fault"]["reset"]["switchover_overhead_ms"]["n"] == 1
    assert told["fresh_connection"]["reset"]["switchover_overhead_ms"]["p50"] == 800
    assert (told["cuts"], told["not_exact"]) == (4, {})


def test_a_spoiled_cut_is_counted_and_shows_no_figure() -> None:
    cuts = [cut(RESET, 2), Cut(RESET, Spoiled("status 503")), Cut(RESET, Spoiled("status 503"))]
    told: Any = of_proxy(cuts, Proxy.TROOPER)
    (cell,) = cells(cuts)

    assert told["not_exact"] == {"reset: status 503": 2}
    assert told["switchover_overhead_ms"]["n"] == 1
    assert (cell["n"], cell["not_exact"]) == (3, 2)


def measured(
    cuts: list[Cut], *, mode: Mode = Mode.FULL, compare: Compare | None = None, **changes: Any
) -> Result:
    settings = {
        "serving": "hypercorn (asyncio guest)",
        "provider_token_s": 0.003,
        "stall_timeout_s": 0.2,
        "local_model": "stand-in",
    }
    return switchover.result(cuts, Asked(mode, compare=compare), FULL, settings | changes)


def test_the_document_has_what_a_program_needs(tmp_path: Path) -> None:
    report.write(report.document(measured(whole_matrix()), {"cores": 2}), tmp_path / "x.json")
    told = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))

    assert {"bench", "mode", "versions", "machine", "settings", "cells", "summary"} <= told.keys()
    assert (told["bench"], told["mode"], told["machine"]) == ("switchover", "full", {"cores": 2})
    assert told["summary"]["switchover_overhead_ms"].keys() >= {"p50", "p99"}
    assert len(told["cells"]) == 6 * 3 * 2 + 2 * 2 + 2
    first = told["cells"][0]
    assert (first["fault"], first["position"], first["history"], first["pool"]) == (
        "reset",
        "first",
        "short",
        "kept",
    )


def test_trooper_has_to_be_exact_and_the_other_proxy_is_shown() -> None:
    other = Compare("http://127.0.0.1:1/v1")
    good, bad = cut(RESET, 2), Cut(evolve(RESET, proxy=Proxy.OTHER), Spoiled("status 503"))
    result = measured([good, bad], compare=other)
    told: Any = result.summary

    assert not result.is_bad
    assert told["other"]["not_exact"] == {"reset: status 503": 1}
    assert measured([bad, Cut(RESET, Spoiled("status 503"))], compare=other).is_bad


@pytest.mark.parametrize("proxies", [(Proxy.TROOPER,), tuple(Proxy)])
@pytest.mark.parametrize("local_model", ["stand-in", "qwen2.5:3b"])
def test_eighty_columns_hold_everything(proxies: Sequence[Proxy], local_model: str) -> None:
    console = Console(file=io.StringIO(), width=200)
    result = measured(whole_matrix(proxies, FULL), local_model=local_model)
    report.show(result, Progress(console))
    shown = console.file.getvalue()  # type: ignore[attr-defined]  # it is a StringIO

    assert max(map(cell_len, shown.splitlines())) <= 80
    assert "999.9" in shown


def test_both_proxies_stand_side_by_side() -> None:
    rows = fault_table(whole_matrix(tuple(Proxy))).rows

    assert [row[:2] for row in rows[:2]] == [("connection reset", "trooper"), ("connection reset", "other")]
    assert rows[1][3:5] == ("–", "–")
    assert len(cell_table(whole_matrix(tuple(Proxy))).rows) == 2 * (6 * 3 * 2 + 2 * 2 + 2)


def test_a_table_sets_names_left_and_figures_right() -> None:
    table = Table("Title", ("", "ms"), (("🚢 ship", "1.5"), ("–", "12.5")))

    assert table.lines() == ["Title", "           ms", "🚢 ship   1.5", "–        12.5"]


# -- the plot --------------------------------------------------------------


def test_the_plot_is_xml_with_a_bar_for_each_fault() -> None:
    drawn = switchover.plot(measured(whole_matrix(tuple(Proxy)), compare=Compare("http://127.0.0.1:1/v1")))
    root = ET.fromstring(drawn)  # noqa: S314  # our own
    texts = ["".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")]

    assert all(texts.count(kind.title) == 2 for kind in KINDS)
    assert {"Trooper", "the other proxy"} <= set(texts)


def test_bars_lie_within_the_plot_and_on_its_scale() -> None:
    root = ET.fromstring(svg("<&>", "ms", [Bar("a < b", 1, 3), Bar("c", 2, 9.9)]))  # noqa: S314
    wide = [r for r in root.iter("{http://www.w3.org/2000/svg}rect") if r.get("width") != "3"]
    one, other = ((float(r.get("x", "")), float(r.get("width", ""))) for r in wide)

    assert other[1] / one[1] == pytest.approx(7.9 / 2, rel=0.01)
    assert one[0] < other[0]
    assert 600 < other[0] + other[1] < 720
    assert root.find("{http://www.w3.org/2000/svg}title").text == "<&>"  # type: ignore[union-attr]


@pytest.mark.parametrize("bars", [[], [Bar("nothing", 0, 0)]])
def test_a_plot_of_nothing_is_still_one(bars: list[Bar]) -> None:
    assert ET.fromstring(svg("t", "ms", bars)).tag.endswith("svg")  # noqa: S314


# -- progress, rig, keeper -------------------------------------------------


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


# -- the commands ----------------------------------------------------------


def test_wishes_that_cannot_be_met_are_refused_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OTHER_KEY", raising=False)
    nowhere = tmp_path / "nowhere" / "x"
    statuses = [
        commands.switchover(Wishes(json=nowhere)),
        commands.switchover(plot=nowhere),
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
    drawn: list[Result] = []
    await commands.run_all(Wishes(json=tmp_path / "x.json"), {"switchover": fine}, drawn.append)
    told = json.loads((tmp_path / "x.json").read_text(encoding="utf-8"))

    assert told["bench"] == "switchover"
    assert [result.bench for result in drawn] == ["switchover"]

"""The bench without its processes: how its figures are summed up, told and drawn."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from attrs import evolve
from rich.cells import cell_len
from rich.console import Console

from measured import LIMITED, RESET, SILENCE, cut, measured
from trooper.bench import costs, report, seam, switchover
from trooper.bench.cuts import FULL, KINDS, QUICK, Cut, Plan, Pool, Proxy, Spoiled
from trooper.bench.plot import Bar, Plot, svg
from trooper.bench.progress import Progress
from trooper.bench.result import Compare, Mode, Result
from trooper.bench.summary import cell_table, cells, fault_table, of_proxy
from trooper.bench.table import Table

SVG = "{http://www.w3.org/2000/svg}"

# -- the figures together --------------------------------------------------


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


def test_the_document_has_what_a_program_needs() -> None:
    told = json.loads(report.as_text(report.document(measured(whole_matrix()), {"cores": 2})))

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
    root = ET.fromstring(svg(drawn))  # noqa: S314  # our own
    texts = ["".join(element.itertext()) for element in root.iter("{http://www.w3.org/2000/svg}text")]

    assert all(texts.count(kind.title) == 2 for kind in KINDS)
    assert {"Trooper", "the other proxy"} <= set(texts)


def test_bars_lie_within_the_plot_and_on_its_scale() -> None:
    root = ET.fromstring(svg(Plot("<&>", "ms", [Bar("a < b", 1, 3), Bar("c", 2, 9.9)])))  # noqa: S314
    wide = [r for r in root.iter("{http://www.w3.org/2000/svg}rect") if r.get("width") != "3"]
    one, other = ((float(r.get("x", "")), float(r.get("width", ""))) for r in wide)

    assert other[1] / one[1] == pytest.approx(7.9 / 2, rel=0.01)
    assert one[0] < other[0]
    assert 600 < other[0] + other[1] < 720
    assert root.find("{http://www.w3.org/2000/svg}title").text == "<&>"  # type: ignore[union-attr]


@pytest.mark.parametrize("bars", [[], [Bar("nothing", 0, 0)]])
def test_a_plot_of_nothing_is_still_one(bars: list[Bar]) -> None:
    assert ET.fromstring(svg(Plot("t", "ms", bars))).tag.endswith("svg")  # noqa: S314


def texts_of(drawn: str) -> list[str]:
    root = ET.fromstring(drawn)  # noqa: S314  # our own
    return ["".join(element.itertext()) for element in root.iter(f"{SVG}text")]


def test_several_plots_stand_below_each_other() -> None:
    one, other = (
        Plot("One", "ms", [Bar("a", 1, 3)]),
        Plot("Other", "%", [Bar("b", 0, 5, 1, at=5)], ("x", "y")),
    )
    root = ET.fromstring(svg(one, other))  # noqa: S314  # our own
    tops = [int(group.get("transform", "").split()[1].rstrip(")")) for group in root.iter(f"{SVG}g")]

    assert tops[0] == 0
    assert tops[1] >= one.height
    assert tops[1] + other.height == int(root.get("height", ""))
    assert {"One", "Other", "x", "y", "1.0 – 3.0", "5.0"} <= set(texts_of(svg(one, other)))


def test_the_plot_of_what_a_token_costs() -> None:
    cells: Any = [
        {"system": "direct", "cpu_per_token_us_by_round": [None, None]},
        {"system": "trooper", "cpu_per_token_us_by_round": [140.0, 100.0, 150.0]},
    ]
    plot = costs.plot(Result("passthrough", Mode.FULL, {}, cells, {}))

    assert plot.bars == [Bar("trooper", 100, 150, at=140)]


def test_the_plot_of_the_seams() -> None:
    summary = {"by_place": {"mid-word": {"gate_on": 0.0, "gate_off": 46.1}}}
    plot = seam.plot(Result("seam", Mode.FULL, {}, [], summary))

    assert plot.bars == [Bar("mid-word", 0, 0, 0, at=0), Bar("mid-word", 0, 46.1, 1, at=46.1)]
    assert "46.1" in texts_of(svg(plot))


def _luminance(colour: str) -> float:
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("page", ["#ffffff", "#131416", "#0d1117"])
def test_a_plot_can_be_read_on_a_light_and_on_a_dark_page(page: str) -> None:
    root = ET.fromstring(svg(Plot("t", "ms", [Bar("a", 1, 2)])))  # noqa: S314  # our own
    dark, light = sorted((_luminance(root.get("fill", "")), _luminance(page)))

    # What the accessibility guidelines want of large text.
    assert (light + 0.05) / (dark + 0.05) >= 3.0

"""
The figures of the pass-through bench: what is judged, the details, and a table.
"""

from __future__ import annotations

import statistics

from trooper.bench.crowd import REQUEST_BYTES
from trooper.bench.other import reached
from trooper.bench.passthrough import SPOKEN, STREAMS, TOKEN_S, Mark, Measured, measure_costs
from trooper.bench.plot import Bar, Plot
from trooper.bench.progress import Progress
from trooper.bench.result import Asked, Result
from trooper.bench.rig import open_rig
from trooper.bench.table import Table, figure

_NO_NGINX = "nginx is not installed, so there is nothing to divide by"
_NO_PROC = "this system has no /proc, so processor time and memory were not read"
_NOISY = "the machine was too noisy: a ratio differed by more than 20 % from round to round"


async def measure(asked: Asked, progress: Progress) -> Result:
    """
    Run the pass-through bench.

    Raises:
        NotStarted: a program of it does not start, or the other proxy is not there.
    """
    await reached(asked.compare)
    async with open_rig() as rig:
        measured = await measure_costs(rig, asked, progress)
    notes = [
        *([_NO_NGINX] if Mark.NGINX not in measured.samples else []),
        *([_NO_PROC] if not measured.memory else []),
        *([_NOISY] if measured.noisy else []),
    ]
    broken = [f"{measured.broken} streams did not come to their end"] if measured.broken else []
    return Result(
        bench="passthrough",
        mode=asked.mode,
        settings={
            "streams": STREAMS,
            "tokens_per_s": 1 / TOKEN_S,
            "request_bytes": REQUEST_BYTES,
            "rounds": measured.plan.rounds,
            "tokens_per_stream": measured.plan.tokens,
            "arrival_s": measured.plan.arrival_s,
        },
        cells=[_cell(measured, mark) for mark in measured.samples],
        summary=_summary(measured),
        tables=(_table(measured),),
        notes=tuple(notes),
        problems=tuple(broken),
    )


def _cell(measured: Measured, mark: Mark) -> dict[str, object]:
    samples = measured.samples[mark]
    return {
        "system": mark.value,
        "cpu_per_token_us": _rounded(measured.cpu_us(mark)),
        "cpu_per_token_us_by_round": [_rounded(s.cpu_us) for s in samples],
        "vs_nginx_by_round": [_rounded(ratio) for ratio in measured.ratios(mark)],
        "added_ttft_ms": _percentiles(measured.added_ms(mark)),
        "tokens": sum(s.tokens for s in samples),
        "broken_streams": sum(s.broken for s in samples),
    }


def _table(measured: Measured) -> Table:
    rows = []
    for mark in measured.samples:
        ratios, added = measured.ratios(mark), measured.added_ms(mark)
        memory = measured.memory.get(mark)
        row = (
            measured.cpu_us(mark),
            statistics.median(ratios) if ratios else None,
            *(added or (None, None)),
            *((memory.idle, memory.at_40, memory.at_200) if memory else (None,) * 3),
        )
        rows.append((mark.value, *map(figure, row)))
    title = f"{STREAMS} streams of {1 / TOKEN_S:.0f} tokens a second; first content in ms, memory in MiB"
    head = ("", "µs/token", "x nginx", "first +", "p99", "idle", "at 40", "at 200")
    return Table(title, head, tuple(rows))


def _summary(measured: Measured) -> dict[str, object]:
    """What the targets are about, for `-k trio`, and the guest beside it."""
    trio_gate_off = measured.added_ms(Mark.TRIO_OPEN)
    return {
        **_figures(measured, Mark.TRIO),
        "added_ttft_ms": _percentiles(trio_gate_off),
        "added_ttft_gate_on_ms": _percentiles(measured.added_ms(Mark.TRIO)),
        "guest": {
            **_figures(measured, Mark.GUEST),
            "added_ttft_gate_on_ms": _percentiles(measured.added_ms(Mark.GUEST)),
        },
        "vs_chat": {mark.value: _rounded(measured.vs_chat(mark)) for mark in SPOKEN},
        "broken_streams": measured.broken,
        "noisy": measured.noisy,
    }


def _figures(measured: Measured, mark: Mark) -> dict[str, object]:
    ratios = measured.ratios(mark)
    memory = measured.memory.get(mark)
    return {
        "cpu_per_token_us": _rounded(measured.cpu_us(mark)),
        "cpu_per_token_vs_nginx": _rounded(statistics.median(ratios)) if ratios else None,
        "rss_mib": None
        if memory is None
        else {
            "idle": _rounded(memory.idle),
            "at_40": _rounded(memory.at_40),
            "at_200": _rounded(memory.at_200),
            "idle_with_supervisor": _rounded(memory.idle_with_supervisor),
        },
    }


def _percentiles(added: tuple[float, float] | None) -> dict[str, float] | None:
    return None if added is None else {"p50": round(added[0], 2), "p99": round(added[1], 2)}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def plot(measured: Result) -> Plot:
    """What a token costs on each system: the cheapest, the median and the dearest round."""
    bars = []
    for cell in measured.cells:
        match cell:
            case {"system": str(system), "cpu_per_token_us_by_round": list(rounds)}:
                values = [float(value) for value in rounds if value]
                if values:
                    bars.append(Bar(system, min(values), max(values), at=statistics.median(values)))
    return Plot("Processor time of a token: lowest, median and highest round", "µs", bars)

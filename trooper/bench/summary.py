"""
The figures of many cuts: cell by cell, fault by fault, and all together.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from trooper.bench.cuts import KINDS, Cell, Cut, Kind, Moments, Pool, Proxy, Spoiled
from trooper.bench.spread import Spread, milliseconds
from trooper.bench.table import Table, figure

_FIGURES: Final[Mapping[str, Callable[[Moments], float | None]]] = {
    "detection_ms": lambda moments: moments.detection_s,
    "switchover_overhead_ms": lambda moments: moments.overhead_s,
    "gap_ms": lambda moments: moments.gap_s,
    "asked_ms": lambda moments: moments.asked_s,
}
_DETECTION, _OVERHEAD, _GAP, _ASKED = _FIGURES


def spreads(cuts: Iterable[Cut]) -> dict[str, Spread]:
    """Each figure's spread over `cuts`; a figure that none of them has is left out."""
    known = [cut.outcome for cut in cuts if isinstance(cut.outcome, Moments)]
    found = {name: milliseconds(map(figure_of, known)) for name, figure_of in _FIGURES.items()}
    return {name: spread for name, spread in found.items() if spread is not None}


def _told(cuts: Sequence[Cut]) -> dict[str, object]:
    return {name: spread.as_json() for name, spread in spreads(cuts).items()}


def by_cell(cuts: Sequence[Cut]) -> dict[Cell, list[Cut]]:
    """The cuts of each cell, in the order of the matrix."""
    cells: dict[Cell, list[Cut]] = defaultdict(list)
    for cut in cuts:
        cells[cut.cell].append(cut)
    order = [kind.name for kind in KINDS]
    return dict(
        sorted(
            cells.items(),
            key=lambda item: (
                item[0].proxy.value,
                item[0].pool.value != Pool.KEPT.value,
                order.index(item[0].kind.name),
                item[0].history.size_bytes,
                item[0].position.words,
            ),
        )
    )


def cells(cuts: Sequence[Cut]) -> list[dict[str, object]]:
    """Every cell, as JSON has it."""
    return [
        {
            "proxy": cell.proxy.value,
            "fault": cell.kind.name,
            "position": cell.position.name,
            "after_words": cell.position.words,
            "history": cell.history.name,
            "pool": cell.pool.value,
            "n": len(own),
            "not_exact": sum(isinstance(cut.outcome, Spoiled) for cut in own),
            **_told(own),
        }
        for cell, own in by_cell(cuts).items()
    ]


def of_proxy(cuts: Sequence[Cut], proxy: Proxy) -> dict[str, object]:
    """
    What is judged, for one proxy.

    The first figures are those of all faults in the middle of a stream, on
    kept connections to the local model.
    """
    own = [cut for cut in cuts if cut.cell.proxy is proxy]
    kept = [cut for cut in own if cut.cell.pool is Pool.KEPT]
    midway = [cut for cut in kept if not cut.cell.kind.before]
    limited = [cut for cut in kept if cut.cell.kind.name == "status-429"]
    told = spreads(midway)
    asked = spreads(limited).get(_ASKED)
    summary: dict[str, object] = {
        name: told[name].as_json() for name in (_OVERHEAD, _DETECTION, _GAP) if name in told
    }
    if asked is not None:
        summary["asked_after_429_ms"] = asked.as_json()
    summary["by_fault"] = {kind.name: _told([cut for cut in kept if cut.cell.kind == kind]) for kind in KINDS}
    summary["fresh_connection"] = {
        kind.name: figures
        for kind in KINDS
        if (figures := _told([c for c in own if c.cell.pool is Pool.FRESH and c.cell.kind == kind]))
    }
    summary["cuts"] = len(own)
    summary["not_exact"] = dict(
        Counter(f"{cut.cell.kind.name}: {cut.outcome.why}" for cut in own if isinstance(cut.outcome, Spoiled))
    )
    return summary


def fault_table(cuts: Sequence[Cut]) -> Table:
    """A row for each fault, and for each proxy if there are two."""
    two = len({cut.cell.proxy for cut in cuts}) > 1
    rows: list[tuple[str, ...]] = []
    for pool in Pool:
        for kind in KINDS:
            for proxy in Proxy:
                own = [c for c in cuts if (c.cell.kind, c.cell.pool, c.cell.proxy) == (kind, pool, proxy)]
                if own:
                    rows.append((_name(kind, pool), *([proxy.value] if two else []), *_row(own)))
    names = ("", "") if two else ("",)
    head = (*names, "n", "detect", "p99", "over", "p99", "max", "gap", "p99", "asked")
    return Table(
        "Medians and 99th percentiles, ms; over: switchover overhead", head, tuple(rows), names=len(names)
    )


def _name(kind: Kind, pool: Pool) -> str:
    return kind.title if pool is Pool.KEPT else f"{kind.title} *"


def _row(cuts: Sequence[Cut]) -> tuple[str, ...]:
    found = spreads(cuts)
    overhead = found.get(_OVERHEAD)
    return (
        str(overhead.n if overhead else 0),
        *_two(found.get(_DETECTION)),
        *_two(overhead),
        figure(overhead.max if overhead else None),
        *_two(found.get(_GAP), digits=0),
        figure(found[_ASKED].p50 if _ASKED in found else None),
    )


def _two(spread: Spread | None, digits: int = 1) -> tuple[str, str]:
    return (figure(spread.p50, digits), figure(spread.p99, digits)) if spread else ("–", "–")


def cell_table(cuts: Sequence[Cut]) -> Table:
    """A row for each cell."""
    rows = []
    for cell, own in by_cell(cuts).items():
        found = spreads(own)
        overhead, gap, detection = (found.get(name) for name in (_OVERHEAD, _GAP, _DETECTION))
        rows.append(
            (
                _name(cell.kind, cell.pool),
                cell.position.name,
                cell.history.name,
                cell.proxy.value,
                str(overhead.n if overhead else 0),
                figure(detection.p50 if detection else None),
                figure(overhead.p50 if overhead else None),
                figure(overhead.p90 if overhead else None),
                figure(overhead.p99 if overhead else None),
                figure(gap.p50 if gap else None, 0),
            )
        )
    head = ("", "cut", "history", "proxy", "n", "detect", "over", "p90", "p99", "gap")
    return Table("Cell by cell, ms", head, tuple(rows), names=4)

"""
Plots as SVG, by hand: a bar for each row, from its usual value to its worst.

One file holds the plots of one bench, or of several below each other. The
colours are readable on a light and on a dark page.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final
from xml.sax.saxutils import escape

from attrs import frozen

_WIDTH: Final = 720
_LEFT: Final = 200
_RIGHT: Final = 90
_TOP: Final = 44
_ROW: Final = 26
_BAR: Final = 12
_BETWEEN: Final = 16
#: As far from white as from a page that is nearly black.
_INK: Final = "#737b85"
_COLOURS: Final = ("#3b82f6", "#d97706")


@frozen
class Bar:
    """A range to show, with a mark at its usual value `at`; `series` picks the colour."""

    label: str
    low: float
    high: float
    series: int = 0
    #: `low`, where it is not said.
    at: float | None = None


@frozen
class Plot:
    """Bars on one scale; `series` names the colours, where there are several."""

    title: str
    unit: str
    bars: Sequence[Bar]
    series: Sequence[str] = ()

    @property
    def height(self) -> int:
        """With all that belongs to it."""
        return _TOP + _ROW * len(self.bars) + 40 + (20 if self.series else 0)


def svg(*plots: Plot) -> str:
    """The plots, one below the other."""
    height = sum(plot.height for plot in plots) + _BETWEEN * (len(plots) - 1)
    title = escape("; ".join(plot.title for plot in plots))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img"',
        f' width="{_WIDTH}" height="{height}" fill="{_INK}" font-family="system-ui, sans-serif" font-size="12">',
        f"<title>{title}</title>",
    ]
    y = 0
    for plot in plots:
        parts += [f'<g transform="translate(0 {y})">', *_plotted(plot), "</g>"]
        y += plot.height + _BETWEEN
    return "\n".join([*parts, "</svg>"]) + "\n"


def _plotted(plot: Plot) -> list[str]:
    top = _ceiling(max((bar.high for bar in plot.bars), default=1.0))
    bottom = _TOP + _ROW * len(plot.bars)

    def x(value: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * value / top

    parts = [f'<text x="8" y="22" font-size="14" font-weight="bold">{escape(plot.title)}</text>']
    for tick in range(6):
        value = top * tick / 5
        parts.append(
            f'<line x1="{x(value):.1f}" x2="{x(value):.1f}" y1="{_TOP - 6}" y2="{bottom}"'
            f' stroke="{_INK}" stroke-opacity="0.3"/>'
            f'<text x="{x(value):.1f}" y="{bottom + 16}" text-anchor="middle">{value:g}</text>'
        )
    parts.append(f'<text x="{_WIDTH - _RIGHT + 24}" y="{bottom + 16}">{escape(plot.unit)}</text>')
    for row, bar in enumerate(plot.bars):
        middle = bar.low if bar.at is None else bar.at
        parts += _drawn(bar, _TOP + _ROW * row, (x(bar.low), x(middle), x(bar.high)))
    for number, name in enumerate(plot.series):
        at = _LEFT + 160 * number
        parts.append(
            f'<rect x="{at}" y="{bottom + 28}" width="12" height="12" fill="{_COLOURS[number]}"/>'
            f'<text x="{at + 18}" y="{bottom + 38}">{escape(name)}</text>'
        )
    return parts


def _drawn(bar: Bar, y: int, at: tuple[float, float, float]) -> list[str]:
    colour = _COLOURS[bar.series]
    text = y + _BAR - 2
    low, middle, high = at
    # A bar whose mark is at its end is a length, not a range.
    told = f"{bar.high:.1f}" if bar.at == bar.high else f"{bar.low:.1f} – {bar.high:.1f}"
    return [
        f'<text x="{_LEFT - 10}" y="{text}" text-anchor="end">{escape(bar.label)}</text>',
        f'<rect x="{low:.1f}" y="{y}" width="{max(high - low, 2):.1f}" height="{_BAR}" fill="{colour}"',
        f' rx="2" fill-opacity="0.75"><title>{bar.low:.2f} – {bar.high:.2f}</title></rect>',
        # What is usual; the rest of the bar is what may happen.
        f'<rect x="{middle - 1.5:.1f}" y="{y - 2}" width="3" height="{_BAR + 4}" fill="{colour}"/>',
        f'<text x="{high + 6:.1f}" y="{text}">{told}</text>',
    ]


def _ceiling(value: float) -> float:
    """A round number that is not below `value`."""
    size = 10.0 ** math.floor(math.log10(value)) if value > 0 else 1.0
    return next(size * step for step in (1, 2, 2.5, 5, 10) if size * step >= value)

"""
A plot as SVG, by hand: one bar for each fault, from its median to its 99th percentile.

The colours are readable on a light and on a dark page.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final
from xml.sax.saxutils import escape

from attrs import frozen

_WIDTH: Final = 720
_LEFT: Final = 200
_RIGHT: Final = 60
_TOP: Final = 44
_ROW: Final = 26
_BAR: Final = 12
_INK: Final = "#7d8590"
_COLOURS: Final = ("#3b82f6", "#d97706")


@frozen
class Bar:
    """A range to show; `series` picks the colour."""

    label: str
    low: float
    high: float
    series: int = 0


def svg(title: str, unit: str, bars: Sequence[Bar], series: Sequence[str] = ()) -> str:
    """The plot; `series` names the colours, where there are several."""
    top = _ceiling(max((bar.high for bar in bars), default=1.0))
    height = _TOP + _ROW * len(bars) + 40 + (20 if series else 0)
    bottom = _TOP + _ROW * len(bars)

    def x(value: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * value / top

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img"',
        f' width="{_WIDTH}" height="{height}" fill="{_INK}" font-family="system-ui, sans-serif" font-size="12">',
        f"<title>{escape(title)}</title>",
        f'<text x="8" y="22" font-size="14" font-weight="bold">{escape(title)}</text>',
    ]
    for tick in range(6):
        value = top * tick / 5
        parts.append(
            f'<line x1="{x(value):.1f}" x2="{x(value):.1f}" y1="{_TOP - 6}" y2="{bottom}"'
            f' stroke="{_INK}" stroke-opacity="0.3"/>'
            f'<text x="{x(value):.1f}" y="{bottom + 16}" text-anchor="middle">{value:g}</text>'
        )
    parts.append(f'<text x="{_WIDTH - _RIGHT + 12}" y="{bottom + 16}">{escape(unit)}</text>')
    for row, bar in enumerate(bars):
        parts += _drawn(bar, _TOP + _ROW * row, x(bar.low), x(bar.high))
    for number, name in enumerate(series):
        at = _LEFT + 160 * number
        parts.append(
            f'<rect x="{at}" y="{bottom + 28}" width="12" height="12" fill="{_COLOURS[number]}"/>'
            f'<text x="{at + 18}" y="{bottom + 38}">{escape(name)}</text>'
        )
    return "\n".join([*parts, "</svg>"]) + "\n"


def _drawn(bar: Bar, y: int, low: float, high: float) -> list[str]:
    colour = _COLOURS[bar.series]
    text = y + _BAR - 2
    return [
        f'<text x="{_LEFT - 10}" y="{text}" text-anchor="end">{escape(bar.label)}</text>',
        f'<rect x="{low:.1f}" y="{y}" width="{max(high - low, 2):.1f}" height="{_BAR}" fill="{colour}"',
        f' rx="2" fill-opacity="0.75"><title>{bar.low:.2f} – {bar.high:.2f}</title></rect>',
        # The median, which is what happens; the rest of the bar is what may happen.
        f'<rect x="{low - 1.5:.1f}" y="{y - 2}" width="3" height="{_BAR + 4}" fill="{colour}"/>',
        f'<text x="{high + 6:.1f}" y="{text}">{bar.low:.1f} – {bar.high:.1f}</text>',
    ]


def _ceiling(value: float) -> float:
    """A round number that is not below `value`."""
    size = 10.0 ** math.floor(math.log10(value)) if value > 0 else 1.0
    return next(size * step for step in (1, 2, 2.5, 5, 10) if size * step >= value)

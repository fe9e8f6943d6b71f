"""
Draws `docs/house.svg`: the rooms of the package, and who imports whom.

    python docs/generate_house.py --write    after an import has come or gone
    python docs/generate_house.py --check    exit status 1 if it was forgotten

The floors are those that `tests/test_layers.py` checks, the words are the
docstrings'. Every arrow is an import. All that lead to one room share a line,
in a colour of its own; a dot is where a room joins it.
"""

from __future__ import annotations

import ast
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from graphlib import TopologicalSorter
from html import escape
from pathlib import Path
from typing import Final

from attrs import frozen
from generated import write_or_check

ROOT: Final = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from test_layers import FILES, LAYERS, LEAVES, PACKAGE, imports_of, own_parts, part_of  # noqa: E402

PICTURE: Final = ROOT / "docs" / "house.svg"
KEY: Final = (
    "An arrow is an import. All that lead to one room share a line; a dot is where a room joins it. "
    "In the two wings each row of files may import the rows below it."
)
#: The rooms whose files are shown.
WINGS: Final = ("relay", "targets")
#: The rooms that stand beside the floors.
SIDE: Final = (*sorted(LEAVES), "testing")

# Pixels. A letter's width is what the widest of the usual fonts needs.
MARGIN, GAP, LANE, LINE, CHIP = 14, 18, 11, 15, 22
ROOM_WIDTH, SIDE_WIDTH, LETTER, MONO_LETTER = 480, 176, 6.2, 6.7
COLOURS: Final = ("#c2410c", "#2563eb", "#15803d", "#a21caf", "#a16207", "#0e7490", "#dc2626", "#64748b")

STYLE: Final = """\
text { font: 12px system-ui, sans-serif; fill: #334155 }
.name { font: bold 14px ui-monospace, monospace; fill: #0f172a }
.file { font: 11px ui-monospace, monospace; fill: #0f172a }
.page { fill: #ffffff }
.room { fill: #f1f5f9; stroke: #94a3b8 }
.wing { fill: #fef3c7; stroke: #b45309 }
.chip { fill: #ffffff; stroke: #d6b26a }
.line { fill: none; stroke-width: 1.5 }
@media (prefers-color-scheme: dark) {
text { fill: #cbd5e1 }
.name, .file { fill: #f8fafc }
.page { fill: #0f172a }
.room { fill: #1e293b; stroke: #64748b }
.wing { fill: #3b2f14; stroke: #d9a441 }
.chip { fill: #0f172a; stroke: #8a6d2f }
}"""


@frozen
class Room:
    """A room of the package, and where it is drawn."""

    name: str
    left: int
    top: int
    width: int
    words: Sequence[str]
    files: Sequence[Sequence[str]] = ()

    @property
    def height(self) -> int:
        """In pixels: the name, the words, the rows of files."""
        return 32 + LINE * len(self.words) + (CHIP + 4) * len(self.files) + 3 * bool(self.files)

    @property
    def bottom(self) -> int:
        """Where it ends."""
        return self.top + self.height

    def drawn(self) -> Iterator[str]:
        """Its elements of SVG."""
        look = "wing" if self.files else "room"
        yield box(look, self.left, self.top, self.width, self.height)
        yield text("name", self.left + 12, self.top + 20, self.name)
        for row, words in enumerate(self.words):
            yield text("", self.left + 12, self.top + 38 + LINE * row, words)
        top = self.top + 32 + LINE * len(self.words)
        for row, files in enumerate(self.files):
            left = self.left + 12
            for file in files:
                width = chip_width(file)
                yield box("chip", left, top + (CHIP + 4) * row, width, CHIP)
                yield text("file", left + 8, top + (CHIP + 4) * row + 15, file)
                left += width + 6


def box(look: str, left: int, top: int, width: int, height: int) -> str:
    return f'<rect class="{look}" x="{left}" y="{top}" width="{width}" height="{height}" rx="5"/>'


def text(look: str, left: int, top: int, words: str) -> str:
    return f'<text class="{look}" x="{left}" y="{top}">{escape(words, quote=False)}</text>'


def chip_width(file: str) -> int:
    return round(MONO_LETTER * len(file)) + 16


# -- what is drawn -------------------------------------------------------------------


def stories(needs: Mapping[str, AbstractSet[str]]) -> Iterator[list[str]]:
    """Who imports before who is imported, in as few rows as that needs; a circle is an error."""
    sorter = TopologicalSorter({name: {other for other in needs if name in needs[other]} for name in needs})
    sorter.prepare()
    while sorter.is_active():
        ready = sorter.get_ready()
        yield sorted(ready)
        sorter.done(*ready)


def arrows() -> dict[str, set[str]]:
    """Each room, and those that it imports."""
    needs: dict[str, set[str]] = {}
    for file in FILES:
        needs.setdefault(part_of(file), set()).update(own_parts(file))
    return {name: others for name, others in needs.items() if not name.startswith("__")}


def files_of(wing: str, width: int) -> list[list[str]]:
    """The files of a wing in rows, who imports first; a folder is one of them."""
    needs: dict[str, set[str]] = {}
    inside: dict[str, list[str]] = {}
    for file in FILES:
        if part_of(file) == wing and file != PACKAGE / wing / "__init__.py":
            below = file.relative_to(PACKAGE / wing).with_suffix("").parts
            inside.setdefault(below[0], []).extend(name for name in below[1:] if name != "__init__")
            imported = (name.split(".") for name in imports_of(file))
            others = {name[2] for name in imported if name[:2] == ["trooper", wing] and len(name) > 2}
            needs.setdefault(below[0], set()).update(others - {below[0]})
    rows: list[list[str]] = []
    for story in stories(needs):
        names = [" ".join((f"{name}/", *inside[name])) if inside[name] else name for name in story]
        rows += flowed(names, width)
    return rows


def flowed(names: Iterable[str], width: int) -> list[list[str]]:
    rows: list[list[str]] = [[]]
    for name in names:
        if rows[-1] and sum(chip_width(other) + 6 for other in (*rows[-1], name)) > width:
            rows.append([])
        rows[-1].append(name)
    return rows


def words_of(room: str, width: int) -> list[str]:
    """What the room says of itself: the first paragraph of its docstring, beside the floors the first sentence."""
    source = next(path for path in (PACKAGE / room / "__init__.py", PACKAGE / f"{room}.py") if path.is_file())
    said = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""
    words = said.partition("\n\n")[0].replace("`", "")
    return wrapped(words.partition(". ")[0].removesuffix(".") + "." if room in SIDE else words, width)


def wrapped(words: str, width: int) -> list[str]:
    return textwrap.wrap(words, int((width - 24) / LETTER))


# -- where it is drawn ---------------------------------------------------------------


def stacked(names: Sequence[str], left: int, width: int, top: int = MARGIN) -> list[Room]:
    rooms: list[Room] = []
    for name in names:
        files = files_of(name, width - 24) if name in WINGS else ()
        rooms.append(Room(name, left, top, width, words_of(name, width), files))
        top = rooms[-1].bottom + GAP
    return rooms


def lines(
    sources: Sequence[Room],
    targets: Sequence[Room],
    needs: Mapping[str, AbstractSet[str]],
    edge: int,
    direction: int,
) -> Iterator[str]:
    """
    The arrows from `sources` to `targets`, in lanes beside them.

    Args:
        edge: where the lanes begin.
        direction: whether they lie to the left (-1) or to the right (1) of what they come from.
    """
    lanes = {room.name: edge + direction * LANE * (at + 1) for at, room in enumerate(targets)}
    colours = {room.name: COLOURS[at % len(COLOURS)] for at, room in enumerate(targets)}
    for target in targets:
        joins = [room.top + 24 for room in sources if target.name in needs[room.name]]
        if not joins:
            continue
        lane, into, colour = lanes[target.name], target.top + 10, colours[target.name]
        tip = target.left if target.left > lane else target.left + target.width
        back = 7 if tip < lane else -7
        ends = min(*joins, into), max(*joins, into)
        line = f"M{lane} {ends[0]}V{ends[1]}M{lane} {into}H{tip + back}"
        yield f'<path class="line" stroke="{colour}" d="{line}"/>'
        yield f'<path fill="{colour}" d="M{tip} {into}l{back} -4v8z"/>'
    for room in sources:
        side = room.left if direction < 0 else room.left + room.width
        joined = [target.name for target in targets if target.name in needs[room.name]]
        if joined:
            far = max((lanes[name] for name in joined), key=lambda lane: abs(lane - side))
            yield f'<path class="line" stroke="#94a3b8" d="M{side} {room.top + 24}H{far}"/>'
        for name in joined:
            yield f'<circle fill="{colours[name]}" cx="{lanes[name]}" cy="{room.top + 24}" r="3.5"/>'


def picture() -> str:
    """The whole picture."""
    needs = arrows()
    names = [
        name
        for row in reversed(LAYERS)
        for story in stories({room: needs[room] & row for room in row if room in needs})
        for name in story
    ]
    imported = set[str]().union(*needs.values())
    goals = [name for name in names if name in imported]
    left = MARGIN + LANE * len(goals) + GAP
    beside = left + ROOM_WIDTH + LANE * len(SIDE) + 2 * GAP
    floors = stacked(names, left, ROOM_WIDTH)
    leaves = stacked(SIDE, beside, SIDE_WIDTH, floors[0].top)
    ground = floors[-1]
    width = beside + SIDE_WIDTH + GAP + 2 * LANE + MARGIN
    height = ground.bottom + MARGIN
    count = sum(len(others) for others in needs.values())
    key = wrapped(KEY, SIDE_WIDTH)
    reached = [room for room in floors if room.name in goals]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        f"<title>The rooms of trooper/ and their {count} imports: all point downwards, or to the side</title>",
        f"<style>\n{STYLE}\n</style>",
        f'<rect class="page" width="{width}" height="{height}" rx="8"/>',
        *lines(floors, reached, needs, left - GAP // 2, -1),
        *lines(floors, leaves, needs, left + ROOM_WIDTH, 1),
        *lines(
            leaves,
            [*(leaf for leaf in leaves if leaf.name == "errors"), ground],
            needs,
            beside + SIDE_WIDTH,
            1,
        ),
        *(part for room in (*floors, *leaves) for part in room.drawn()),
        *(text("", beside, leaves[-1].bottom + 40 + LINE * at, words) for at, words in enumerate(key)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.exit(write_or_check(PICTURE, picture()))

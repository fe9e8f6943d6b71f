"""
What the switchover bench cuts, where, and how its figures come from what was noted.

Definitions
-----------
* detection: the fault is on the wire → Trooper's decision.
* overhead: the fault is on the wire → the client has the first content of the local
  model, less that model's own time to its first content (request in → content out).
* gap: the client has the last content of the provider → it has the first of the local
  model. It contains the pause before the provider's next token and the model's time.
* asked: the fault is on the wire → the local model has the request.

The fault of a silence is the end of the patience that Trooper was configured
with, counted from the provider's last content. The fault of a status is the
status. A moment is noted before something is written and after it was read,
so no figure comes out too short.
"""

from __future__ import annotations

import enum
import random
from collections.abc import Sequence
from typing import Final

from attrs import frozen

from trooper.testing import FAULTS

#: Forty-six words, with characters of two to four bytes, a list and quotes.
ANSWER: Final = (
    "A lighthouse keeps its light in one place so that ships can find theirs.\n\n"
    "1. The lamp, which must never go out – not even once.\n"
    '2. The lens, and a keeper who writes down every "strange" ship. 🚢\n\n'
    "So trust the light, not the map."
)
QUESTION: Final = "What does a lighthouse teach?"
_PARAGRAPH: Final = (
    "The tower stands on the last rock before the open sea, and the stairs have two hundred steps. "
    "In winter the spray freezes on the windows, and the lens must be kept warm by hand. "
)


@frozen
class Kind:
    """A way to fail. `name` is the row of the fault table, `before` says that no content comes first."""

    name: str
    title: str
    before: bool = False

    @property
    def is_silence(self) -> bool:
        """Whether it is found by waiting."""
        return FAULTS[self.name].kind == "stall"

    @property
    def found_as(self) -> str:
        """What Trooper calls it."""
        return FAULTS[self.name].kind


KINDS: Final = (
    Kind("reset", "connection reset"),
    Kind("fin-inside-chunk", "closed in a chunk"),
    Kind("clean-eof", "ends without [DONE]"),
    Kind("error-event", "error event"),
    Kind("silence", "silence"),
    Kind("silence-comments", "keep-alives only"),
    Kind("status-429", "429", before=True),
    Kind("status-529", "529", before=True),
)


class Pool(enum.Enum):
    """Whether there is an open connection to the local model when it is needed."""

    KEPT = "kept"
    FRESH = "fresh"


class Proxy(enum.Enum):
    """Who is measured."""

    TROOPER = "trooper"
    OTHER = "other"


@frozen
class Position:
    """Where the stream is cut: after so many words."""

    name: str
    words: int


@frozen
class History:
    """How much conversation there is before the question."""

    name: str
    size_bytes: int

    @property
    def messages(self) -> list[dict[str, object]]:
        """The conversation, with the question at its end."""
        turns: list[dict[str, object]] = []
        size = 0
        while size < self.size_bytes:
            text = f"({len(turns)}) " + _PARAGRAPH * 12
            turns.append({"role": "assistant" if len(turns) % 2 else "user", "content": text})
            size += len(text.encode())
        if len(turns) % 2:
            turns.append({"role": "assistant", "content": "I see."})
        return [*turns, {"role": "user", "content": QUESTION}]


BEFORE: Final = Position("before", 0)
POSITIONS: Final = (Position("first", 3), Position("middle", 20), Position("late", 37))
HISTORIES: Final = (History("short", 0), History("64 KiB", 64 * 1024))


@frozen
class Cell:
    """One cell of the matrix."""

    kind: Kind
    position: Position
    history: History
    pool: Pool = Pool.KEPT
    proxy: Proxy = Proxy.TROOPER

    @property
    def fault(self) -> str:
        """The provider's instruction."""
        return f"{self.kind.name}@{self.position.words}"


@frozen
class Plan:
    """How many cuts there are in a cell of each sort, and how many are thrown away first."""

    per_cell: int
    per_cell_before: int
    fresh: int
    warm_up: int
    histories: Sequence[History] = HISTORIES

    @property
    def per_fault(self) -> int:
        """The cuts of one fault kind on kept connections."""
        return self.per_cell * len(POSITIONS) * len(self.histories)

    def cells(self, proxies: Sequence[Proxy]) -> list[Cell]:
        """Every cell, as often as it is cut."""
        short = self.histories[0]
        cuts: list[Cell] = []
        for proxy in proxies:
            for kind in KINDS:
                positions = (BEFORE,) if kind.before else POSITIONS
                count = self.per_cell_before if kind.before else self.per_cell
                for history in self.histories:
                    for position in positions:
                        cuts += [Cell(kind, position, history, Pool.KEPT, proxy)] * count
            for kind, position in ((KINDS[0], POSITIONS[1]), (KINDS[-2], BEFORE)):
                cuts += [Cell(kind, position, short, Pool.FRESH, proxy)] * self.fresh
        return cuts

    def order(self, proxies: Sequence[Proxy], seed: int) -> list[Cell]:
        """The same in an order of chance, so that a machine that gets slower is no effect of a cell."""
        cuts = self.cells(proxies)
        random.Random(seed).shuffle(cuts)  # noqa: S311  # nobody has to be unable to guess it
        return cuts


FULL: Final = Plan(per_cell=34, per_cell_before=102, fresh=100, warm_up=24)
QUICK: Final = Plan(per_cell=1, per_cell_before=2, fresh=1, warm_up=4)


@frozen
class Moments:
    """
    One cut, in seconds of the machine's monotonic clock.

    Attributes:
        fault: it was on the wire, or Trooper's patience was at its end.
        local_asked, local_first: the local model had the request; it said its first content.
        decided: Trooper knew; `None` for another proxy.
        last_heard: the client had the provider's last content; `None` if there was none.
        continued: the client had the local model's first content.
    """

    fault: float
    local_asked: float
    local_first: float
    decided: float | None
    last_heard: float | None
    continued: float

    @property
    def detection_s(self) -> float | None:
        """Fault → decision."""
        return None if self.decided is None else self.decided - self.fault

    @property
    def overhead_s(self) -> float:
        """Fault → first content of the local model at the client, less the model's own time."""
        return self.continued - self.fault - (self.local_first - self.local_asked)

    @property
    def gap_s(self) -> float | None:
        """The silence that the client saw."""
        return None if self.last_heard is None else self.continued - self.last_heard

    @property
    def asked_s(self) -> float:
        """Fault → the local model has the request."""
        return self.local_asked - self.fault


@frozen
class Spoiled:
    """A cut that shows no figure, and why: the stream was not exact, or it did not come to its end."""

    why: str


@frozen
class Cut:
    """One cut and what became of it."""

    cell: Cell
    outcome: Moments | Spoiled

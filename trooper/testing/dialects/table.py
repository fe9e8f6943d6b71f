"""
What a row of the table is, and how a dialect's folder is read.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from attrs import field, frozen

FOLDER = Path(__file__).parent

#: A blank line, whichever line ends the provider writes; what is behind the last one is a piece too.
_EVENT = re.compile(rb".+?(?:\r\n\r\n|\n\n|\r\r|\Z)", re.DOTALL)


class Then(Enum):
    """What becomes of a stream of this kind that is cut behind content, or that fails by itself."""

    #: Somebody else goes on from every place: text, reasoning, whole calls.
    CONTINUED = "continued"
    #: Behind content that nobody else could go on from, the client gets an error. In front of it somebody goes on.
    ERROR = "error"
    #: The provider's own failure is the request's, or a filter's: it is passed on as it is.
    PASSED_ON = "passed on"


@frozen
class Golden:
    """
    A body of a provider, byte for byte; the words in it are our own.

    Attributes:
        also: the other kinds that this body is. Usage that always comes has no body of its own.
        wire: the name of the wire it is on, as in `trooper.wires`.
        source: where its shape was seen: a recording, a type, a document, an issue.
        seen: the date of the source, as exactly as it is known.
        is_certain: whether bytes or code were seen; else something of it is inferred.
        is_healthy: whether it ends as an answer, and not in a failure of the provider's own.
        then: what becomes of a cut; `why` says what nobody could go on from.
    """

    dialect: str
    kind: str
    wire: str
    body: bytes = field(repr=False)
    source: str
    seen: str
    is_certain: bool
    note: str = ""
    also: tuple[str, ...] = ()
    is_healthy: bool = True
    then: Then = Then.CONTINUED
    why: str = ""

    @property
    def pieces(self) -> tuple[bytes, ...]:
        """The body, cut behind each event."""
        return tuple(_EVENT.findall(self.body))


@frozen
class Refusal:
    """A status instead of an answer. The keys are the provider's, the words are our own."""

    code: int
    body: bytes
    wire: str
    source: str
    seen: str
    is_certain: bool
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str = "application/json"
    note: str = ""


@frozen
class Dialect:
    """
    How one provider or server speaks a wire, or several.

    Attributes:
        wire: the one that it speaks first of all.
        base_url: what its clients are told. A name in capitals stands for one of their own.
        content_type: how it calls a stream.
        goldens: its streamed bodies, by kind.
        wholes: its answers in one piece, by kind.
        refusals: its answers with a status.
        clients: real clients that speak it.
        oddities: what it does that others do not.
        looked_at: when somebody last looked at all of this.
    """

    name: str
    title: str
    wire: str
    base_url: str
    content_type: str
    looked_at: str
    goldens: Mapping[str, Golden]
    wholes: Mapping[str, Golden]
    refusals: tuple[Refusal, ...]
    clients: tuple[str, ...]
    oddities: tuple[str, ...]

    @property
    def kinds(self) -> Mapping[str, Golden]:
        """The streamed bodies by every kind that they are."""
        more = {kind: golden for golden in self.goldens.values() for kind in golden.also}
        return {**self.goldens, **more}


def read_dialect(folder: Path) -> Dialect:
    """Read `dialect.toml` and the bodies beside it."""
    told = tomllib.loads((folder / "dialect.toml").read_text(encoding="utf-8"))
    wire = told["wire"]
    return Dialect(
        name=folder.name,
        title=told["title"],
        wire=wire,
        base_url=told["base_url"],
        content_type=told.get("content_type", "text/event-stream; charset=utf-8"),
        looked_at=told["looked_at"],
        goldens={
            kind: _golden(folder / f"{kind}.sse", kind, {"wire": wire, **row})
            for kind, row in told["kinds"].items()
        },
        wholes={
            kind: _golden(folder / f"{kind}.json", kind, {"wire": wire, **row})
            for kind, row in told.get("wholes", {}).items()
        },
        refusals=tuple(_refusals(wire, **told.get("refusals", {"statuses": ()}))),
        clients=tuple(told["clients"]),
        oddities=tuple(told["oddities"]),
    )


def _golden(file: Path, kind: str, row: Mapping[str, Any]) -> Golden:
    more = dict(row)
    return Golden(
        dialect=file.parent.name,
        kind=kind,
        body=file.read_bytes(),
        is_certain=more.pop("certain"),
        is_healthy=not more.pop("fails", False),
        also=tuple(more.pop("also", ())),
        then=Then(more.pop("then", "continued")),
        **more,
    )


def _refusals(wire: str, statuses: list[dict[str, Any]], **shared: Any) -> list[Refusal]:
    rows = []
    for status in statuses:
        more = {"wire": wire, **shared, **status}
        rows.append(
            Refusal(
                body=more.pop("body").encode(),
                headers=tuple(more.pop("headers", {}).items()),
                is_certain=more.pop("certain"),
                **more,
            )
        )
    return rows

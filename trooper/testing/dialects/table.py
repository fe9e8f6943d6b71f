"""
What a row of the table is, and how a dialect's folder is read.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Final

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


class BadRow(ValueError):
    """Something in a `dialect.toml` that is not as a row has to be; the words say where and what."""


#: The wires that a row can be on.
SPOKEN: Final = ("openai-chat", "openai-responses", "anthropic-messages")
#: What has to stand in a file, in a row and in a status, and what may.
_FILE: Final[Mapping[str, type]] = {
    **dict.fromkeys(("title", "wire", "base_url", "looked_at"), str),
    "kinds": dict,
    "clients": list,
    "oddities": list,
}
_FILE_MAY: Final[Mapping[str, type]] = {"content_type": str, "wholes": dict, "refusals": dict}
_SHAPE: Final[Mapping[str, type]] = {"source": str, "seen": str, "certain": bool}
_ROW_MAY: Final[Mapping[str, type]] = {
    **dict.fromkeys(("note", "wire", "then", "why"), str),
    "also": list,
    "fails": bool,
}
_STATUS: Final[Mapping[str, type]] = {**_SHAPE, "code": int, "body": str}
_STATUS_MAY: Final[Mapping[str, type]] = {"note": str, "wire": str, "headers": dict, "content_type": str}
_CALLED: Final = {str: "a text", bool: "true or false", int: "a number", list: "a list", dict: "a table"}


def read_dialect(folder: Path) -> Dialect:
    """
    Read `dialect.toml` and the bodies beside it.

    Raises:
        BadRow: a row is not as it has to be, or its body is missing.
    """
    name = folder.name
    try:
        told = tomllib.loads((folder / "dialect.toml").read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadRow(f"{name}: {error}") from None
    _check(name, told, _FILE, _FILE_MAY)
    wire = told["wire"]
    shared = dict(told.get("refusals", {}))
    statuses = shared.pop("statuses", [])
    return Dialect(
        name=name,
        title=told["title"],
        wire=wire,
        base_url=told["base_url"],
        content_type=told.get("content_type", "text/event-stream; charset=utf-8"),
        looked_at=told["looked_at"],
        goldens={
            kind: _golden(folder / f"{kind}.sse", f"{name}, kinds.{kind}", {"wire": wire, **row})
            for kind, row in told["kinds"].items()
        },
        wholes={
            kind: _golden(folder / f"{kind}.json", f"{name}, wholes.{kind}", {"wire": wire, **row})
            for kind, row in told.get("wholes", {}).items()
        },
        refusals=tuple(
            _refusal(f"{name}, refusals.statuses[{number}]", {"wire": wire, **shared, **status})
            for number, status in enumerate(statuses)
        ),
        clients=tuple(told["clients"]),
        oddities=tuple(told["oddities"]),
    )


def _check(where: str, told: Mapping[str, Any], needed: Mapping[str, type], may: Mapping[str, type]) -> None:
    known = {**needed, **may}
    for key, value in told.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            guess = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
            raise BadRow(f"{where}: there is no key {key!r}; {guess}")
        if type(value) is not known[key]:
            raise BadRow(f"{where}: {key!r} has to be {_CALLED[known[key]]}")
    for key in needed:
        if key not in told:
            raise BadRow(f"{where}: {key!r} is missing")
    if told["wire"] not in SPOKEN:
        raise BadRow(f"{where}: there is no wire {told['wire']!r}; there are {', '.join(SPOKEN)}")


def _golden(file: Path, where: str, row: Mapping[str, Any]) -> Golden:
    _check(where, row, _SHAPE, _ROW_MAY)
    more = dict(row)
    then = more.pop("then", Then.CONTINUED.value)
    words = [one.value for one in Then]
    if then not in words:
        raise BadRow(f"{where}: there is no then = {then!r}; there are {', '.join(words)}")
    if (then == Then.CONTINUED.value) == bool(more.get("why")):
        raise BadRow(f"{where}: what is not {Then.CONTINUED.value} has its 'why', and nothing else has")
    if not file.is_file():
        raise BadRow(f"{where}: there is no {file.name} beside dialect.toml")
    return Golden(
        dialect=file.parent.name,
        kind=file.stem,
        body=file.read_bytes(),
        is_certain=more.pop("certain"),
        is_healthy=not more.pop("fails", False),
        also=tuple(more.pop("also", ())),
        then=Then(then),
        **more,
    )


def _refusal(where: str, row: Mapping[str, Any]) -> Refusal:
    _check(where, row, _STATUS, _STATUS_MAY)
    more = dict(row)
    return Refusal(
        body=more.pop("body").encode(),
        headers=tuple(more.pop("headers", {}).items()),
        is_certain=more.pop("certain"),
        **more,
    )

"""
One column of tests for every answer in the table of dialects: healthy, cut anywhere.

What the client has is judged by a reader that takes anything (`odd_stream.seen`), and what Trooper itself
said by the strict validators: the provider's odd bytes in front are its own business.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any, Final

import trio
from attrs import define, field, frozen

from dialect_fronts import tidy
from mirror import PREAMBLE_S, without_ours
from odd_stream import Called, seen
from pieces import cut_at, places_that_hurt
from scenes import WIRES, Exchange, Stage
from test_odd_streams import shared
from trooper.testing import End, Head, Pause, Reset, Script, Send
from trooper.testing.dialects import DIALECTS, Golden, Then
from wire_validator import WireViolation

#: What the local model says behind the whole answer, so that a continuation is never empty.
MORE: Final = " And so on."
#: What the scenes call a wire, by its name.
SPOKEN: Final = {spoken.wire.name: name for name, spoken in WIRES.items()}
_TERMINATORS: Final = {
    "chat": re.compile(rb"data: ?\[DONE\]"),
    "messages": re.compile(rb'"message_stop"'),
    "responses": re.compile(rb'"type": ?"response\.(completed|incomplete)"'),
}
#: The silence before each event: whatever waits for the next one is late.
EVENT_S: Final = 1.5
#: What the gate holds of a word at most.
HOLD_CHARS: Final = 32
_A_MOMENT_S: Final = 1e-3


@frozen
class Column:
    """
    One answer of a dialect, and what a reader of anything makes of it.

    Attributes:
        wire: as the scenes call it.
        told: what the local model says in all, if it goes on.
    """

    golden: Golden
    wire: str = field(init=False)
    pieces: tuple[bytes, ...] = field(init=False)
    ends: tuple[int, ...] = field(init=False)
    text: str = field(init=False)
    calls: tuple[Called, ...] = field(init=False)
    told: str = field(init=False)

    def __attrs_post_init__(self) -> None:
        wire = SPOKEN[self.golden.wire]
        heard = seen(wire, self.golden.body)
        known = {
            "wire": wire,
            "pieces": self.golden.pieces,
            "ends": tuple(accumulate(map(len, self.golden.pieces))),
            "text": heard.text,
            "calls": heard.calls,
            "told": (heard.text or "Nothing.") + MORE,
        }
        for name, value in known.items():
            object.__setattr__(self, name, value)

    @property
    def body(self) -> bytes:
        return self.golden.body

    @property
    def all_told(self) -> tuple[str, ...]:
        """What may become of `told`: one blank too many is dropped, and who says all of it twice seems to begin anew."""
        once = self.text[: len(self.text) // 2]
        doubled = (once + MORE,) if self.text == once * 2 else ()
        return (self.told, self.told.replace("  ", " "), *doubled)

    @property
    def is_resumed(self) -> bool:
        """Whether it begins in the middle, for somebody who has the rest."""
        return self.wire == "responses" and b'"response.created"' not in self.pieces[0]

    def __str__(self) -> str:
        return f"{self.golden.dialect}/{self.golden.kind}"


def columns(*names: str) -> list[Column]:
    """Of these dialects; of all where none is named."""
    return [
        Column(golden)
        for name, row in DIALECTS.items()
        if not names or name in names
        for golden in row.goldens.values()
    ]


# -- healthy ------------------------------------------------------------------------------------


def framings(column: Column) -> dict[str, list[tuple[float, bytes]]]:
    """Ways in which the body may come: silence, and then a piece; behind the terminator nobody waits."""
    body, pieces = column.body, column.pieces
    end = next(
        (at for at, piece in enumerate(pieces) if _TERMINATORS[column.wire].search(piece)), len(pieces)
    )
    sizes = [1 + (number * 7919 + 13) % 37 for number in range(len(body))]
    return {
        "at once": [(0.0, body)],
        "by events": [(EVENT_S if at <= end else 0.0, piece) for at, piece in enumerate(pieces)],
        "at odd bytes": [(0.0, piece) for piece in cut_at(body, list(accumulate(sizes)))],
    }


async def wrong_healthy(s: Stage, column: Column, *, gate: bool) -> list[str]:
    """Play a healthy answer in every framing; what is wrong."""
    wrong: list[str] = []
    for name, chunks in framings(column).items():
        steps = [
            step for pause, piece in chunks for step in (Pause(pause), Send(piece)) if step != Pause(0.0)
        ]
        s.cloud.script = Script((Head(), *steps, End()))
        began = trio.current_time()
        x = await s.ask(wire=column.wire)
        wrong += [f"{column}, {name}: {why}" for why in _not_mirrored(column, x)]
        if name == "by events" and not wrong:
            wrong += [f"{column}, {name}: {why}" for why in _late(column, x, began, gate=gate)]
        forget(s)
    return wrong


async def wrong_at_once(s: Stage, column: Column) -> list[str]:
    """The same in one piece alone."""
    s.cloud.script = Script((Head(), Send(column.body), End()))
    x = await s.ask(wire=column.wire)
    forget(s)
    return [f"{column}: {why}" for why in _not_mirrored(column, x)]


def _not_mirrored(column: Column, x: Exchange) -> Iterator[str]:
    body = b"".join(piece for _, piece in without_ours(column.body, x.arrivals))
    (_, outcome), *others = x.legs
    passed_on = column.golden.then is Then.PASSED_ON and x.report["outcome"] == "passed_on"
    if others or not (passed_on or (outcome, x.report["outcome"]) == ("completed", "completed")):
        yield f"{x.status} {x.legs} {x.report['outcome']}"
    if not body.startswith(column.body):
        yield f"{len(body)} bytes of {len(column.body)}, the same up to {shared(body, column.body)}"
    elif (more := body[len(column.body) :].strip(b"\r\n")) and (
        _TERMINATORS[column.wire].search(column.body) or seen(column.wire, more).text
    ):
        yield f"added: {more!r}"


def _late(column: Column, x: Exchange, began: float, *, gate: bool) -> Iterator[str]:
    """
    Events that went out later than they may.

    Nothing is held without the gate, but for what comes before the first content; with it a
    word, until it is whole, and a call.
    """
    times, sizes = [when for when, _ in x.arrivals], list(accumulate(len(body) for _, body in x.arrivals))
    body, came = bytes(x.body), began
    for piece, end in zip(column.pieces, column.ends, strict=True):
        came += EVENT_S
        # The LF of a CRLF may come with the next event.
        went = next(
            when for when, size in zip(times, sizes, strict=True) if size >= end - piece.endswith(b"\r\n")
        )
        if went <= came + PREAMBLE_S + _A_MOMENT_S:
            continue
        if gate:
            settled = came + PREAMBLE_S + _A_MOMENT_S
            shown = max((size for when, size in zip(times, sizes, strict=True) if when <= settled), default=0)
            given, out = seen(column.wire, column.body[:end]), seen(column.wire, body[:shown])
            # However much stands in front of its last word, an event waits as a whole.
            before = seen(column.wire, column.body[: end - len(piece)])
            if given.calls != out.calls or len(before.text) - len(out.text) <= HOLD_CHARS:
                continue
        yield f"came at {came - began:.1f} s and went at {went - began:.1f} s: {piece[:120]!r}"


def forget(s: Stage) -> None:
    s.log.clear()
    for peer in (s.cloud, s.ollama, s.second):
        peer.server.forget()


# -- cut ----------------------------------------------------------------------------------------


@define
class Tally:
    """What has come of all the cuts of a dialect."""

    whole: int = 0
    honest: int = 0
    wrong: list[str] = field(factory=list)
    #: Of each row behind which nobody could go on: how many ended in an error, and how many were gone on with.
    errors: dict[str, int] = field(factory=dict)
    in_front: dict[str, int] = field(factory=dict)

    @property
    def checked(self) -> int:
        return self.whole + self.honest + len(self.wrong)

    def missing(self) -> list[str]:
        """Rows that say that a cut of theirs is an error, and none was; or of which every one was."""
        return [name for name, honest in self.errors.items() if not honest or not self.in_front[name]]


async def play_cuts(s: Stage, column: Column, tally: Tally, places: Sequence[int] | None = None) -> None:
    s.ollama.answer = column.told
    for number, at in enumerate(places_that_hurt(column.pieces) if places is None else places):
        end = (Reset(), End())[number % 2]
        sent = column.body[:at]
        s.cloud.script = Script((Head(), Send(sent), Pause(0.1), end) if at else (Head(), end))
        x = await s.ask(wire=column.wire)
        verdict = Verdict(column, sent, x)
        wrong = list(verdict.wrong())
        if s.ollama.mismatches:
            wrong.append(f"given a half that is none: {s.ollama.mismatches[0]!r}")
            s.ollama.mismatches.clear()
        tally.wrong += [f"{column} at {at} ({end}) of {len(column.body)}, {x.legs}: {why}" for why in wrong]
        if not wrong:
            tally.honest += verdict.failed
            tally.whole += not verdict.failed
            if column.golden.then is Then.ERROR:
                name = str(column)
                tally.errors[name] = tally.errors.get(name, 0) + verdict.failed
                tally.in_front[name] = tally.in_front.get(name, 0) + (not verdict.failed)
        forget(s)


@define
class Verdict:
    """What the client has of an answer that was cut."""

    column: Column
    sent: bytes
    x: Exchange
    front: bytes = field(init=False)
    tail: bytes = field(init=False)
    failed: bool = field(init=False)

    def __attrs_post_init__(self) -> None:
        body = bytes(self.x.body)
        same, at = shared(body, self.sent), 0
        for piece, end in zip(self.column.pieces, self.column.ends, strict=True):
            # Of the empty line behind the last event some may have been cut off; then it is ours.
            if end - len(piece) + len(piece.rstrip(b"\r\n")) > same:
                break
            at = end if end <= same else _behind_line_ends(body, same)
        self.front, self.tail = body[:at], body[at:]
        self.failed = seen(self.column.wire, body).failed

    def wrong(self) -> Iterator[str]:
        column, x = self.column, self.x
        if x.status != 200:
            yield f"status {x.status}: {bytes(x.body)[:200]!r}"
            return
        body = bytes(x.body)
        said, added = seen(column.wire, body), seen(column.wire, self.tail)
        (_, first), *others = x.legs
        if first == "completed":
            # An error behind the finish may be left out: the answer was whole.
            if others or (said.failed and not seen(column.wire, self.sent).failed):
                yield "completed, and more"
            if added.text or added.calls:
                yield f"completed, and said anew: {self.tail!r}"
            if said.text != column.text or said.calls != column.calls:
                yield f"a success with a hole: {said}"
            if not said.done and not said.failed:
                yield "no end"
            return
        if column.golden.then is Then.PASSED_ON and not others and x.report["outcome"] == "passed_on":
            if added.text or added.calls or not self.sent.startswith(self.front.rstrip(b"\r\n")):
                yield f"passed on, and more: {self.tail!r}"
            return
        if said.failed:
            yield from self._error(said.done, said.text, others)
            return
        if not said.done:
            yield "neither an end nor an error"
        calls = called(said.calls)
        if calls != called(column.calls)[: len(calls)]:
            yield f"other calls: {said.calls}"
        ended = bool(calls) and not others
        if not ended and (not others or others[-1][1] != "completed"):
            yield "a success that is nobody's"
        # Where an answer says all that the client has once more, it looks like one that begins anew.
        had = said.text.removesuffix(added.text)
        once = had + column.told.removeprefix(had + had)
        if said.text not in (*column.all_told, once) and not (ended and column.text.startswith(said.text)):
            yield f"gone on with a hole: {said.text!r}"
        yield from self._strictly(said.text)

    def _error(self, done: bool, text: str, others: list[tuple[str, str]]) -> Iterator[str]:
        column = self.column
        if done:
            yield "an error and an end"
        if any(outcome == "completed" for _, outcome in others):
            yield "an error and a success"
        if not column.told.startswith(text):
            yield f"an error behind other words: {text!r}"
        if column.golden.then is Then.CONTINUED:
            yield f"an error: {self.tail[:60]!r}"
        yield from self._strictly(None)

    def _strictly(self, text: str | None) -> Iterator[str]:
        """What Trooper itself said, by the letter of the wire."""
        try:
            result = WIRES[self.column.wire].read(tidy(self.column.wire, self.front, self.tail))
        except (WireViolation, LookupError, TypeError) as violation:
            yield f"not of the wire: {violation!r} {self.tail[:300]!r}"
            return
        strict = result.text + result.refusal
        # Of an answer that was resumed the end tells the beginning, too, which this client had before.
        resumed = self.column.is_resumed and text is not None and strict.endswith(text)
        if text is not None and strict != text and not resumed:
            yield f"a strict reader reads {result.text!r}"
        if text is None and (result.error is None or result.done or result.finish_reason):
            yield f"no honest error: {result}"


def _behind_line_ends(body: bytes, at: int) -> int:
    while body[at : at + 1] in (b"\r", b"\n") and body[:at][-2:] != b"\n\n":
        at += 1
    return at


def called(calls: Iterable[Called]) -> list[tuple[str, Any]]:
    """Names, and what the arguments mean."""
    return [(name, _value(arguments or "{}")) for name, arguments in calls]


def _value(arguments: str) -> Any:
    """What arguments mean; half of them mean nothing but themselves."""
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments

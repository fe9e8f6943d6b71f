"""
First, do no harm: streams in shapes that no document has pass untouched when
they are whole, and never become a success with a hole when they are not.

What is read is tested row by row; what goes through all of Trooper in groups,
since most of the time of such a test is the stage. A group tells all its rows
that went wrong, and what.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from odd_streams import ODD, Kind, Mirror, OddStream, seen
from scenes import WIRES, Exchange, Stage, configured, stage
from trooper.core.events import Event, Reasoning, Received, Text, ToolCallDelta, Unread
from trooper.core.outcome import Completed
from trooper.core.transcript import Transcript
from trooper.testing import End, Head, Pause, Reset, Script, Send

pytestmark = pytest.mark.vast

BIG = 1 << 20
#: Longer than many proxies wait behind a finish reason, shorter than this one does.
PAUSE_S = 1.3
MORE = " And so on."


def in_groups(wanted: Callable[[OddStream], bool]) -> Any:
    groups: dict[str, list[OddStream]] = {}
    for row in filter(wanted, ODD):
        groups.setdefault(f"{row.wire}, {row.kind.value}", []).append(row)
    return pytest.mark.parametrize("rows", [pytest.param(rows, id=name) for name, rows in groups.items()])


def test_the_table_has_all_kinds_on_all_wires() -> None:
    kinds = {(row.wire, row.kind) for row in ODD}

    assert {(wire, kind) for wire in WIRES for kind in Kind} == kinds
    assert len({row.name for row in ODD}) == len(ODD) >= 120
    assert all(row.source and row.pieces for row in ODD)


# -- what is read ---------------------------------------------------------------------------------


def cut(row: OddStream, size: int | None) -> Iterator[bytes]:
    """The body in pieces of one size, or as its events came."""
    if size is None:
        yield from row.pieces
    else:
        body = row.body
        yield from (body[at : at + size] for at in range(0, len(body), size))


def read(row: OddStream, size: int | None) -> tuple[list[Received], Any]:
    reader = WIRES[row.wire].target_side.reader(BIG)
    items = [item for piece in cut(row, size) for item in reader.feed(piece)]
    if not row.reset:
        items += reader.end()
    return items, reader.outcome


def calls_in(events: Iterable[Event]) -> tuple[tuple[str, str], ...]:
    calls: dict[int, list[str]] = {}
    for event in events:
        if isinstance(event, ToolCallDelta):
            said = calls.setdefault(event.index, ["", ""])
            if event.replaces:
                said[:] = ["" if event.name else said[0], ""]
            said[0] += event.name
            said[1] += event.arguments
    return tuple((name, arguments) for name, arguments in calls.values())


def is_continuable(items: Iterable[Received]) -> bool:
    """Whether somebody could go on just before the finish."""
    transcript = Transcript(BIG * 16)
    for item in items:
        if item.has_finish:
            break
        if any(isinstance(event, Unread) for event in item.events):
            return False
        transcript.add(item.events)
    return transcript.continuable


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in ODD if row.is_events])
def test_what_is_read(row: OddStream) -> None:
    """Every byte comes out of the reader, and what is understood does not hang on where the bytes are cut."""
    for size in (BIG * 8, None, 65_536 if row.is_huge else 1):
        items, outcome = read(row, size)
        events = [event for item in items for event in item.events]

        if row.healthy and row.mirror is not Mirror.SAYS:
            assert b"".join(item.raw for item in items) == row.body
        if not row.reset:
            assert isinstance(outcome, Completed) is row.healthy
            assert row.outcome in (outcome.word, "failed")
        if not row.undecided:
            assert "".join(e.text for e in events if isinstance(e, Text)) == row.text
            assert "".join(e.text for e in events if isinstance(e, Reasoning)) == row.reasoning
            assert plain(calls_in(events)) == plain(row.calls)
            assert not row.healthy or is_continuable(items) is (row.opaque is None)


def plain(calls: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Calls, but for the blanks in their arguments."""
    return [(name, re.sub(r"\s", "", arguments)) for name, arguments in calls]


# -- a healthy stream -----------------------------------------------------------------------------


TERMINATORS = (b"[DONE]", b'"message_stop"', b'"response.completed"', b'"response.incomplete"')


def script(row: OddStream, pieces: Iterable[bytes], *, pause_s: float = 0.0, reset: bool = False) -> Script:
    """The answer in `pieces`, with silence between them; behind the terminator nobody waits for long."""
    steps: list[Any] = [Head(content_type=row.content_type)]
    for piece in pieces:
        if any(terminator in piece for terminator in TERMINATORS):
            pause_s = min(pause_s, 0.01)
        steps += [Send(piece), Pause(pause_s)] if pause_s else [Send(piece)]
    return Script((*steps, *((Pause(0.1), Reset()) if reset else (End(),))))


async def played(s: Stage, row: OddStream, answer: Script) -> Exchange:
    """One request, answered so however often it is asked."""
    s.cloud.script = answer
    return await s.ask(wire=row.wire, stream=row.stream)


def not_mirrored(row: OddStream, x: Exchange) -> Iterator[str]:
    """What the client has that the provider did not send, or lacks."""
    body, sent = bytes(x.body), row.body
    match row.mirror:
        case Mirror.EXACT if body != sent:
            yield f"{len(body)} bytes of {len(sent)}, the same up to {shared(body, sent)}"
        case Mirror.BEGINS if not body.startswith(sent) or seen(row.wire, body[len(sent) :]).text:
            yield f"{len(body)} bytes of {len(sent)}, the same up to {shared(body, sent)}"
        case Mirror.SAYS if row.text not in body.decode():
            yield "other words"
    if x.legs != [(WIRES[row.wire].target, "completed")]:
        yield f"{x.status} {x.legs}"


def shared(one: bytes, other: bytes) -> int:
    """How many bytes both begin with."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[:middle] == other[:middle] else (low, middle - 1)
    return low


def is_healthy(row: OddStream) -> bool:
    return row.healthy


@in_groups(is_healthy)
async def test_a_healthy_stream_passes(autojump_clock: Any, rows: list[OddStream]) -> None:
    """At once, event by event with pauses, and in small pieces; nobody else is asked."""
    wrong = []
    async with stage() as s:
        for row in rows:
            ways = {
                "with pauses": script(row, row.pieces, pause_s=PAUSE_S),
                "in pieces": script(row, cut(row, 65_536 if row.is_huge else 29)),
            }
            if not row.is_huge:
                ways["at once"] = script(row, [row.body])
            for name, way in ways.items():
                s.cloud.requests.clear()
                x = await played(s, row, way)
                wrong += [f"{row.name}, {name}: {why}" for why in not_mirrored(row, x)]
                if len(s.cloud.chats) != 1:
                    wrong.append(f"{row.name}, {name}: asked {len(s.cloud.chats)} times")
    assert not wrong, "\n".join(wrong)


async def test_a_healthy_stream_passes_byte_by_byte(autojump_clock: Any) -> None:
    """A few of each wire; the readers have met every byte of all of them."""
    wrong = []
    async with stage() as s:
        for row in filter(is_healthy, ODD):
            if row.mirror is Mirror.EXACT and row.kind is Kind.EMPTY:
                x = await played(s, row, script(row, cut(row, 1)))
                wrong += [f"{row.name}: {why}" for why in not_mirrored(row, x)]
    assert not wrong, "\n".join(wrong)


async def test_a_healthy_stream_passes_without_the_gate(autojump_clock: Any) -> None:
    """The gate has no part in it, nor has whether calls wait."""
    wrong = []
    async with stage(config=configured(gate=False, tool_calls="stream")) as s:
        for row in filter(is_healthy, ODD):
            if row.mirror is Mirror.EXACT and not row.is_huge:
                x = await played(s, row, script(row, row.pieces))
                wrong += [f"{row.name}: {why}" for why in not_mirrored(row, x)]
    assert not wrong, "\n".join(wrong)


# -- a stream that breaks -------------------------------------------------------------------------


def forwarded(x: Exchange, sent: tuple[bytes, ...]) -> int:
    """How many of the provider's events stand at the front of what the client has."""
    same, size = shared(bytes(x.body), b"".join(sent)), 0
    for count, piece in enumerate(sent):
        size += len(piece)
        if size > same:
            return count
    return len(sent)


def not_honest(row: OddStream, x: Exchange, sent: tuple[bytes, ...], whole: str) -> Iterator[str]:
    """
    Why this is neither a prefix and a continuation nor a prefix and an error.

    `sent` is what came before the cut, and `whole` the text that the local
    model would say in all.
    """
    body, count = bytes(x.body), forwarded(x, sent)
    tail = seen(row.wire, body[len(b"".join(sent[:count])) :])
    said = seen(row.wire, body)
    (_, first), *others = x.legs
    if first == "completed":
        # Its own word said that it is whole, and nothing of it is missing.
        lacks_an_end = len(sent) - count == 1 and row.mirror is Mirror.BEGINS
        if row.finish >= len(sent) or (count < len(sent) and not lacks_an_end) or tail.text:
            yield f"whole, with {count} events"
    elif x.status != 200 or said.failed:
        if tail.done or any(outcome == "completed" for _, outcome in others):
            yield "an error and a success"
    elif not said.done:
        yield "no end"
    elif others:
        if others[-1][1] != "completed":
            yield f"a success after {x.legs}"
        if said.text != whole and not said.calls:
            yield f"gone on with a hole: {said.text!r}"
        if row.opaque is not None and row.opaque < count and not row.undecided:
            yield "gone on behind what nobody understands"
    elif not said.calls:
        yield "a success, and nobody said so"
    for call in said.calls if said.done and not said.failed else ():
        # Whole calls alone, and such as were meant; `{}` may be all that there was of one.
        if plain([call])[0] not in plain(row.calls) and call[1] != "{}":
            yield f"half a call: {call}"


def could_be_cut(row: OddStream) -> bool:
    return row.healthy and row.is_events and row.stream and row.kind not in (Kind.HUGE, Kind.BODY)


def not_shown(row: OddStream, x: Exchange, sent: tuple[bytes, ...]) -> Iterator[str]:
    """What nobody understands is shown in its place, and nobody goes on behind it."""
    if row.opaque is not None and not row.undecided and len(sent) > row.opaque + row.is_unread:
        if forwarded(x, sent) <= row.opaque:
            yield "the opaque event is not shown"
        if len(x.legs) > 1:
            yield f"gone on behind the opaque event: {x.legs}"


@in_groups(could_be_cut)
async def test_a_cut_behind_every_event(autojump_clock: Any, rows: list[OddStream]) -> None:
    """What the client has is what came, up to somewhere; then somebody goes on, or it is told."""
    wrong: list[str] = []
    done: set[tuple[bytes, ...]] = set()
    async with stage() as s:
        for row in rows:
            pieces, whole = row.pieces, row.text or "Nothing."
            s.ollama.answer = whole
            for at in range(1, len(pieces) + 1):
                # Many rows begin alike; what begins alike is cut once.
                if pieces[:at] in done:
                    continue
                done.add(pieces[:at])
                x = await played(s, row, script(row, pieces[:at], reset=True))
                why = [*not_honest(row, x, pieces[:at], whole), *not_shown(row, x, pieces[:at])]
                wrong += [f"{row.name}, cut behind {at} of {len(pieces)}: {w}" for w in why]
    assert not wrong, "\n".join(wrong)


def is_unhealthy(row: OddStream) -> bool:
    return not row.healthy


@in_groups(is_unhealthy)
async def test_a_failure_is_no_success(autojump_clock: Any, rows: list[OddStream]) -> None:
    """Whatever its terminator says."""
    wrong = []
    async with stage() as s:
        for row in rows:
            s.ollama.answer = whole = row.text + MORE if row.text else "Nothing."
            for way in (
                script(row, [row.body], reset=row.reset),
                script(row, row.pieces, pause_s=PAUSE_S, reset=row.reset),
            ):
                x = await played(s, row, way)
                outcome = x.legs[0][1]
                if outcome == "completed" or row.outcome not in (outcome, "failed"):
                    wrong.append(f"{row.name}: {outcome}")
                wrong += [f"{row.name}: {why}" for why in not_honest(row, x, row.pieces, whole)]
    assert not wrong, "\n".join(wrong)


async def test_a_cut_inside_a_huge_event(autojump_clock: Any) -> None:
    """Half an event is ended before anything else is said."""
    wrong = []
    async with stage() as s:
        for row in ODD:
            if not row.is_huge:
                continue
            sizes = [len(piece) for piece in row.pieces]
            large = sizes.index(max(sizes))
            sent = b"".join(row.pieces[:large]) + row.pieces[large][: BIG + BIG // 8]
            x = await played(s, row, script(row, [sent], reset=True))
            body = bytes(x.body)
            if x.legs[0][1] == "completed" and large <= row.finish:
                wrong.append(f"{row.name}: a success")
            if body.startswith(sent) and body[len(sent) : len(sent) + 1] not in (b"\n", b"\r"):
                wrong.append(f"{row.name}: something is said inside the event")
    assert not wrong, "\n".join(wrong)

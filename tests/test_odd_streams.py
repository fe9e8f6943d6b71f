"""
First, do no harm: streams in shapes that no document has pass untouched when
they are whole, and never become a success with a hole when they are not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from odd_streams import ODD, Kind, Mirror, OddStream, seen
from scenes import WIRES, Exchange, Stage, configured, stage
from trooper.core.events import Event, Reasoning, Received, Text, ToolCallDelta
from trooper.core.outcome import Completed
from trooper.core.transcript import Transcript
from trooper.testing import End, FakeOllama, Head, Pause, Reset, Script, Send

BIG = 1 << 20
#: Longer than most proxies wait for a terminator, shorter than this one does.
PAUSE_S = 1.3
MORE = " And so on."
HEALTHY = [row for row in ODD if row.healthy]
EVENTS = [row for row in ODD if row.is_events]


def rows(some: Iterable[OddStream]) -> Any:
    return pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in some])


def test_the_table_has_all_kinds_on_all_wires() -> None:
    kinds = {(row.wire, row.kind) for row in ODD}

    assert {(wire, kind) for wire in WIRES for kind in Kind} <= kinds
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
    if reader.outcome is None and not row.reset:
        items += reader.end()
    return items, reader.outcome


def calls_in(events: Iterable[Event]) -> tuple[tuple[str, str], ...]:
    calls: dict[int, list[str]] = {}
    for event in events:
        if isinstance(event, ToolCallDelta):
            said = calls.setdefault(event.index, ["", ""])
            said[0] += event.name
            said[1] += event.arguments
    return tuple((name, arguments) for name, arguments in calls.values())


SIZES: tuple[int | None, ...] = (BIG * 8, None, 1)


@rows(EVENTS)
def test_what_is_read(row: OddStream) -> None:
    """Every byte comes out of the reader, and what is understood does not hang on where the bytes are cut."""
    for size in SIZES[: 2 if row.is_huge else 3]:
        items, outcome = read(row, size)
        events = [event for item in items for event in item.events]
        transcript = Transcript(BIG * 16)
        for item in items:
            transcript.add(item.events)

        if row.healthy:
            assert b"".join(item.raw for item in items) == row.body
        if not row.reset:
            assert isinstance(outcome, Completed) is row.healthy
            assert row.outcome in (outcome.word, "failed")
        if not row.undecided:
            assert "".join(e.text for e in events if isinstance(e, Text)) == row.text
            assert "".join(e.text for e in events if isinstance(e, Reasoning)) == row.reasoning
            assert calls_in(events) == row.calls
            assert not row.healthy or transcript.continuable is (row.opaque is None)


# -- through all of Trooper -------------------------------------------------------------------------


def script(row: OddStream, pieces: Iterable[bytes], *, pause_s: float = 0.0, reset: bool = False) -> Script:
    """The answer in `pieces`, with silence between them."""
    steps: list[Any] = [Head(content_type=row.content_type)]
    for piece in pieces:
        steps += [Send(piece), Pause(pause_s)] if pause_s else [Send(piece)]
    return Script((*steps, *((Pause(0.1), Reset()) if reset else (End(),))))


async def played(s: Stage, row: OddStream, answer: Script) -> Exchange:
    """One request, answered so."""
    s.cloud.play_next(answer)
    return await s.ask(wire=row.wire, stream=row.stream)


def assert_mirrored(row: OddStream, x: Exchange) -> None:
    """The client has what the provider sent."""
    body = bytes(x.body)
    assert x.status == 200
    match row.mirror:
        case Mirror.EXACT:
            assert body == row.body
        case Mirror.BEGINS:
            assert body.startswith(row.body)
            assert not seen(row.wire, body[len(row.body) :]).text
        case Mirror.SAYS:
            assert row.text in body.decode()
    assert x.legs == [(WIRES[row.wire].target, "completed")]


@rows(HEALTHY)
async def test_a_healthy_stream_passes(autojump_clock: Any, row: OddStream) -> None:
    """At once, event by event with pauses, and byte by byte; nobody else is asked."""
    async with stage() as s:
        sizes = (len(row.body) + 1, 65_536) if row.is_huge else (len(row.body) + 1, 1)
        ways = [script(row, cut(row, size)) for size in sizes]
        ways += [script(row, row.pieces, pause_s=PAUSE_S)]
        for number, way in enumerate(ways, 1):
            assert_mirrored(row, await played(s, row, way))
            assert len(s.cloud.chats) == number
        assert s.ollama.requests == []


async def test_a_healthy_stream_passes_without_the_gate(autojump_clock: Any) -> None:
    """The gate has no part in it, nor has who could go on."""
    async with stage(config=configured(gate=False)) as s:
        wrong = []
        for row in HEALTHY:
            if not row.is_huge and row.mirror is Mirror.EXACT:
                x = await played(s, row, script(row, row.pieces))
                wrong += [row.name] if bytes(x.body) != row.body else []
        assert wrong == []


def shared(one: bytes, other: bytes) -> int:
    """How many bytes both begin with."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[:middle] == other[:middle] else (low, middle - 1)
    return low


def forwarded(x: Exchange, sent: tuple[bytes, ...]) -> int:
    """How many of the provider's events stand at the front of what the client has."""
    body = bytes(x.body)
    same, size = shared(body, b"".join(sent)), 0
    for count, piece in enumerate(sent):
        size += len(piece)
        if size > same:
            return count
    return len(sent)


def assert_honest(row: OddStream, x: Exchange, sent: tuple[bytes, ...], whole: str) -> None:
    """
    A prefix, then a continuation or an error.

    `sent` is what came before the cut, and `whole` the text that the local
    model would say in all.
    """
    body = bytes(x.body)
    count = forwarded(x, sent)
    tail = body[len(b"".join(sent[:count])) :]
    said = seen(row.wire, body)
    first, *others = x.legs
    if first[1] == "completed":
        # Its own word said so, and nothing is missing.
        assert row.finish < len(sent)
        assert count == len(sent)
        assert not seen(row.wire, tail).text
        return
    if x.status != 200 or said.failed:
        assert not seen(row.wire, tail).done
        assert all(outcome != "completed" for _, outcome in others)
        return
    assert said.done
    for name, arguments in said.calls:
        # Whole calls alone, and such as were meant.
        assert (name, arguments) in row.calls or (name, arguments) == (name, "{}")
    if others:
        assert others[-1][1] == "completed"
        assert said.text == whole
        assert row.opaque is None or row.opaque >= count or row.undecided
    else:
        assert said.calls


def could_be_cut(row: OddStream) -> bool:
    return row.healthy and row.is_events and row.stream and row.kind not in (Kind.HUGE, Kind.BODY)


@rows(filter(could_be_cut, ODD))
async def test_a_cut_behind_every_event(autojump_clock: Any, row: OddStream) -> None:
    """What the client has is what came, up to somewhere; then somebody goes on, or it is told."""
    pieces = row.pieces
    whole = row.text or "Nothing."
    async with stage(ollama=FakeOllama(answer=whole)) as s:
        for at in range(1, len(pieces) + 1):
            x = await played(s, row, script(row, pieces[:at], reset=True))
            assert_honest(row, x, pieces[:at], whole)
            if row.opaque is not None and not row.undecided and at > row.opaque + row.is_unread:
                # What nobody understands is shown in its place, and nobody goes on behind it.
                assert forwarded(x, pieces[:at]) > row.opaque
                assert [target for target, _ in x.legs] == [WIRES[row.wire].target]


@rows(row for row in ODD if not row.healthy)
async def test_a_failure_is_no_success(autojump_clock: Any, row: OddStream) -> None:
    """Whatever its terminator says."""
    whole = row.text + MORE
    async with stage(ollama=FakeOllama(answer=whole)) as s:
        for way in (
            script(row, [row.body], reset=row.reset),
            script(row, row.pieces, pause_s=PAUSE_S, reset=row.reset),
        ):
            x = await played(s, row, way)
            assert x.legs[0][1] != "completed"
            assert row.outcome in (x.legs[0][1], "failed")
            assert_honest(row, x, row.pieces, whole)


@rows(row for row in ODD if row.is_huge)
async def test_a_cut_inside_a_huge_event(autojump_clock: Any, row: OddStream) -> None:
    """Half an event is ended before anything else is said, and half of it is a prefix."""
    sizes = Counter({at: len(piece) for at, piece in enumerate(row.pieces)})
    ((large, size),) = sizes.most_common(1)
    sent = b"".join(row.pieces[:large]) + row.pieces[large][: size // 2 + BIG // 2]
    async with stage() as s:
        x = await played(s, row, script(row, [sent], reset=True))
        body = bytes(x.body)
        same = shared(body, sent)
        assert x.legs[0][1] != "completed"
        assert same in (len(sent), *(len(b"".join(row.pieces[:at])) for at in range(large + 1)))
        if same == len(sent):
            assert body[same : same + 1] in (b"\n", b"\r")

"""
The mirror: one healthy stream, played to a client through the real relay, and
what must hold of what the client was sent.

Only the HTTP client's transport is another one: it gives scripted chunks, with
pauses of virtual time. Whatever the stream holds, the client gets its bytes,
all of them, in order, each in time, and nobody else is asked.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from functools import cache
from itertools import accumulate, pairwise, product
from typing import Any, Final

import httpx
import trio
import trio.testing
from attrs import define, evolve, field, frozen
from structlog.testing import capture_logs

from relay_parts import MODEL, request
from scenes import WIRES, configured
from trooper.config import Config
from trooper.relay.dispatch import answer
from trooper.relay.request import ClientRequest
from trooper.services import Services, standbys_of
from trooper.targets.standby import State
from trooper.targets.upstream import Upstream
from trooper.wires import WIRES as TABLE

#: Small, so that a stream of a few kilobytes is one past every bound.
MAX_EVENT_BYTES: Final = 2000
HOLD_BYTES: Final = 600
HOLD_CALL_BYTES: Final = 2000
#: The silence behind a finish that nobody may cut short.
AFTER_FINISH_S: Final = 4.5
#: A preamble may wait this long for the content that it announces.
PREAMBLE_S: Final = 1.0
_A_MOMENT_S: Final = 1e-6
_BLANK_LINE: Final = re.compile(rb"(?:\r\n|\n|\r)(?:\r\n|\n|\r)\Z")


@frozen
class Block:
    """
    Some bytes of a stream, and what a reader may make of them.

    Attributes:
        kind: what it is to a gate. `sure`: content that no gate may hold, or
            unknown content. `text`: text of the wire. `call`: a piece of a
            tool call. `vague`: JSON of which nobody knows what it says.
            `odd`: bytes that perhaps nobody can read. `quiet`: it says nothing.
        ends: whether an event ends with it.
        says: whether it is a sign of life behind a finish.
        may_finish: whether it says, or may say, that the answer is complete.
        is_end: whether it is the terminator.
    """

    raw: bytes
    kind: str = "quiet"
    ends: bool = True
    says: bool = False
    may_finish: bool = False
    is_end: bool = False


@frozen
class Stream:
    """A healthy stream of one wire."""

    wire: str
    blocks: tuple[Block, ...]
    raw: bytes = field(init=False)
    #: Where each block ends.
    ends: tuple[int, ...] = field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "raw", b"".join(block.raw for block in self.blocks))
        object.__setattr__(self, "ends", tuple(accumulate(len(block.raw) for block in self.blocks)))


@frozen
class Setting:
    """How Trooper is set up for a stream."""

    gate: bool = True
    tool_calls: str = "hold"
    has_fallback: bool = True

    def __str__(self) -> str:
        words = ("gate" if self.gate else "no gate", self.tool_calls, f"fallback {self.has_fallback}")
        return ", ".join(words)


SETTINGS: Final = tuple(Setting(*row) for row in product((True, False), ("hold", "stream"), (True, False)))


@frozen
class Framing:
    """How a stream comes: pieces, each behind a pause."""

    chunks: tuple[tuple[float, bytes], ...]


def framed(stream: Stream, places: Sequence[int], pauses: Sequence[float]) -> Framing:
    """
    The stream cut at `places`, with the `pauses` in turn before its pieces.

    Where a finish was said, the silence until the next sign of life is shorter
    than our patience; behind the terminator there is next to none.
    """
    edges = sorted({0, len(stream.raw), *(place for place in places if 0 < place < len(stream.raw))})
    chunks: list[tuple[float, bytes]] = []
    end = _end_of(stream)
    at, left, finished = 0, AFTER_FINISH_S, False
    for number, (start, stop) in enumerate(pairwise(edges)):
        pause = pauses[number % len(pauses)] if pauses and number else 0.0
        if start >= end:
            pause = 0.0
        elif finished:
            pause = min(pause, left)
            left -= pause
        chunks.append((pause, stream.raw[start:stop]))
        while at < len(stream.blocks) and stream.ends[at] <= stop:
            block = stream.blocks[at]
            finished, left = finished or block.may_finish, AFTER_FINISH_S if block.says else left
            at += 1
    return Framing(tuple(chunks))


def _end_of(stream: Stream) -> int:
    """
    From where on a stream has ended, and there is next to no silence.

    A terminator that ends in CRLF can be read one byte before its end. With empty
    lines behind it its own line is the end: one that comes late is said by us, and
    nobody waits for another.
    """
    at = next(number for number, block in enumerate(stream.blocks) if block.is_end)
    if at == len(stream.blocks) - 1:
        return stream.ends[at] - 1
    return stream.ends[at] - len(stream.blocks[at].raw) + len(stream.blocks[at].raw.rstrip(b"\r\n"))


# -- the player ------------------------------------------------------------------


@define
class Played:
    """What came and what went, with the times of both."""

    given: list[tuple[float, int]] = field(factory=list)
    sent: list[tuple[float, bytes]] = field(factory=list)
    asked: list[str] = field(factory=list)
    statuses: list[int] = field(factory=list)
    ended: bool = False
    report: Mapping[str, Any] = field(factory=dict)

    async def send(self, message: Mapping[str, Any]) -> None:
        await trio.lowlevel.checkpoint()
        if message["type"] == "http.response.start":
            self.statuses.append(message["status"])
            return
        assert not self.ended, "a body after the end"
        self.ended = not message["more_body"]
        if message["body"]:
            self.sent.append((trio.current_time(), bytes(message["body"])))

    @property
    def body(self) -> bytes:
        return b"".join(body for _, body in self.sent)


class _Chunks(httpx.AsyncByteStream):
    """The body of an answer, as it is scripted."""

    def __init__(self, framing: Framing, played: Played) -> None:
        self._left, self._played, self._at = iter(framing.chunks), played, 0

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        chunk = next(self._left, None)
        if chunk is None:
            raise StopAsyncIteration
        pause, data = chunk
        await trio.sleep(pause)
        self._at += len(data)
        self._played.given.append((trio.current_time(), self._at))
        return data


@define(eq=False)
class Wire(httpx.AsyncBaseTransport):
    """A network whose one cloud plays what it is told; whoever else is asked is not there."""

    host: str
    framing: Framing = Framing(())
    played: Played = field(factory=Played)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.played.asked.append(request.url.host)
        if request.url.host != self.host or len(self.played.asked) > 1:
            return httpx.Response(500, request=request, stream=httpx.ByteStream(b"{}"))
        kind = {"content-type": "text/event-stream; charset=utf-8"}
        return httpx.Response(200, headers=kind, stream=_Chunks(self.framing, self.played), request=request)


@frozen
class Setup:
    """Services for one wire and one setting, and the network below them."""

    services: Services
    network: Wire
    asks: ClientRequest


def _config(setting: Setting) -> Config:
    config = configured(
        gate=setting.gate,
        tool_calls=setting.tool_calls,
        max_event_bytes=MAX_EVENT_BYTES,
        hold_bytes=HOLD_BYTES,
        hold_call_bytes=HOLD_CALL_BYTES,
    )
    # Silence is another test's: here a stream of comments may last.
    patient = (evolve(t, stall_timeout_s=3600, ttft_timeout_s=3600) for t in config.targets)
    targets = tuple(t for t in patient if setting.has_fallback or not t.is_local)
    names = tuple(target.name for target in targets)
    chains = tuple(
        evolve(chain, targets=tuple(name for name in chain.targets if name in names))
        for chain in config.chains
    )
    return evolve(config, targets=targets, chains=chains)


@cache
def setup(wire: str, setting: Setting) -> Setup:
    """Built once: nothing of it belongs to a run."""
    config = _config(setting)
    target = next(target for target in config.targets if target.name == WIRES[wire].target)
    network = Wire(httpx.URL(target.base_url).host)
    client = httpx.AsyncClient(transport=network, trust_env=False)
    upstreams = {target.name: Upstream(target, client, client) for target in config.targets}
    standbys = standbys_of(config, upstreams, TABLE)
    for standby in standbys.values():
        standby.models, standby.chosen, standby._seen = (MODEL,), MODEL.name, State.READY
        standby._ready[MODEL.name] = MODEL
    # No room to remember: a hundred thousand past answers are nobody's.
    services = Services(evolve(config, server=evolve(config.server, remember_bytes=1)), upstreams, standbys)
    return Setup(services, network, request(wire))


async def play(wire: str, setting: Setting, framing: Framing) -> Played:
    """One request, and the stream as its answer."""
    built = setup(wire, setting)
    played = built.network.played = Played()
    built.network.framing = framing
    with capture_logs() as log:
        await answer(built.services, built.asks, _stays, played.send, lambda: None)
    played.report = dict(log[-1])
    return played


async def _stays() -> Mapping[str, Any]:
    await trio.sleep_forever()
    raise AssertionError


def play_all(stream: Stream, framings: Sequence[Framing], settings: Sequence[Setting] = SETTINGS) -> int:
    """Play the stream in every framing under every setting; the number of streams played."""

    async def run() -> AssertionError | None:
        for framing, setting in product(framings, settings):
            played = await play(stream.wire, setting, framing)
            try:
                check(stream, setting, framing, played)
            except AssertionError as violation:
                # Raised outside: without the wrapping of a run.
                return violation
        return None

    violation = trio.run(run, clock=trio.testing.MockClock(autojump_threshold=0))
    if violation is not None:
        raise violation
    return len(framings) * len(settings)


# -- what must hold --------------------------------------------------------------

_KEEP_ALIVES: Final = (
    b": trooper keep-alive\n\n",
    # Where events have ids.
    b": trooper keep-alive\n",
    b'event: ping\ndata: {"type":"ping"}\n\n',
)


def check(stream: Stream, setting: Setting, framing: Framing, played: Played) -> None:
    """The law of the mirror."""
    about = f"{stream.wire}; {setting}; {framing.chunks}"
    kept = list(without_ours(stream.raw, played.sent))
    out = b"".join(body for _, body in kept)
    assert played.statuses == [200], f"{about}: {played.statuses}, {played.body!r}"
    # An empty line that the end of the body lacked may be added: readers want it.
    more = out[len(stream.raw) :]
    assert out[: len(stream.raw)] == stream.raw, f"{about}\n in: {stream.raw!r}\nout: {out!r}"
    assert not more.strip(b"\r\n"), f"{about}\n in: {stream.raw!r}\nadded: {more!r}"
    assert played.asked == [setup(stream.wire, setting).network.host], f"{about}: {played.asked}"
    outcomes = [leg["outcome"] for leg in played.report["legs"]]
    assert outcomes == ["completed"], f"{about}: {outcomes}"
    assert played.ended, about
    late = [*lateness(stream, setting, played.given, kept), *excess(setting, played.given, kept)]
    assert late == [], f"{about}\n{late}"


def without_ours(raw: bytes, sent: Sequence[tuple[float, bytes]]) -> Iterator[tuple[float, bytes]]:
    """What was sent without our keep-alives, each of which must stand between two events."""
    at = 0
    for when, body in sent:
        if body in _KEEP_ALIVES and raw[at : at + len(body)] != body:
            assert at == 0 or _BLANK_LINE.search(raw[:at]), f"a keep-alive inside an event: {raw[:at]!r}"
            continue
        yield when, body
        at += len(body)


def lateness(
    stream: Stream, setting: Setting, given: Sequence[tuple[float, int]], sent: Sequence[tuple[float, bytes]]
) -> Iterator[str]:
    """Events that went out later than their law: those that nothing may hold."""
    arrived = [next((at for at, stop in given if stop >= end), given[-1][0]) for end in stream.ends]
    left = list(zip((when for when, _ in sent), accumulate(len(body) for _, body in sent), strict=True))
    shown = False
    for number, _ in due_at_once(stream, setting):
        block, came, end = stream.blocks[number], arrived[number], stream.ends[number]
        shown = shown or block.kind in ("sure", "text", "call")
        # The LF of a CRLF may come with the next event: with the CR this one was whole.
        end -= block.raw.endswith(b"\r\n")
        went = next(when for when, stop in left if stop >= end)
        if went > came + (0.0 if shown else PREAMBLE_S) + _A_MOMENT_S:
            yield f"{block.raw[:80]!r} came at {came} and went at {went}"


def due_at_once(stream: Stream, setting: Setting) -> Iterator[tuple[int, Block]]:
    """
    The blocks that no gate may hold under this setting.

    With the gate on only what ends a word for certain; where calls are held,
    nothing behind the first piece of one. Bytes that nobody can read wait for
    something that can be read.
    """
    unread, has_calls = False, False
    for number, block in enumerate(stream.blocks):
        if not block.ends:
            # What follows is in the same event, and may be of any kind.
            unread = True
            continue
        unread = block.kind == "odd" or (unread and block.kind in ("quiet", "vague"))
        has_calls = has_calls or block.kind in ("call", "vague", "odd")
        if unread or block.is_end or (setting.tool_calls == "hold" and has_calls):
            continue
        if block.kind == "sure" or not setting.gate:
            yield number, block


def excess(
    setting: Setting, given: Sequence[tuple[float, int]], sent: Sequence[tuple[float, bytes]]
) -> Iterator[str]:
    """Moments at which more was held than the bounds allow; before the status a preamble waits for its time."""
    bound = MAX_EVENT_BYTES + HOLD_BYTES + (HOLD_CALL_BYTES if setting.tool_calls == "hold" else 0)
    settled = dict(given)
    for at, came in settled.items():
        went = sum(len(body) for when, body in sent if when <= at)
        if came - went > bound and went:
            yield f"{came - went} bytes held at {at}"

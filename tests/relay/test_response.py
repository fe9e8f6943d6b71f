"""What one client is sent, and when: the status, the preamble, signs of life, the end."""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio
from attrs import define, field

from client_side import Server
from relay_parts import incoming, services_of
from trooper.core.events import Begin, Received, Text
from trooper.core.outcome import Answer, Completed
from trooper.core.pacing import Pacing
from trooper.core.prompt_reading import ToRead
from trooper.core.tally import LegTally, Tally
from trooper.relay.delivery import Delivery
from trooper.relay.response import Response
from trooper.relay.running_leg import RunningLeg, patience_with
from trooper.relay.session import RequestSession
from trooper.relay.splice import Splice
from trooper.services import Services
from trooper.targets.inbox import Bell, Granted, Inbox
from trooper.telemetry.report import How

BEGIN = Received(b"data: begin\n\n", (Begin("i"),))
TEXT = Received(b"data: text\n\n", (Text("Keep.\n"),))


@define
class Stage:
    """A response, a delivery and a leg that speaks, as the conductor holds them."""

    streams: bool = True
    services: Services = field(factory=services_of)
    server: Server = field(factory=Server)
    response: Response = field(init=False)
    delivery: Delivery = field(init=False)
    leg: RunningLeg = field(init=False)

    def __attrs_post_init__(self) -> None:
        config = self.services.config.server
        asked = incoming(self.services, stream=self.streams)
        pacing = Pacing(
            trio.current_time(),
            commit_after_s=10,
            preamble_hold_s=1,
            keepalive_s=10,
            streams=self.streams,
        )
        tally = Tally()
        self.response = Response(
            self.server.client(), pacing, "r1", tally, RequestSession(self.services, asked)
        )
        self.delivery = Delivery.begin(asked, config, tally, "r1", 1_700_000_000)
        link = self.services.chain("gpt-4o", asked.wire)[0]
        splice = Splice(
            LegTally("openai", "gpt-4o"),
            self.delivery.transcript,
            config,
            goes_on=False,
            is_first=True,
            streams=self.streams,
            conversation=lambda: asked.readable,
            could_go_on=lambda: True,
            could_start_over=lambda: True,
        )
        self.delivery.tally.legs.append(splice.tally)
        inbox = Inbox(Bell(), 1000)
        self.leg = RunningLeg(link, How.RESTART, splice, patience_with(link.target, streams=True), inbox)
        self.leg.opened = ((b"x-request-id", b"theirs"), (b"set-cookie", b"a=b"))

    def hear(self, *items: Received) -> None:
        for item in items:
            self.leg.patience.hear(item, trio.current_time())
            self.delivery.hear(self.leg.splice, item)

    async def flush(self) -> None:
        await self.response.flush(self.delivery, self.leg)

    async def duties(self) -> None:
        await self.response.do_duties(self.delivery, self.leg, trio.current_time())


async def test_content_opens_the_stream(autojump_clock: Any) -> None:
    s = Stage()
    await s.flush()
    assert s.server.sent == []
    s.hear(BEGIN, TEXT)
    await s.flush()
    assert s.server.body == BEGIN.raw + TEXT.raw
    assert s.server.headers == {
        b"content-type": b"text/event-stream; charset=utf-8",
        b"cache-control": b"no-cache",
        b"x-accel-buffering": b"no",
        b"x-trooper-request-id": b"r1",
        b"x-trooper-target": b"openai",
        b"x-trooper-fallbacks": b"0",
        b"x-request-id": b"theirs",
    }
    assert s.response.pacing.due == trio.current_time() + 10


async def test_a_leg_that_stands_in_is_a_fallback(autojump_clock: Any) -> None:
    s = Stage()
    s.response.stand_in_reason = "cooling_down"
    s.hear(BEGIN, TEXT)
    await s.flush()
    assert s.server.headers[b"x-trooper-fallbacks"] == b"1"


async def test_a_preamble_waits_for_its_content(autojump_clock: Any) -> None:
    s = Stage()
    s.hear(BEGIN)
    await s.flush()
    await trio.sleep(0.9)
    await s.duties()
    assert s.server.sent == []
    await trio.sleep(0.1)
    await s.duties()
    assert s.server.body == BEGIN.raw


async def test_the_status_goes_out_in_time_with_a_sign_of_life(autojump_clock: Any) -> None:
    s = Stage()
    await trio.sleep(10)
    await s.duties()
    assert s.server.body == b": trooper keep-alive\n\n"
    await trio.sleep(9.9)
    await s.duties()
    assert s.server.body.count(b"keep-alive") == 1
    await trio.sleep(0.1)
    await s.duties()
    assert s.server.body.count(b"keep-alive") == 2
    # From here on a preamble waits for nothing.
    s.hear(BEGIN)
    await s.flush()
    assert s.server.body.endswith(BEGIN.raw)


async def test_an_answer_in_one_piece_goes_out_at_its_end(autojump_clock: Any) -> None:
    s = Stage(streams=False)
    s.hear(TEXT)
    await s.flush()
    await trio.sleep(100)
    await s.duties()
    assert s.server.sent == []
    s.leg.splice.last_words(Completed())
    await s.response.end(s.delivery, s.leg)
    assert (s.server.body, s.server.headers[b"content-type"]) == (TEXT.raw, b"application/json")
    assert s.server.headers[b"x-request-id"] == b"theirs"
    assert s.server.headers[b"content-length"] == str(len(TEXT.raw)).encode()


async def test_the_end_of_a_stream(autojump_clock: Any) -> None:
    s = Stage()
    s.hear(BEGIN, TEXT)
    await s.response.end(s.delivery, s.leg)
    assert (s.server.body, s.response.client.done) == (BEGIN.raw + TEXT.raw, True)


async def test_a_failure_as_an_answer(autojump_clock: Any) -> None:
    s = Stage()
    s.delivery.tally.legs.append(LegTally("ollama", "m"))
    await s.response.answer(Answer(503, ((b"a", b"b"),), b'{"error": 1}'), "ollama")
    assert s.server.sent[0]["status"] == 503
    assert json.loads(s.server.body) == {"error": 1}
    assert (s.server.headers[b"x-trooper-target"], s.server.headers[b"x-trooper-fallbacks"]) == (
        b"ollama",
        b"1",
    )


async def test_a_slow_client_is_not_its_providers_fault(autojump_clock: Any) -> None:
    s = Stage()
    s.hear(BEGIN, TEXT)
    await s.flush()
    s.hear(TEXT)
    s.server.reads = trio.Event()
    due = s.leg.patience.due
    async with trio.open_nursery() as nursery:
        nursery.start_soon(s.flush)
        await trio.sleep(7)
        s.server.reads.set()
    assert s.leg.patience.due == due + 7


async def test_the_gap_is_what_the_client_saw(autojump_clock: Any) -> None:
    s = Stage()
    s.hear(TEXT)
    await s.flush()
    await trio.sleep(2)
    s.response.gap.leg_begins()
    s.leg.patience = patience_with(s.leg.link.target, streams=True)
    s.hear(TEXT)
    await s.flush()
    assert s.response.gap.seconds == 2.0


@pytest.mark.parametrize("inside", [False, True])
async def test_the_client_hears_of_us_while_something_is_found_out(autojump_clock: Any, inside: bool) -> None:
    s = Stage()
    s.delivery.hear(s.leg.splice, BEGIN)
    s.delivery.hear(s.leg.splice, TEXT)
    await s.response.flush(s.delivery, s.leg)
    said = len(s.server.body)
    s.delivery.missing_end = b"\n" if inside else b""

    async def find_out() -> str:
        await trio.sleep(35)
        return "found"

    assert await s.response.meanwhile(s.delivery, s.leg, find_out) == "found"
    assert s.server.body[said:].count(b": ") == (0 if inside else 3)


async def test_a_sign_of_work_in_place_of_a_comment(autojump_clock: Any) -> None:
    """It opens the stream under the name of who works, and counts for the client's watchdog; a comment does not."""
    s = Stage()
    await trio.sleep(10)
    s.leg.granted(Granted("tiny", to_read=ToRead(500)), trio.current_time())
    await s.response.do_duties(s.delivery, s.leg, trio.current_time(), at_work=True)
    assert s.server.headers[b"x-trooper-model"] == b"tiny"
    assert b": trooper keep-alive: reading the prompt, about 500 tokens" in s.server.body
    assert b'"delta":{"role":"assistant"}' in s.server.body
    s.response.pacing.work_begins()
    assert s.response.pacing.due == trio.current_time() + 10
    await trio.sleep(10)
    await s.duties()
    assert s.server.body.count(b"data: ") == 1
    s.response.pacing.work_begins()
    assert s.response.pacing.due < trio.current_time()


async def test_what_waits_goes_out_first(autojump_clock: Any) -> None:
    """A preamble that waits is the answer's beginning."""
    s = Stage()
    s.hear(BEGIN)
    await s.flush()
    await trio.sleep(10)
    await s.response.do_duties(s.delivery, s.leg, trio.current_time(), at_work=True)
    assert s.server.body == BEGIN.raw

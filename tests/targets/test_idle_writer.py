"""A local model writes in idle moments: what it is asked, what is taken of it, and when it is not asked at all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from attrs import define, evolve
from structlog.testing import capture_logs

from legs import opened
from scenes import configured
from trooper.core.conversation import Conversation, Message, Role, TextPart
from trooper.core.known_reports import KnownReports
from trooper.core.local_model import LocalModel
from trooper.core.reported import Reported
from trooper.core.situation.dropped import Dropped
from trooper.core.tokens import tokens_at_most
from trooper.targets.idle_writer import IdleWriter, Wished
from trooper.targets.local import LocalLeg
from trooper.targets.standby.ollama_chat import OllamaStandby
from trooper.testing import FakeOllama, Model, OllamaFault
from written_reports import FACTS, REPORT, asked_for, writing


def user(text: str) -> Message:
    return Message(Role.USER, (TextPart(text),))


def reported(*texts: str, room: int = 400) -> Reported:
    return Reported(Dropped(tuple(map(user, texts)), "", (user("Keep the lamp."),)), room)


@define
class Place:
    """One server, and who writes with its model."""

    standby: OllamaStandby
    writer: IdleWriter
    log: list[Any]

    def wished(self, *reports: Reported) -> Wished:
        leg = LocalLeg(
            standby=self.standby,
            model=None,
            conversation=Conversation(()),
            request_id="r1",
            given="",
            max_tokens=None,
            max_line_bytes=100_000,
            note="",
        )
        return Wished(leg, reports)

    def told(self) -> list[tuple[str, Any]]:
        return [(one["event"], one.get("reason")) for one in self.log if one["event"].startswith("report_")]


@asynccontextmanager
async def at(ollama: FakeOllama, **changes: Any) -> AsyncIterator[Place]:
    target = evolve(configured().target("ollama"), num_ctx=4096, **changes)
    with capture_logs() as log:
        async with opened(target, ollama.serve) as (upstream, network):
            standby = OllamaStandby(target, upstream)
            writer = IdleWriter(KnownReports(), standby.idle)
            network.nursery.start_soon(standby.run)
            await standby.ready(None)
            network.nursery.start_soon(writer.run)
            yield Place(standby, writer, log)


async def test_what_it_is_asked_and_what_is_kept(autojump_clock: Any) -> None:
    ollama, one = writing(), reported(FACTS)
    async with at(ollama) as place:
        assert place.writer.is_missing(one)
        place.writer.wish(place.wished(one))
        await trio.sleep(1)
        assert not place.writer.is_missing(one)
        kept = place.writer.known.write(one.dropped, one.room_tokens)
        assert REPORT in kept
        assert tokens_at_most(kept) <= one.room_tokens
    (asked,) = asked_for(ollama)
    (message,) = asked.ask.messages
    assert all(part in message["content"] for part in FACTS.split(". "))
    assert "at most 160 words" in message["content"]
    assert (asked.ask.options["temperature"], asked.ask.options["num_predict"]) == (0.0, 400)
    (line,) = (line for line in place.log if line["event"] == "report_written")
    assert {"by", "target", "model", "seconds", "turns", "share", "lines_of_rules"} <= line.keys()


async def test_it_is_shown_half_of_a_window_at_most(autojump_clock: Any) -> None:
    ollama = writing()
    many = [f"The ticket HAR-{number} is decided: we must use port {number}." for number in range(2000)]
    async with at(ollama) as place:
        place.writer.wish(place.wished(reported(*many, room=900)))
        await trio.sleep(1)
    (asked,) = asked_for(ollama)
    assert 1024 < tokens_at_most(asked.ask.messages[0]["content"]) < 2048 + 200


async def test_thoughts_are_no_report(autojump_clock: Any) -> None:
    async with at(writing(f"<think>What does he want?</think>{REPORT}")) as place:
        place.writer.wish(place.wished(one := reported(FACTS)))
        await trio.sleep(1)
        assert "What does he want" not in place.writer.known.write(one.dropped, 400)
        assert REPORT in place.writer.known.write(one.dropped, 400)


async def test_each_that_is_missing_is_written(autojump_clock: Any) -> None:
    ollama, one, two, three = writing(), reported(FACTS), reported(FACTS, "More."), reported(FACTS, "Other.")
    async with at(ollama) as place:
        place.writer.known.keep(one.dropped, "Known.")
        place.writer.known.refuse(two.dropped)
        place.writer.wish(place.wished(one, two, three))
        await trio.sleep(1)
        assert [place.writer.is_missing(each) for each in (one, two, three)] == [False] * 3
    assert len(asked_for(ollama)) == 1


async def test_where_there_is_nothing_to_say_nobody_is_asked(autojump_clock: Any) -> None:
    ollama = writing()
    async with at(ollama) as place:
        place.writer.wish(place.wished(reported("")))
        await trio.sleep(1)
        wished = place.wished(reported(FACTS))
        place.writer.wish(evolve(wished, leg=evolve(wished.leg, model="no-such-model")))
        await trio.sleep(1)
    assert asked_for(ollama) == []


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("The port is 5434.", ("report_refused", "invented")),
        ("", ("report_not_written", "empty_200")),
        ("word " * 30_000, ("report_refused", "too_little")),
    ],
)
async def test_what_is_refused_is_not_asked_for_again(
    said: str, expected: object, autojump_clock: Any
) -> None:
    ollama, one = writing(said), reported(FACTS)
    async with at(ollama) as place:
        place.writer.wish(place.wished(one))
        await trio.sleep(100)
        assert place.told() == [expected]
        assert not place.writer.is_missing(one)
        place.writer.wish(place.wished(one))
        await trio.sleep(100)
    assert len(asked_for(ollama)) == 1


async def test_a_server_that_fails_is_asked_again_when_somebody_wishes(autojump_clock: Any) -> None:
    ollama, one = writing(), reported(FACTS)
    async with at(ollama) as place:
        ollama.fail_next(OllamaFault("status", status=500))
        place.writer.wish(place.wished(one))
        await trio.sleep(10)
        assert place.told() == [("report_not_written", "server_error")]
        assert place.writer.is_missing(one)
        place.writer.wish(place.wished(one))
        await trio.sleep(10)
        assert not place.writer.is_missing(one)


async def test_nobody_writes_for_ever(autojump_clock: Any) -> None:
    ollama = writing()
    async with at(ollama) as place:
        ollama.token_s = 60.0
        place.writer.wish(place.wished(one := reported(FACTS)))
        await trio.sleep(200)
        assert place.told() == [("report_not_written", "timeout")]
        assert place.writer.is_missing(one)
        assert place.standby.slots.borrowed_tokens == 0


async def test_who_needs_the_server_comes_first(autojump_clock: Any) -> None:
    ollama, one = writing(token_s=2.0), reported(FACTS)
    async with at(ollama) as place:
        with place.standby.idle.needed():
            place.writer.wish(place.wished(one))
            await trio.sleep(10)
            assert asked_for(ollama) == []
        await trio.sleep(1)
        (asked,) = asked_for(ollama)
        with place.standby.idle.needed():
            await trio.sleep(1)
            assert asked.ended_at is not None
        await trio.sleep(300)
        # It gave way, and waits for another wish.
        assert len(asked_for(ollama)) == 1
        assert place.told() == []


async def test_the_latest_wish_counts(autojump_clock: Any) -> None:
    ollama = writing()
    first, last = reported(FACTS, "First."), reported(FACTS, "Last.")
    async with at(ollama) as place:
        with place.standby.idle.needed():
            place.writer.wish(place.wished(first))
            place.writer.wish(place.wished(last))
        await trio.sleep(10)
        assert place.writer.is_missing(first)
        assert not place.writer.is_missing(last)


async def test_what_is_withdrawn_is_not_written(autojump_clock: Any) -> None:
    ollama = writing(token_s=2.0)
    async with at(ollama) as place:
        waiting, begun = place.wished(reported(FACTS)), place.wished(reported(FACTS, "More."))
        with place.standby.idle.needed():
            place.writer.wish(waiting)
            place.writer.withdraw(waiting)
        await trio.sleep(10)
        assert asked_for(ollama) == []
        place.writer.wish(begun)
        await trio.sleep(3)
        place.writer.withdraw(waiting)
        place.writer.wish(waiting)
        place.writer.withdraw(begun)
        await trio.sleep(300)
        assert [one.ending for one in asked_for(ollama)] == ["aborted", "stop"]
        assert place.writer.is_missing(begun.reports[0])


async def test_a_fault_of_ours_ends_one_report_and_not_the_writing(autojump_clock: Any) -> None:
    ollama, one = writing(), reported(FACTS)
    nothing: Any = (None,)
    async with at(ollama) as place:
        place.writer.wish(evolve(place.wished(one), reports=nothing))
        await trio.sleep(1)
        assert place.told() == [("report_not_written", None)]
        place.writer.wish(place.wished(one))
        await trio.sleep(1)
        assert not place.writer.is_missing(one)


async def test_it_gives_way_to_a_probe(autojump_clock: Any) -> None:
    """Somebody waits for another model of the same server, and the report has the only slot."""
    ollama, one = writing(models=(Model(name="one:1b"), Model(name="other:1b"))), reported(FACTS)
    async with at(ollama, model="one:1b") as place:
        ollama.token_s = 20.0
        place.writer.wish(place.wished(one))
        await trio.sleep(1)
        assert place.standby.slots.borrowed_tokens == 1
        ollama.token_s = 0.0
        with trio.fail_after(10):
            assert isinstance(await place.standby.ready("other:1b"), LocalModel)
        assert place.writer.is_missing(one)
